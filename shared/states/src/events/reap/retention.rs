//! The round of retention, which `reap` begins once a day for each pipeline whose definition asks for it.
//!
//! An image that is too many is first disabled: nobody can launch it, and `goldsmith enable` brings it back. It is
//! deleted some days later, if nothing refers to it then. What the rules are, and what refers to an image, is in
//! [`crate::life`].

use goldsmith_cloud::ImageState;
use goldsmith_model::{Name, Retention};
use goldsmith_store::{ImageLife, ImageRecord, RetentionRound, Surplus, stamp};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::noted;
use crate::life::{Deletion, Judge, References, delete};
use crate::{Context, Result, own_events};

/// Applies the retention of each pipeline that is due. Returns how many images it has disabled or deleted. It judges one
/// image in any case, and no further image after `until`: then the next call continues.
pub(super) async fn apply(context: &Context, until: Timestamp) -> Result<u32> {
    let (cloud, config) = (&context.cloud, &context.config);
    let (images, parameters, path) = (cloud.images.clone(), cloud.parameters.clone(), &config.image_parameter_path);
    let references = References::new(images, parameters, context.store.clone(), &config.region, Some(path));
    let mut changed = 0;
    for name in context.store.pipeline_names().await? {
        let round = round(context, &references, &name, until).await;
        changed += noted(round, name.as_str()).unwrap_or(0);
        if context.clock.now() >= until {
            break;
        }
    }
    Ok(changed)
}

/// Begins or continues the round of one pipeline, if it is due.
async fn round(context: &Context, references: &References, name: &Name, until: Timestamp) -> Result<u32> {
    let (store, now) = (&context.store, context.clock.now());
    let Some(pipeline) = store.pipeline(name).await? else { return Ok(0) };
    let Some(rule) = pipeline.retention.filter(|rule| rule.automatic) else { return Ok(0) };
    let last = store.retention_round(name).await?;
    // A running build keeps every image of its pipeline. The next sweep looks again.
    if last.as_ref().is_some_and(|last| !last.is_due(now)) || store.running_build(name).await?.is_some() {
        return Ok(0);
    }
    let (began_at, after) = match last {
        Some(RetentionRound { began_at, after: Some(after) }) => (began_at, Some(after)),
        _ => (stamp(now), None),
    };
    let images = store.images_of_pipeline(name).await?;
    // An earlier round may have ended before it could report what it had done.
    for image in &images {
        noted(tell(context, &rule, image).await, &image.image.to_string());
    }
    let judge =
        Judge { images: &*context.cloud.images, references, rule: &rule, unshare: &[], keeps_protected: true, now };
    // The oldest come first. An image that goes in the meantime changes nothing for those after it, which are newer.
    let age = |image: &ImageRecord| (image.created_at.clone(), image.image.clone());
    let done = images.iter().find(|image| Some(&image.image) == after.as_ref()).map(age);
    let turn =
        judge.beyond(&images).into_iter().rev().filter(|image| done.as_ref().is_none_or(|done| age(image) > *done));
    let mut changed = 0;
    for image in turn {
        let outcome = go_on(context, &judge, image).await;
        changed += u32::from(noted(outcome, &image.image.to_string()) == Some(true));
        if context.clock.now() >= until {
            tracing::warn!(%name, "the retention will continue the next time");
            let after = Some(image.image.clone());
            store.note_retention_round(name, &RetentionRound { began_at, after }).await?;
            return Ok(changed);
        }
    }
    store.note_retention_round(name, &RetentionRound { began_at, after: None }).await?;
    Ok(changed)
}

/// Takes the next step with an image that is beyond the retention, if nothing keeps it. Returns whether it was disabled
/// or deleted.
async fn go_on(context: &Context, judge: &Judge<'_>, image: &ImageRecord) -> Result<bool> {
    // The list was read some time ago. Since then, a person may have enabled the image, or revoked it.
    let Some(image) = &context.store.image(&image.image).await? else { return Ok(false) };
    let Some(surplus) = &image.surplus else { return begin(context, judge, image).await };
    let enabled = enabled(context, image).await?;
    if !enabled.is_empty() {
        // A call had failed, or somebody has enabled an AMI, and may have begun to use it.
        if stays(image, &judge.why_it_stays(image).await?) {
            // If no AMI is disabled, the record must not say that the image is.
            if enabled.len() == image.amis.len() && image.revoked.is_none() {
                context.store.set_life(&image.image, None).await?;
            }
            return Ok(false);
        }
        // The days begin now. This is recorded first: a process that ends in between must not shorten them.
        let again = Surplus { at: stamp(judge.now), ..surplus.clone() };
        if context.store.note_surplus(&image.image, &again).await? {
            disable(context, &enabled).await?;
        }
        return Ok(false);
    }
    if judge.now < deleted_after(judge.rule, surplus) || stays(image, &judge.why_its_amis_stay(image).await?) {
        return Ok(false);
    }
    match delete(&context.cloud, &context.store, judge.references, image, &[]).await? {
        Deletion::Done(deleted) => {
            deleted.left().for_each(|line| tracing::warn!(image = %image.image, line, "something of the image stays"));
            tell_now(context, judge.rule, image).await.map(|()| true)
        }
        Deletion::Refused(reference) => Ok(!stays(image, &[reference.by.to_string()])),
        Deletion::Protected(why) => Ok(!stays(image, &[why])),
    }
}

/// Disables an image that its retention has not disabled before, if nothing keeps it. Returns whether it was disabled.
async fn begin(context: &Context, judge: &Judge<'_>, image: &ImageRecord) -> Result<bool> {
    // Who disables an image without revoking it may want to enable it again. EC2 has removed the launch permissions, so
    // nothing shows anymore who used the image.
    if image.life.is_some() && image.revoked.is_none() {
        return Ok(false);
    }
    let surplus = Surplus { at: stamp(judge.now), why: reason(judge.rule) };
    // The record comes before the AMIs: no build may find an image that it cannot start from.
    if stays(image, &judge.why_it_stays(image).await?) || !context.store.disable_surplus(&image.image, &surplus).await?
    {
        return Ok(false);
    }
    // This look is the one that counts. From here on, no build and no channel can begin to use the image, but until the
    // record was written, one could.
    let late = judge.why_it_stays_now(image).await;
    if !matches!(&late, Ok(why) if why.is_empty()) && image.life.is_none() {
        context.store.set_life(&image.image, None).await?;
    }
    if stays(image, &late?) {
        return Ok(false);
    }
    disable(context, &enabled(context, image).await?).await?;
    tell_now(context, judge.rule, image).await.map(|()| true)
}

/// Logs why an image stays. Returns whether it does.
fn stays(image: &ImageRecord, why: &[String]) -> bool {
    if !why.is_empty() {
        tracing::info!(image = %image.image, why = why.join("; "), "the image is beyond its retention, and stays");
    }
    !why.is_empty()
}

/// Returns the AMIs of an image that are not disabled, with their Regions.
async fn enabled<'i>(context: &Context, image: &'i ImageRecord) -> Result<Vec<(&'i String, &'i String)>> {
    let mut enabled = Vec::new();
    for (region, ami) in &image.amis {
        let found = context.cloud.images.image(region, ami).await?;
        if found.is_some_and(|found| found.state == ImageState::Available) {
            enabled.push((region, ami));
        }
    }
    Ok(enabled)
}

/// Disables AMIs, also those after one that AWS rejects.
async fn disable(context: &Context, amis: &[(&String, &String)]) -> Result<()> {
    let mut ended = Ok(());
    for (region, ami) in amis {
        let disabled = context.cloud.switches.disable(region, ami).await;
        ended = ended.and(disabled);
    }
    Ok(ended?)
}

/// Returns why the rule takes an image, in words.
fn reason(rule: &Retention) -> String {
    let newer = match rule.keep {
        1 => "a newer image can be used".to_owned(),
        keep => format!("{keep} newer images can be used"),
    };
    let age = rule.older_than_days.map(|days| format!("it is at least {days} days old"));
    let launch = rule.not_launched_for_days.map(|days| format!("EC2 reports no launch of it in the last {days} days"));
    [Some(newer), age, launch].into_iter().flatten().collect::<Vec<_>>().join(", and ")
}

fn deleted_after(rule: &Retention, surplus: &Surplus) -> Timestamp {
    // An image whose time cannot be read is never deleted by itself.
    let at = surplus.at.parse::<Timestamp>().unwrap_or(Timestamp::MAX);
    at.saturating_add(SignedDuration::from_hours(24 * i64::from(rule.disabled_for_days))).unwrap_or(Timestamp::MAX)
}

/// Reports an image as its record is now.
async fn tell_now(context: &Context, rule: &Retention, image: &ImageRecord) -> Result<()> {
    match context.store.image(&image.image).await? {
        Some(image) => tell(context, rule, &image).await,
        None => Ok(()),
    }
}

/// Puts an event on the bus about an image that its retention has disabled or deleted, unless this was done before.
async fn tell(context: &Context, rule: &Retention, image: &ImageRecord) -> Result<()> {
    let (Some(surplus), Some(life)) = (&image.surplus, image.life) else { return Ok(()) };
    if image.told == Some(life) {
        return Ok(());
    }
    let (name, at, why) = (&image.image, &surplus.at, &surplus.why);
    let deleted_after = (life == ImageLife::Disabled).then(|| stamp(deleted_after(rule, surplus)));
    let message = match &deleted_after {
        Some(after) => format!(
            "the retention of {} has disabled the image {name}, because {why}: it is deleted after {after}, if nothing refers \
             to it then; `goldsmith enable {name}` brings it back",
            image.pipeline
        ),
        None => format!("the image {name} is deleted; its retention had disabled it at {at}, because {why}"),
    };
    tracing::warn!(image = %name, message);
    let detail = json!({
        "image": name.to_string(), "pipeline": image.pipeline, "life": life, "amis": image.amis, "disabledAt": at,
        "deletedAfter": deleted_after, "reason": why, "message": message,
    });
    let resources = [name.to_string(), image.pipeline.to_string()];
    // The report is sent before it is recorded: if the process dies in between, it is sent twice, but never lost.
    context.cloud.events.emit(own_events::RETENTION, &resources, &detail.to_string()).await?;
    Ok(context.store.note_life_told(name, life).await?)
}

#[cfg(test)]
mod tests;
