//! Turns YAML into a [`Document`]. One pass from top to bottom checks structure, names, and references.

mod checks;
mod condition;
mod declarations;
mod inputs;
mod references;
mod repeat;
mod scope;
mod shell;
mod steps;
mod warnings;

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use crate::diagnostic::shown;
use crate::document::{Document, NAME_LENGTH};
use crate::yaml::{Node, Span};
use crate::{Diagnostics, MapReader, Reader, Spanned, Target};
use scope::Scope;

pub(crate) use inputs::{Fields, Given};

/// The reader of a document, together with the names that its references may use.
pub(crate) struct Parse<'s> {
    pub(crate) reader: Reader<'s>,
    pub(crate) target: &'s Target,
    scope: Scope,
    warned_of_update: bool,
}

/// Reads a document; see [`Document::parse`].
pub(crate) fn document(file: &str, text: &str, target: &Target) -> Result<Document, Diagnostics> {
    let mut parse = Parse { reader: Reader::new(file, text), target, scope: Scope::default(), warned_of_update: false };
    let documents = parse.reader.documents();
    let document = match &documents[..] {
        [root] => parse.root(root),
        [] => {
            if !parse.reader.diagnostics.has_errors() {
                parse.reader.error(Span::START, "empty", "the document is empty");
            }
            None
        }
        [_, second, ..] => {
            parse.reader.error(second.span, "several-documents", "a file must hold exactly one component document");
            None
        }
    };
    let mut found = parse.reader.diagnostics;
    found.sort();
    match document {
        Some(document) if !found.has_errors() => Ok(Document { warnings: found, ..document }),
        _ => Err(found),
    }
}

impl Parse<'_> {
    fn root(&mut self, root: &Node) -> Option<Document> {
        let mut map = self.reader.map(root, "a component document")?;
        let name = map.optional("name").and_then(|node| self.reader.text(node, "`name`"));
        let description = map.optional("description").and_then(|node| self.reader.text(node, "`description`"));
        if let Some(version) = map.required(&mut self.reader, "schemaVersion") {
            self.schema_version(version);
        }
        let parameters = map.optional("parameters").map(|node| self.parameters(node)).unwrap_or_default();
        let constants = map.optional("constants").map(|node| self.constants(node)).unwrap_or_default();
        let phases_key = map.key_span("phases").unwrap_or(root.span);
        let phases = map.required(&mut self.reader, "phases").map(|node| self.phases(node, phases_key));
        let disable_logging = self.disable_logging(&mut map);
        map.finish(&mut self.reader);
        Some(Document {
            name: name.map(|n| n.value).unwrap_or_default(),
            description: description.map(|d| d.value).unwrap_or_default(),
            parameters,
            constants,
            phases: phases?,
            disable_logging,
            warnings: Diagnostics::new(),
        })
    }

    fn disable_logging(&mut self, map: &mut MapReader<'_>) -> bool {
        let given = map.optional("disableLogging");
        given.and_then(|node| self.reader.boolean(node, "`disableLogging`")).unwrap_or(false)
    }

    fn schema_version(&mut self, node: &Node) {
        if let Some(version) = self.reader.text(node, "`schemaVersion`")
            && !matches!(version.value.as_str(), "1.0" | "1")
        {
            let message = format!("schema version `{}` is not known", shown(&version.value));
            self.reader.error_with_help(
                version.span,
                "schema-version",
                message,
                Some("the only schema version is `1.0`".into()),
            );
        }
    }

    /// Returns a name as a declaration gives it. A bad name is reported and still returned, so that references to it
    /// are known.
    fn name(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        let name = self.reader.text(node, &format!("the name of {what}"))?;
        self.check_name(&name, what, NAME_LENGTH);
        Some(name)
    }

    fn check_name(&mut self, name: &Spanned<String>, what: &str, length: RangeInclusive<usize>) {
        let text = &name.value;
        if !text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
            let message = format!("`{}` cannot be the name of {what}", shown(text));
            let help = Some("letters, digits, `-` and `_` may be used".to_owned());
            self.reader.error_with_help(name.span, "bad-name", message, help);
        } else if !length.contains(&text.len()) {
            let (least, most) = length.into_inner();
            let message = format!(
                "the name of {what} must have {least} to {most} characters, but `{}` has {}",
                shown(text),
                text.len()
            );
            self.reader.error(name.span, "bad-name", message);
        }
    }

    /// Reports a name that was given before. `seen` holds the lines of all names so far.
    fn unique(&mut self, seen: &mut BTreeMap<String, usize>, name: &Spanned<String>, what: &str) {
        match seen.get(&name.value) {
            Some(first) => {
                let help = Some(format!("the first one is on line {first}"));
                let message = format!("{what} `{}` is declared twice", shown(&name.value));
                self.reader.error_with_help(name.span, "duplicate-name", message, help);
            }
            None => {
                seen.insert(name.value.clone(), name.span.line);
            }
        }
    }
}
