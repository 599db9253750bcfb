//! Reads the fields of one map of inputs.

use super::Parse;
use crate::diagnostic::shown;
use crate::yaml::{Node, Span, Value};
use crate::{Literal, MapReader, Part, Setting, Template};

/// A map of inputs that is being read.
pub(super) struct Fields<'n> {
    pub(super) map: MapReader<'n>,
    pub(super) node: &'n Node,
}

impl Parse<'_> {
    /// Reads a text that must be present.
    pub(super) fn text(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<Template> {
        let node = fields.map.required(&mut self.reader, key)?;
        self.template(node, &format!("`{key}`"))
    }

    /// Reads a text that may be absent.
    pub(super) fn optional_text(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<Template> {
        let node = fields.map.optional(key)?;
        self.template(node, &format!("`{key}`"))
    }

    /// Reads a value that must be present.
    pub(super) fn value<T: Literal>(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<Setting<T>> {
        let node = fields.map.required(&mut self.reader, key)?;
        self.setting(node, key)
    }

    /// Reads a value that may be absent.
    pub(super) fn optional_value<T: Literal>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
    ) -> Option<Setting<T>> {
        let node = fields.map.optional(key)?;
        self.setting(node, key)
    }

    /// Reads a value that has a default. `default` is written as in a document.
    pub(super) fn value_or<T: Literal>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        default: &str,
    ) -> Setting<T> {
        let given = self.optional_value(fields, key);
        given.unwrap_or_else(|| default_setting(default, fields.map.span()))
    }

    /// Reads a list of texts that must be present and not empty.
    pub(super) fn texts(&mut self, fields: &mut Fields<'_>, key: &'static str, what: &str) -> Option<Vec<Template>> {
        let node = fields.map.required(&mut self.reader, key)?;
        let texts = self.templates(node, key, what)?;
        if let Value::List(items) = &node.value
            && items.is_empty()
        {
            let span = fields.map.key_span(key).unwrap_or(node.span);
            self.reader.error(span, "empty", format!("`{key}` must not be empty"));
        }
        Some(texts)
    }

    /// Reads a list of texts that may be absent or empty.
    pub(super) fn optional_texts(&mut self, fields: &mut Fields<'_>, key: &'static str, what: &str) -> Vec<Template> {
        fields.map.optional(key).and_then(|node| self.templates(node, key, what)).unwrap_or_default()
    }

    fn templates(&mut self, node: &Node, key: &str, what: &str) -> Option<Vec<Template>> {
        let items = self.reader.list(node, &format!("`{key}`"))?;
        Some(items.iter().filter_map(|item| self.template(item, what)).collect())
    }

    /// Reads a text that must be a literal of type `T` if it has no references.
    pub(super) fn setting<T: Literal>(&mut self, node: &Node, key: &str) -> Option<Setting<T>> {
        let text = self.template(node, &format!("`{key}`"))?;
        let value = text.literal().map(|literal| (T::read(&literal), literal));
        match value {
            None => Some(Setting { text, value: None }),
            Some((Some(value), _)) => Some(Setting { text, value: Some(value) }),
            Some((None, literal)) => {
                let message = format!("`{key}` must be {}, not `{}`", T::EXPECTED, shown(&literal));
                self.reader.error(node.span, "wrong-value", message);
                None
            }
        }
    }
}

/// Returns the setting of a default. `span` is the place of its map.
pub(super) fn default_setting<T: Literal>(default: &str, span: Span) -> Setting<T> {
    let text = Template { raw: default.to_owned(), span, parts: vec![Part::Text(default.to_owned())] };
    Setting { text, value: T::read(default) }
}
