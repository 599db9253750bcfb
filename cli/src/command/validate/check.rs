//! Finds mistakes in files. Each file is a component's document, or contains definitions.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use goldsmith_document::yaml::Span;
use goldsmith_document::{Diagnostic, Diagnostics, Document, Reader, Source, Target};
use goldsmith_model::definitions::{Draft, SourceFile};

use crate::command::apply::{NO_SECRET, Secrets};
use crate::folder;

/// The result of a check.
pub(super) struct Checked {
    /// Mistakes and warnings, in the order of the files.
    pub(super) found: Diagnostics,
    /// The documents without mistakes, except those that definitions name.
    pub(super) documents: Vec<Document>,
}

/// Checks files together, because definitions may refer to each other. References to other definitions count as valid.
/// What looks like a secret is a mistake in definitions and in what they name, as for `apply`. A document alone is not
/// stored, so there it is a warning.
///
/// # Errors
/// A file does not exist. If a file cannot be read, that is a finding, so that all other files are checked too.
pub(super) fn files(paths: &[PathBuf], target: &Target, secrets: Secrets) -> Result<Checked> {
    let (mut found, mut documents, mut definitions) = (Diagnostics::new(), Vec::new(), Vec::new());
    for path in paths {
        let file = path.display().to_string();
        match read(path)? {
            Err(mistake) => found.push(mistake),
            Ok(text) if has_definitions(&text) => definitions.push(SourceFile { path: file, text }),
            Ok(text) => match Document::parse_for(&file, &text, target) {
                Ok(document) => {
                    found.extend(document.warnings.clone());
                    documents.push(document);
                }
                Err(mistakes) => found.extend(mistakes),
            },
        }
    }
    let mut draft = Draft::read(&definitions, &folder::documents(&definitions));
    if !secrets.allow_plain_secrets {
        draft.refuse_secrets(NO_SECRET);
    }
    let of_definitions = draft.check_alone().map_or_else(|mistakes| mistakes, |definitions| definitions.warnings);
    let mut found = joined(found, &of_definitions);
    found.hide_secrets();
    Ok(Checked { found, documents })
}

/// Returns the findings of both. A document that a component names is in both if it lies next to the definitions: what
/// the definitions say of it counts.
fn joined(alone: Diagnostics, of_definitions: &Diagnostics) -> Diagnostics {
    let is_same = |a: &Diagnostic, b: &Diagnostic| {
        (&a.file, a.line, a.column, a.code, &a.message) == (&b.file, b.line, b.column, b.code, &b.message)
    };
    let mut found = Diagnostics::new();
    for one in alone {
        found.push(of_definitions.iter().find(|new| is_same(new, &one)).cloned().unwrap_or(one));
    }
    for new in of_definitions.iter() {
        if !found.iter().any(|old| is_same(old, new)) {
            found.push(new.clone());
        }
    }
    found
}

/// Returns the text of a file, or what keeps it from being used.
fn read(path: &Path) -> Result<Result<String, Diagnostic>> {
    fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?;
    let file = path.display().to_string();
    Ok(match fs::read(path) {
        Ok(bytes) => folder::utf8(&file, bytes).map_err(|found| *found),
        Err(error) => {
            let nowhere = Source { file: &file, text: "" };
            Err(nowhere.error(Span::START, "unreadable", format!("the file cannot be read: {error}")))
        }
    })
}

/// Returns whether at least one YAML document of the text is a definition. A text that is not YAML contains none.
fn has_definitions(text: &str) -> bool {
    Reader::new("", text).documents().iter().any(|node| node.get("kind").is_some())
}
