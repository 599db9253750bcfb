//! Finds mistakes in files. Each file is a component's document, or contains definitions.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use goldsmith_document::yaml::Span;
use goldsmith_document::{Diagnostics, Document, Reader, Source, Target};
use goldsmith_model::definitions::{Draft, SourceFile};

use crate::folder;

/// The result of a check.
pub(super) struct Checked {
    /// Mistakes and warnings, in the order of the files.
    pub(super) found: Diagnostics,
    /// The documents without mistakes, except those that definitions name.
    pub(super) documents: Vec<Document>,
}

/// Checks files together, because definitions may refer to each other. References to other definitions count as valid.
///
/// # Errors
/// A file does not exist. If a file cannot be read, that is a finding, so that all other files are checked too.
pub(super) fn files(paths: &[PathBuf], target: &Target) -> Result<Checked> {
    let (mut found, mut documents, mut definitions) = (Diagnostics::new(), Vec::new(), Vec::new());
    for path in paths {
        let file = path.display().to_string();
        match read(path)? {
            Err(problem) => {
                let nowhere = Source { file: &file, text: "" };
                found.push(nowhere.error(Span::START, "unreadable", problem));
            }
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
    let draft = Draft::read(&definitions, &folder::documents(&definitions));
    let of_definitions = draft.check_alone().map_or_else(|mistakes| mistakes, |definitions| definitions.warnings);
    // A document that a component names is in both if it lies next to the definitions.
    let new: Vec<_> = of_definitions.into_iter().filter(|new| !found.iter().any(|old| old == new)).collect();
    new.into_iter().for_each(|new| found.push(new));
    found.hide_secrets();
    Ok(Checked { found, documents })
}

/// Returns the text of a file, or the reason why it cannot be used.
fn read(path: &Path) -> Result<Result<String, String>> {
    fs::metadata(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(match fs::read(path).map(String::from_utf8) {
        Ok(Ok(text)) => Ok(text),
        Ok(Err(_)) => Err("the file is not UTF-8 text".to_owned()),
        Err(error) => Err(format!("the file cannot be read: {error}")),
    })
}

/// Returns whether at least one YAML document of the text is a definition. A text that is not YAML contains none.
fn has_definitions(text: &str) -> bool {
    Reader::new("", text).documents().iter().any(|node| node.get("kind").is_some())
}
