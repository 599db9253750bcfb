//! YAML with the tags of CloudFormation. JSON is read in the same way, because JSON is YAML.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::rc::Rc;

use saphyr_parser::{Event, Parser, StrInput};

use crate::item::Place;

/// Deepest nesting.
const MAX_DEPTH: usize = 64;
/// Most nodes of a template with its repetitions: a few lines of aliases can stand for gigabytes.
const MAX_NODES: usize = 200_000;

/// A node of a template.
#[derive(Debug, Clone)]
pub(crate) struct Node {
    pub(crate) content: Content,
    /// The tag without `!`, such as `Sub`.
    pub(crate) tag: Option<String>,
    pub(crate) place: Place,
}

/// The content of a [`Node`].
#[derive(Debug, Clone)]
pub(crate) enum Content {
    Text(String),
    List(Vec<Node>),
    Map(Vec<(String, Node)>),
}

impl Node {
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.content {
            Content::Text(text) => Some(text),
            _ => None,
        }
    }

    pub(crate) fn items(&self) -> &[Node] {
        match &self.content {
            Content::List(items) => items,
            _ => &[],
        }
    }

    pub(crate) fn entries(&self) -> &[(String, Node)] {
        match &self.content {
            Content::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, node)| node)
    }
}

/// Parses a template.
///
/// # Errors
/// The line, and what is wrong there.
pub(crate) fn parse(file: &Rc<str>, text: &str) -> Result<Node, (usize, String)> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    // YAML's flow style allows no tab before a key, but JSON does. Inside of texts, JSON allows none.
    let is_json = text.trim_start().starts_with('{');
    let text = if is_json { Cow::Owned(text.replace('\t', "  ")) } else { Cow::Borrowed(text) };
    let parser = Parser::new_from_str(&text);
    let mut reader = Reader { parser, file, anchors: BTreeMap::new(), nodes: 0 };
    loop {
        match reader.next()? {
            (Event::StreamStart | Event::DocumentStart(_), _) => {}
            (event @ (Event::Scalar(..) | Event::SequenceStart(..) | Event::MappingStart(..)), line) => {
                return reader.node(event, line, 1);
            }
            (_, line) => return Err((line, "the file is empty".to_owned())),
        }
    }
}

struct Reader<'t> {
    parser: Parser<'t, StrInput<'t>>,
    file: &'t Rc<str>,
    anchors: BTreeMap<usize, Node>,
    nodes: usize,
}

impl<'t> Reader<'t> {
    fn next(&mut self) -> Result<(Event<'t>, usize), (usize, String)> {
        match self.parser.next_event() {
            Some(Ok((event, range))) => Ok((event, range.start.line())),
            Some(Err(error)) => Err((error.marker().line(), format!("this is not YAML: {}", error.info()))),
            None => Err((0, "the file ends too early".to_owned())),
        }
    }

    fn node(&mut self, event: Event<'t>, line: usize, depth: usize) -> Result<Node, (usize, String)> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            return Err((line, format!("the template is nested deeper than {MAX_DEPTH} levels, or is too long")));
        }
        let place = Place::new(self.file, line);
        let (content, anchor, tag) = match event {
            Event::Scalar(text, _, anchor, tag) => (Content::Text(text.into_owned()), anchor, tag),
            Event::SequenceStart(anchor, tag) => (self.list(depth)?, anchor, tag),
            Event::MappingStart(anchor, tag) => (self.map(depth)?, anchor, tag),
            Event::Alias(anchor) => {
                let node = self.anchors.get(&anchor).cloned();
                let node = node.ok_or_else(|| (line, "an alias has no anchor before it".to_owned()))?;
                self.nodes += count(&node);
                return Ok(node);
            }
            _ => (Content::Text(String::new()), 0, None),
        };
        let tag = tag.filter(|tag| !tag.is_yaml_core_schema()).map(|tag| tag.suffix.clone());
        let node = Node { content, tag, place };
        if anchor != 0 {
            self.anchors.insert(anchor, node.clone());
        }
        Ok(node)
    }

    fn list(&mut self, depth: usize) -> Result<Content, (usize, String)> {
        let mut items = Vec::new();
        loop {
            let (event, line) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                return Ok(Content::List(items));
            }
            items.push(self.node(event, line, depth + 1)?);
        }
    }

    fn map(&mut self, depth: usize) -> Result<Content, (usize, String)> {
        let mut entries = Vec::new();
        loop {
            let (event, line) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(Content::Map(entries));
            }
            let key = self.node(event, line, depth + 1)?;
            let (event, line) = self.next()?;
            let value = self.node(event, line, depth + 1)?;
            let key = key.text().ok_or_else(|| (line, "a key is not a text".to_owned()))?;
            if key == "<<" {
                entries.extend(value.entries().to_vec());
            } else {
                entries.push((key.to_owned(), value));
            }
        }
    }
}

fn count(node: &Node) -> usize {
    match &node.content {
        Content::Text(_) => 1,
        Content::List(items) => 1 + items.iter().map(count).sum::<usize>(),
        Content::Map(entries) => 1 + entries.iter().map(|(_, node)| count(node)).sum::<usize>(),
    }
}
