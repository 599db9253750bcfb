//! The documents of a run, read and checked before anything runs.

use std::{fs, slice};

use anyhow::{Context, Result};
use goldsmith_document::{Diagnostics, Document, Module, Platform, Source, Target, check_phases, digest};
use goldsmith_executor::OrderDocument;

use super::config::Config;
use crate::exit::{invalid, mistaken};
use crate::render::count;
use crate::{output, parameters};

/// Documents without mistakes.
pub(super) struct Documents {
    /// The documents in the form that the executor takes.
    pub(super) ordered: Vec<OrderDocument>,
}

impl Documents {
    /// Reads all documents, and reports every mistake in them and in their phases and parameters.
    ///
    /// # Errors
    /// There is a mistake, so nothing may run.
    pub(super) fn read(config: &Config, blocked: Vec<Module>) -> Result<Self> {
        let target = Target { platform: Some(Platform::Linux), blocked };
        let (mut found, mut documents, mut ordered) = (Diagnostics::new(), Vec::new(), Vec::new());
        for (path, own) in &config.documents {
            let name = path.display().to_string();
            if name.contains("://") || name.starts_with("arn:") {
                return Err(invalid(format!("`{name}` is not on this machine: fetch it first")));
            }
            let body = fs::read_to_string(path).with_context(|| format!("{name} cannot be read"))?;
            let mut values = config.parameters.clone();
            values.extend(own.clone()); // a document's own value comes before the value for all
            match Document::parse_for(&name, &body, &target) {
                Ok(document) => {
                    found.extend(document.warnings.clone());
                    found.extend(parameters::missing(&document, &values, Source { file: &name, text: &body }));
                    found.extend(parameters::refused(&document, &values, &config.parameters_from));
                    found.extend(parameters::unknown(slice::from_ref(&document), own, &config.parameters_from));
                    documents.push(document);
                }
                Err(mistakes) => found.extend(mistakes),
            }
            let version = String::new();
            ordered.push(OrderDocument { name, version, digest: digest(&body), body, parameters: values });
        }
        if !found.has_errors() {
            // A document with mistakes is not among `documents`, so its parameters would count as unknown.
            found.extend(parameters::unknown(&documents, &config.parameters, &config.parameters_from));
        }
        if !config.phases.is_empty() && !found.has_errors() {
            found.extend(check_phases(&documents, &config.phases.join(","), &config.phases_from));
        }
        refuse(found, config.documents.len())?;
        Ok(Self { ordered })
    }
}

fn refuse(mut found: Diagnostics, files: usize) -> Result<()> {
    if found.has_errors() {
        let mistakes = count(found.errors(), "mistake");
        return Err(mistaken(found, format!("{mistakes} in {}: nothing was run", count(files, "document"))));
    }
    found.hide_secrets();
    found.iter().for_each(|warning| output::say(&warning.to_string()));
    Ok(())
}
