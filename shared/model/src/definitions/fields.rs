//! Small parts that several kinds of definitions share: parsed texts, lists of texts, tags, ranges.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::{self, Path, PathBuf};
use std::str::FromStr;

use goldsmith_document::yaml::{Node, Span, Value};
use goldsmith_document::{MapReader, Reader, Spanned};

use super::draft::Context;
use super::keys::Limits;
use crate::placeholder;

/// Maximum number of tags of an AWS resource.
const MAX_TAGS: usize = 50;
/// Maximum length of a tag's value in characters.
const MAX_TAG_VALUE: usize = 256;

/// Reads a text with the parser of its type.
pub(super) fn parse<T>(reader: &mut Reader<'_>, node: &Node, what: &str) -> Option<T>
where
    T: FromStr,
    T::Err: Display,
{
    let text = reader.text(node, what)?;
    match text.value.parse() {
        Ok(value) => Some(value),
        Err(error) => {
            reader.error(text.span, "wrong-value", error.to_string());
            None
        }
    }
}

/// Reads the text of an optional key.
pub(super) fn text(reader: &mut Reader<'_>, map: &mut MapReader<'_>, key: &'static str) -> Option<String> {
    let node = map.optional(key)?;
    reader.text(node, &format!("`{key}`")).map(|text| text.value)
}

/// Reads the file that a key names, which is in the definition file's folder or below it. `kind` is what the file is for
/// people. Returns its path and its text.
pub(super) fn beside(
    context: &mut Context<'_, '_>,
    node: &Node,
    (key, kind): (&str, &str),
    file: &str,
) -> Option<(PathBuf, String)> {
    // A user who applies another person's folder must not read the user's own files into it.
    if !Path::new(file).components().all(|part| matches!(part, path::Component::Normal(_) | path::Component::CurDir)) {
        let message = format!("`{key}` must be the path of a {kind} in this file's folder or below it, not `{file}`");
        context.reader.error(node.span, "wrong-value", message);
        return None;
    }
    let path = Path::new(context.reader.source.file).parent().unwrap_or(Path::new("")).join(file);
    match (context.load)(&path) {
        Ok(text) => Some((path, text)),
        Err(error) => {
            let message = format!("{} of `{key}` cannot be read: {error}", path.display());
            context.reader.error(node.span, "unreadable", message);
            None
        }
    }
}

/// Reads an optional text with placeholders of a build. Its length in characters is limited after the placeholders are
/// replaced.
pub(super) fn short_template(
    reader: &mut Reader<'_>,
    map: &mut MapReader<'_>,
    key: &'static str,
    limit: usize,
) -> Option<String> {
    let node = map.optional(key)?;
    let text = reader.text(node, &format!("`{key}`"))?;
    check_template(reader, text.span, &format!("`{key}`"), &text.value, limit).then_some(text.value)
}

/// Checks the placeholders of a text, and its length after they are replaced. Reports what is wrong.
pub(super) fn check_template(reader: &mut Reader<'_>, span: Span, what: &str, text: &str, limit: usize) -> bool {
    match placeholder::longest(text).map(|longest| longest.chars().count()) {
        Err(error) => reader.error(span, "wrong-value", error.to_string()),
        Ok(length) if length > limit => {
            let becomes = if placeholder::differs(text) { "can become up to" } else { "has" };
            let message = format!("{what} {becomes} {length} characters: {limit} are allowed");
            reader.error(span, "too-long", message);
        }
        Ok(_) => return true,
    }
    false
}

/// Reads a whole number within limits.
pub(super) fn number(reader: &mut Reader<'_>, node: &Node, what: &str, limits: Limits) -> Option<u32> {
    let Limits { least, most } = limits;
    let value = reader.integer(node, what)?;
    let number = u32::try_from(value).ok().filter(|number| (least..=most).contains(number));
    if number.is_none() {
        let message = format!("{what} must be from {least} to {most}, not {value}");
        reader.error(node.span, "out-of-range", message);
    }
    number
}

/// Reads a number of days from 1 to `most` as a duration of ISO 8601, such as `P90D` or `P12W`.
pub(super) fn days(reader: &mut Reader<'_>, node: &Node, key: &str, range: RangeInclusive<u32>) -> Option<u32> {
    let text = reader.text(node, &format!("`{key}`"))?.value;
    let number = |unit: char| text.strip_prefix('P')?.strip_suffix(unit)?.parse::<u32>().ok();
    let days = number('D').or_else(|| number('W')?.checked_mul(7));
    let days = days.filter(|days| range.contains(days));
    if days.is_none() {
        let (least, most) = range.into_inner();
        let message =
            format!("`{key}` must be a number of days or weeks from P{least}D to P{most}D, such as P90D, not `{text}`");
        reader.error(node.span, "wrong-value", message);
    }
    days
}

/// Reads the texts of an optional list. Each text must pass `good`, and `wanted` says which texts do.
pub(super) fn texts(
    reader: &mut Reader<'_>,
    map: &mut MapReader<'_>,
    key: &'static str,
    good: impl Fn(&str) -> bool,
    wanted: &str,
) -> Vec<String> {
    let Some(node) = map.optional(key) else { return Vec::new() };
    let mut texts: Vec<String> = Vec::new();
    for text in reader.texts(node, &format!("`{key}`")).unwrap_or_default() {
        if !good(&text.value) {
            reader.error(text.span, "wrong-value", format!("`{}` is not {wanted}", text.value));
        } else if texts.contains(&text.value) {
            reader.error(text.span, "duplicate", format!("`{}` is in `{key}` twice", text.value));
        } else {
            texts.push(text.value);
        }
    }
    texts
}

/// Reads the keys and values of a map of texts, in the order of the file.
pub(super) fn pairs(reader: &mut Reader<'_>, node: &Node, what: &str) -> Vec<(Spanned<String>, Spanned<String>)> {
    let Value::Map(entries) = &node.value else {
        reader.error(
            node.span,
            "wrong-shape",
            format!("{what} must be a map of names and values, not {}", node.kind()),
        );
        return Vec::new();
    };
    let mut pairs = Vec::new();
    for (key, value) in entries {
        let key = reader.text(key, &format!("a name in {what}"));
        let name = key.as_ref().map(|key| key.value.clone()).unwrap_or_default();
        let value = reader.text(value, &format!("`{name}` of {what}"));
        pairs.extend(key.zip(value));
    }
    pairs
}

/// Reads tags, which must follow AWS's rules. Prefixes that AWS and Goldsmith reserve are rejected.
pub(super) fn tags(reader: &mut Reader<'_>, map: &mut MapReader<'_>, key: &'static str) -> BTreeMap<String, String> {
    let Some(node) = map.optional(key) else { return BTreeMap::new() };
    let pairs = pairs(reader, node, &format!("`{key}`"));
    if pairs.len() > MAX_TAGS {
        reader.error(node.span, "too-many", format!("{} tags: AWS allows {MAX_TAGS} per resource", pairs.len()));
    }
    let mut tags = BTreeMap::new();
    for (name, value) in pairs {
        let lower = name.value.to_lowercase();
        if lower.starts_with("aws:") || lower.starts_with("goldsmith:") {
            let message =
                format!("the tag `{}` is reserved: AWS and Goldsmith use `aws:` and `goldsmith:`", name.value);
            reader.error(name.span, "reserved-tag", message);
        } else if !(1..=128).contains(&name.value.chars().count()) {
            reader.error(name.span, "too-long", "the name of a tag has 1 to 128 characters");
        } else if value.value.chars().count() > MAX_TAG_VALUE {
            reader.error(value.span, "too-long", "the value of a tag has at most 256 characters");
        }
        tags.insert(name.value, value.value);
    }
    tags
}

/// Reads the tags of an image. Their values may contain placeholders of a build.
pub(super) fn tag_templates(
    reader: &mut Reader<'_>,
    map: &mut MapReader<'_>,
    key: &'static str,
) -> BTreeMap<String, String> {
    let tags = tags(reader, map, key);
    if let Some(node) = map.optional(key) {
        for (name, value) in &tags {
            check_template(reader, node.span, &format!("the tag `{name}`"), value, MAX_TAG_VALUE);
        }
    }
    tags
}

/// Returns whether a text is `prefix-` and hexadecimal digits, as in AWS's ids.
pub(super) fn is_id(text: &str, prefix: &str) -> bool {
    let digits = text.strip_prefix(prefix).and_then(|rest| rest.strip_prefix('-')).unwrap_or_default();
    (8..=17).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

/// Returns whether a text can be an EC2 instance type, such as `t3.small` or `u-6tb1.metal`.
pub(super) fn is_instance_type(text: &str) -> bool {
    let part = |part: &str| {
        !part.is_empty() && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
    };
    text.split_once('.').is_some_and(|(family, size)| part(family) && part(size))
}
