//! Reads and checks the documents of an order before anything runs.

use std::fs;
use std::io;
use std::path::Path;

use goldsmith_document::{Diagnostics, Document, Module, Platform, Target, digest, hidden_if_secret};

use crate::{OrderDocument, WorkOrder};

/// Why a document cannot be run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DocumentError {
    #[error("the text of document `{document}` does not have the digest that the work order gives")]
    Digest { document: String },
    #[error("{found}")]
    Invalid { document: String, found: Diagnostics },
    #[error("`{value}` is not an allowed value of the parameter `{parameter}`; the allowed values are {allowed}")]
    Parameter { document: String, parameter: String, value: String, allowed: String },
    #[error("`{name}` cannot be blocked: there is no such action")]
    Blocked { name: String },
}

impl DocumentError {
    /// Returns the document's name if one document is the cause.
    pub(crate) fn document(&self) -> &str {
        match self {
            Self::Digest { document } | Self::Invalid { document, .. } | Self::Parameter { document, .. } => document,
            Self::Blocked { .. } => "",
        }
    }
}

/// Reads and checks all documents of an order for this machine.
pub(crate) fn read_documents(order: &WorkOrder) -> Result<Vec<Document>, DocumentError> {
    let named = |name: &String| Module::named(name).ok_or_else(|| DocumentError::Blocked { name: name.clone() });
    let blocked = order.blocked_action_modules.iter().map(named).collect::<Result<_, _>>()?;
    let target = Target { platform: Some(Platform::Linux), blocked };
    order.documents.iter().map(|document| read_document(document, &target)).collect()
}

fn read_document(ordered: &OrderDocument, target: &Target) -> Result<Document, DocumentError> {
    let name = || ordered.name.clone();
    if digest(&ordered.body) != ordered.digest {
        return Err(DocumentError::Digest { document: name() });
    }
    let document = Document::parse_for(&ordered.name, &ordered.body, target)
        .map_err(|found| DocumentError::Invalid { document: name(), found })?;
    for parameter in &document.parameters {
        if let Some(value) = ordered.parameters.get(&parameter.name.value)
            && !parameter.allows(value)
        {
            return Err(DocumentError::Parameter {
                document: name(),
                parameter: parameter.name.value.clone(),
                value: hidden_if_secret(&parameter.name.value, value).to_owned(),
                allowed: parameter.allowed_values.join(", "),
            });
        }
    }
    Ok(document)
}

/// Copies the documents into the log folder.
pub(crate) fn copy_documents(order: &WorkOrder, folder: &Path) -> io::Result<()> {
    let mut documents = order.documents.iter().enumerate();
    documents.try_for_each(|(index, document)| fs::write(folder.join(file_name(index)), &document.body))
}

/// Returns the name of a document's copy in the log folder: `document.yaml` for the first one, then `document-2.yaml`
/// and so on.
pub(crate) fn file_name(index: usize) -> String {
    if index == 0 { "document.yaml".to_owned() } else { format!("document-{}.yaml", index + 1) }
}
