//! Reads a page as a browser does, as far as a test needs it: every tag that is opened is closed.

use std::collections::BTreeSet;

/// Checks that the tags of a page match, that attributes are quoted, that ids are unique, and that links within the page,
/// labels and descriptions name an id that exists. Returns the text of the page without tags.
pub(super) fn check(page: &str) -> String {
    let (style, rest) = page.split_once("</style>").unwrap();
    assert!(style.starts_with("<!DOCTYPE html>"));
    let head = style.split_once("<style>").unwrap().0;
    let body = format!("{}<style></style>{rest}", head.strip_prefix("<!DOCTYPE html>").unwrap());
    let (mut open, mut ids, mut wanted, mut text) = (Vec::new(), BTreeSet::new(), Vec::new(), String::new());
    let mut rest = body.as_str();
    while let Some((before, after)) = rest.split_once('<') {
        assert!(!before.contains('>'), "a bare > in {before:?}");
        text.push_str(before);
        let end = tag_end(after);
        let tag = &after[..end];
        rest = &after[end + 1..];
        if let Some(name) = tag.strip_prefix('/') {
            assert_eq!(open.pop().as_deref(), Some(name), "after {text}");
            continue;
        }
        let whole = tag.strip_suffix('/');
        let (name, attributes) = attributes(whole.unwrap_or(tag));
        for (attribute, value) in attributes {
            match attribute.as_str() {
                "id" => assert!(ids.insert(value.clone()), "the id {value} twice"),
                "href" => wanted.extend(value.strip_prefix('#').map(str::to_owned)),
                "aria-labelledby" => wanted.extend(value.split(' ').map(str::to_owned)),
                "style" | "src" => panic!("{attribute} in {tag}"),
                other => assert!(!other.starts_with("on"), "{other} in {tag}"),
            }
        }
        assert!(!matches!(name.as_str(), "script" | "link" | "img" | "iframe" | "form" | "object"), "{tag}");
        if whole.is_none() {
            open.push(name);
        }
    }
    assert!(open.is_empty(), "{open:?}");
    for id in wanted {
        assert!(ids.contains(&id), "no #{id}");
    }
    text
}

/// Returns where a tag ends: at the first `>` outside of quotes.
fn tag_end(tag: &str) -> usize {
    let mut is_quoted = false;
    tag.find(|c: char| {
        is_quoted ^= c == '"';
        c == '>' && !is_quoted
    })
    .unwrap()
}

fn attributes(tag: &str) -> (String, Vec<(String, String)>) {
    let (name, mut rest) = tag.split_once(' ').unwrap_or((tag, ""));
    assert!(!name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric()), "<{tag}>");
    let mut found = Vec::new();
    while !rest.trim().is_empty() {
        let (attribute, value) =
            rest.split_once("=\"").unwrap_or_else(|| panic!("an attribute without a value in {tag}"));
        let (value, next) = value.split_once('"').unwrap();
        let attribute = attribute.trim();
        let is_name = attribute.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
        assert!(!attribute.is_empty() && is_name, "{attribute} in {tag}");
        found.push((attribute.to_owned(), value.to_owned()));
        rest = next;
    }
    (name.to_owned(), found)
}
