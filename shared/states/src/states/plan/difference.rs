//! Finds out what has changed since an image was built, by comparing the plan of its build with the plan of the next
//! one.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_store::{ImageRecord, Plan, PlannedDocument, PlannedRegion};
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::freeze::Resolved;
use super::freeze::freeze;
use crate::{Context, Result};

/// A change.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Difference {
    /// What has changed, such as "source image".
    pub what: String,
    /// The old value; absent if the item was added.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The new value; absent if the item was removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// Returns what has changed since this image was built.
///
/// # Errors
/// Fails if a call to the table fails.
pub(super) async fn since(context: &Context, newest: &ImageRecord, resolved: &Resolved) -> Result<Vec<Difference>> {
    let Some(record) = context.store.build(&newest.build).await? else { return Ok(Vec::new()) };
    // The build's number and the time stand for placeholders only, and those of the last build make them equal.
    let began = record.created_at.parse().unwrap_or_else(|_| context.clock.now());
    let plan = freeze(resolved, &context.config.subnets, &newest.image, began);
    let mut found = between(&record.plan, &plan);
    let version = resolved.inputs.recipe.version;
    if version != newest.image.version {
        let (from, to) = (newest.image.version.to_string(), version.to_string());
        found.insert(0, difference("recipe", Some(from), Some(to)));
    }
    if found.is_empty() {
        let what = "a part of the definitions that no build's record has, such as a description";
        found.push(difference(what, None, None));
    }
    Ok(found)
}

/// Returns what differs between the plans of two builds, and could be why the newer one failed. Names, descriptions, tags
/// and parameters are left out: placeholders in them stand for each build's number and time.
#[must_use]
pub fn between_builds(old: &Plan, new: &Plan) -> Vec<Difference> {
    compare(old, new, &SETTINGS)
}

/// What a distribution configuration sets for a Region, and no placeholder changes.
const SETTINGS: [&str; 7] = [
    "kmsKeyId",
    "launchPermission",
    "targetAccounts",
    "protection",
    "launchTemplates",
    "licenseConfigurations",
    "export",
];
/// The other fields of a Region, whose placeholders the same build has replaced in both plans.
const TEXTS: [&str; 3] = ["description", "tags", "parameters"];

fn difference(what: impl Into<String>, from: Option<String>, to: Option<String>) -> Difference {
    Difference { what: what.into(), from, to }
}

fn between(old: &Plan, new: &Plan) -> Vec<Difference> {
    compare(old, new, &[&TEXTS[..], &SETTINGS].concat())
}

fn compare(old: &Plan, new: &Plan, of_regions: &[&str]) -> Vec<Difference> {
    let mut found = Vec::new();
    if old.source_image != new.source_image {
        let (from, to) = (old.source_image.clone(), new.source_image.clone());
        found.push(difference("source image", Some(from), Some(to)));
    }
    found.extend(documents(&old.documents, &new.documents));
    found.extend(fields("", &json!(old), &json!(new), &["workingDirectory", "bootMode", "tpmSupport", "uefiData"]));
    found.extend(fields("", &json!(old.launch), &json!(new.launch), &[]));
    found.extend(values("", &judges(old), &judges(new)));
    found.extend(regions(&old.regions, &new.regions, of_regions));
    found
}

/// What decides whether an image passes, and when it is copied. Nothing of it goes into the image. The types of the tests
/// are left out: they follow from the components that have tests, and from the types of the build.
fn judges(plan: &Plan) -> Value {
    let copies = if plan.copies_with_tests { "with-tests" } else { "after-tests" };
    json!({
        "vulnerabilityPolicy": plan.vulnerabilities.as_ref().map(|planned| &planned.policy),
        "audit": plan.audit,
        "signingKey": plan.signing_key,
        "start of the copies": copies,
    })
}

fn documents(old: &[PlannedDocument], new: &[PlannedDocument]) -> Vec<Difference> {
    let of = |documents: &[PlannedDocument]| -> BTreeMap<String, PlannedDocument> {
        documents.iter().map(|document| (document.name.to_string(), document.clone())).collect()
    };
    let (before, after) = (of(old), of(new));
    let mut found = Vec::new();
    for name in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        let what = format!("component {name}");
        let version = |document: &PlannedDocument| document.version.to_string();
        match (before.get(name), after.get(name)) {
            (Some(one), Some(other)) if one.version == other.version && one.digest == other.digest => {
                found.extend(values(&format!("{what}: "), &json!(one.parameters), &json!(other.parameters)));
            }
            (one, other) => found.push(difference(what, one.map(version), other.map(version))),
        }
    }
    let order = |documents: &[PlannedDocument]| documents.iter().map(|one| one.name.to_string()).collect::<Vec<_>>();
    if found.is_empty() && order(old) != order(new) {
        found.push(difference("order of the components", Some(order(old).join(", ")), Some(order(new).join(", "))));
    }
    found
}

fn regions(old: &[PlannedRegion], new: &[PlannedRegion], names: &[&str]) -> Vec<Difference> {
    let of = |regions: &[PlannedRegion]| -> BTreeMap<String, PlannedRegion> {
        regions.iter().map(|planned| (planned.region.clone(), planned.clone())).collect()
    };
    let (before, after) = (of(old), of(new));
    let mut found = Vec::new();
    for region in before.keys().chain(after.keys()).collect::<BTreeSet<_>>() {
        match (before.get(region), after.get(region)) {
            (Some(one), Some(other)) => {
                found.extend(fields(&format!("{region}: "), &json!(one), &json!(other), names));
            }
            (one, _) => {
                let there = Some(region.clone());
                let (from, to) = if one.is_some() { (there, None) } else { (None, there) };
                found.push(difference("Region", from, to));
            }
        }
    }
    found
}

/// Returns the fields whose values differ between two records. If `fields` is empty, compares all fields.
fn fields(label: &str, old: &Value, new: &Value, names: &[&str]) -> Vec<Difference> {
    let named = |value: &Value| -> Value {
        let fields = value.as_object().cloned().unwrap_or_default().into_iter();
        fields.filter(|(name, _)| names.is_empty() || names.contains(&name.as_str())).collect::<Map<_, _>>().into()
    };
    values(label, &named(old), &named(new))
}

fn values(label: &str, old: &Value, new: &Value) -> Vec<Difference> {
    let empty = Map::new();
    let (old, new) = (old.as_object().unwrap_or(&empty), new.as_object().unwrap_or(&empty));
    let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    let changed = names.into_iter().filter(|name| old.get(*name) != new.get(*name));
    changed.map(|name| difference(format!("{label}{name}"), text(old.get(name)), text(new.get(name)))).collect()
}

/// Returns a value as text for people, or `None` if it is absent or empty.
fn text(value: Option<&Value>) -> Option<String> {
    match value? {
        Value::Null => None,
        Value::String(text) => Some(text.clone()),
        Value::Array(values) if values.is_empty() => None,
        Value::Array(values) => Some(values.iter().filter_map(|one| text(Some(one))).collect::<Vec<_>>().join(", ")),
        other => Some(other.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_model::{ImageAudit, VulnerabilityPolicy};
    use goldsmith_store::{Plan, PlannedVulnerabilities};

    use super::between_builds;
    use crate::State;
    use crate::testing::{Task, reach};

    #[tokio::test]
    async fn what_decides_whether_an_image_passes_is_compared() {
        let old = reach(&Task::new(State::Launch)).await.record().await.plan;
        assert_eq!(between_builds(&old, &old), []);
        let policy = VulnerabilityPolicy::default();
        let new = Plan {
            audit: ImageAudit::Fail,
            signing_key: Some("alias/images".to_owned()),
            copies_with_tests: true,
            vulnerabilities: Some(PlannedVulnerabilities { policy, parent: None }),
            ..old.clone()
        };
        let found = between_builds(&old, &new);
        let changed: Vec<(&str, Option<&str>)> =
            found.iter().map(|one| (one.what.as_str(), one.from.as_deref())).collect();
        assert_eq!(
            changed,
            [
                ("audit", Some("warn")),
                ("signingKey", None),
                ("start of the copies", Some("after-tests")),
                ("vulnerabilityPolicy", None)
            ]
        );
    }
}
