//! CloudWatch Logs, which are read while a build runs.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Result;

/// A message of a log stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// Text of the message, which may have several lines.
    pub text: String,
    /// When CloudWatch Logs received the message, or the time that its writer set if that is not known.
    pub time: Option<Timestamp>,
}

/// A page of a log stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPage {
    /// The messages, in order.
    pub lines: Vec<LogLine>,
    /// The place at which the next page begins. If it equals the cursor of the call, the stream has no more lines for
    /// now.
    pub cursor: Option<String>,
}

/// Log streams.
#[async_trait]
pub trait Logs: Send + Sync {
    /// Returns the page after `cursor`, or the first page if there is no cursor. The page is empty if the stream does
    /// not exist yet.
    async fn page(&self, region: &str, group: &str, stream: &str, cursor: Option<&str>) -> Result<LogPage>;
    /// Returns the last lines of a stream, at most `limit`. The result is empty if the stream does not exist.
    async fn tail(&self, region: &str, group: &str, stream: &str, limit: u16) -> Result<Vec<String>>;
}
