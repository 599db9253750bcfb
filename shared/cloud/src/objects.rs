//! The stack's private bucket.

use std::time::Duration;

use async_trait::async_trait;

use crate::Result;

/// Objects of the stack's bucket, addressed by digest, so that writing one twice writes the same bytes.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Whether the object is there.
    async fn exists(&self, key: &str) -> Result<bool>;
    /// Writes the object. *Effect*, safe to repeat.
    async fn put(&self, key: &str, body: Vec<u8>) -> Result<()>;
    /// A GET URL that works without credentials for this long (and no longer than our own role session).
    async fn presign(&self, key: &str, valid: Duration) -> Result<String>;
}
