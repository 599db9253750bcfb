//! Writes definitions and documents as YAML.

/// YAML that is written, with its keys in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Yaml {
    Text(String),
    List(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
    /// A line for people, in a list or a map. In a map, its key is not written.
    Comment(String),
}

impl Yaml {
    pub(crate) fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    pub(crate) fn map<K: Into<String>>(entries: impl IntoIterator<Item = (K, Yaml)>) -> Self {
        Self::Map(entries.into_iter().map(|(key, value)| (key.into(), value)).collect())
    }

    pub(crate) fn texts<T: Into<String>>(texts: impl IntoIterator<Item = T>) -> Self {
        Self::List(texts.into_iter().map(|text| Self::Text(text.into())).collect())
    }

    /// Returns whether there is nothing in a map or a list but comments.
    fn is_empty(&self) -> bool {
        match self {
            Self::Text(_) => false,
            Self::List(items) => items.iter().all(|item| matches!(item, Self::Comment(_))),
            Self::Map(entries) => entries.iter().all(|(_, value)| matches!(value, Self::Comment(_))),
            Self::Comment(_) => true,
        }
    }

    /// Returns the YAML text of a map, which ends with a line end.
    pub(crate) fn document(&self) -> String {
        let mut out = String::new();
        write(self, 0, &mut out);
        out
    }
}

fn write(yaml: &Yaml, indent: usize, out: &mut String) {
    match yaml {
        Yaml::Map(entries) => {
            for (key, value) in entries {
                if let Yaml::Comment(text) = value {
                    comment(text, indent, out);
                    continue;
                }
                push(out, indent, &format!("{}:", scalar(key)));
                value_after(value, indent, out);
            }
        }
        Yaml::List(items) => {
            for item in items {
                if let Yaml::Comment(text) = item {
                    comment(text, indent, out);
                    continue;
                }
                push(out, indent, "-");
                let mut inner = String::new();
                match item {
                    Yaml::Map(_) if !item.is_empty() => {
                        write(item, indent + 2, &mut inner);
                        // The first key stands on the line of the dash.
                        out.push(' ');
                        out.push_str(inner.trim_start_matches(' '));
                    }
                    _ => value_after(item, indent, out),
                }
            }
        }
        Yaml::Text(text) => out.push_str(&format!("{}\n", scalar(text))),
        Yaml::Comment(text) => comment(text, indent, out),
    }
}

/// Writes a comment on one line.
fn comment(text: &str, indent: usize, out: &mut String) {
    let line: String = text.chars().map(|c| if is_break(c) { ' ' } else { c }).collect();
    push(out, indent, &format!("# {}\n", line.trim()));
}

/// Returns whether a letter would end a line for some reader of YAML, or cannot be written at all.
fn is_break(letter: char) -> bool {
    letter.is_control() || matches!(letter, '\u{85}' | '\u{2028}' | '\u{2029}' | '\u{feff}')
}

fn value_after(value: &Yaml, indent: usize, out: &mut String) {
    match value {
        Yaml::Map(_) | Yaml::List(_) if value.is_empty() => {
            out.push_str(if matches!(value, Yaml::Map(_)) { " {}\n" } else { " []\n" });
            write(value, indent + 2, out); // its comments
        }
        Yaml::Comment(text) => comment(text, indent, out),
        Yaml::Map(_) | Yaml::List(_) => {
            out.push('\n');
            write(value, indent + 2, out);
        }
        Yaml::Text(text) if is_block(text) => block(text, indent + 2, out),
        Yaml::Text(text) => out.push_str(&format!(" {}\n", scalar(text))),
    }
}

/// Returns whether a text can be written as a literal block without a change.
fn is_block(text: &str) -> bool {
    let good = |c: char| c == '\n' || c == '\t' || !is_break(c);
    let first = text.lines().next().unwrap_or_default();
    text.trim_end_matches('\n').contains('\n')
        && text.chars().all(good)
        && !first.is_empty()
        && !first.starts_with([' ', '\t'])
}

fn block(text: &str, indent: usize, out: &mut String) {
    let ends = text.len() - text.trim_end_matches('\n').len();
    out.push_str(match ends {
        0 => " |-\n",
        1 => " |\n",
        _ => " |+\n",
    });
    for line in text.strip_suffix('\n').unwrap_or(text).split('\n') {
        match line {
            "" => out.push('\n'),
            line => push(out, indent, &format!("{line}\n")),
        }
    }
}

fn push(out: &mut String, indent: usize, text: &str) {
    out.push_str(&" ".repeat(indent));
    out.push_str(text);
}

/// Returns a text without quotes if every reader of YAML takes it as the same text, and in JSON's quotes otherwise.
fn scalar(text: &str) -> String {
    let first = text.chars().next().unwrap_or(' ');
    let plain = (first.is_ascii_alphanumeric() || first == '/')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || " -_./+=@(),*".contains(c) || c == ':')
        && !text.contains(": ")
        && !text.ends_with([':', ' ']);
    // Other readers would take an account id for a number, and mangle one that begins with 0.
    let is_id = text.bytes().all(|b| b.is_ascii_digit()) && (text.len() > 9 || text.starts_with('0') && text.len() > 1);
    // Numbers and booleans keep their words: the readers of definitions take the written text.
    if plain && !is_id && !matches!(text, "null" | "Null" | "NULL") {
        return text.to_owned();
    }
    serde_json::Value::String(text.to_owned()).to_string()
}

#[cfg(test)]
mod tests {
    use goldsmith_document::yaml::{Node, Value, parse};
    use proptest::prelude::*;

    use super::Yaml;

    fn yaml(node: &Node) -> Yaml {
        match &node.value {
            Value::Scalar { text, .. } => Yaml::Text(text.clone()),
            Value::List(items) => Yaml::List(items.iter().map(yaml).collect()),
            Value::Map(entries) => Yaml::Map(
                entries.iter().map(|(key, value)| (key.text().unwrap_or_default().to_owned(), yaml(value))).collect(),
            ),
        }
    }

    #[test]
    fn the_text_is_what_a_person_would_write() {
        let written = Yaml::map([
            ("kind", Yaml::text("Component")),
            ("list", Yaml::List(vec![Yaml::map([("a", Yaml::text("1.0.0")), ("b", Yaml::texts(["x: y", "z"]))])])),
            ("script", Yaml::text("echo a\n\necho b\n")),
            ("none", Yaml::List(Vec::new())),
        ]);
        let expected = "kind: Component\nlist:\n  - a: 1.0.0\n    b:\n      - \"x: y\"\n      - z\nscript: |\n  echo a\n\n  \
                        echo b\nnone: []\n";
        assert_eq!(written.document(), expected);
    }

    /// Returns YAML as a reader sees it.
    fn bare(yaml: &Yaml) -> Yaml {
        let is_value = |one: &Yaml| !matches!(one, Yaml::Comment(_));
        match yaml {
            Yaml::List(items) => Yaml::List(items.iter().filter(|one| is_value(one)).map(bare).collect()),
            Yaml::Map(entries) => {
                let entries = entries.iter().filter(|(_, one)| is_value(one));
                Yaml::Map(entries.map(|(key, one)| (key.clone(), bare(one))).collect())
            }
            other => other.clone(),
        }
    }

    fn tree() -> impl Strategy<Value = Yaml> {
        let text = prop_oneof!["[ -~\n\t]{0,20}", "\\PC{0,8}", Just("null".to_owned()), Just("a\n\n".to_owned())];
        let leaf = prop_oneof![4 => text.clone().prop_map(Yaml::Text), 1 => text.prop_map(Yaml::Comment)];
        leaf.prop_recursive(3, 20, 4, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..4).prop_map(Yaml::List),
                proptest::collection::btree_map("[ -~]{1,8}", inner, 0..4).prop_map(Yaml::map),
            ]
        })
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(value in tree()) {
            let whole = Yaml::map([("first", Yaml::text("1")), ("it", value)]);
            let text = whole.document();
            let read = parse("f", &text).unwrap();
            prop_assert_eq!(yaml(&read[0]), bare(&whole), "{}", text);
        }
    }
}
