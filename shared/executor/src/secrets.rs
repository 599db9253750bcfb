//! Values that must not be shown, and their removal from what is shown; and which parameter each is of, so that what is
//! kept on the disk needs the parameters' names only.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

const MASK: &str = "****";

/// The secrets that a run has met so far; clones know the same ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets(Rc<RefCell<Known>>);

#[derive(Default)]
struct Known {
    /// By the name of the parameter.
    values: BTreeMap<String, String>,
    /// Each line with where it is from; the longest first: one secret may be a part of another.
    lines: Vec<(String, Source)>,
}

/// A line of a parameter's value.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// The parameter.
    pub(crate) name: String,
    /// Counted without empty lines.
    pub(crate) line: usize,
}

/// A stretch of a text.
pub(crate) enum Piece<'t> {
    Open(&'t str),
    Secret(Source),
}

impl std::fmt::Debug for Known {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_set().entries(self.values.keys()).finish()
    }
}

impl Secrets {
    /// From now on no line of this parameter's value is shown, however short it is.
    pub(crate) fn add(&self, name: &str, value: &str) {
        let mut known = self.0.borrow_mut();
        for (line, text) in lines(value).enumerate() {
            if !known.lines.iter().any(|(other, _)| other == text) {
                known.lines.push((text.to_owned(), Source { name: name.to_owned(), line }));
            }
        }
        known.lines.sort_by_key(|(line, _)| std::cmp::Reverse(line.len()));
        known.values.insert(name.to_owned(), value.to_owned());
    }

    /// The names of all parameters that are secrets.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.borrow().values.keys().cloned().collect()
    }

    /// Whether this parameter was read.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.borrow().values.contains_key(name)
    }

    /// The line of a parameter, if its value was read and has such a line.
    pub(crate) fn line(&self, source: &Source) -> Option<String> {
        let known = self.0.borrow();
        lines(known.values.get(&source.name)?).nth(source.line).map(str::to_owned)
    }

    /// The text without them.
    pub(crate) fn masked<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.0.borrow().lines.iter().fold(Cow::Borrowed(text), |text, (secret, _)| match text.contains(secret) {
            true => Cow::Owned(text.replace(secret.as_str(), MASK)),
            false => text,
        })
    }

    /// Where a text that goes on may be cut, so that no secret has a part on each side: its end, or where the last ones begin.
    pub(crate) fn seam(&self, text: &[u8]) -> usize {
        let known = self.0.borrow();
        let secrets = || known.lines.iter().map(|(line, _)| line.as_bytes());
        let longest = secrets().next().map_or(0, <[u8]>::len);
        let begins = |at: &usize| secrets().any(|secret| secret.starts_with(&text[*at..]));
        let mut seam = (text.len().saturating_sub(longest)..text.len()).find(begins).unwrap_or(text.len());
        // One that is whole may reach over where the next begins.
        let reaches = |from: usize, seam: usize| {
            secrets().any(|secret| text[from..].starts_with(secret) && from + secret.len() > seam)
        };
        while let Some(from) = (seam.saturating_sub(longest)..seam).find(|from| reaches(*from, seam)) {
            seam = from;
        }
        seam
    }

    /// The text in pieces; none where there is no secret in it.
    pub(crate) fn pieces<'t>(&self, text: &'t str) -> Option<Vec<Piece<'t>>> {
        let known = self.0.borrow();
        let mut pieces = vec![Piece::Open(text)];
        for (secret, source) in &known.lines {
            pieces = pieces.into_iter().flat_map(|piece| split(piece, secret, source)).collect();
        }
        pieces.iter().any(|piece| matches!(piece, Piece::Secret(_))).then_some(pieces)
    }
}

/// The lines that are worth hiding.
fn lines(value: &str) -> impl Iterator<Item = &str> {
    value.lines().map(str::trim).filter(|line| !line.is_empty())
}

fn split<'t>(piece: Piece<'t>, secret: &str, source: &Source) -> Vec<Piece<'t>> {
    let Piece::Open(text) = piece else { return vec![piece] };
    let mut pieces = Vec::new();
    for (index, part) in text.split(secret).enumerate() {
        if index > 0 {
            pieces.push(Piece::Secret(source.clone()));
        }
        if !part.is_empty() {
            pieces.push(Piece::Open(part));
        }
    }
    pieces
}

#[cfg(test)]
mod tests {
    use super::Secrets;

    #[test]
    fn a_text_is_cut_beside_secrets() {
        let secrets = Secrets::default();
        assert_eq!(secrets.seam(b"anything"), 8);
        secrets.add("a", "hunter2");
        secrets.add("b", "2fast");
        for (text, seam) in [
            ("no secret", 9),
            ("a hunt", 2),
            ("h", 0),
            ("a hunter2", 2),
            ("a hunter2 ", 10),
            ("a hunter", 2),
            ("xhunter2f", 1),
            ("", 0),
        ] {
            assert_eq!(secrets.seam(text.as_bytes()), seam, "{text}");
        }
    }

    #[test]
    fn every_line_of_a_secret_is_masked_wherever_it_stands() {
        let secrets = Secrets::default();
        assert_eq!(secrets.masked("nothing"), "nothing");
        secrets.add("/a", "hunter2");
        secrets.clone().add("/b", "line one\n  line\"two  \n\n");
        secrets.add("/c", "hunter2-long");
        assert_eq!(secrets.masked("x=hunter2-long, y=hunter2hunter2"), "x=****, y=********");
        assert_eq!(secrets.masked("[line one] line\"two"), "[****] ****");
        assert_eq!(secrets.names(), ["/a", "/b", "/c"]);
        assert!(!format!("{secrets:?}").contains("hunter"));
    }
}
