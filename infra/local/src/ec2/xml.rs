//! A writer for the XML of answers.

use std::fmt::{self, Display, Write};

/// Elements, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Xml(String);

impl Xml {
    pub(super) fn new() -> Self {
        Xml::default()
    }

    /// `<return>true</return>`: the answer of calls that only do something.
    pub(super) fn done() -> Self {
        let mut xml = Xml::new();
        xml.text("return", true);
        xml
    }

    /// An element with text.
    pub(super) fn text(&mut self, name: &str, value: impl Display) -> &mut Self {
        let escaped = escape(&value.to_string());
        // Writing to a String does not fail.
        write!(self.0, "<{name}>{escaped}</{name}>").ok();
        self
    }

    /// An element with text, when there is one.
    pub(super) fn maybe(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Text of its own, for the items of a list of words.
    pub(super) fn push_text(&mut self, value: impl Display) {
        self.0.push_str(&escape(&value.to_string()));
    }

    /// An element with elements.
    pub(super) fn node(&mut self, name: &str, content: impl FnOnce(&mut Xml)) -> &mut Self {
        write!(self.0, "<{name}>").ok();
        content(self);
        write!(self.0, "</{name}>").ok();
        self
    }

    /// An element with an `item` for each value.
    pub(super) fn items<T>(
        &mut self,
        name: &str,
        values: impl IntoIterator<Item = T>,
        mut content: impl FnMut(&mut Xml, T),
    ) -> &mut Self {
        self.node(name, |xml| {
            for value in values {
                xml.node("item", |xml| content(xml, value));
            }
        })
    }

    /// The `tagSet` of a resource.
    pub(super) fn tags(&mut self, tags: &crate::world::Tags) -> &mut Self {
        self.items("tagSet", tags, |xml, (key, value)| {
            xml.text("key", key).text("value", value);
        })
    }
}

impl Display for Xml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for letter in text.chars() {
        match letter {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            // XML 1.0 cannot carry these at all.
            control if control.is_control() && !matches!(control, '\t' | '\n' | '\r') => escaped.push('?'),
            other => escaped.push(other),
        }
    }
    escaped
}
