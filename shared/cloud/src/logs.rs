//! CloudWatch Logs, read while a build runs.

use async_trait::async_trait;

use crate::Result;

/// A page of a log stream.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct LogPage {
    /// Messages in order.
    pub lines: Vec<String>,
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
