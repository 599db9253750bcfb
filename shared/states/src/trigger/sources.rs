//! The check of sources: each different source is resolved once, and whoever's last build started from another AMI is
//! started. It costs as much as there are sources and changes, however many pipelines there are.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, stream};
use goldsmith_cloud::Parameter;
use goldsmith_model::{Cause, Name, SourceImage};
use goldsmith_store::{SourceCheck, Subscription, WatchedSource};
use jiff::SignedDuration;
use serde_json::json;

use crate::plan::newest_of;
use crate::start::{Start, start};
use crate::{Context, Error, Result};

/// Starts under way at once: StartExecution lets 300 a second through, and one takes some 30 ms.
const AT_ONCE: usize = 16;
/// When the check hands over to a next invocation: the function's time-out is 120 s.
const BUDGET: SignedDuration = SignedDuration::from_secs(90);
/// Pause after AWS asked to slow down.
const BREATH: std::time::Duration = std::time::Duration::from_secs(1);

/// Checks all sources. Answers how many builds it has started.
pub(super) async fn check(context: &Context, check: &SourceCheck) -> Result<u32> {
    let checked = look(context).await;
    // Where AWS lets nothing through, a next invocation would stand in the same place, and one after it, and each check would
    // add to them. What is kept the reaper starts, and the next check comes by itself.
    let goes_on = checked.as_ref().is_ok_and(|checked| checked.is_out_of_time && checked.started > 0);
    let is_good = checked.is_ok() && !goes_on;
    let ended = context.store.end_check(check, is_good, context.clock.now()).await;
    let checked = checked?;
    ended?;
    if goes_on {
        ask_for_another(context).await?;
    }
    Ok(checked.started)
}

/// What a check came to.
struct Checked {
    started: u32,
    is_out_of_time: bool,
}

async fn look(context: &Context) -> Result<Checked> {
    let until = context.clock.now() + BUDGET;
    let mut started = 0;
    for (watched, image) in resolve(context).await? {
        let stale = stale(context, &watched, &image).await?;
        let mut starts = stream::iter(stale)
            .map(|(pipeline, cause)| async move { start_patiently(context, &pipeline, &cause, until).await })
            .buffer_unordered(AT_ONCE);
        while let Some(outcome) = starts.next().await {
            started += u32::from(outcome? == Some(Start::Started));
        }
        if context.clock.now() >= until {
            return Ok(Checked { started, is_out_of_time: true });
        }
    }
    Ok(Checked { started, is_out_of_time: false })
}

/// Lets another invocation check; what is started or kept by then is not started again.
pub(super) async fn ask_for_another(context: &Context) -> Result<()> {
    let function = format!("{}-trigger", context.config.stack);
    Ok(context.cloud.functions.wake(&function, &json!({"check": "sources"}).to_string()).await?)
}

/// The AMI that each watched source stands for now; a source that stands for none is passed over.
async fn resolve(context: &Context) -> Result<Vec<(WatchedSource, String)>> {
    let region = &context.config.region;
    let watched = context.store.sources().await?;
    let names: Vec<String> = watched
        .iter()
        .filter_map(|watched| match &watched.source {
            SourceImage::Parameter(name) => Some(name.clone()),
            _ => None,
        })
        .collect();
    let parameters = parameters(context, &names).await?;
    let mut resolved = Vec::new();
    for watched in watched {
        let image = match &watched.source {
            SourceImage::Parameter(name) => parameters.get(name).map(|found| found.value.trim().to_owned()),
            SourceImage::Newest { owners, name } => match context.cloud.images.newest(region, owners, name).await {
                Ok(image) => image.map(|image| image.id),
                Err(error) if error.is_transient() => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(%error, source = %watched.source, "a watched source cannot be looked up");
                    None
                }
            },
            SourceImage::Pipeline(name) => newest_of(context, name).await?,
            // An id stands for itself, for ever.
            SourceImage::Ami(_) => None,
        };
        match image {
            Some(image) => resolved.push((watched, image)),
            None => tracing::warn!(source = %watched.source, "a watched source stands for no image"),
        }
    }
    Ok(resolved)
}

/// The parameters' values. One that we may not read must not hide the others, though SSM refuses them together.
async fn parameters(context: &Context, names: &[String]) -> Result<BTreeMap<String, Parameter>> {
    let region = &context.config.region;
    if names.is_empty() {
        return Ok(BTreeMap::new());
    }
    match context.cloud.parameters.get_all(region, names).await {
        Err(error) if !error.is_transient() => tracing::warn!(%error, "looking up each parameter by itself"),
        other => return Ok(other?),
    }
    let mut found = BTreeMap::new();
    for name in names {
        match context.cloud.parameters.get(region, name).await {
            Ok(parameter) => found.extend(parameter.map(|parameter| (name.clone(), parameter))),
            Err(error) if error.is_transient() => return Err(error.into()),
            Err(error) => tracing::warn!(%error, name, "a watched parameter cannot be read"),
        }
    }
    Ok(found)
}

/// The pipelines whose last build started from another AMI, each with its cause. One that was never built takes the
/// AMI of now as its beginning: its first build is somebody's decision.
async fn stale(context: &Context, watched: &WatchedSource, image: &str) -> Result<Vec<(Name, Cause)>> {
    let mut stale = Vec::new();
    for Subscription { pipeline, last_image, .. } in context.store.subscribers(&watched.hash).await? {
        match last_image {
            Some(last) if last == image => {}
            Some(_) => stale.push((pipeline.clone(), cause(context, watched, image).await?)),
            None => context.store.note_built(&watched.hash, &pipeline, image).await?,
        }
    }
    Ok(stale)
}

/// The same cause whether the check finds the new image or the other pipeline's `finish` tells of it.
async fn cause(context: &Context, watched: &WatchedSource, image: &str) -> Result<Cause> {
    if let SourceImage::Pipeline(name) = &watched.source
        && let Some(newest) = crate::plan::newest_image_of(context, name).await?
    {
        return Ok(Cause::Dependency { image: newest.image });
    }
    Ok(Cause::SourceUpdate { source: watched.source.to_string(), image_id: image.to_owned() })
}

/// Starts, and waits where AWS asks to slow down; none where the time is up.
async fn start_patiently(
    context: &Context,
    pipeline: &Name,
    cause: &Cause,
    until: jiff::Timestamp,
) -> Result<Option<Start>> {
    while context.clock.now() < until {
        match start(context, pipeline, cause).await {
            Err(error) if is_throttled(&error) => context.clock.sleep(BREATH).await,
            other => return other.map(Some),
        }
    }
    Ok(None)
}

fn is_throttled(error: &Error) -> bool {
    matches!(error, Error::Cloud(error) if error.kind == goldsmith_cloud::Kind::Throttled)
}
