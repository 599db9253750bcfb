//! The XML of answers, which is written element by element and read by filters.

use std::fmt::{self, Display};

/// A sequence of elements.
#[derive(Debug, Default)]
pub(crate) struct Xml(Vec<Node>);

#[derive(Debug)]
enum Node {
    Element(String, Xml),
    Text(String),
}

impl Xml {
    pub(super) fn new() -> Self {
        Xml::default()
    }

    /// Returns `<return>true</return>`, the answer of calls that only perform an action.
    pub(super) fn done() -> Self {
        Xml::of("return", true)
    }

    /// Returns one element with text.
    pub(super) fn of(name: &str, value: impl Display) -> Self {
        let mut xml = Xml::new();
        xml.text(name, value);
        xml
    }

    /// Adds an element with text.
    pub(super) fn text(&mut self, name: &str, value: impl Display) -> &mut Self {
        self.node(name, |xml| xml.push_text(value))
    }

    /// Adds an element with text, if there is a value.
    pub(super) fn maybe(&mut self, name: &str, value: Option<impl Display>) -> &mut Self {
        match value {
            Some(value) => self.text(name, value),
            None => self,
        }
    }

    /// Adds text of its own, for the items of a list of words.
    pub(super) fn push_text(&mut self, value: impl Display) {
        self.0.push(Node::Text(value.to_string()));
    }

    /// Adds an element that contains elements.
    pub(super) fn node(&mut self, name: &str, content: impl FnOnce(&mut Xml)) -> &mut Self {
        let mut inside = Xml::new();
        content(&mut inside);
        self.push(name, inside)
    }

    /// Adds an element that contains one element with text.
    pub(super) fn nested(&mut self, name: &str, inner: &str, value: impl Display) -> &mut Self {
        self.node(name, |xml| {
            xml.text(inner, value);
        })
    }

    /// Adds an element whose content exists already.
    pub(super) fn push(&mut self, name: &str, content: Xml) -> &mut Self {
        self.0.push(Node::Element(name.to_owned(), content));
        self
    }

    /// Returns the elements that a path of names (`placement/availabilityZone`) leads to.
    pub(super) fn at(&self, path: &str) -> Vec<&Xml> {
        let (name, rest) = path.split_once('/').map_or((path, None), |(name, rest)| (name, Some(rest)));
        let found = self.0.iter().filter_map(|node| match node {
            Node::Element(own, content) if own == name => Some(content),
            _ => None,
        });
        match rest {
            None => found.collect(),
            Some(rest) => found.flat_map(|content| content.at(rest)).collect(),
        }
    }

    /// Returns the text that is directly in this XML.
    pub(super) fn own_text(&self) -> String {
        let text = |node: &Node| match node {
            Node::Text(text) => Some(text.clone()),
            Node::Element(..) => None,
        };
        self.0.iter().filter_map(text).collect()
    }

    /// Adds an element with an `item` for each value.
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

    /// Adds the `tagSet` of a resource. Without tags, it adds nothing, as EC2 leaves it out.
    pub(super) fn tags(&mut self, tags: &crate::world::Tags) -> &mut Self {
        if tags.is_empty() {
            return self;
        }
        self.all_tags(tags)
    }

    /// Does the same, but also adds an empty set, as EC2 does for key pairs.
    pub(super) fn all_tags(&mut self, tags: &crate::world::Tags) -> &mut Self {
        self.items("tagSet", tags, |xml, (key, value)| {
            xml.text("key", key).text("value", value);
        })
    }
}

impl Display for Xml {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|node| match node {
            Node::Element(name, content) => write!(f, "<{name}>{content}</{name}>"),
            Node::Text(text) => f.write_str(&escape(text)),
        })
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
            // XML 1.0 cannot contain these characters at all.
            control if control.is_control() && !matches!(control, '\t' | '\n' | '\r') => escaped.push('?'),
            other => escaped.push(other),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leads_to_what_it_writes() {
        let mut xml = Xml::new();
        xml.nested("placement", "zone", "a<b");
        xml.items("groupSet", ["one", "two"], |xml, id| {
            xml.text("groupId", id);
        });
        let at = |path| xml.at(path).into_iter().map(Xml::own_text).collect::<Vec<_>>();
        assert_eq!(at("placement/zone"), ["a<b"]);
        assert_eq!(at("groupSet/item/groupId"), ["one", "two"]);
        assert_eq!(at("groupSet/groupId"), [""; 0]);
        assert!(xml.to_string().starts_with("<placement><zone>a&lt;b</zone></placement><groupSet><item>"));
    }
}
