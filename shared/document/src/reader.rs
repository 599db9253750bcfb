//! Reads a YAML tree into types. Each key is requested by name, a key that is not requested is an error, and all
//! mistakes are collected.

use crate::diagnostic::shown;
use crate::setting::has_leading_zero;
use crate::yaml::{self, Node, Span, Value};
use crate::{Diagnostic, Diagnostics, Literal, Severity, Source, did_you_mean};

/// A value and its place in the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Spanned<T> {
    /// The value.
    pub value: T,
    /// The place of the value.
    pub span: Span,
}

/// Reads nodes of one file and collects what is wrong with them.
#[derive(Debug)]
pub struct Reader<'s> {
    /// The file that is read.
    pub source: Source<'s>,
    /// The findings so far.
    pub diagnostics: Diagnostics,
    lines: Vec<&'s str>,
}

impl<'s> Reader<'s> {
    /// Returns a reader without findings.
    pub fn new(file: &'s str, text: &'s str) -> Self {
        let text = yaml::without_mark(text);
        // The lines are collected once. Otherwise each of hundreds of findings would search its line from the
        // beginning.
        Self { source: Source { file, text }, diagnostics: Diagnostics::new(), lines: text.lines().collect() }
    }

    /// Records an error.
    pub fn error(&mut self, span: Span, code: &'static str, message: impl Into<String>) {
        self.error_with_help(span, code, message, None);
    }

    /// Records an error together with a help text.
    pub fn error_with_help(
        &mut self,
        span: Span,
        code: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.note((Severity::Error, span, code, message.into()), help);
    }

    /// Returns whether another error would be kept. Call it before an expensive search for a help text.
    pub(crate) fn takes_errors(&self) -> bool {
        self.diagnostics.takes(Severity::Error)
    }

    /// Records a warning.
    pub fn warning(&mut self, span: Span, code: &'static str, message: impl Into<String>) {
        self.warning_with_help(span, code, message, None);
    }

    /// Records a warning together with a help text.
    pub fn warning_with_help(
        &mut self,
        span: Span,
        code: &'static str,
        message: impl Into<String>,
        help: Option<String>,
    ) {
        self.note((Severity::Warning, span, code, message.into()), help);
    }

    fn note(&mut self, finding: (Severity, Span, &'static str, String), help: Option<String>) {
        if !self.diagnostics.takes(finding.0) {
            return;
        }
        let line = self.lines.get(finding.1.line.saturating_sub(1)).copied();
        self.diagnostics.push(Diagnostic { help, ..Diagnostic::new(self.source.file, line, finding) });
    }

    /// Parses the file itself. Syntax errors are added to the findings.
    pub fn documents(&mut self) -> Vec<Node> {
        yaml::parse(self.source.file, self.source.text).unwrap_or_else(|found| {
            self.diagnostics.extend(found);
            Vec::new()
        })
    }

    /// Reads the node as a map. `what` is its name in messages, such as `a step`.
    pub fn map<'n>(&mut self, node: &'n Node, what: impl Into<String>) -> Option<MapReader<'n>> {
        let what = what.into();
        match &node.value {
            Value::Map(entries) => Some(MapReader { what, span: node.span, entries, asked: Vec::new() }),
            _ => self.wrong_shape(node, &what, "a map"),
        }
    }

    /// Reads the node as a list.
    pub fn list<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [Node]> {
        match &node.value {
            Value::List(items) => Some(items),
            _ => self.wrong_shape(node, what, "a list"),
        }
    }

    /// Reads the node as text. Every scalar is accepted; the result is its source text.
    pub fn text(&mut self, node: &Node, what: &str) -> Option<Spanned<String>> {
        match &node.value {
            Value::Scalar { text, .. } if !node.is_null() => Some(Spanned { value: text.clone(), span: node.span }),
            _ => self.wrong_shape(node, what, "text"),
        }
    }

    /// Reads the node as a list of texts.
    pub fn texts(&mut self, node: &Node, what: &str) -> Option<Vec<Spanned<String>>> {
        let items = self.list(node, what)?;
        Some(items.iter().filter_map(|item| self.text(item, &format!("an item of {what}"))).collect())
    }

    /// Reads the node as a whole number.
    pub fn integer(&mut self, node: &Node, what: &str) -> Option<i64> {
        // Parsers disagree about `010`: YAML 1.1 reads it as 8.
        match node.text().and_then(|text| Some((text.parse().ok()?, has_leading_zero(text)))) {
            Some((_, true)) => self.wrong_shape(node, what, "a whole number without a leading zero"),
            Some((number, false)) => Some(number),
            None => self.wrong_shape(node, what, "a whole number"),
        }
    }

    /// Reads the node as `true` or `false`, quoted or not.
    pub fn boolean(&mut self, node: &Node, what: &str) -> Option<bool> {
        match node.text().and_then(bool::read) {
            Some(value) => Some(value),
            None => self.wrong_shape(node, what, bool::EXPECTED),
        }
    }

    /// Reads the node as one of the named choices.
    pub fn choice<T: Copy>(&mut self, node: &Node, what: &str, choices: &[(&'static str, T)]) -> Option<T> {
        let text = self.text(node, what)?.value;
        if let Some((_, value)) = choices.iter().find(|(name, _)| *name == text) {
            return Some(*value);
        }
        let names: Vec<&str> = choices.iter().map(|(name, _)| *name).collect();
        let help = suggestion(&text, &names).or_else(|| Some(format!("one of {}", names.join(", "))));
        let message = format!("`{}` is not a value of {what}", shown(&text));
        self.error_with_help(node.span, "unknown-value", message, help);
        None
    }

    fn wrong_shape<T>(&mut self, node: &Node, what: &str, wanted: &str) -> Option<T> {
        let found = match node.text() {
            Some(text) if !node.is_null() => format!("`{}`", shown(text)),
            _ => node.kind().to_owned(),
        };
        let help = match (wanted, &node.value) {
            ("text", Value::Map(_)) => Some("put quotes around text that contains `: ` or begins with `{`"),
            ("a list", Value::Map(_) | Value::Scalar { .. }) if !node.is_null() => Some("begin each element with `- `"),
            ("a map", Value::List(items)) if matches!(&items[..], [Node { value: Value::Map(_), .. }]) => {
                Some("remove the `- ` before its first key")
            }
            _ => None,
        };
        let message = format!("{what} must be {wanted}, not {found}");
        self.error_with_help(node.span, "wrong-shape", message, help.map(str::to_owned));
        None
    }
}

/// The keys of one map. Call [`MapReader::finish`] at the end: it reports each key that was not requested.
#[derive(Debug)]
#[must_use]
pub struct MapReader<'n> {
    what: String,
    span: Span,
    entries: &'n [(Node, Node)],
    asked: Vec<&'n str>,
}

impl<'n> MapReader<'n> {
    /// Returns the place of the map.
    pub fn span(&self) -> Span {
        self.span
    }

    /// Returns the value of a key. `None` if the key is absent or has no value.
    pub fn optional(&mut self, key: &'static str) -> Option<&'n Node> {
        self.asked.push(key);
        // A key without a value is null in YAML. It counts as absent, so that `required` reports it too.
        self.find(key).map(|(_, value)| value).filter(|value| !value.is_null())
    }

    /// Returns the value of a key. A missing key is reported as an error.
    pub fn required(&mut self, reader: &mut Reader<'_>, key: &'static str) -> Option<&'n Node> {
        let value = self.optional(key);
        if value.is_none() {
            let (span, problem) = match self.find(key) {
                Some((key, _)) => (key.span, "has no value"),
                None => (self.span, "is missing"),
            };
            reader.error(span, "missing-key", format!("`{key}` of {} {problem}", self.what));
        }
        value
    }

    /// Reports a key that belongs to the language but cannot be used yet, if the map has it.
    pub fn unsupported(&mut self, reader: &mut Reader<'_>, key: &'static str) {
        self.unsupported_with(reader, key, None);
    }

    /// Reports a key as [`MapReader::unsupported`] does, and says what to write instead.
    pub fn unsupported_with(&mut self, reader: &mut Reader<'_>, key: &'static str, instead: Option<&str>) {
        // A key that is only reported is not proposed for a misspelled one.
        if let Some((node, _)) = self.find(key) {
            self.asked.push(key);
            let message = format!("`{key}` is not supported yet");
            reader.error_with_help(node.span, "unsupported", message, instead.map(str::to_owned));
        }
    }

    /// Returns the keys and values in the order of the file.
    pub fn entries(&self) -> &'n [(Node, Node)] {
        self.entries
    }

    /// Marks a key of the map as known, as a request for it does.
    pub fn know(&mut self, key: &'n str) {
        self.asked.push(key);
    }

    /// Returns whether a key was requested.
    pub fn is_known(&self, key: &Node) -> bool {
        key.text().is_some_and(|key| self.asked.contains(&key))
    }

    /// Returns the place of a key itself, if the map has the key.
    pub fn key_span(&self, key: &str) -> Option<Span> {
        self.find(key).map(|(key, _)| key.span)
    }

    /// Reports the keys that were not requested.
    pub fn finish(self, reader: &mut Reader<'_>) {
        for (key, _) in self.entries {
            if !reader.takes_errors() {
                return;
            }
            // The search for a similar key takes time, and beyond the limit nobody would see its result.
            let name = key.text().unwrap_or_default();
            if !self.asked.contains(&name) {
                let message = format!("unknown key `{}` in {}", shown(name), self.what);
                let help = suggestion(name, &self.asked)
                    .or_else(|| Some(format!("the keys of {} are {}", self.what, self.asked.join(", "))));
                reader.error_with_help(key.span, "unknown-key", message, help);
            }
        }
    }

    fn find(&self, key: &str) -> Option<&'n (Node, Node)> {
        self.entries.iter().find(|(node, _)| node.text() == Some(key))
    }
}

/// Returns `did you mean …?` if a candidate is similar.
pub fn suggestion(word: &str, candidates: &[&str]) -> Option<String> {
    did_you_mean(word, candidates.iter().copied()).map(|near| format!("did you mean `{near}`?"))
}

#[cfg(test)]
mod tests {
    use super::Reader;

    fn read(text: &str) -> String {
        let mut reader = Reader::new("f.yml", text);
        for node in reader.documents() {
            let Some(mut map) = reader.map(&node, "a thing") else { continue };
            let _ = map.required(&mut reader, "name").and_then(|n| reader.text(n, "`name`"));
            let _ = map.optional("count").and_then(|n| reader.integer(n, "`count`"));
            let _ = map.optional("mode").and_then(|n| reader.choice(n, "`mode`", &[("Abort", 1), ("Ignore", 2)]));
            map.unsupported(&mut reader, "loop");
            map.finish(&mut reader);
        }
        reader.diagnostics.to_string()
    }

    #[test]
    fn accepts_what_was_asked_for() {
        assert_eq!(read("name: x\ncount: 3\nmode: Abort\n"), "");
    }

    #[test]
    fn collects_every_mistake_with_its_place_and_help() {
        let found = read("nam: x\ncount: many\nmode: abort\nloop: {}\nname:\n---\n- 1\n");
        let expected = "\
f.yml:5:1: error: `name` of a thing has no value
  name:
  ^^^^
f.yml:2:8: error: `count` must be a whole number, not `many`
  count: many
         ^^^^
f.yml:3:7: error: `abort` is not a value of `mode`
  mode: abort
        ^^^^^
help: did you mean `Abort`?
f.yml:4:1: error: `loop` is not supported yet
  loop: {}
  ^^^^
f.yml:1:1: error: unknown key `nam` in a thing
  nam: x
  ^^^
help: did you mean `name`?
f.yml:7:1: error: a thing must be a map, not a list
  - 1
  ^";
        assert_eq!(found, expected);
    }
}
