//! Decides once how a build ends, from the reason for its end. This is a pure function, except for the clock.

use goldsmith_store::{BuildRecord, Ending, FailureCause, ImageStatus, Keep, stamp};
use jiff::SignedDuration;

use crate::error::EXECUTION;
use crate::error_names::ErrorName;
use crate::states::Leaves;
use crate::{Context, Error, spec};

/// How long the AMIs of a failed distribution are kept, so that the distribution can be repeated.
const KEEP_IMAGES: SignedDuration = SignedDuration::from_hours(72);

/// What ended a build.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Trigger {
    /// The execution has passed Publish, or JudgeTests in a verification.
    Succeeded,
    /// A Catch has caught an error.
    Failed(Box<FailureCause>),
    /// The execution's status event: the execution was stopped, timed out, or failed without a Catch.
    Ended(String),
}

/// Decides how a build ends.
pub(super) fn ending(context: &Context, record: &BuildRecord, trigger: &Trigger) -> Ending {
    let at = Some(stamp(context.clock.now()));
    // Parameters and other pipelines may use the image from the moment at which Publish has written the record.
    if record.published {
        let is_later = record.plan.distributes.is_some();
        let status = if is_later { ImageStatus::Distributed } else { ImageStatus::Available };
        return Ending { status, keep: Keep::Published, failure: None, at };
    }
    let until = |time: SignedDuration| stamp(context.clock.now() + time);
    let (status, keep, failure) = match trigger {
        // The AMI that was verified is not the run's own, so nothing is kept of the run.
        Trigger::Succeeded if record.plan.verifies.is_some() => {
            return Ending { status: ImageStatus::Verified, keep: Keep::Nothing, failure: None, at };
        }
        Trigger::Succeeded => {
            let cause = Error::failed(ErrorName::Closed, "the execution ended without publishing");
            (ImageStatus::Failed, Keep::Nothing, cause.cause(None))
        }
        Trigger::Failed(cause) => {
            let keep_instance = record.plan.launch.keep_on_failure_seconds;
            // A failure of the execution itself names no state. Nothing says what is worth keeping then.
            let leaves = cause.state.parse().map_or(Leaves::Nothing, |state| spec(state).leaves);
            let keep = match leaves {
                // What a later distribution loses are copies only.
                Leaves::Images if record.plan.distributes.is_some() => Keep::Nothing,
                Leaves::Images => Keep::Images { until: until(KEEP_IMAGES) },
                Leaves::Instance if keep_instance > 0 => {
                    let seconds = i64::try_from(keep_instance).unwrap_or(i64::MAX);
                    Keep::Instance { until: until(SignedDuration::from_secs(seconds)) }
                }
                _ => Keep::Nothing,
            };
            (ImageStatus::Failed, keep, (**cause).clone())
        }
        Trigger::Ended(status) => {
            let (image, message) = match status.as_str() {
                "ABORTED" => (ImageStatus::Cancelled, "the execution was stopped"),
                "TIMED_OUT" => (ImageStatus::Failed, "the execution timed out"),
                _ => (ImageStatus::Failed, "the execution failed, and no Catch handled it"),
            };
            let cause = FailureCause {
                state: EXECUTION.to_owned(),
                error: format!("Execution.{status}"),
                message: message.to_owned(),
                ..FailureCause::default()
            };
            (image, Keep::Nothing, cause)
        }
    };
    Ending { status, keep, failure: Some(failure), at }
}
