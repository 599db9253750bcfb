//! Cuts a text at its double braces.

use std::ops::Range;

use crate::yaml::Span;

/// The text that follows the opening braces and begins a text for another program. `)` ends that text.
pub(crate) const LITERAL: &str = "literal(";

/// A piece of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Piece<'t> {
    /// Text outside braces.
    Text(&'t str),
    /// The content of `{{literal(…)}}`.
    Literal(&'t str),
    /// The text in double braces: with the braces, without them, and its place.
    Braces { whole: &'t str, inner: &'t str, span: Span },
}

/// Cuts the text of a scalar. `span` is its place, and `bytes` is its range in the source.
pub(crate) fn split<'t>(source: &str, text: &'t str, span: Span, bytes: &Range<usize>) -> Vec<Piece<'t>> {
    let written = source.get(bytes.clone()).unwrap_or_default();
    let mut cursor = Cursor { rest: written, line: span.line, column: span.column };
    let (mut pieces, mut from, mut line_without_literals) = (Vec::new(), 0, 0);
    while let Some((open, end)) = next_braces(text, from) {
        if from < open {
            pieces.push(Piece::Text(&text[from..open]));
        }
        // Without this memory, each of many open literals would be searched to the end of its line, in quadratic time.
        let literal = if open >= line_without_literals { literal(&text[open..]) } else { Err(0) };
        let (piece, after) = match literal {
            Ok((inner, length)) => (Piece::Literal(inner), open + length),
            Err(searched) => {
                line_without_literals = line_without_literals.max(open + searched);
                let whole = &text[open..end];
                let inner = &whole[2..whole.len() - 2];
                // A text with escapes or folded lines is written differently from its value. Then the whole text is
                // underlined.
                (Piece::Braces { whole, inner, span: cursor.find(whole).unwrap_or(span) }, end)
            }
        };
        pieces.push(piece);
        from = after;
    }
    if from < text.len() {
        pieces.push(Piece::Text(&text[from..]));
    }
    pieces
}

/// Returns where the next `{{ … }}` begins and ends.
fn next_braces(text: &str, mut from: usize) -> Option<(usize, usize)> {
    while let Some(open) = text[from..].find("{{").map(|at| from + at) {
        match closing(&text[open + 2..]) {
            Ok(close) => return Some((open, open + 2 + close + 2)),
            Err(line_end) => from = open + 2 + line_end, // no other braces are closed on this line either
        }
    }
    None
}

/// Returns the position of the first `}}` in the first line of a text. `Err` is the end of that line if it has no `}}`.
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

/// Returns the content and the length of the `{{literal(…)}}` at the beginning of a text. The first `)` that closing
/// braces follow ends the content. `Err` is the offset up to which no such end exists.
fn literal(text: &str) -> Result<(&str, usize), usize> {
    let Some(rest) = text[2..].trim_start_matches(' ').strip_prefix(LITERAL) else { return Err(0) };
    let begin = text.len() - rest.len();
    let mut at = begin;
    loop {
        match closing(&text[at..]) {
            Err(line_end) => return Err(at + line_end),
            Ok(close) => match text[begin..at + close].trim_end_matches(' ').strip_suffix(')') {
                Some(inner) => return Ok((inner, at + close + 2)),
                // Only one brace is skipped, because the closing braces of `}}}` may be the last two.
                None => at += close + 1,
            },
        }
    }
}

/// Finds the pieces of a scalar in its source, one after another.
struct Cursor<'s> {
    rest: &'s str,
    line: usize,
    column: usize,
}

impl Cursor<'_> {
    /// Returns the place where the next occurrence of `needle` is written. After the first piece that is written
    /// differently, with escapes, it always returns `None`.
    fn find(&mut self, needle: &str) -> Option<Span> {
        let Some(at) = self.rest.find(needle) else {
            // A later match could be in the wrong place, so nothing more is searched.
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
    fn literal_braces_keep_everything_between_the_parentheses() {
        assert_eq!(pieces("'{{literal(.ID)}}'"), ["text '", "literal .ID", "text '"]);
        assert_eq!(pieces("{{ literal( x ) }}}"), ["literal  x ", "text }"]);
        assert_eq!(pieces("{{literal( \"}}\" (f (g)))}}{{x}}"), ["literal  \"}}\" (f (g))", "27 braces x"]);
        assert_eq!(pieces("{{Literal(x)}}"), ["1 braces Literal(x)"]);
        assert_eq!(
            pieces("{{literal(x}} {{literal(y}}\n)}}"),
            ["1 braces literal(x", "text  ", "15 braces literal(y", "text \n)}}"]
        );
    }
}
