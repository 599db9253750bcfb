//! YAML as a tree that records the place of each node and how scalars are written.
//!
//! Scalars keep their source text: `0777` and `1.20` are never numbers here. The parser rejects things that make a file
//! ambiguous or dangerous: duplicate keys, anchors and aliases (a few lines of them can expand to gigabytes), nesting
//! beyond [`MAX_DEPTH`], more than [`MAX_BYTES`], and tags outside YAML's own.

mod offsets;

use std::collections::HashMap;
use std::ops::Range as Bytes;

use saphyr_parser::{Event, Parser, ScalarStyle, Span as Range, StrInput};

use crate::diagnostic::shown;
pub use crate::span::Span;
use crate::{Diagnostic, Diagnostics, Severity, Source};
use offsets::Offsets;

/// Longest file, in bytes. A document of 10,000 steps has about a third of that size.
pub const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Deepest nesting of lists and maps.
pub const MAX_DEPTH: usize = 64;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// The place of the value. For a map, it is the place of the first key.
    pub span: Span,
    /// The byte range of the value in the text, counted after a byte order mark.
    pub(crate) bytes: Bytes<usize>,
    /// The content.
    pub value: Value,
}

/// The content of a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Text.
    Scalar {
        /// The text after YAML's unquoting and folding, without any conversion.
        text: String,
        /// Whether the text is written without quotes and not as a block.
        plain: bool,
    },
    /// A list.
    List(Vec<Node>),
    /// Keys and values in the order of the file. The keys are unique scalars.
    Map(Vec<(Node, Node)>),
}

impl Node {
    /// Returns a map without keys, for one that a document may leave out.
    pub(crate) fn empty_map(span: Span) -> Self {
        Self { span, bytes: 0..0, value: Value::Map(Vec::new()) }
    }

    /// Returns the text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            Value::List(_) | Value::Map(_) => None,
        }
    }

    /// Returns whether no value was given: a plain empty value, `~` or `null`.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// Returns the kind of the node for messages: `a list`, `a map`, `text`, `nothing`.
    pub fn kind(&self) -> &'static str {
        match &self.value {
            Value::Scalar { .. } if self.is_null() => "nothing",
            Value::Scalar { .. } => "text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }

    /// Returns the keys and values of a map, and an empty slice for other nodes.
    pub fn entries(&self) -> &[(Node, Node)] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Scalar { .. } | Value::List(_) => &[],
        }
    }

    /// Returns the value of a key if the node is a map that has the key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(k, _)| k.text() == Some(key)).map(|(_, value)| value)
    }
}

/// Parses a file and returns one node per YAML document. An empty file has no documents.
///
/// # Errors
/// Returns the first syntax error, or everything that this module rejects.
pub fn parse(file: &str, text: &str) -> Result<Vec<Node>, Diagnostics> {
    let text = without_mark(text);
    let source = Source { file, text };
    if text.len() > MAX_BYTES {
        let message = format!("the file has {} bytes, but at most {MAX_BYTES} are allowed", text.len());
        return Err(source.error(Span::START, "too-long", message).into());
    }
    let (offsets, parser) = (Offsets::new(text), Parser::new_from_str(text));
    let mut builder = Builder { source, offsets, parser, refused: Diagnostics::new() };
    let mut documents = Vec::new();
    while let Some((event, range)) = builder.next()? {
        if matches!(event, Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..) | Event::Alias(_)) {
            documents.push(builder.node(event, range, 1)?);
        }
    }
    if builder.refused.is_empty() { Ok(documents) } else { Err(builder.refused) }
}

/// Returns the text without the byte order mark that some editors write at the beginning.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

struct Builder<'t> {
    source: Source<'t>,
    offsets: Offsets<'t>,
    parser: Parser<'t, StrInput<'t>>,
    refused: Diagnostics,
}

impl<'t> Builder<'t> {
    fn next(&mut self) -> Result<Option<(Event<'t>, Range)>, Diagnostics> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok((event, range))) => Ok(Some((event, range))),
            Some(Err(error)) => {
                let span = Span { line: error.marker().line().max(1), column: error.marker().col() + 1, len: 1 };
                Err(self.source.error(span, "yaml-syntax", format!("this is not YAML: {}", error.info())).into())
            }
        }
    }

    fn node(&mut self, event: Event<'t>, range: Range, depth: usize) -> Result<Node, Diagnostics> {
        let bytes = self.offsets.of(range.start.index())..self.offsets.of(range.end.index());
        let span = self.span(range, &bytes);
        if depth > MAX_DEPTH {
            return Err(self.source.error(span, "too-deep", format!("nested deeper than {MAX_DEPTH} levels")).into());
        }
        self.check_properties(&event, span);
        match event {
            Event::Scalar(text, style, _, tag) => {
                // `!!str null` is a text, although it is written without quotes.
                let plain = style == ScalarStyle::Plain && tag.is_none();
                Ok(Node { span, bytes, value: Value::Scalar { text: text.into_owned(), plain } })
            }
            Event::SequenceStart(..) => self.list(span, bytes, depth),
            Event::MappingStart(..) => self.map(span, bytes, depth),
            // An alias is refused above. Parsing continues, so that all problems of a file are reported at once.
            _ => Ok(Node { span, bytes, value: Value::Scalar { text: String::new(), plain: true } }),
        }
    }

    fn check_properties(&mut self, event: &Event<'_>, span: Span) {
        let (anchor, tag) = match event {
            Event::Scalar(_, _, anchor, tag) | Event::SequenceStart(anchor, tag) | Event::MappingStart(anchor, tag) => {
                (*anchor, tag.as_deref())
            }
            _ => (1, None), // an alias
        };
        if anchor != 0 {
            self.refuse(|source| source.error(span, "alias", "anchors and aliases are not accepted"));
        }
        if let Some(tag) = tag.filter(|tag| !tag.is_yaml_core_schema()) {
            self.refuse(|source| {
                source.error(span, "tag", format!("the tag `{}` is not accepted", shown(&tag.to_string())))
            });
        }
    }

    /// Records an error, unless there are already too many.
    fn refuse(&mut self, refusal: impl FnOnce(&Source<'_>) -> Diagnostic) {
        if self.refused.takes(Severity::Error) {
            self.refused.push(refusal(&self.source));
        }
    }

    fn list(&mut self, span: Span, bytes: Bytes<usize>, depth: usize) -> Result<Node, Diagnostics> {
        let mut items = Vec::new();
        while let Some((event, range)) = self.next()? {
            if matches!(event, Event::SequenceEnd) {
                break;
            }
            items.push(self.node(event, range, depth + 1)?);
        }
        Ok(Node { span, bytes, value: Value::List(items) })
    }

    fn map(&mut self, span: Span, bytes: Bytes<usize>, depth: usize) -> Result<Node, Diagnostics> {
        let mut entries: Vec<(Node, Node)> = Vec::new();
        let mut lines = HashMap::new();
        while let Some((event, range)) = self.next()? {
            if matches!(event, Event::MappingEnd) {
                break;
            }
            let key = self.node(event, range, depth + 1)?;
            let Some((event, range)) = self.next()? else { break };
            let value = self.node(event, range, depth + 1)?;
            self.check_key(&key, &mut lines);
            entries.push((key, value));
        }
        let span = entries.first().map_or(span, |(key, _)| key.span);
        Ok(Node { span, bytes, value: Value::Map(entries) })
    }

    /// Reports a key that is not a text or that is given twice. `lines` holds the lines of the keys so far.
    fn check_key(&mut self, key: &Node, lines: &mut HashMap<String, usize>) {
        let Some(text) = key.text() else {
            let help = Some("put quotes around text that begins with `{{`".to_owned());
            let message = format!("{} cannot be a key", key.kind());
            self.refuse(|source| Diagnostic { help, ..source.error(key.span, "key-not-text", message) });
            return;
        };
        if let Some(first) = lines.get(text) {
            let help = Some(format!("the first one is on line {first}"));
            let message = format!("the key `{}` is given twice", shown(text));
            self.refuse(|source| Diagnostic { help, ..source.error(key.span, "duplicate-key", message) });
            return;
        }
        lines.insert(text.to_owned(), key.span.line);
    }

    fn span(&self, range: Range, bytes: &Bytes<usize>) -> Span {
        let (line, column) = (range.start.line().max(1), range.start.col() + 1);
        let text = self.source.text.get(bytes.clone()).unwrap_or_default();
        let first_line = text.lines().next().unwrap_or_default().trim_end();
        Span { line, column, len: first_line.chars().count().max(1) }
    }
}

#[cfg(test)]
mod tests {
    use super::{Node, Span, Value, parse};

    fn one(text: &str) -> Node {
        parse("f.yml", text).unwrap().remove(0)
    }

    fn refused(text: &str) -> String {
        parse("f.yml", text).unwrap_err().to_string()
    }

    #[test]
    fn scalars_keep_their_source_text_and_know_their_quotes() {
        let node = one("a: 0777\nb: 1.20\nc: \"yes\"\nd: |\n  x\n  y\ne: ~\nf:\ng: 'null'\nh: !!str null\n");
        let scalar = |key| match &node.get(key).unwrap().value {
            Value::Scalar { text, plain } => (text.as_str(), *plain),
            other => panic!("{other:?}"),
        };
        assert_eq!(scalar("a"), ("0777", true));
        assert_eq!(scalar("b"), ("1.20", true));
        assert_eq!(scalar("c"), ("yes", false));
        assert_eq!(scalar("d"), ("x\ny\n", false));
        let nulls: Vec<&str> = "efgh".split("").filter(|k| node.get(k).is_some_and(Node::is_null)).collect();
        assert_eq!(nulls, ["e", "f"]);
    }

    #[test]
    fn positions_count_characters_from_one() {
        let node = one("name: x\nlist:\n  - äöü: \"q\"\n    b: |\n      block\n");
        assert_eq!(node.span, Span { line: 1, column: 1, len: 4 });
        let Value::List(items) = &node.get("list").unwrap().value else { panic!() };
        assert_eq!(items[0].span, Span { line: 3, column: 5, len: 3 });
        assert_eq!(items[0].get("äöü").unwrap().span, Span { line: 3, column: 10, len: 3 });
        assert_eq!(items[0].get("b").unwrap().span, Span { line: 5, column: 7, len: 5 });
    }

    #[test]
    fn a_file_may_hold_several_documents_or_none() {
        assert_eq!(parse("f", "kind: A\n---\nkind: B\n").unwrap().len(), 2);
        assert_eq!(parse("f", "# nothing\n").unwrap(), []);
    }

    #[test]
    fn syntax_errors_say_where() {
        assert_eq!(refused("a: b\nc: [1, 2\n").lines().next().unwrap().split(": ").nth(1), Some("error"));
        assert!(
            refused("a: b\n  c: d\n").starts_with("f.yml:2:4: error: this is not YAML: "),
            "{}",
            refused("a: b\n  c: d\n")
        );
    }

    #[test]
    fn duplicate_keys_are_all_reported() {
        let expected = "f.yml:2:1: error: the key `a` is given twice\n  a: 2\n  ^\nhelp: the first one is on line 1\n\
                        f.yml:4:1: error: the key `b` is given twice\n  b: 4\n  ^\nhelp: the first one is on line 3";
        assert_eq!(refused("a: 1\na: 2\nb: 3\nb: 4\n"), expected);
    }

    #[test]
    fn aliases_own_tags_and_deep_nesting_are_refused() {
        assert!(refused("a: &x [1]\nb: *x\n").contains("f.yml:2:4: error: anchors and aliases are not accepted"));
        assert!(refused("a: !secret x\n").contains("the tag `!secret` is not accepted"));
        let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
        assert!(refused(&deep).contains("nested deeper than 64 levels"));
        assert!(parse("f", &format!("{}{}", "[".repeat(64), "]".repeat(64))).is_ok());
    }
}
