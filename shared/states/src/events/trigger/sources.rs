//! The check of sources. Each distinct source is resolved once. The check then starts every pipeline whose last build
//! started from another AMI. The cost depends on the number of sources and changes, not on the number of pipelines: the
//! table passes over those that are up to date.
//!
//! If one invocation has no time for all sources, the next one continues where it stopped. If several invocations have
//! no time for all sources, the next regular check continues there. So every check ends, and each source is checked in
//! turn.

use std::collections::BTreeMap;

use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use goldsmith_cloud::Parameter;
use goldsmith_model::definitions::Stored;
use goldsmith_model::{Cause, SourceImage};
use goldsmith_store::{Round, SourceCheck, Subscription, WatchedSource};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::{Call, Checked, call, joins};
use crate::events::start::{Start, start};
use crate::parts::newest::{newest_image_of, newest_of};
use crate::{Context, Error, Result};

/// How many starts are in progress at the same time. StartExecution allows 300 calls per second, and one call takes
/// some 30 ms.
const AT_ONCE: usize = 16;
/// How many pipelines are given their first image at the same time. Each takes some 15 ms, and writes 4 of the 1,000
/// units that DynamoDB grants a partition in a second.
const NOTED_AT_ONCE: usize = 3;
/// Time after which the check hands over to the next invocation. The function's time-out is 120 s.
const BUDGET: SignedDuration = SignedDuration::from_secs(90);
/// Pause after AWS has throttled a call.
const BREATH: std::time::Duration = std::time::Duration::from_secs(1);
/// How many parameters one call of Systems Manager reads.
const PARAMETERS_AT_ONCE: usize = 10;
/// Largest number of invocations of one check. They take a quarter of an hour, and by then the next regular check is
/// due.
const INVOCATIONS: u32 = 10;

/// The place from which the next invocation continues a check.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Place {
    /// Hash of the source after which the check began. `None` means that the check began with the first source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    begin: Option<String>,
    /// Hash of the last source that was checked. `None` means that no source was checked yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    done: Option<String>,
    /// Number of invocations before this one.
    #[serde(default)]
    invocations: u32,
    /// Whether an earlier invocation failed at something that may succeed later. This source is checked again after
    /// this check.
    #[serde(default)]
    failed: bool,
    /// The check that this invocation continues.
    #[serde(default)]
    check: SourceCheck,
}

impl Place {
    /// Returns the last source that was checked, in this check or in the one before.
    fn at(&self) -> Option<&str> {
        self.done.as_deref().or(self.begin.as_deref())
    }
}

/// Runs a check from the place where the last one had to stop.
pub(super) async fn check(context: &Context, check: SourceCheck) -> Result<u32> {
    match context.store.cursor(Round::Check).await {
        Ok(begin) => look(context, Place { begin, check, ..Place::default() }).await,
        // The check has begun, so it must end. Otherwise no event would begin another one before this one lapses.
        Err(error) => {
            context.store.end_check(&check, false, context.clock.now()).await?;
            Err(error.into())
        }
    }
}

/// Continues a check in another invocation.
pub(super) async fn go_on(context: &Context, place: Place) -> Result<u32> {
    context.store.go_on_with_check(context.clock.now()).await?;
    look(context, place).await
}

/// Checks sources until the time is over, and leaves the rest to another invocation. The check ends only when
/// that invocation ends it.
async fn look(context: &Context, mut place: Place) -> Result<u32> {
    let mut looked = look_at_sources(context, &mut place).await;
    if looked.as_ref().is_ok_and(|looked| looked.goes_on) {
        match hand_over(context, &place).await {
            Ok(()) => return looked.map(|looked| looked.started),
            Err(error) => looked = Err(error),
        }
    }
    let is_good = looked.as_ref().is_ok_and(|looked| looked.is_whole && !place.failed);
    let ended = context.store.end_check(&place.check, is_good, context.clock.now()).await;
    let started = looked?.started;
    ended?;
    Ok(started)
}

/// Hands the rest over to the next invocation. Builds that are already started, and causes that are already kept, are
/// not started again.
async fn hand_over(context: &Context, place: &Place) -> Result<()> {
    call(context, &Call::GoOn(place.clone())).await
}

/// Has another invocation check the sources. Builds that are already started, and causes that are already kept, are not
/// started again.
pub(super) async fn ask_for_another(context: &Context) -> Result<()> {
    call(context, &Call::Check(Checked::Sources)).await
}

/// The result of an invocation.
struct Looked {
    started: u32,
    /// Whether no source is left to check.
    is_whole: bool,
    /// Whether another invocation checks the rest.
    goes_on: bool,
}

async fn look_at_sources(context: &Context, place: &mut Place) -> Result<Looked> {
    let until = context.clock.now() + BUDGET;
    let at = place.at().map(str::to_owned);
    let watched = in_turn(context.store.sources().await?, place);
    let mut checking = Checking { context, until, started: 0, failed: None, pipelines: None };
    let (mut is_whole, mut progress) = (true, false);
    'all: for some in watched.chunks(PARAMETERS_AT_ONCE) {
        let parameters = checking.parameters(some).await;
        for one in some {
            if context.clock.now() >= until || !checking.check_one(one, &parameters).await {
                is_whole = false;
                break 'all;
            }
            place.done = Some(one.hash.clone());
            progress = true;
        }
    }
    let Checking { started, failed, .. } = checking;
    // The cursor moves before the rest is handed over. If the next invocation never comes, the next regular check
    // continues here.
    context.store.move_cursor(Round::Check, at.as_deref(), place.at().filter(|_| !is_whole)).await?;
    if is_whole {
        // With an error, Lambda calls again, and the reason may have passed by then.
        return failed.map_or(Ok(Looked { started, is_whole, goes_on: false }), Err);
    }
    place.invocations += 1;
    place.failed |= failed.is_some();
    // If AWS lets nothing through, the next invocation would stop at the same place, and so would the one after it, and
    // each check would add to them. The reaper starts what is kept, and the next regular check comes anyway.
    let goes_on = (progress || started > 0) && place.invocations < INVOCATIONS;
    Ok(Looked { started, is_whole, goes_on })
}

/// Returns the sources that are not checked yet: first those after the place where the check began, then those before
/// it.
fn in_turn(mut watched: Vec<WatchedSource>, place: &Place) -> Vec<WatchedSource> {
    // `false` sorts before `true`: the sources after `begin` come first, and the round ends with `begin` itself.
    let turn = |hash: &String| (place.begin.as_ref().is_some_and(|begin| hash <= begin), hash.clone());
    let done = place.done.as_ref().map(turn);
    watched.retain(|one| done.as_ref().is_none_or(|done| turn(&one.hash) > *done));
    watched.sort_by_key(|one| turn(&one.hash));
    watched
}

/// One invocation of a check.
struct Checking<'a> {
    context: &'a Context,
    until: Timestamp,
    started: u32,
    /// The first failure.
    failed: Option<Error>,
    /// All pipelines, once a join has requested them.
    pipelines: Option<Stored>,
}

impl Checking<'_> {
    /// Checks one source. Returns false if there was no time for all the builds that the source must start.
    async fn check_one(&mut self, watched: &WatchedSource, parameters: &BTreeMap<String, Parameter>) -> bool {
        let context = self.context;
        let image = match resolve(context, &watched.source, parameters).await {
            Ok(Some(image)) => image,
            Ok(None) => {
                tracing::warn!(source = %watched.source, "a watched source resolves to no image");
                return true;
            }
            Err(error) => {
                self.pass_over(error, &watched.source.to_string());
                return true;
            }
        };
        let (stale, cause) = match stale(context, watched, &image).await {
            Ok(Some(stale)) => stale,
            Ok(None) => return true,
            Err(error) => {
                // Unlike a source that cannot be looked up, a table that fails is always a reason to run the check
                // again.
                self.fail(error, &watched.source.to_string());
                return true;
            }
        };
        match self.is_unfinished(&watched.source, &image).await {
            Ok(true) => return true, // a later check finds the source again
            Ok(false) => {}
            Err(error) => {
                self.fail(error, &watched.source.to_string());
                return true;
            }
        }
        let until = self.until;
        let start = |stale: Subscription| {
            let cause = &cause;
            async move { (start_patiently(context, &watched.hash, &stale, cause, until).await, stale.pipeline) }
        };
        let mut starts = stream::iter(stale).map(start).buffer_unordered(AT_ONCE);
        let mut is_whole = true;
        while let Some((outcome, pipeline)) = starts.next().await {
            match outcome {
                Ok(outcome) => {
                    is_whole &= outcome.is_some();
                    self.started += u32::from(outcome == Some(true));
                }
                Err(error) => self.fail(error, pipeline.as_str()),
            }
        }
        is_whole
    }

    /// Returns whether the source must wait for another image that the same cause makes ([`joins`]).
    async fn is_unfinished(&mut self, source: &SourceImage, image: &str) -> Result<bool> {
        if !joins::may_join(source) {
            return Ok(false);
        }
        let pipelines = match self.pipelines.take() {
            Some(known) => known,
            None => self.context.store.stored_pipelines().await?,
        };
        let is_unfinished = joins::is_unfinished(self.context, &pipelines, source, image).await;
        self.pipelines = Some(pipelines);
        is_unfinished
    }

    /// Returns the values of those sources that are parameters. SSM rejects the whole call if the role may not read one
    /// of the parameters. Such a parameter must not hide the others.
    async fn parameters(&mut self, watched: &[WatchedSource]) -> BTreeMap<String, Parameter> {
        let (region, parameters) = (&self.context.config.region, &self.context.cloud.parameters);
        let names: Vec<String> = watched
            .iter()
            .filter_map(|watched| match &watched.source {
                SourceImage::Parameter(name) => Some(name.clone()),
                _ => None,
            })
            .collect();
        if names.is_empty() {
            return BTreeMap::new();
        }
        match parameters.get_all(region, &names).await {
            Ok(found) => return found,
            Err(error) => tracing::warn!(%error, "looking up each parameter separately"),
        }
        let mut found = BTreeMap::new();
        for name in names {
            match parameters.get(region, &name).await {
                Ok(parameter) => found.extend(parameter.map(|parameter| (name, parameter))),
                Err(error) => self.pass_over(error.into(), &name),
            }
        }
        found
    }

    /// Skips a source that could not be looked up. If a later call may succeed, the check runs again.
    fn pass_over(&mut self, error: Error, what: &str) {
        match error.is_transient() {
            true => self.fail(error, what),
            false => tracing::warn!(%error, what, "a watched source cannot be looked up"),
        }
    }

    /// Records a failure. The other sources and pipelines do not wait for it.
    fn fail(&mut self, error: Error, what: &str) {
        tracing::warn!(%error, what, "left to the next check");
        self.failed.get_or_insert(error);
    }
}

/// Returns the AMI to which a source resolves now, or `None` if there is none.
async fn resolve(
    context: &Context,
    source: &SourceImage,
    parameters: &BTreeMap<String, Parameter>,
) -> Result<Option<String>> {
    Ok(match source {
        SourceImage::Parameter(name) => parameters.get(name).map(|found| found.value.trim().to_owned()),
        SourceImage::Newest { owners, name } => {
            context.cloud.images.newest(&context.config.region, owners, name).await?.map(|image| image.id)
        }
        SourceImage::Pipeline(name) => newest_of(context, name).await?,
        // An id always stands for itself.
        SourceImage::Ami(_) => None,
    })
}

/// Returns the pipelines whose last build started from another AMI, and the cause to build them, or `None` if there are
/// no such pipelines. If a pipeline was never built, the current AMI becomes its baseline, since its first build is a
/// person's decision.
async fn stale(context: &Context, watched: &WatchedSource, image: &str) -> Result<Option<(Vec<Subscription>, Cause)>> {
    let behind = context.store.subscribers_behind(&watched.hash, image).await?;
    let (stale, new): (Vec<_>, Vec<_>) = behind.into_iter().partition(|one| one.last_image.is_some());
    let note = |new: Subscription| async move { context.store.note_built(&watched.hash, &new.pipeline, image).await };
    stream::iter(new).map(Ok).try_for_each_concurrent(NOTED_AT_ONCE, note).await?;
    match stale.is_empty() {
        true => Ok(None),
        false => Ok(Some((stale, cause(context, watched, image).await?))),
    }
}

/// Returns the same cause whether the check finds the new image or the other pipeline's `finish` reports it.
async fn cause(context: &Context, watched: &WatchedSource, image: &str) -> Result<Cause> {
    if let SourceImage::Pipeline(name) = &watched.source
        && let Some(newest) = newest_image_of(context, name).await?
    {
        return Ok(Cause::Dependency { image: newest.image });
    }
    Ok(Cause::SourceUpdate { source: watched.source.to_string(), image_id: image.to_owned() })
}

/// Starts a build, and waits if AWS throttles the call. Returns whether an execution was started, or `None` if the time
/// is over.
async fn start_patiently(
    context: &Context,
    hash: &str,
    stale: &Subscription,
    cause: &Cause,
    until: jiff::Timestamp,
) -> Result<Option<bool>> {
    while context.clock.now() < until {
        if !context.store.still_watches(hash, stale).await? {
            return Ok(Some(false));
        }
        match start(context, &stale.pipeline, cause).await {
            // Throttling meets all starts alike. Every other error is about this pipeline, and the others must not wait
            // for it.
            Err(error) if is_throttled(&error) => context.clock.sleep(BREATH).await,
            other => return other.map(|start| Some(start == Start::Started)),
        }
    }
    Ok(None)
}

fn is_throttled(error: &Error) -> bool {
    matches!(error, Error::Cloud(error) if error.kind == goldsmith_cloud::Kind::Throttled)
}
