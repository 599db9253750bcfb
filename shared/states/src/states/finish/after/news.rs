//! What is told of the end of a build, by the event and by the message of a topic.

use goldsmith_store::{BuildRecord, CauseStatus, FailureCause, Failures, ImageRecord, LeftBehind};
use serde_json::{Value, json};

use crate::error_names::ErrorName;
use crate::{Context, Result, own_events};

/// The end of a build.
pub(super) struct News {
    /// Detail type of the event.
    pub(super) detail_type: &'static str,
    /// The image or the run, and its pipeline.
    pub(super) resources: [String; 2],
    /// Why the build failed, without the output of its steps.
    pub(super) failure: Option<FailureCause>,
    /// When the cause of the build is tried again, if it is.
    pub(super) tried_again_at: Option<String>,
    /// Whether the cause is not tried again, because it was tried often enough.
    pub(super) given_up: bool,
    /// The failures after which the pipeline no longer starts by itself, if this one is the last of them.
    pub(super) stopped: Option<Failures>,
    /// How many resources could not be removed or restored so far.
    pub(super) left: usize,
    /// Detail of the event.
    pub(super) detail: Value,
}

/// Returns the news of a closed build. `left` is what could not be removed or restored so far.
///
/// # Errors
/// Fails if a call to the table fails.
pub(super) async fn news(
    context: &Context,
    record: &BuildRecord,
    image: &ImageRecord,
    left: &[LeftBehind],
) -> Result<News> {
    // Another automatic build of the pipeline cannot have ended since, because it would need the lease.
    let (kept, failures) = match image.failure {
        Some(_) => {
            (context.store.cause(&image.pipeline, &image.cause).await?, context.store.failures(&image.pipeline).await?)
        }
        None => (None, None),
    };
    let stopped = failures.filter(|failures| failures.build == image.build && failures.stopped_at.is_some());
    let pending = kept.as_ref().filter(|kept| kept.status == CauseStatus::Pending);
    let tried_again_at = pending.and_then(|kept| kept.not_before.clone());
    let given_up = kept.as_ref().is_some_and(|kept| kept.given_up);
    let failure = image.failure.as_ref().map(without_output);
    let interrupted = interruption(context, record).await?;
    let detail = json!({
        "triedAgainAt": tried_again_at,
        "givenUp": given_up,
        "pipelineDisabled": stopped.as_ref().map(|stopped| json!({"at": stopped.stopped_at, "failures": stopped.count})),
        "image": image.image.to_string(),
        "build": image.build,
        "pipeline": image.pipeline,
        "status": image.status,
        "cause": image.cause,
        "amis": image.amis,
        "copies": image.copies,
        "exports": image.exports,
        "overridden": image.overridden,
        "tested": image.is_verification.then_some(&image.source_image),
        "distributed": image.distributes.as_ref().map(ToString::to_string),
        "approval": record.plan.approval.as_ref().filter(|_| record.published),
        "channel": record.plan.channel.as_ref().filter(|_| record.published && !image.overridden),
        "interrupted": interrupted,
        "failure": failure,
        "leftBehind": left,
    });
    // A rule for images must not take a run for one that has made none.
    let detail_type = match image {
        _ if image.is_verification => own_events::VERIFICATION,
        _ if image.distributes.is_some() => own_events::DISTRIBUTION,
        _ => own_events::IMAGE,
    };
    let resources = [image.image.to_string(), image.pipeline.to_string()];
    Ok(News { detail_type, resources, failure, tried_again_at, given_up, stopped, left: left.len(), detail })
}

/// Returns why the build has started again on demand, or `None` if it has not.
async fn interruption(context: &Context, record: &BuildRecord) -> Result<Option<String>> {
    // An instance on demand is replaced only if it does not start again after its checkpoint.
    if !record.plan.launch.spot_build && record.plan.makes_checkpoint().is_none() {
        return Ok(None);
    }
    let states = context.store.states(&record.build).await?;
    let mut causes = states.into_iter().filter_map(|state| state.cause);
    Ok(causes.find(|cause| cause.error == ErrorName::Interrupted.as_str()).map(|cause| cause.message))
}

/// Returns a failure without the output of its steps and without the facts about its instance, since every account to
/// which the bus forwards the event, and every subscriber of the topic, would read them. Both are in the build's record.
fn without_output(failure: &FailureCause) -> FailureCause {
    FailureCause { last_lines: Vec::new(), evidence: Vec::new(), ..failure.clone() }
}
