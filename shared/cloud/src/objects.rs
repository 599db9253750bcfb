//! The stack's private bucket.

use std::time::Duration;

use async_trait::async_trait;

use crate::Result;

/// Objects of the stack's bucket. An object's key contains its digest, so a second write stores the same bytes.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Returns whether the object exists.
    async fn exists(&self, key: &str) -> Result<bool>;
    /// Writes the object. *Effect*, safe to repeat.
    async fn put(&self, key: &str, body: Vec<u8>) -> Result<()>;
    /// Returns a GET URL that works without credentials for this long, but no longer than the session of the caller's
    /// role.
    async fn presign(&self, key: &str, valid: Duration) -> Result<String>;
}
