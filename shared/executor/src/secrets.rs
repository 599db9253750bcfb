//! Values that must not be shown, and their removal from shown text. The parameter of each value is known, so that
//! files on the disk need only the names of the parameters.

use std::borrow::Cow;
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;

const MASK: &str = "****";

/// The secrets that a run has read so far. Clones share them.
#[derive(Debug, Clone, Default)]
pub(crate) struct Secrets(Rc<RefCell<Known>>);

#[derive(Default)]
struct Known {
    /// The values by the names of their parameters.
    values: BTreeMap<String, String>,
    /// Each line with its source. The longest line comes first, because one secret may be a part of another.
    lines: Vec<(String, Source)>,
}

/// A line of a parameter's value.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// The parameter.
    pub(crate) name: String,
    /// The number of the line. Empty lines do not count.
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
    /// Adds a secret. From now on, no line of the parameter's value is shown, however short it is.
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

    /// Returns the names of all parameters that are secrets.
    pub(crate) fn names(&self) -> Vec<String> {
        self.0.borrow().values.keys().cloned().collect()
    }

    /// Returns whether this parameter was read.
    pub(crate) fn knows(&self, name: &str) -> bool {
        self.0.borrow().values.contains_key(name)
    }

    /// Returns a line of a parameter if its value was read and has the line.
    pub(crate) fn line(&self, source: &Source) -> Option<String> {
        let known = self.0.borrow();
        lines(known.values.get(&source.name)?).nth(source.line).map(str::to_owned)
    }

    /// Returns the text with all secrets masked.
    pub(crate) fn masked<'t>(&self, text: &'t str) -> Cow<'t, str> {
        self.0.borrow().lines.iter().fold(Cow::Borrowed(text), |text, (secret, _)| match text.contains(secret) {
            true => Cow::Owned(text.replace(secret.as_str(), MASK)),
            false => text,
        })
    }

    /// Returns where a text that continues may be cut so that no secret is on both sides of the cut: the end of the
    /// text, or the place where a secret may begin.
    pub(crate) fn seam(&self, text: &[u8]) -> usize {
        let known = self.0.borrow();
        let secrets = || known.lines.iter().map(|(line, _)| line.as_bytes());
        // The lines are sorted, so the first one is the longest.
        let longest = secrets().next().map_or(0, <[u8]>::len);
        let begins = |at: &usize| secrets().any(|secret| secret.starts_with(&text[*at..]));
        let mut seam = (text.len().saturating_sub(longest)..text.len()).find(begins).unwrap_or(text.len());
        // A complete secret may overlap the beginning of the next one.
        let reaches = |from: usize, seam: usize| {
            secrets().any(|secret| text[from..].starts_with(secret) && from + secret.len() > seam)
        };
        while let Some(from) = (seam.saturating_sub(longest)..seam).find(|from| reaches(*from, seam)) {
            seam = from;
        }
        seam
    }

    /// Returns the text in pieces. `None` if it contains no secret.
    pub(crate) fn pieces<'t>(&self, text: &'t str) -> Option<Vec<Piece<'t>>> {
        let known = self.0.borrow();
        let mut pieces = vec![Piece::Open(text)];
        for (secret, source) in &known.lines {
            pieces = pieces.into_iter().flat_map(|piece| split(piece, secret, source)).collect();
        }
        pieces.iter().any(|piece| matches!(piece, Piece::Secret(_))).then_some(pieces)
    }
}

/// Returns the lines that must be hidden.
fn lines(value: &str) -> impl Iterator<Item = &str> {
    // Programs show secrets of several lines, such as keys, line by line and indented, so each line is hidden by
    // itself.
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
