//! The input that EventBridge Scheduler passes to the stack.

use serde::{Deserialize, Serialize};

use crate::Name;

/// The placeholder that EventBridge Scheduler replaces with the time for which it fires. The time is the same in each
/// repeated delivery of the event.
pub const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// The input of a pipeline's schedule, with which the function `trigger` is called.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ScheduleInput {
    /// The schedule that fires.
    pub schedule: Scheduled,
}

/// The pipeline whose schedule fires, and the scheduled time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Scheduled {
    /// The pipeline.
    pub pipeline: Name,
    /// The time in the format of RFC 3339, or [`SCHEDULED_TIME`] in the stored schedule.
    pub scheduled_time: String,
}
