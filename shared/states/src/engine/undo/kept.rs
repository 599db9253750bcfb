//! What of a build is not undone.

use std::collections::BTreeSet;

use goldsmith_cloud::Tags;
use jiff::Timestamp;

use crate::TAG_EXPIRES;

/// What stays of a build.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Kept {
    /// AMI ids.
    pub(crate) images: BTreeSet<String>,
    /// Instance ids.
    pub(crate) instances: BTreeSet<String>,
    /// Id of the AMI of the pipeline's checkpoint, if this build has made it. It is neither published nor marked.
    pub(crate) checkpoint: Option<String>,
    /// Whether these resources stay only until the time in their tag.
    pub(crate) for_a_while: bool,
    /// Whether published parameters and launch templates stay.
    pub(crate) parameters: bool,
}

impl Kept {
    /// Returns whether this is the AMI of the pipeline's checkpoint.
    pub(crate) fn is_checkpoint(&self, id: &str) -> bool {
        self.checkpoint.as_deref() == Some(id)
    }

    /// Returns whether something that was kept has expired. The tag decides, not the record, since a person may have
    /// changed the time in the tag. A published image never expires, no matter what its tags say: a person who may only
    /// write tags must not be able to have it removed.
    pub(crate) fn has_expired(&self, tags: &Tags, now: Timestamp) -> bool {
        let until = tags.get(TAG_EXPIRES).and_then(|until| until.parse::<Timestamp>().ok());
        self.for_a_while && until.is_some_and(|until| until <= now)
    }
}
