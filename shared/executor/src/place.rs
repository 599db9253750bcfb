//! Where an attempt runs, and until when.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Instant;

use crate::KeptDownload;
use crate::aws::Aws;

/// The place and the time limit of an attempt.
#[derive(Clone, Copy)]
pub(crate) struct Place<'p> {
    pub(crate) working_directory: &'p Path,
    /// A private folder, empty at first, which exists while the attempt runs.
    pub(crate) scratch: &'p Path,
    pub(crate) deadline: Option<Instant>,
    /// The mark by which a start of the agent, also a later one, recognizes the step's processes.
    pub(crate) mark: &'p str,
    pub(crate) aws: &'p Aws,
    /// The downloads that the stack's bucket keeps, by their SHA-256.
    pub(crate) downloads: &'p BTreeMap<String, KeptDownload>,
}

impl Place<'_> {
    /// Returns whether the time of the attempt has expired.
    pub(crate) fn is_over(&self) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= Instant::now())
    }
}
