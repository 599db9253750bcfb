//! Phases that somebody asks for, held against those that the documents have.

use crate::yaml::Span;
use crate::{Diagnostic, Diagnostics, Document, Source, suggestion};

/// A warning for each wanted phase that no document has: nothing runs for it, and that is a success.
///
/// `wanted` are names with commas between, as `given_by` (an option or file, shown as the place) has them.
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
            let message = format!("no document has the phase `{}`, so nothing runs for it", name.trim());
            let help = suggestion(name.trim(), &known).or_else(|| Some(format!("the phases are {}", known.join(", "))));
            found.push(Diagnostic { help, ..source.warning(span, "unknown-phase", message) });
        }
        column += characters + 1;
    }
    found
}
