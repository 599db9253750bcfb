//! `vulnerabilityPolicy` of an image pipeline: `{severity: critical, onlyNew: true}`.

use goldsmith_document::yaml::Node;
use goldsmith_document::{MapReader, Reader};

use super::starting;
use crate::{Severity, Threshold, VulnerabilityPolicy, Waiver};

/// Reads the policy of a pipeline. A key without a value would look like a policy and be none.
pub(super) fn of(reader: &mut Reader<'_>, map: &mut MapReader<'_>) -> Option<VulnerabilityPolicy> {
    let key = map.key_span("vulnerabilityPolicy");
    match (map.optional("vulnerabilityPolicy"), key) {
        (Some(node), _) => read(reader, node),
        (None, Some(span)) => {
            let message = "`vulnerabilityPolicy` has no value: write `vulnerabilityPolicy: {}` for its defaults";
            reader.error(span, "wrong-type", message);
            None
        }
        (None, None) => None,
    }
}

fn read(reader: &mut Reader<'_>, node: &Node) -> Option<VulnerabilityPolicy> {
    let mut map = reader.map(node, "`vulnerabilityPolicy`")?;
    let defaults = VulnerabilityPolicy::default();
    let severity = threshold(reader, &mut map, "severity");
    let parent_severity = threshold(reader, &mut map, "parentSeverity");
    let fix_available = flag(reader, &mut map, "fixAvailable");
    let only_new = flag(reader, &mut map, "onlyNew");
    let unrated = map.optional("unrated").and_then(|node| {
        let choices = Severity::ALL.map(|severity| (severity.word(), severity));
        reader.choice(node, "`unrated`", &choices)
    });
    let allow_uncovered = flag(reader, &mut map, "allowUncovered");
    let waivers = map.optional("waivers").map(|node| waivers(reader, node));
    map.finish(reader);
    Some(VulnerabilityPolicy {
        severity: severity.unwrap_or(defaults.severity),
        parent_severity,
        fix_available: fix_available.unwrap_or(defaults.fix_available),
        only_new: only_new.unwrap_or(defaults.only_new),
        unrated: unrated.unwrap_or(defaults.unrated),
        allow_uncovered: allow_uncovered.unwrap_or(defaults.allow_uncovered),
        waivers: waivers.unwrap_or_default(),
    })
}

fn flag(reader: &mut Reader<'_>, map: &mut MapReader<'_>, key: &'static str) -> Option<bool> {
    map.optional(key).and_then(|node| reader.boolean(node, &format!("`{key}`")))
}

fn threshold(reader: &mut Reader<'_>, map: &mut MapReader<'_>, key: &'static str) -> Option<Threshold> {
    let counting = Severity::ALL.into_iter().filter(|severity| *severity > Severity::Negligible);
    let mut choices: Vec<(&str, Threshold)> = counting.map(|one| (one.word(), Threshold::At(one))).collect();
    choices.push(("never", Threshold::Never));
    map.optional(key).and_then(|node| reader.choice(node, &format!("`{key}`"), &choices))
}

fn waivers(reader: &mut Reader<'_>, node: &Node) -> Vec<Waiver> {
    let items = reader.list(node, "`waivers`").unwrap_or_default();
    if items.len() > VulnerabilityPolicy::MAX_WAIVERS {
        let limit = VulnerabilityPolicy::MAX_WAIVERS;
        let message = format!("`waivers` has {} waivers: {limit} are allowed", items.len());
        reader.error(node.span, "too-many", message);
        return Vec::new();
    }
    items.iter().filter_map(|item| waiver(reader, item)).collect()
}

fn waiver(reader: &mut Reader<'_>, node: &Node) -> Option<Waiver> {
    let mut map = reader.map(node, "a waiver")?;
    let id = map.required(reader, "id").and_then(|node| words(reader, node, "id", VulnerabilityPolicy::MAX_NAME));
    let package = map.optional("package").map(|node| words(reader, node, "package", VulnerabilityPolicy::MAX_NAME));
    let until = map.required(reader, "until").and_then(|node| starting::day(reader, node, "until"));
    let reason =
        map.required(reader, "reason").and_then(|node| words(reader, node, "reason", VulnerabilityPolicy::MAX_REASON));
    map.finish(reader);
    let package = match package {
        Some(package) => Some(package?),
        None => None,
    };
    Some(Waiver { id: id?, package, until: until?.value, reason: reason? })
}

/// Reads a text that says something, in at most `most` bytes.
fn words(reader: &mut Reader<'_>, node: &Node, key: &str, most: usize) -> Option<String> {
    let text = reader.text(node, &format!("`{key}`"))?;
    if text.value.trim().is_empty() {
        reader.error(text.span, "wrong-value", format!("`{key}` of a waiver must not be empty"));
        return None;
    }
    if text.value.len() > most {
        let message = format!("`{key}` of a waiver has {} bytes: {most} are allowed", text.value.len());
        reader.error(text.span, "too-long", message);
        return None;
    }
    Some(text.value)
}

#[cfg(test)]
mod tests {
    use crate::definitions::{Draft, SourceFile};
    use crate::{Severity, Threshold, VulnerabilityPolicy};

    fn read(policy: &str) -> Result<VulnerabilityPolicy, String> {
        let text = format!(
            "{{kind: ImagePipeline, name: web, imageRecipe: web, infrastructureConfiguration: small, vulnerabilityPolicy: {policy}}}\n"
        );
        let files = [SourceFile { path: "f.yml".to_owned(), text }];
        let read = Draft::read(&files, &|_| Ok(String::new())).check_alone();
        read.map(|mut found| found.pipelines.remove(0).vulnerability_policy.unwrap())
            .map_err(|found| found.iter().map(|one| one.message.clone()).collect())
    }

    #[test]
    fn a_policy_of_a_pipeline_is_that_of_a_file() {
        assert_eq!(read("{}"), Ok(VulnerabilityPolicy::default()));
        assert!(read("").unwrap_err().contains("`vulnerabilityPolicy` has no value"));
        let all = "{severity: medium, parentSeverity: never, fixAvailable: false, onlyNew: true, unrated: high, \
                   allowUncovered: true, waivers: [{id: CVE-2026-1, package: openssl, until: 2026-12-31, reason: unused}]}";
        let json = r#"{"severity": "medium", "parentSeverity": "never", "fixAvailable": false, "onlyNew": true,
            "unrated": "high", "allowUncovered": true,
            "waivers": [{"id": "CVE-2026-1", "package": "openssl", "until": "2026-12-31", "reason": "unused"}]}"#;
        assert_eq!(read(all), Ok(VulnerabilityPolicy::from_json(json).unwrap()));
        let critical = read("{severity: critical}").unwrap();
        assert_eq!((critical.severity, critical.parent_severity), (Threshold::At(Severity::Critical), None));
    }

    #[test]
    fn a_mistake_names_its_key() {
        for (policy, said) in [
            ("{severity: negligible}", "severity"),
            ("{sevrity: low}", "sevrity"),
            ("{unrated: never}", "unrated"),
            ("{onlyNew: perhaps}", "onlyNew"),
            ("{waivers: [{id: CVE-1, until: 31.12.2026, reason: x}]}", "`until` must be a day"),
            ("{waivers: [{id: CVE-1, until: 2026-12-31, reason: \" \"}]}", "`reason` of a waiver must not be empty"),
            ("{waivers: [{id: \"\", until: 2026-12-31, reason: x}]}", "`id` of a waiver must not be empty"),
            ("{waivers: [{id: CVE-1, reason: x}]}", "until"),
        ] {
            let mistake = read(policy).unwrap_err();
            assert!(mistake.contains(said), "{policy}: {mistake}");
        }
        let long = format!("{{waivers: [{{id: CVE-1, until: 2026-12-31, reason: {}}}]}}", "x".repeat(501));
        assert_eq!(read(&long), Err("`reason` of a waiver has 501 bytes: 500 are allowed".to_owned()));
        let waiver = "{id: CVE-1, until: 2026-12-31, reason: x}";
        let many = vec![waiver; VulnerabilityPolicy::MAX_WAIVERS + 1].join(", ");
        assert_eq!(
            read(&format!("{{waivers: [{many}]}}")),
            Err("`waivers` has 201 waivers: 200 are allowed".to_owned())
        );
    }
}
