//! The `loop` of a step.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use super::Parse;
use crate::diagnostic::shown;
use crate::repeat::DELIMITERS;
use crate::yaml::{Node, Value};
use crate::{Loop, MapReader, Over, Range};

/// The shortest and longest length of a loop's name. The pages of EC2 Image Builder have no rule.
const NAME_LENGTH: RangeInclusive<usize> = 1..=128;

impl Parse<'_> {
    /// Reads a step's loop. `seen` holds the names of the loops of this phase so far.
    pub(super) fn repeat(&mut self, node: &Node, seen: &mut BTreeMap<String, usize>) -> Option<Loop> {
        let mut map = self.reader.map(node, "`loop`")?;
        let name = map.optional("name").and_then(|node| self.reader.text(node, "the name of a loop"));
        let name = name.filter(|name| !name.value.is_empty());
        if let Some(name) = &name {
            self.check_name(name, "a loop", NAME_LENGTH);
            self.unique(seen, name, "the loop");
        }
        let (range, each) = (map.optional("for"), map.optional("forEach"));
        let span = map.span();
        let given = (map.key_span("for").is_some(), map.key_span("forEach").is_some());
        map.finish(&mut self.reader);
        let over = match (range, each) {
            (Some(_), Some(_)) => {
                self.reader.error(span, "contradiction", "`for` and `forEach` cannot be given together");
                None
            }
            (Some(range), None) => self.range(range).map(Over::Range),
            (None, Some(each)) => self.for_each(each),
            (None, None) => {
                let problem = if given == (false, false) { "needs `for` or `forEach`" } else { "has no values" };
                self.reader.error(span, "missing-key", format!("`loop` {problem}"));
                None
            }
        };
        Some(Loop { name, over: over? })
    }

    fn range(&mut self, node: &Node) -> Option<Range> {
        let mut map = self.reader.map(node, "`for`")?;
        let start = self.bound(&mut map, "start");
        let end = self.bound(&mut map, "end");
        let step = self.bound(&mut map, "updateBy");
        let span = map.key_span("updateBy").unwrap_or(map.span());
        map.finish(&mut self.reader);
        let range = Range { start: start?, end: end?, step: step? };
        if !range.ends() {
            let message = format!(
                "this loop never ends: steps of {} do not lead from {} to {}",
                range.step, range.start, range.end
            );
            self.reader.error(span, "endless-loop", message);
            return None;
        }
        Some(range)
    }

    fn bound(&mut self, map: &mut MapReader<'_>, key: &'static str) -> Option<i64> {
        let node = map.required(&mut self.reader, key)?;
        self.reader.integer(node, &format!("`{key}`"))
    }

    fn for_each(&mut self, node: &Node) -> Option<Over> {
        match &node.value {
            Value::List(items) if items.is_empty() => {
                self.reader.error(node.span, "empty", "`forEach` must not be empty");
                None
            }
            Value::List(items) => {
                let items = items.iter().filter_map(|item| self.template(item, "an item of `forEach`"));
                Some(Over::List(items.collect()))
            }
            Value::Map(_) => self.delimited(node),
            Value::Scalar { .. } => {
                let help = "write a list of texts, or a map with `list` and `delimiter`";
                let message = "`forEach` must be a list or a map, not text";
                self.reader.error_with_help(node.span, "wrong-shape", message, Some(help.to_owned()));
                None
            }
        }
    }

    fn delimited(&mut self, node: &Node) -> Option<Over> {
        let mut map = self.reader.map(node, "`forEach`")?;
        let list = map.required(&mut self.reader, "list").and_then(|node| self.template(node, "`list`"));
        let delimiter = match map.optional("delimiter") {
            Some(node) => self.delimiter(node),
            None => Some(','),
        };
        map.finish(&mut self.reader);
        Some(Over::Delimited { list: list?, delimiter: delimiter? })
    }

    fn delimiter(&mut self, node: &Node) -> Option<char> {
        let text = self.reader.text(node, "`delimiter`")?;
        let mut chars = text.value.chars();
        match (chars.next(), chars.next()) {
            (Some(only), None) if DELIMITERS.contains(&only) => Some(only),
            _ => {
                let help = "use one of `.` `,` `;` `:` `-` `_`, a space, \"\\t\" or \"\\n\"";
                let message = format!("{:?} cannot be a delimiter", shown(&text.value));
                self.reader.error_with_help(text.span, "unknown-value", message, Some(help.to_owned()));
                None
            }
        }
    }
}
