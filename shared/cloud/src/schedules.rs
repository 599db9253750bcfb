//! EventBridge Scheduler, which starts pipelines at their times.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Result;

/// A recurring schedule that invokes one target at the exact time, without a flexible window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// The schedule group, which must exist.
    pub group: String,
    /// Name within the group: 1 to 64 letters, digits, `-`, `_` and `.`.
    pub name: String,
    /// `cron(…)` or `rate(…)`.
    pub expression: String,
    /// IANA time zone of the expression.
    pub timezone: String,
    /// Whether the schedule fires.
    pub enabled: bool,
    /// ARN of the target.
    pub target: String,
    /// ARN of the role that may invoke the target.
    pub role: String,
    /// What the target receives. Scheduler replaces `<aws.scheduler.scheduled-time>` in this text.
    pub input: String,
}

/// Schedules of the stack.
#[async_trait]
pub trait Schedules: Send + Sync {
    /// Returns the schedule and when it was created, or `None`.
    async fn get(&self, group: &str, name: &str) -> Result<Option<(Schedule, Timestamp)>>;
    /// Calls `CreateSchedule`, or `UpdateSchedule` if the schedule exists and differs. An unchanged schedule is not
    /// written, so that a rate keeps its rhythm. *Effect*, safe to repeat. If the group does not exist, the error has
    /// kind `NotFound`.
    async fn put(&self, schedule: &Schedule) -> Result<()>;
    /// `DeleteSchedule`. *Effect*. It is no error if the schedule does not exist.
    async fn delete(&self, group: &str, name: &str) -> Result<()>;
}
