//! Cuts a text at its double braces.

use std::ops::Range;

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

/// Cuts the text of a scalar that stands at `span`, in these bytes of the source.
pub(crate) fn split<'t>(source: &str, text: &'t str, span: Span, bytes: &Range<usize>) -> Vec<Piece<'t>> {
    let written = source.get(bytes.clone()).unwrap_or_default();
    let mut cursor = Cursor { rest: written, line: span.line, column: span.column };
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
        let inner = open + 2;
        match closing(&text[inner..]) {
            Ok(close) => return Some((&text[..open], &text[open..inner + close + 2], &text[inner..inner + close])),
            Err(line_end) => from = inner + line_end, // no other braces are closed on this line either
        }
    }
    None
}

/// Where the first `}}` of a text is; if its first line has none, where that line ends.
fn closing(text: &str) -> Result<usize, usize> {
    let bytes = text.as_bytes();
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            b'\n' => return Err(at),
            b'}' if bytes.get(at + 1) == Some(&b'}') => return Ok(at),
            _ => {}
        }
    }
    Err(text.len())
}

/// Finds the pieces of a scalar in its source, one after another.
struct Cursor<'s> {
    rest: &'s str,
    line: usize,
    column: usize,
}

impl Cursor<'_> {
    /// Where the next such piece is written; `None` from the first one on that is written in another way, with escapes.
    fn find(&mut self, needle: &str) -> Option<Span> {
        let Some(at) = self.rest.find(needle) else {
            self.rest = "";
            return None;
        };
        self.skip(at);
        let span = Span { line: self.line, column: self.column, len: needle.chars().count() };
        self.skip(needle.len());
        Some(span)
    }

    fn skip(&mut self, bytes: usize) {
        let (skipped, rest) = self.rest.split_at(bytes);
        self.line += skipped.matches('\n').count();
        self.column = match skipped.rsplit_once('\n') {
            Some((_, last)) => last.chars().count() + 1,
            None => self.column + skipped.chars().count(),
        };
        self.rest = rest;
    }
}

#[cfg(test)]
mod tests {
    use super::{Piece, split};
    use crate::yaml::Span;

    fn pieces(text: &str) -> Vec<String> {
        let pieces = split(text, text, Span::START, &(0..text.len())).into_iter();
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
