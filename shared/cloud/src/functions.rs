//! The Lambda functions of the stack that `signal` invokes.

use async_trait::async_trait;

use crate::Result;

/// Lambda functions of the stack.
#[async_trait]
pub trait Functions: Send + Sync {
    /// Invokes a function asynchronously (`InvocationType=Event`). *Effect*. The function must be safe to invoke twice.
    async fn wake(&self, function: &str, payload: &str) -> Result<()>;
}
