//! Turns values of HCL into items, and templates into their text.

use std::path::{Path, PathBuf};

use ::hcl::Value as Hcl;
use ::hcl::edit::expr::Expression;

use super::label;
use crate::item::{Item, Mark, Part, Place, Value, parts};

/// Longest part of an expression that a finding shows.
const SHOWN: usize = 60;

/// Returns the beginning of an expression on one line, for findings.
pub(super) fn short(expression: &Expression) -> String {
    let text = expression.to_string();
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let cut: String = line.chars().take(SHOWN).collect();
    if cut == line { line } else { format!("{cut}…") }
}

/// Returns a value as an item, with the paths of files found from the module's folder.
pub(super) fn item(place: &Place, value: &Hcl, folder: &Path) -> Item {
    place.item(match value {
        Hcl::Null => Value::Null,
        Hcl::Bool(flag) => Value::Text(flag.to_string()),
        Hcl::Number(number) => Value::Text(number.to_string()),
        Hcl::String(text) => Value::Text(with_paths(text, folder)),
        Hcl::Array(items) => {
            let items = items.iter().map(|value| item(place, value, folder));
            Value::List(items.filter(|item| !item.is_null()).collect())
        }
        Hcl::Object(map) => {
            Value::Map(map.iter().map(|(key, value)| (key.clone(), item(place, value, folder))).collect())
        }
    })
}

/// Returns a text whose marks of files have paths that can be opened.
fn with_paths(text: &str, folder: &Path) -> String {
    let path = |label: &str| found(label, folder).display().to_string();
    let part = |part: Part<'_>| match part {
        Part::Text(text) => text.to_owned(),
        Part::Mark(mark @ (Mark::File | Mark::FileBase64), label) => mark.text(&path(label)),
        Part::Mark(Mark::Template, label) => template(label, folder).unwrap_or_else(|| Mark::Unknown.text(label)),
        Part::Mark(mark, label) => mark.text(label),
    };
    parts(text).into_iter().map(part).collect()
}

/// Returns the path of a file that a module names, relative to its folder unless the path begins with that folder.
pub(crate) fn found(path: &str, folder: &Path) -> PathBuf {
    let path = Path::new(path);
    if path.is_absolute() || path.starts_with(folder) && folder.as_os_str() != "." {
        path.to_owned()
    } else {
        folder.join(path)
    }
}

/// Returns the text of a template, or `None` if it cannot be read or evaluated.
fn template(label: &str, folder: &Path) -> Option<String> {
    use ::hcl::eval::{Context, Evaluate};

    let (path, values) = label::read(label)?;
    let text = crate::project::Project::around(folder).ok()?.text(&found(path, folder)).ok()?;
    let mut context = Context::new();
    super::functions::declare(&mut context);
    for (name, value) in values.as_object()? {
        context.declare_var(name.as_str(), value.clone());
    }
    text.parse::<::hcl::Template>().ok()?.evaluate(&context).ok()
}
