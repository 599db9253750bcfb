//! EventBridge Scheduler: what starts pipelines at their times.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Result;

/// A recurring schedule that invokes one target, at the time itself and not in a window after it.
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
    /// Whether it fires.
    pub enabled: bool,
    /// ARN of what is invoked.
    pub target: String,
    /// ARN of the role that may invoke it.
    pub role: String,
    /// What the target gets; Scheduler fills `<aws.scheduler.scheduled-time>`.
    pub input: String,
}

/// Schedules of the stack.
#[async_trait]
pub trait Schedules: Send + Sync {
    /// The schedule and when it was made, or none.
    async fn get(&self, group: &str, name: &str) -> Result<Option<(Schedule, Timestamp)>>;
    /// `CreateSchedule`, or `UpdateSchedule` where it is there and differs; one that is right is left alone, so that a
    /// rate keeps its beat. *Effect*, safe to repeat. An unknown group is kind `NotFound`.
    async fn put(&self, schedule: &Schedule) -> Result<()>;
    /// `DeleteSchedule`. *Effect*, no error when it is gone.
    async fn delete(&self, group: &str, name: &str) -> Result<()>;
}
