//! CloudWatch Logs, read while a build runs.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Result;

/// A message of a log stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Its text, which may have several lines.
    pub text: String,
    /// When CloudWatch Logs received it; if that is not known, the time that its writer set.
    pub time: Option<Timestamp>,
}

/// A page of a log stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPage {
    /// Messages in order.
    pub lines: Vec<LogLine>,
    /// Where the next page begins. If it equals the cursor of the call, the stream has no more lines for now.
    pub cursor: Option<String>,
}

/// Log streams.
#[async_trait]
pub trait Logs: Send + Sync {
    /// Returns the page after `cursor`, or from the stream's start if there is no cursor; empty if the stream does not
    /// exist yet.
    async fn page(&self, region: &str, group: &str, stream: &str, cursor: Option<&str>) -> Result<LogPage>;
    /// Returns the last lines of a stream, at most `limit`; empty if it does not exist.
    async fn tail(&self, region: &str, group: &str, stream: &str, limit: u16) -> Result<Vec<String>>;
}
