//! What EventBridge Scheduler hands to the stack.

use serde::{Deserialize, Serialize};

use crate::Name;

/// The placeholder that EventBridge Scheduler replaces with the time for which it fires. The time is the same however
/// often the event is delivered.
pub const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// The input of a pipeline's schedule, with which the function `trigger` is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleInput {
    /// The schedule that fires.
    pub schedule: Scheduled,
}

/// Which pipeline's schedule fires, and for which time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scheduled {
    /// The pipeline.
    pub pipeline: Name,
    /// RFC 3339; [`SCHEDULED_TIME`] where the schedule is stored.
    pub scheduled_time: String,
}
