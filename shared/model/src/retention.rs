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
    /// For how many days no instance was launched from any of its AMIs, from 2 to [`Retention::MAX_DAYS`]; `None` if
    /// launches do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_launched_for_days: Option<u32>,
    /// Whether the stack applies it once a day. Definitions that were stored before stacks did this have no such value, so
    /// their images stay until the pipeline is applied again.
    #[serde(default)]
    pub automatic: bool,
    /// How many days an image is disabled before the stack deletes it, from 1 to [`Retention::MAX_DAYS`].
    #[serde(default = "disabled_for_days")]
    pub disabled_for_days: u32,
}

fn disabled_for_days() -> u32 {
    Retention::DISABLED_FOR_DAYS
}

impl Retention {
    /// Maximum number of images to keep.
    pub const MAX_KEEP: u32 = 1_000;
    /// Maximum age in days, which is ten years.
    pub const MAX_DAYS: u32 = 3_650;
    /// Days for which an image is disabled before it is deleted, unless the definition says otherwise.
    pub const DISABLED_FOR_DAYS: u32 = 7;

    /// Returns the rule that keeps this number of images, which only a person applies.
    #[must_use]
    pub fn keep(keep: u32) -> Self {
        Self {
            keep,
            older_than_days: None,
            not_launched_for_days: None,
            automatic: false,
            disabled_for_days: Self::DISABLED_FOR_DAYS,
        }
    }
}
