//! CloudWatch Logs, read while a build runs.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::Result;

/// A message of a log stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// What it says; it may be several lines.
    pub text: String,
    /// When CloudWatch Logs got it, or where it does not say, the time that its writer gave.
    pub time: Option<Timestamp>,
}

/// A page of a log stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPage {
    /// Messages in order.
    pub lines: Vec<LogLine>,
    /// Where the next page begins; the same cursor again means the end for now.
    pub cursor: Option<String>,
}

/// Log streams.
#[async_trait]
pub trait Logs: Send + Sync {
    /// The page after `cursor`, from the stream's start where there is none; empty where the stream does not exist yet.
    async fn page(&self, region: &str, group: &str, stream: &str, cursor: Option<&str>) -> Result<LogPage>;
    /// The last lines of a stream, at most `limit`; empty where it does not exist.
    async fn tail(&self, region: &str, group: &str, stream: &str, limit: u16) -> Result<Vec<String>>;
}
