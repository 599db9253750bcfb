//! What could not be taken over, and what was taken over differently.

use serde::Serialize;

use crate::item::Place;

/// What became of a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
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
pub(crate) struct Findings(Vec<Finding>);

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
        if !self.0.contains(&finding) {
            self.0.push(finding);
        }
    }

    /// Returns how many findings there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Forgets what was to be filled in since there were so many findings: there is nothing to write it into.
    pub(crate) fn forget_to_fill_in(&mut self, since: usize) {
        let later = self.0.split_off(since.min(self.0.len()));
        self.0.extend(later.into_iter().filter(|finding| finding.outcome != Outcome::ToFillIn));
    }

    /// Returns the findings in the order of files and lines.
    pub(crate) fn sorted(mut self) -> Vec<Finding> {
        self.0.sort_by(|a, b| (&a.file, a.line, &a.resource, &a.field).cmp(&(&b.file, b.line, &b.resource, &b.field)));
        self.0
    }
}
