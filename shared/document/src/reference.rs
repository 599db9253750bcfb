//! Text with `{{ references }}`: cut into parts when a document is read, put together when a step runs.
//!
//! There is no way to write a literal `{{ x }}`, as in the original language. `{{` that is not closed on its line is
//! plain text.

use crate::Source;
use crate::yaml::Span;

/// An input's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The text as written.
    pub raw: String,
    /// Where it stands.
    pub span: Span,
    /// The text cut at its references.
    pub parts: Vec<Part>,
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text that stays as it is.
    Text(String),
    /// What is replaced by a value.
    Reference(Reference),
}

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A parameter or a constant.
    Name(String),
    /// An input or output of an earlier step of the same document.
    Chain(Chain),
}

/// `phase.step.outputs[index].key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Name of the phase.
    pub phase: String,
    /// Name of the step.
    pub step: String,
    /// Inputs or outputs.
    pub side: Side,
    /// The element, from 0; without `[i]` the first one.
    pub index: usize,
    /// Name of the input or output.
    pub key: String,
}

/// Which of a step's values a chain takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What the step was given.
    Inputs,
    /// What it produced.
    Outputs,
}

/// Why the text between braces is no reference that can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum BadReference {
    /// The language has it, this implementation has not.
    Unsupported(String),
    /// Nothing that the language knows.
    Unknown,
}

/// A reference that a template holds, or the reason why it cannot.
pub(crate) type Found = Result<Reference, BadReference>;

/// Kinds of reference that begin with a word and a colon.
const PREFIXES: [&str; 4] = ["aws:ssm:", "aws:imds:", "env:", "context:"];

/// Cuts a text at its references; the second value holds each with its place, in order.
pub(crate) fn split(source: &Source<'_>, text: &str, span: Span) -> (Template, Vec<(Found, Span)>) {
    let mut cursor = Cursor { source, line: span.line, column: span.column };
    let (mut parts, mut found, mut rest) = (Vec::new(), Vec::new(), text);
    while let Some((before, whole, inner)) = next_reference(rest) {
        let reference = parse(inner.trim());
        let place = cursor.find(whole).unwrap_or(span);
        if !before.is_empty() {
            parts.push(Part::Text(before.to_owned()));
        }
        parts.push(match &reference {
            Ok(reference) => Part::Reference(reference.clone()),
            Err(_) => Part::Text(whole.to_owned()),
        });
        found.push((reference, place));
        rest = &rest[before.len() + whole.len()..];
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest.to_owned()));
    }
    (Template { raw: text.to_owned(), span, parts }, found)
}

/// The text before the next `{{ … }}`, that reference with its braces, and without.
fn next_reference(text: &str) -> Option<(&str, &str, &str)> {
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

fn parse(inner: &str) -> Found {
    if let Some(prefix) = PREFIXES.iter().find(|prefix| inner.starts_with(**prefix)) {
        return Err(BadReference::Unsupported((*prefix).to_owned()));
    }
    if is_word(inner) {
        return Ok(Reference::Name(inner.to_owned()));
    }
    let parts: Vec<&str> = inner.split('.').collect();
    match parts[..] {
        [name, "index" | "value"] if is_word(name) => Err(BadReference::Unsupported(inner.to_owned())),
        [phase, step, side, key] if [phase, step, key].into_iter().all(is_word) => {
            let (side, index) = parse_side(side).ok_or(BadReference::Unknown)?;
            Ok(Reference::Chain(Chain { phase: phase.into(), step: step.into(), side, index, key: key.into() }))
        }
        _ => Err(BadReference::Unknown),
    }
}

fn parse_side(text: &str) -> Option<(Side, usize)> {
    let (word, index) = match text.split_once('[') {
        Some((word, index)) => (word, index.strip_suffix(']')?.parse().ok()?),
        None => (text, 0),
    };
    match word {
        "inputs" => Some((Side::Inputs, index)),
        "outputs" => Some((Side::Outputs, index)),
        _ => None,
    }
}

fn is_word(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_')
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
    use super::{BadReference, Chain, Part, Reference, Side, split};
    use crate::Source;
    use crate::yaml::Span;

    fn found(text: &str) -> Vec<Result<Reference, BadReference>> {
        split(&Source { file: "f", text }, text, Span::START).1.into_iter().map(|(found, _)| found).collect()
    }

    #[test]
    fn kinds_are_told_apart_by_shape() {
        let chain = |side, index| {
            Reference::Chain(Chain { phase: "build".into(), step: "Get".into(), side, index, key: "k".into() })
        };
        let text = "{{Name}} {{ build.Get.outputs.k }} {{ build.Get.inputs[2].k }}";
        let expected = [Reference::Name("Name".into()), chain(Side::Outputs, 0), chain(Side::Inputs, 2)];
        assert_eq!(found(text).into_iter().map(Result::unwrap).collect::<Vec<_>>(), expected);
        let unsupported = |text: &str| Err(BadReference::Unsupported(text.into()));
        assert_eq!(found("{{ env:HOME }}{{ loop.value }}"), [unsupported("env:"), unsupported("loop.value")]);
        assert_eq!(found("{{.ID}} {{ a b }} {{ x.y.z }}"), [const { Err(BadReference::Unknown) }; 3]);
    }

    #[test]
    fn text_around_references_is_kept_and_unclosed_braces_are_text() {
        let text = "a {{ x }}{{ y }} b {{ c\n}}";
        let (template, _) = split(&Source { file: "f", text }, text, Span::START);
        let name = |n: &str| Part::Reference(Reference::Name(n.into()));
        let expected = [Part::Text("a ".into()), name("x"), name("y"), Part::Text(" b {{ c\n}}".into())];
        assert_eq!(template.parts, expected);
    }
}
