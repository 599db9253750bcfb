//! How many images a pipeline keeps, and for how long.

use serde::{Deserialize, Serialize};

/// The rule that decides which images of a pipeline are deleted: those that are not among the newest ones *and* are old
/// enough. An image to which something refers always stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// Number of the newest images that stay regardless of their age, from 1 to [`Retention::MAX_KEEP`].
    pub keep: u32,
    /// Age in days from which an image is old enough, from 1 to [`Retention::MAX_DAYS`], or `None` if only the number
    /// counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than_days: Option<u32>,
}

impl Retention {
    /// Maximum number of images to keep.
    pub const MAX_KEEP: u32 = 1_000;
    /// Maximum age in days, which is ten years.
    pub const MAX_DAYS: u32 = 3_650;
}
