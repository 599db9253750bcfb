//! Shows the changes of a stack to people: changes that may lose something come first, in red.

use std::collections::BTreeMap;
use std::io;

use goldsmith_cloud_account::{Change, Effect};
use serde_json::{Value, json};

use crate::output::harmless;
use crate::paint::{self, PLAIN, RED};
use crate::render::{columns, count};

/// Prefix of the types that grant permissions: roles, policies and instance profiles.
const RIGHTS: &str = "AWS::IAM::";

/// Returns a line for each important change, and one line with the number of the other changes. AWS's text in them
/// cannot control a terminal.
pub(crate) fn lines(changes: &[Change]) -> Vec<String> {
    lines_in(changes, paint::wanted(&io::stderr()))
}

fn lines_in(changes: &[Change], colours: bool) -> Vec<String> {
    if changes.is_empty() {
        return vec!["  only the stack itself, no resource of it".to_owned()];
    }
    let mut sorted: Vec<&Change> = changes.iter().collect();
    sorted.sort_by_key(|change| (change.effect, &change.resource));
    // A first deployment adds everything, in some eighty lines. The permissions must be read, so only they are listed
    // by name.
    let is_first = sorted.iter().all(|change| matches!(change.effect, Effect::Add | Effect::Import));
    let (made, rest): (Vec<&Change>, Vec<&Change>) =
        sorted.into_iter().partition(|change| is_first && change.effect == Effect::Add);
    let (told, tagged): (Vec<&Change>, Vec<&Change>) = rest.into_iter().partition(|change| says_something(change));
    let rows: Vec<Vec<String>> = told.iter().map(|change| row(change)).collect();
    let painted = columns(&rows).into_iter().zip(&told).map(|(line, change)| match change.effect {
        Effect::Remove | Effect::Replace if colours => format!("  {RED}{}{PLAIN}", harmless(&line)),
        _ => format!("  {}", harmless(&line)),
    });
    let tagged =
        (!tagged.is_empty()).then(|| format!("  {} with changed tags only", count(tagged.len(), "more resource")));
    painted.chain(tagged).chain(made_lines(&made).iter().map(|line| harmless(line).into_owned())).collect()
}

/// Returns lines about the resources that are created: permissions by name, and the rest by type.
fn made_lines(made: &[&Change]) -> Vec<String> {
    if made.is_empty() {
        return Vec::new();
    }
    let (rights, rest): (Vec<&Change>, Vec<&Change>) = made.iter().partition(|change| change.kind.starts_with(RIGHTS));
    let rows: Vec<Vec<String>> = rights.into_iter().map(row).collect();
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for change in rest {
        *kinds.entry(&change.kind).or_default() += 1;
    }
    let counts: Vec<Vec<String>> =
        kinds.into_iter().map(|(kind, number)| vec![format!("{number:>3}"), kind.to_owned()]).collect();
    let told = columns(&rows).into_iter().chain(columns(&counts)).map(|line| format!("  {line}"));
    told.chain([format!("  {} to be created", count(made.len(), "resource"))]).collect()
}

/// Returns whether a change is about more than tags: a change of tags alone names no property.
fn says_something(change: &Change) -> bool {
    change.effect != Effect::Change || !change.properties.is_empty()
}

fn row(change: &Change) -> Vec<String> {
    let properties: Vec<&str> = change.properties.iter().map(String::as_str).collect();
    vec![word(change.effect).to_owned(), change.resource.clone(), change.kind.clone(), properties.join(", ")]
}

fn word(effect: Effect) -> &'static str {
    match effect {
        Effect::Remove => "removed",
        Effect::Replace => "replaced",
        Effect::MayReplace => "may be replaced",
        Effect::Change => "changed",
        Effect::Add => "new",
        Effect::Import => "taken over",
    }
}

/// Returns the changes for programs.
pub(crate) fn values(changes: &[Change]) -> Vec<Value> {
    let value = |change: &Change| json!({"resource": change.resource, "type": change.kind, "change": word(change.effect), "properties": change.properties});
    changes.iter().map(value).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn change(resource: &str, effect: Effect) -> Change {
        let properties = BTreeSet::from(["Code".to_owned()]);
        Change { resource: resource.to_owned(), kind: "T".to_owned(), effect, properties }
    }

    #[test]
    fn what_may_lose_something_comes_first_and_is_red() {
        let changes = [change("A", Effect::Add), change("B", Effect::Change), change("C", Effect::Replace)];
        let expected = ["  replaced  C  T  Code", "  changed   B  T  Code", "  new       A  T  Code"];
        assert_eq!(lines_in(&changes, false), expected);
        assert_eq!(lines_in(&changes, true)[0], "  \u{1b}[31mreplaced  C  T  Code\u{1b}[0m");
        assert_eq!(lines_in(&changes, true)[1], expected[1]);
    }

    #[test]
    fn what_gets_other_tags_is_counted() {
        let tagged = |resource| Change { properties: BTreeSet::new(), ..change(resource, Effect::Change) };
        let changes = [tagged("A"), tagged("B"), change("C", Effect::Add)];
        assert_eq!(lines_in(&changes, false), ["  new  C  T  Code", "  2 more resources with changed tags only"]);
    }

    #[test]
    fn a_first_deployment_names_rights_and_counts_the_rest_by_type() {
        let made = |resource, kind: &str| Change {
            kind: kind.to_owned(),
            properties: BTreeSet::new(),
            ..change(resource, Effect::Add)
        };
        let rule = "AWS::Events::Rule";
        let all = [made("A", rule), made("Role", "AWS::IAM::Role"), made("B", rule), made("C", "AWS::S3::Bucket")];
        let expected = [
            "  new  Role  AWS::IAM::Role",
            "    2  AWS::Events::Rule",
            "    1  AWS::S3::Bucket",
            "  4 resources to be created",
        ];
        assert_eq!(lines_in(&all, true).iter().map(|line| line.trim_end()).collect::<Vec<_>>(), expected);
        let taken = [change("A", Effect::Add), change("Table", Effect::Import), change("B", Effect::Add)];
        assert_eq!(lines_in(&taken, true), ["  taken over  Table  T  Code", "    2  T", "  2 resources to be created"]);
    }
}
