//! The default event bus, for Goldsmith's own events.

use async_trait::async_trait;

use crate::Result;

/// The event bus.
#[async_trait]
pub trait Events: Send + Sync {
    /// `PutEvents` of one event with source `goldsmith`. *Effect*; consumers receive it at least once.
    async fn emit(&self, detail_type: &str, resources: &[String], detail: &str) -> Result<()>;
}
