//! Compares the requested phases with the phases that the documents have.

use crate::yaml::Span;
use crate::{Diagnostic, Diagnostics, Document, Source, suggestion};

/// Returns an error for each requested phase that no document has.
///
/// `wanted` holds names separated by commas. `given_by` is the option or file that they come from, which the error
/// shows as its place.
pub fn check_phases(documents: &[Document], wanted: &str, given_by: &str) -> Diagnostics {
    let mut known: Vec<&str> =
        documents.iter().flat_map(|d| &d.phases).map(|phase| phase.name.value.as_str()).collect();
    known.sort_unstable();
    known.dedup();
    let (source, mut found, mut column) = (Source { file: given_by, text: wanted }, Diagnostics::new(), 1);
    for name in wanted.split(',') {
        let characters = name.chars().count();
        if !known.contains(&name.trim()) {
            let span = Span { line: 1, column, len: characters };
            let message = format!("no document has the phase `{}`", name.trim());
            let help = suggestion(name.trim(), &known).or_else(|| Some(format!("the phases are {}", known.join(", "))));
            found.push(Diagnostic { help, ..source.error(span, "unknown-phase", message) });
        }
        column += characters + 1;
    }
    found
}
