//! Reads a folder of advisories as users mirror it.
//!
//! Only what the given packages need is kept, and one record is in memory at a time, so the memory does not grow with
//! the folder. A file, or a record, that cannot be read is an [`Issue`], and everything else is read.

mod csaf;
mod debian;
mod files;
mod json;
mod osv;
mod updateinfo;
mod wanted;

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::advisory::Advisory;
use crate::ecosystem::Ecosystem;

pub use wanted::Wanted;

/// What was read.
#[derive(Debug, Clone, Default)]
pub struct Advisories {
    /// The advisories that name something wanted, in the order of the files.
    pub all: Vec<Advisory>,
    /// How many advisories the folder has for each ecosystem, wanted or not.
    pub coverage: Coverage,
    /// What could not be read.
    pub issues: Vec<Issue>,
    /// The date of the newest advisory in the folder, as the files write it: how old the mirror is at least.
    pub newest: Option<String>,
}

/// How many advisories were read for each ecosystem.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Coverage(BTreeMap<Ecosystem, u64>);

impl Coverage {
    /// How many advisories there are for an ecosystem.
    #[must_use]
    pub fn count(&self, ecosystem: &Ecosystem) -> u64 {
        self.0.get(ecosystem).copied().unwrap_or(0)
    }

    fn add(&mut self, ecosystem: Ecosystem) {
        *self.0.entry(ecosystem).or_default() += 1;
    }
}

/// Something that could not be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Issue {
    /// The file, by its path in the folder, and its member if it is a zip.
    pub file: String,
    /// The field, as a path from the record, or the place in the file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// Why, as a sentence.
    pub message: String,
    /// Whether advisories of the file may be lost that nobody has seen, and not only one record or field.
    #[serde(default)]
    pub whole_file: bool,
}

impl fmt::Display for Issue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{}: {field}: {}", self.file, self.message),
            None => write!(f, "{}: {}", self.file, self.message),
        }
    }
}

/// Reads the advisories of a folder, with all its subfolders, that name something wanted.
///
/// Files with the ending `.json`, `.xml`, `.json.gz`, `.xml.gz` and `.zip` are read, and recognized by their content.
/// Other files are ignored.
///
/// # Errors
///
/// The folder itself cannot be read.
pub fn folder(path: &Path, wanted: &Wanted) -> std::io::Result<Advisories> {
    let mut reader = Reader { wanted, found: Advisories::default() };
    files::walk(path, &mut reader)?;
    reader.found.issues.sort();
    Ok(reader.found)
}

/// Returns whether a file of this name is read. Any other file is ignored.
#[must_use]
pub fn is_read(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let unpacked = lower.strip_suffix(".gz").unwrap_or(&lower);
    unpacked.ends_with(".json") || unpacked.ends_with(".xml") || lower.ends_with(".zip")
}

/// The state of reading a folder.
struct Reader<'a> {
    wanted: &'a Wanted,
    found: Advisories,
}

impl Reader<'_> {
    /// Records that a record or one of its fields cannot be read.
    fn issue(&mut self, file: &str, field: Option<String>, message: impl Into<String>) {
        self.found.issues.push(Issue { file: file.to_owned(), field, message: message.into(), whole_file: false });
    }

    /// Records that a file, or the rest of it, cannot be read.
    fn broken(&mut self, file: &str, place: Option<String>, message: impl Into<String>) {
        let (file, message) = (file.to_owned(), message.into());
        self.found.issues.push(Issue { file, field: place, message, whole_file: true });
    }

    /// Records the date of an advisory. The formats write dates that are ordered as texts.
    fn date(&mut self, date: &str) {
        let is_date = date.len() <= 40 && date.starts_with(|c: char| c.is_ascii_digit()) && date.get(4..5) == Some("-");
        if is_date && self.found.newest.as_deref().is_none_or(|newest| date > newest) {
            self.found.newest = Some(date.to_owned());
        }
    }

    fn keep(&mut self, advisory: Advisory) {
        if !advisory.affects.is_empty() {
            self.found.all.push(advisory);
        }
    }
}
