//! The default event bus, for Goldsmith's own events.

use async_trait::async_trait;

use crate::Result;

/// The event bus.
#[async_trait]
pub trait Events: Send + Sync {
    /// Puts one event with the source `goldsmith` on the bus (`PutEvents`). *Effect*. Consumers receive the event at
    /// least once.
    async fn emit(&self, detail_type: &str, resources: &[String], detail: &str) -> Result<()>;
}
