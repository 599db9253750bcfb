//! What has changed inside a component: its steps, and the lines of each.

use std::collections::BTreeSet;

use goldsmith_document::{is_of_secret, secret_in, yaml};
use goldsmith_model::Component;
use serde::Serialize;

use crate::render::quoted;

/// The largest table of the comparison, in cells. Larger parts are compared as a whole.
const LARGEST: usize = 4_000_000;
/// The longest line, in characters.
const LONGEST: usize = 200;
/// What stands for a value that may be a secret.
const HIDDEN: &str = "****";

/// A component of which two builds have used different versions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Inside {
    pub(crate) component: String,
    pub(crate) from: String,
    pub(crate) to: String,
    /// A line for each step or other part that has changed, followed by its lines, which begin with `+ ` or `- `.
    pub(crate) lines: Vec<String>,
}

impl Inside {
    /// Compares two versions of a component.
    pub(crate) fn between(old: &Component, new: &Component) -> Self {
        Self {
            component: new.name.to_string(),
            from: old.version.to_string(),
            to: new.version.to_string(),
            lines: compare(&old.document, &new.document),
        }
    }

    /// Returns the lines that only one of the versions has, with their signs.
    pub(crate) fn signed(&self) -> impl Iterator<Item = (char, &str)> {
        let lines = self.lines.iter().filter(|line| matches!(line.get(..2), Some("+ " | "- ")));
        lines.map(|line| (if line.starts_with('+') { '+' } else { '-' }, &line[2..]))
    }

    /// Returns at most `most` lines, and how many are left out.
    pub(crate) fn first(&self, most: usize) -> (&[String], usize) {
        let shown = self.lines.len().min(most);
        (&self.lines[..shown], self.lines.len() - shown)
    }

    /// Returns the words of the command that prints everything.
    pub(crate) fn command(&self) -> String {
        let name = |version: &str| quoted(&format!("component/{}/{version}", self.component));
        format!("diff {} {}", name(&self.from), name(&self.to))
    }
}

/// A document as lines, each of which belongs to a part.
struct Text<'t> {
    text: &'t str,
    lines: Vec<&'t str>,
    /// The part of each line.
    parts: Vec<String>,
}

impl<'t> Text<'t> {
    fn of(text: &'t str) -> Self {
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        let mut begins = begins(text);
        begins.sort_by_key(|(line, _)| *line);
        let part = |at: usize| {
            let last = begins.iter().rev().find(|(line, _)| *line <= at + 1);
            last.map_or_else(|| "the document".to_owned(), |(_, part)| part.clone())
        };
        let parts = (0..lines.len()).map(part).collect();
        Self { text, lines, parts }
    }

    /// Returns a line for people, without values that may be secrets.
    fn shown(&self, at: usize) -> String {
        let line = self.lines[at];
        let shown = match line.split_once(':') {
            _ if self.is_in_key(at) => HIDDEN.to_owned(),
            // Values of parameters may be on the lines after their key, too.
            Some((key, value)) if self.parts[at] == "parameters" && !is_of_declaration(key, value) => {
                format!("{key}: {HIDDEN}")
            }
            None if self.parts[at] == "parameters" => HIDDEN.to_owned(),
            Some((key, value)) if !value.is_empty() && is_of_secret(self.text, at + 1) => format!("{key}: {HIDDEN}"),
            None if is_of_secret(self.text, at + 1) => HIDDEN.to_owned(),
            _ => match secret_in(line) {
                Some(rest) => format!("{}{HIDDEN}", &line[..line.len() - rest.len()]),
                None => line.to_owned(),
            },
        };
        if shown.chars().count() > LONGEST { shown.chars().take(LONGEST).chain(['…']).collect() } else { shown }
    }

    /// Returns whether a line is inside of a private key in PEM.
    fn is_in_key(&self, at: usize) -> bool {
        let before =
            self.lines[..at].iter().rev().find(|line| line.contains("-----BEGIN ") || line.contains("-----END "));
        before.is_some_and(|line| line.contains("-----BEGIN ") && line.contains("PRIVATE KEY"))
    }
}

/// Returns whether a line of the parameters contains no value of a parameter.
fn is_of_declaration(key: &str, value: &str) -> bool {
    value.trim().is_empty() || ["name", "- name", "type", "description"].contains(&key.trim())
}

/// Returns the lines, counted from 1, at which the parts of a document begin.
fn begins(text: &str) -> Vec<(usize, String)> {
    let Ok(documents) = yaml::parse("", text) else { return Vec::new() };
    let mut begins = Vec::new();
    let list = |node: &yaml::Node| match &node.value {
        yaml::Value::List(nodes) => nodes.clone(),
        yaml::Value::Scalar { .. } | yaml::Value::Map(_) => Vec::new(),
    };
    let name = |node: &yaml::Node| node.get("name").and_then(yaml::Node::text).unwrap_or_default().to_owned();
    for (key, value) in documents.first().map(yaml::Node::entries).unwrap_or_default() {
        begins.push((key.span.line, key.text().unwrap_or_default().to_owned()));
        if key.text() != Some("phases") {
            continue;
        }
        for phase in list(value) {
            begins.push((phase.span.line, format!("phase {}", name(&phase))));
            for step in phase.get("steps").map(list).unwrap_or_default() {
                begins.push((step.span.line, format!("step {} ({})", name(&step), name(&phase))));
            }
        }
    }
    begins
}

/// Returns what differs between two documents, by their parts.
fn compare(old: &str, new: &str) -> Vec<String> {
    let (old, new) = (Text::of(old), Text::of(new));
    let mut parts: Vec<(&str, Vec<(char, usize)>)> = Vec::new();
    for (sign, at) in changes(&old.lines, &new.lines) {
        let part = if sign == '-' { &old.parts[at] } else { &new.parts[at] };
        match parts.iter_mut().find(|(name, _)| name == part) {
            Some((_, lines)) => lines.push((sign, at)),
            None => parts.push((part.as_str(), vec![(sign, at)])),
        }
    }
    let (olds, news): (BTreeSet<&String>, BTreeSet<&String>) = (old.parts.iter().collect(), new.parts.iter().collect());
    let mut found = Vec::new();
    for (part, lines) in parts {
        let name = part.to_owned();
        let only = |wanted: char, text: &Text<'_>| -> Vec<String> {
            lines.iter().filter(|(sign, _)| *sign == wanted).map(|(_, at)| text.lines[*at].trim().to_owned()).collect()
        };
        let what = match (olds.contains(&name), news.contains(&name)) {
            (true, false) => "is gone",
            (false, true) => "is new",
            _ if only('-', &old) == only('+', &new) => {
                found.push(format!("{part} has moved"));
                continue;
            }
            _ => "has changed",
        };
        found.push(format!("{part} {what}"));
        found.extend(shown(&lines, &old, &new));
    }
    found
}

/// Returns changed lines with their signs, without their common indentation and without what says nothing.
fn shown(lines: &[(char, usize)], old: &Text<'_>, new: &Text<'_>) -> Vec<String> {
    const FRAME: [&str; 4] = ["", "inputs:", "commands:", "steps:"];
    let of = |(sign, at): &(char, usize)| (*sign, if *sign == '-' { old.shown(*at) } else { new.shown(*at) });
    let lines: Vec<(char, String)> = lines.iter().map(of).collect();
    let says = |line: &str| !FRAME.contains(&line.trim()) && !line.trim().starts_with("- name: ");
    let indentation = |line: &str| line.bytes().take_while(|byte| *byte == b' ').count();
    let lines: Vec<_> = lines.into_iter().filter(|(_, line)| says(line)).collect();
    let common = lines.iter().map(|(_, line)| indentation(line)).min().unwrap_or_default();
    // The mark of an item of a list would look like a second sign.
    let bare = |line: &str| line.strip_prefix("- ").unwrap_or(line).to_owned();
    lines.into_iter().map(|(sign, line)| format!("{sign} {}", bare(&line[common..]))).collect()
}

/// Returns the lines that only one of the texts has: `-` with an index of the old text, and `+` with one of the new text.
fn changes(old: &[&str], new: &[&str]) -> Vec<(char, usize)> {
    let start = old.iter().zip(new).take_while(|(one, other)| one == other).count();
    let (rest_old, rest_new) = (&old[start..], &new[start..]);
    let end = rest_old.iter().rev().zip(rest_new.iter().rev()).take_while(|(one, other)| one == other).count();
    let (old, new) = (&rest_old[..rest_old.len() - end], &rest_new[..rest_new.len() - end]);
    let removed = |at: usize| ('-', start + at);
    let added = |at: usize| ('+', start + at);
    if old.len().saturating_mul(new.len()) > LARGEST {
        return (0..old.len()).map(removed).chain((0..new.len()).map(added)).collect();
    }
    // `longest[i][j]` is the length of the longest common sequence of `old[i..]` and `new[j..]`.
    let mut longest = vec![vec![0_u32; new.len() + 1]; old.len() + 1];
    for i in (0..old.len()).rev() {
        for j in (0..new.len()).rev() {
            longest[i][j] =
                if old[i] == new[j] { longest[i + 1][j + 1] + 1 } else { longest[i + 1][j].max(longest[i][j + 1]) };
        }
    }
    let (mut i, mut j, mut found) = (0, 0, Vec::new());
    while i < old.len() || j < new.len() {
        if i < old.len() && j < new.len() && old[i] == new[j] {
            (i, j) = (i + 1, j + 1);
        } else if j == new.len() || i < old.len() && longest[i + 1][j] >= longest[i][j + 1] {
            found.push(removed(i));
            i += 1;
        } else {
            found.push(added(j));
            j += 1;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::compare;

    const OLD: &str = "\
schemaVersion: 1.0
parameters:
  - apiToken:
      type: string
      default: hunter22
phases:
  - name: build
    steps:
      - name: Unit
        action: ExecuteBash
        inputs:
          commands:
            - echo unit
      - name: Enable
        action: ExecuteBash
        inputs:
          commands:
            - set -euo pipefail
            - systemctl enable app.service
";

    #[test]
    fn steps_are_added_removed_and_changed() {
        let new = OLD.replace("name: Enable", "name: Load").replace("systemctl enable", "systemctl start");
        let new = new.replace("echo unit", "echo units\n            - mount -o remount,size=64m /tmp");
        let expected = "\
step Unit (build) has changed
- echo unit
+ echo units
+ mount -o remount,size=64m /tmp
step Enable (build) is gone
- systemctl enable app.service
step Load (build) is new
+ systemctl start app.service";
        assert_eq!(compare(OLD, &new).join("\n"), expected);
        assert!(compare(OLD, OLD).is_empty());
    }

    #[test]
    fn values_that_may_be_secrets_are_hidden() {
        let key = "-----BEGIN PRIVATE KEY-----\n              c2VjcmV0\n              -----END PRIVATE KEY-----";
        let new = OLD
            .replace("hunter22", "hunter23")
            .replace("echo unit", &format!("|\n              password=hunter24\n              {key}"));
        let text = compare(OLD, &new).join("\n");
        assert!(text.contains("parameters has changed\n- default: ****\n+ default: ****"), "{text}");
        assert!(!text.contains("hunter") && !text.contains("c2VjcmV0"), "{text}");
    }

    #[test]
    fn a_step_that_has_moved_and_a_document_that_is_none_are_compared_too() {
        let step = "      - name: Unit\n        action: ExecuteBash\n        inputs:\n          commands:\n            - echo unit\n";
        let moved = format!("{}{step}", OLD.replace(step, ""));
        assert!(compare(OLD, &moved).iter().any(|line| line.ends_with("has moved")), "{:?}", compare(OLD, &moved));
        assert_eq!(compare("[", "]"), ["the document has changed", "- [", "+ ]"]);
    }
}
