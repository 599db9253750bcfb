//! Reads the fields of one map of inputs.

use crate::diagnostic::shown;
use crate::parse::Parse;
use crate::yaml::{Node, Value};
use crate::{Literal, MapReader, Part, Setting, Template};

/// A map of inputs that is being read.
pub(crate) struct Fields<'n> {
    pub(crate) map: MapReader<'n>,
    pub(crate) node: &'n Node,
}

impl Parse<'_> {
    /// Reads a text that must be present.
    pub(crate) fn text(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<Template> {
        let node = fields.map.required(&mut self.reader, key)?;
        self.template(node, &format!("`{key}`"))
    }

    /// Reads a text that may be absent.
    pub(crate) fn optional_text(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<Template> {
        let node = fields.map.optional(key)?;
        self.template(node, &format!("`{key}`"))
    }

    /// Reads a value that must be present.
    pub(crate) fn value<T: Literal>(&mut self, fields: &mut Fields<'_>, key: &'static str) -> Option<Setting<T>> {
        let node = fields.map.required(&mut self.reader, key)?;
        self.setting(node, key)
    }

    /// Reads a value that may be absent.
    pub(crate) fn optional_value<T: Literal>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
    ) -> Option<Setting<T>> {
        let node = fields.map.optional(key)?;
        self.setting(node, key)
    }

    /// Reads a value that has a default. `default` is written as in a document.
    pub(crate) fn value_or<T: Literal>(
        &mut self,
        fields: &mut Fields<'_>,
        key: &'static str,
        default: &str,
    ) -> Setting<T> {
        let given = self.optional_value(fields, key);
        given.unwrap_or_else(|| {
            let parts = vec![Part::Text(default.to_owned())];
            let text = Template { raw: default.to_owned(), span: fields.map.span(), parts };
            Setting { text, value: T::read(default) }
        })
    }

    /// Reads a list of texts that must be present and not empty.
    pub(crate) fn texts(&mut self, fields: &mut Fields<'_>, key: &'static str, what: &str) -> Option<Vec<Template>> {
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
    pub(crate) fn optional_texts(&mut self, fields: &mut Fields<'_>, key: &'static str, what: &str) -> Vec<Template> {
        fields.map.optional(key).and_then(|node| self.templates(node, key, what)).unwrap_or_default()
    }

    fn templates(&mut self, node: &Node, key: &str, what: &str) -> Option<Vec<Template>> {
        let items = self.reader.list(node, &format!("`{key}`"))?;
        Some(items.iter().filter_map(|item| self.template(item, what)).collect())
    }

    /// Reads a text that must be a literal of type `T` if it has no references.
    fn setting<T: Literal>(&mut self, node: &Node, key: &str) -> Option<Setting<T>> {
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
