//! Values of a source file, with their places. A text may hold marks where the value is known only when the source is
//! deployed, or where it refers to another resource.

use std::rc::Rc;

/// A line of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Place {
    /// The path as the user named it.
    pub(crate) file: Rc<str>,
    /// The line, from 1; `None` if it is not known.
    pub(crate) line: Option<usize>,
}

/// A value and its place.
#[derive(Debug, Clone)]
pub(crate) struct Item {
    pub(crate) place: Place,
    pub(crate) value: Value,
}

/// The content of an [`Item`].
#[derive(Debug, Clone)]
pub(crate) enum Value {
    Null,
    /// Text, a number or a boolean, as it is written. It may hold marks.
    Text(String),
    List(Vec<Item>),
    Map(Vec<(String, Item)>),
}

impl Place {
    pub(crate) fn new(file: &Rc<str>, line: usize) -> Self {
        Self { file: Rc::clone(file), line: Some(line).filter(|line| *line > 0) }
    }

    pub(crate) fn item(&self, value: Value) -> Item {
        Item { place: self.clone(), value }
    }

    pub(crate) fn text(&self, text: impl Into<String>) -> Item {
        self.item(Value::Text(text.into()))
    }
}

impl Item {
    /// Returns the text, if the item is one.
    pub(crate) fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// Returns the elements of a list. Another value is a list of itself, and nothing is an empty list.
    pub(crate) fn items(&self) -> Vec<&Item> {
        match &self.value {
            Value::List(items) => items.iter().collect(),
            Value::Null => Vec::new(),
            _ => vec![self],
        }
    }

    pub(crate) fn entries(&self) -> &[(String, Item)] {
        match &self.value {
            Value::Map(entries) => entries,
            _ => &[],
        }
    }

    pub(crate) fn get(&self, key: &str) -> Option<&Item> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub(crate) fn is_null(&self) -> bool {
        matches!(self.value, Value::Null)
    }

    /// Returns whether a text in the value holds a mark.
    pub(crate) fn is_marked(&self) -> bool {
        match &self.value {
            Value::Null => false,
            Value::Text(text) => text.contains(BEGIN),
            Value::List(items) => items.iter().any(Item::is_marked),
            Value::Map(entries) => entries.iter().any(|(key, item)| key.contains(BEGIN) || item.is_marked()),
        }
    }
}

// Characters for private use, which no definition holds.
const BEGIN: char = '\u{e000}';
const MIDDLE: char = '\u{e001}';
const END: char = '\u{e002}';

/// What a mark stands for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mark {
    /// A value that is not known; the label says which one.
    Unknown,
    /// Another resource of the source, by its address.
    Resource,
    /// The time of the build, or a time after it: then the label is what was added, such as `2160h`.
    Now,
    /// A file that cannot be read, by its path.
    File,
    /// An AMI: the name of an SSM parameter.
    Parameter,
    /// An AMI: the owners in a search with commas, a space, and the name. Encoding a document leaves it as it is.
    Search,
    /// An AMI of Windows, by its name or the name of a search.
    Windows,
}

const MARKS: [(char, Mark); 7] = [
    ('u', Mark::Unknown),
    ('r', Mark::Resource),
    ('n', Mark::Now),
    ('f', Mark::File),
    ('p', Mark::Parameter),
    ('s', Mark::Search),
    ('w', Mark::Windows),
];

impl Mark {
    /// Returns the mark as part of a text.
    pub(crate) fn text(self, label: &str) -> String {
        let sign = MARKS.iter().find(|(_, mark)| *mark == self).map_or('u', |(sign, _)| *sign);
        // A label is never read as a mark itself.
        format!("{BEGIN}{sign}{MIDDLE}{}{END}", plain(label))
    }
}

/// Returns a text without signs that could be marks.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|c| ![BEGIN, MIDDLE, END].contains(c)).collect()
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part<'t> {
    Text(&'t str),
    Mark(Mark, &'t str),
}

/// Returns the parts of a text. A sign for private use that is no mark is left out.
pub(crate) fn parts(text: &str) -> Vec<Part<'_>> {
    let mut parts = Vec::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once(BEGIN) {
        if !before.is_empty() {
            parts.push(Part::Text(before));
        }
        let Some((mark, after)) = after.split_once(END) else {
            rest = after;
            continue;
        };
        let (sign, label) = mark.split_once(MIDDLE).unwrap_or(("u", mark));
        let known = MARKS.iter().find(|(known, _)| sign.starts_with(*known)).map_or(Mark::Unknown, |(_, mark)| *mark);
        parts.push(Part::Mark(known, label));
        rest = after;
    }
    if !rest.is_empty() {
        parts.push(Part::Text(rest));
    }
    parts
}

/// Returns the mark if the text is nothing else.
pub(crate) fn sole_mark(text: &str) -> Option<(Mark, &str)> {
    match parts(text)[..] {
        [Part::Mark(mark, label)] => Some((mark, label)),
        _ => None,
    }
}

/// Returns the label of the first value in the text that is not known.
pub(crate) fn first_unknown(text: &str) -> Option<&str> {
    let unknown = |part| if let Part::Mark(Mark::Unknown, label) = part { Some(label) } else { None };
    parts(text).into_iter().find_map(unknown)
}

/// Returns whether the text holds a mark of this kind.
pub(crate) fn holds(text: &str, mark: Mark) -> bool {
    text.contains(BEGIN) && parts(text).iter().any(|part| matches!(part, Part::Mark(found, _) if *found == mark))
}

/// Returns the text as people read it: a mark is shown by its label in `${…}`.
pub(crate) fn shown(text: &str) -> String {
    let piece = |part: &Part<'_>| match part {
        Part::Text(text) => (*text).to_owned(),
        Part::Mark(mark, label) => format!("${{{}}}", named(*mark, label)),
    };
    parts(text).iter().map(piece).collect()
}

/// Returns what people call the value of a mark.
pub(crate) fn named(mark: Mark, label: &str) -> String {
    match mark {
        Mark::Now if label.is_empty() => "the time".to_owned(),
        Mark::Now => format!("the time and {label}"),
        Mark::Search => format!("the newest AMI {}", label.split_once(' ').map_or("", |(_, name)| name)),
        Mark::Windows => format!("an AMI of Windows {label}").trim().to_owned(),
        _ => bare(label).to_owned(),
    }
}

/// Separates the file or folder of a resource from its name in an address.
const SCOPE: char = '\u{1f}';

/// Returns the address of a resource: names of different files or folders are different resources.
pub(crate) fn address(scope: &str, name: &str) -> String {
    format!("{scope}{SCOPE}{name}")
}

/// Returns the name of a resource as its source writes it.
pub(crate) fn bare(address: &str) -> &str {
    address.rsplit(SCOPE).next().unwrap_or(address)
}

#[cfg(test)]
mod tests {
    use super::{Mark, Part, parts, shown, sole_mark};

    #[test]
    fn a_text_has_parts() {
        let text = format!("a-{}-b", Mark::Unknown.text("var.x"));
        assert_eq!(parts(&text), [Part::Text("a-"), Part::Mark(Mark::Unknown, "var.x"), Part::Text("-b")]);
        assert_eq!(shown(&text), "a-${var.x}-b");
        assert_eq!(sole_mark(&text), None);
        assert_eq!(sole_mark(&Mark::Resource.text("Recipe")), Some((Mark::Resource, "Recipe")));
    }

    #[test]
    fn stray_signs_end_nothing() {
        assert_eq!(parts("\u{e000}x"), [Part::Text("x")]);
        assert_eq!(parts(&Mark::File.text(&Mark::Unknown.text("a"))), [Part::Mark(Mark::File, "ua")]);
    }
}
