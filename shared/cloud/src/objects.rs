//! The stack's private bucket.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use crate::Result;

/// An object of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedObject {
    /// Its key.
    pub key: String,
    /// Its size in bytes.
    pub bytes: u64,
}

/// A PUT request that needs no credentials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PresignedPut {
    /// Its URL.
    pub url: String,
    /// The headers that are signed with it, by their names. A request without one of them is rejected.
    pub headers: BTreeMap<String, String>,
}

/// Objects of the stack's bucket. The key of an agent or an order contains its digest, so a second write stores the same
/// bytes. An instance writes the contents of its image itself, and the build's record has their digest.
#[async_trait]
pub trait Objects: Send + Sync {
    /// Returns whether the object exists.
    async fn exists(&self, key: &str) -> Result<bool>;
    /// Writes the object. *Effect*, safe to repeat.
    async fn put(&self, key: &str, body: Vec<u8>) -> Result<()>;
    /// Returns the object if it has at most `largest` bytes, or `None` if it does not exist.
    async fn get(&self, key: &str, largest: u64) -> Result<Option<Vec<u8>>>;
    /// Returns the objects whose keys begin with `prefix`, in the order of the keys. Stops after the page on which there
    /// are more than `most`.
    async fn list(&self, prefix: &str, most: usize) -> Result<Vec<ListedObject>>;
    /// Returns a PUT URL that writes the object without credentials for this long, but no longer than the session of the
    /// caller's role.
    async fn presign_put(&self, key: &str, valid: Duration) -> Result<String>;
    /// Returns a PUT request that writes the object without credentials for this long, but no longer than the session of
    /// the caller's role, and only if its content has this SHA-256. S3 rejects any other content with `BadDigest`.
    async fn presign_put_of(&self, key: &str, sha256: &[u8; 32], valid: Duration) -> Result<PresignedPut>;
    /// Returns a GET URL that works without credentials for this long, but no longer than the session of the caller's
    /// role.
    async fn presign(&self, key: &str, valid: Duration) -> Result<String>;
}
