//! The stack's Lambda functions, as `signal` wakes them.

use async_trait::async_trait;

use crate::Result;

/// Lambda functions of the stack.
#[async_trait]
pub trait Functions: Send + Sync {
    /// Invokes a function asynchronously (`InvocationType=Event`). *Effect*; the invoked function must stand being called twice.
    async fn wake(&self, function: &str, payload: &str) -> Result<()>;
}
