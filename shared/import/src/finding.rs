//! What could not be taken over, and what was taken over differently.

use std::collections::HashSet;

use serde::Serialize;

use crate::item::Place;

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// The folder validates, but you must write a value before it builds what you want.
    ToFillIn,
    /// It has no counterpart, and nothing in the folder stands for it.
    LeftOut,
    /// It is in the folder in another form or with another meaning.
    Changed,
}

/// A part of the source that is not in the folder as it was.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
pub struct Finding {
    /// What became of it.
    pub outcome: Outcome,
    /// The file, as the user named it.
    pub file: String,
    /// The line from 1, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<usize>,
    /// The resource or block, such as `aws_imagebuilder_image_recipe.web`; `file` for a whole file.
    pub resource: String,
    /// The field in the words of the source; empty for the whole resource.
    pub field: String,
    /// Why it was not taken over as it was.
    pub why: String,
    /// What to do instead.
    pub instead: String,
}

/// The findings so far.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    all: Vec<Finding>,
    /// The same ones, to find one of them.
    known: HashSet<Finding>,
}

impl Findings {
    /// Records a finding, unless the same one is there.
    pub(crate) fn push(
        &mut self,
        outcome: Outcome,
        place: &Place,
        (resource, field): (&str, &str),
        why: impl Into<String>,
        instead: impl Into<String>,
    ) {
        let finding = Finding {
            outcome,
            file: place.file.to_string(),
            line: place.line,
            resource: if resource.is_empty() { "file" } else { resource }.to_owned(),
            field: field.to_owned(),
            why: why.into(),
            instead: instead.into(),
        };
        if self.known.insert(finding.clone()) {
            self.all.push(finding);
        }
    }

    /// Returns how many findings there are.
    pub(crate) fn len(&self) -> usize {
        self.all.len()
    }

    /// Forgets what was to be filled in since there were so many findings: there is nothing to write it into.
    pub(crate) fn forget_to_fill_in(&mut self, since: usize) {
        for finding in self.all.split_off(since.min(self.all.len())) {
            if finding.outcome == Outcome::ToFillIn {
                self.known.remove(&finding);
            } else {
                self.all.push(finding);
            }
        }
    }

    /// Returns the findings in the order of files and lines.
    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        self.all
            .sort_by(|a, b| (&a.file, a.line, &a.resource, &a.field).cmp(&(&b.file, b.line, &b.resource, &b.field)));
        self.all
    }
}
