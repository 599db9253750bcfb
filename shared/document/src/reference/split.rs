//! Cuts a text at its double braces.

use crate::Source;
use crate::yaml::Span;

/// What begins text that is meant for another program, behind the opening braces.
pub(crate) const LITERAL: &str = "literal:";

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    /// Text outside of braces.
    Text(&'t str),
    /// What stands behind `{{literal:`, without the closing braces.
    Literal(&'t str),
    /// What stands in double braces: with them, without them, and where.
    Braces { whole: &'t str, inner: &'t str, span: Span },
}

/// Cuts a text that stands at `span`.
pub(crate) fn split<'t>(source: &Source<'_>, text: &'t str, span: Span) -> Vec<Piece<'t>> {
    let mut cursor = Cursor { source, line: span.line, column: span.column };
    let (mut pieces, mut rest) = (Vec::new(), text);
    while let Some((before, whole, inner)) = next_braces(rest) {
        if !before.is_empty() {
            pieces.push(Piece::Text(before));
        }
        let place = cursor.find(whole).unwrap_or(span);
        pieces.push(match inner.trim_start().strip_prefix(LITERAL) {
            Some(literal) => Piece::Literal(literal),
            None => Piece::Braces { whole, inner, span: place },
        });
        rest = &rest[before.len() + whole.len()..];
    }
    if !rest.is_empty() {
        pieces.push(Piece::Text(rest));
    }
    pieces
}

/// The text before the next `{{ … }}`, that with its braces, and without.
fn next_braces(text: &str) -> Option<(&str, &str, &str)> {
    let mut from = 0;
    while let Some(open) = text[from..].find("{{").map(|at| from + at) {
        let line = text[open..].lines().next().unwrap_or_default();
        match line.find("}}") {
            Some(close) => return Some((&text[..open], &line[..close + 2], &line[2..close])),
            None => from = open + 2,
        }
    }
    None
}

/// Finds the pieces of one scalar in the source text, one after another.
struct Cursor<'s> {
    source: &'s Source<'s>,
    line: usize,
    column: usize,
}

impl Cursor<'_> {
    fn find(&mut self, needle: &str) -> Option<Span> {
        for (index, line) in self.source.text.lines().enumerate().skip(self.line - 1) {
            let skipped = if index + 1 == self.line { self.column - 1 } else { 0 };
            let start = line.char_indices().nth(skipped).map_or(line.len(), |(at, _)| at);
            if let Some(at) = line[start..].find(needle) {
                let column = skipped + line[start..start + at].chars().count() + 1;
                let len = needle.chars().count();
                (self.line, self.column) = (index + 1, column + len);
                return Some(Span { line: index + 1, column, len });
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece, split};
    use crate::Source;
    use crate::yaml::Span;

    fn pieces(text: &str) -> Vec<String> {
        let pieces = split(&Source { file: "f", text }, text, Span::START).into_iter();
        let shown = pieces.map(|piece| match piece {
            Piece::Text(text) => format!("text {text}"),
            Piece::Literal(text) => format!("literal {text}"),
            Piece::Braces { inner, span, .. } => format!("{} braces {inner}", span.column),
        });
        shown.collect()
    }

    #[test]
    fn text_around_braces_is_kept_and_unclosed_ones_are_text() {
        let expected = ["text a ", "3 braces  x ", "10 braces y", "text  b {{ c\n}}"];
        assert_eq!(pieces("a {{ x }}{{y}} b {{ c\n}}"), expected);
    }

    #[test]
    fn literal_braces_keep_everything_behind_the_colon() {
        assert_eq!(pieces("'{{literal:.ID}}'"), ["text '", "literal .ID", "text '"]);
        assert_eq!(pieces("{{ literal: x }} {{Literal:x}}"), ["literal  x ", "text  ", "18 braces Literal:x"]);
    }
}
