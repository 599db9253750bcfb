//! Moves the findings in an inline document to their place in the definition's file.

use goldsmith_document::yaml::Span;
use goldsmith_document::{Diagnostic, Diagnostics, Source};

/// Moves findings of an inline document into its file. `span` is the place at which the text begins according to YAML.
pub(super) fn relocate(found: Diagnostics, source: Source<'_>, span: Span, text: &str) -> Diagnostics {
    let lines: Vec<&str> = source.text.lines().collect();
    let block = block(&lines, span, text);
    let mut moved = Diagnostics::new();
    for diagnostic in found {
        moved.push(match block {
            Some((first, indent)) => place(diagnostic, source, first, indent),
            None => point_at(diagnostic, source, span),
        });
    }
    moved
}

/// Returns the first line (from 0) and the indentation of a literal block, whose lines are the same in the file. Other
/// notations of a text (folded, quoted) join lines, so positions in them have no meaning in the file.
fn block(lines: &[&str], span: Span, text: &str) -> Option<(usize, usize)> {
    let indent = span.column - 1;
    let stands_at = |first: usize| {
        text.lines().enumerate().all(|(n, line)| {
            let there = lines.get(first + n).copied().unwrap_or_default();
            line.trim_end().is_empty() && there.trim().is_empty()
                || there.chars().take(indent).all(|c| c == ' ') && there.chars().skip(indent).eq(line.chars())
        })
    };
    // YAML returns the place of the first line that is not empty.
    let empty = text.lines().take_while(|line| line.is_empty()).count();
    let written = span.line - 1;
    [written, written.saturating_sub(empty)].into_iter().find(|first| stands_at(*first)).map(|first| (first, indent))
}

fn place(diagnostic: Diagnostic, source: Source<'_>, first: usize, indent: usize) -> Diagnostic {
    let (line, column) = (first + diagnostic.line, diagnostic.column + indent);
    let there = source.error(Span { line, column, len: diagnostic.len }, diagnostic.code, diagnostic.message);
    Diagnostic { severity: diagnostic.severity, help: diagnostic.help, ..there }
}

fn point_at(diagnostic: Diagnostic, source: Source<'_>, span: Span) -> Diagnostic {
    let message = format!("{} (line {} of the document)", diagnostic.message, diagnostic.line);
    let there = source.error(span, diagnostic.code, message);
    Diagnostic { severity: diagnostic.severity, help: diagnostic.help, ..there }
}
