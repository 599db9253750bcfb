//! Errors of the table.

use std::error::Error;

/// Result of a call to the table.
pub type Result<T> = std::result::Result<T, StoreError>;

/// A failed call to the table.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A condition did not hold; nothing was written.
    #[error("the item was changed in the meantime")]
    Conflict {
        /// Indexes of the writes whose checks failed.
        failed: Vec<usize>,
    },
    /// The table throttled the call, or two transactions conflicted. The same call may succeed later.
    #[error("the table is busy: {code}")]
    Busy {
        /// AWS's code.
        code: String,
    },
    /// No answer arrived: the write may or may not have happened.
    #[error("the table did not answer {operation}")]
    Unanswered {
        /// API operation.
        operation: &'static str,
        /// The error of the SDK.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// AWS rejected the call for another reason, such as a missing table or a missing permission.
    #[error("{operation} failed: {code}: {message}")]
    Refused {
        /// API operation.
        operation: &'static str,
        /// AWS's code.
        code: String,
        /// AWS's message.
        message: String,
    },
    /// An item does not have the shape that this version writes.
    #[error("item {pk} / {sk} is not readable")]
    Malformed {
        /// Partition key of the item.
        pk: String,
        /// Sort key of the item.
        sk: String,
        /// Why the item could not be decoded.
        #[source]
        source: serde_json::Error,
    },
    /// An item has a shape that only newer versions of this program know.
    #[error(
        "a newer Goldsmith wrote the item {pk} / {sk}: it has version {version}, and this Goldsmith reads versions up to \
         {newest}"
    )]
    Newer {
        /// Partition key of the item.
        pk: String,
        /// Sort key of the item.
        sk: String,
        /// Version of the item's shape.
        version: u64,
        /// The newest version that this program reads.
        newest: u64,
    },
}

impl StoreError {
    /// Returns whether a condition did not hold.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Conflict { .. })
    }
    /// Returns whether the same call may succeed later.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        // A conflict is left out: the same call would fail again, and the caller must read the item first.
        matches!(self, Self::Busy { .. } | Self::Unanswered { .. })
    }
}
