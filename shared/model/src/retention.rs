//! How long a pipeline keeps its images.

use serde::{Deserialize, Serialize};

/// Which images of a pipeline are too many: those that are beyond the newest ones *and* old enough. An image to which
/// something refers always stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Retention {
    /// The number of the newest images that stay however old they are, from 1 to [`Retention::MAX_KEEP`].
    pub keep: u32,
    /// How many days old an image is before it is too old, from 1 to [`Retention::MAX_DAYS`]; `None` if the number
    /// alone counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub older_than_days: Option<u32>,
}

impl Retention {
    /// Greatest number of images to keep.
    pub const MAX_KEEP: u32 = 1_000;
    /// Greatest age in days, ten years.
    pub const MAX_DAYS: u32 = 3_650;
}
