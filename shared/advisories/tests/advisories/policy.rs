//! What a policy makes of findings.

use std::fs;

use goldsmith_advisories::{Advisories, Case, Inventory, Issue, Judgement, Outcome, Owner, Wanted, judge, read};
use goldsmith_model::VulnerabilityPolicy;
use jiff::civil::{Date, date};
use serde_json::{Value, json};

/// Advisories of four severities with and without a fix.
fn advisories(wanted: &Wanted) -> Advisories {
    let folder = tempfile::tempdir().unwrap();
    let advisory = |id: &str, package: &str, urgency: &str, fixed: Option<&str>| {
        let mut events = vec![json!({"introduced": "0"})];
        events.extend(fixed.map(|fixed| json!({"fixed": fixed})));
        let record = json!({"id": format!("DEBIAN-{id}"), "modified": "2026-11-01T00:00:00Z", "upstream": [id],
            "summary": format!("a flaw in {package}"),
            "affected": [{"package": {"ecosystem": "Debian:12", "name": package},
                "ranges": [{"type": "ECOSYSTEM", "events": events}],
                "ecosystem_specific": {"urgency": urgency}}]});
        fs::write(folder.path().join(format!("{id}.json")), record.to_string()).unwrap();
    };
    advisory("CVE-2026-0001", "openssl", "critical", Some("3.1-1"));
    advisory("CVE-2026-0002", "openssl", "high", None);
    advisory("CVE-2026-0003", "curl", "high", Some("8.2-1"));
    advisory("CVE-2026-0004", "curl", "medium", Some("8.3-1"));
    advisory("CVE-2026-0005", "bash", "unimportant", None);
    advisory("CVE-2026-0006", "bash", "not yet assigned", Some("5.9-1"));
    read::folder(folder.path(), wanted).unwrap()
}

fn inventory(packages: &[(&str, &str, &str)]) -> Inventory {
    let packages: Vec<_> = packages
        .iter()
        .map(|(name, version, source)| json!({"type": "deb", "name": name, "version": version, "arch": "amd64", "source": {"name": source}}))
        .collect();
    let os = json!({"id": "debian", "versionId": "12", "codename": "bookworm"});
    serde_json::from_value(json!({"os": os, "packages": packages})).unwrap()
}

const PARENT: [(&str, &str, &str); 3] =
    [("libssl3", "3.0-1", "openssl"), ("libcurl4", "8.0-1", "curl"), ("bash", "5.0-1", "bash")];
/// The parent with a newer curl, which still has the flaws, and the program of openssl in addition.
const IMAGE: [(&str, &str, &str); 4] = [
    ("libssl3", "3.0-1", "openssl"),
    ("libcurl4", "8.1-1", "curl"),
    ("bash", "5.0-1", "bash"),
    ("openssl", "3.0-1", "openssl"),
];
const TODAY: Date = date(2026, 11, 29);

fn judged_with(policy: &Value, parent: Option<&Inventory>) -> Judgement {
    let image = inventory(&IMAGE);
    let advisories = advisories(&Wanted::of(std::iter::once(&image).chain(parent)));
    let policy = VulnerabilityPolicy::from_json(&policy.to_string()).unwrap();
    judge(Case { image: &image, parent, advisories: &advisories, policy: &policy, today: TODAY })
}

/// The findings with an outcome, as `PACKAGE CVE`.
fn with(judgement: &Judgement, outcome: Outcome) -> Vec<String> {
    let findings = judgement.findings.iter().filter(|j| j.outcome == outcome);
    findings.map(|j| format!("{} {}", j.finding.package.name, &j.finding.id[9..])).collect()
}

#[test]
fn by_default_high_and_critical_findings_with_a_fix_count() {
    let judgement = judged_with(&json!({}), None);
    assert!(!judgement.allowed);
    assert_eq!(with(&judgement, Outcome::Counts), ["libssl3 0001", "openssl 0001", "libcurl4 0003"]);
    assert_eq!(with(&judgement, Outcome::NoFix), ["libssl3 0002", "openssl 0002"]);
    assert_eq!(with(&judgement, Outcome::BelowThreshold), ["bash 0006", "libcurl4 0004", "bash 0005"]);
    assert_eq!(
        judgement.reasons,
        [
            "The policy counts a critical vulnerability: CVE-2026-0001 in libssl3.",
            "The policy counts a high vulnerability: CVE-2026-0003 in libcurl4.",
        ]
    );
}

#[test]
fn thresholds_and_fixes_decide() {
    let all = judged_with(&json!({"severity": "low", "fixAvailable": false}), None);
    assert_eq!(with(&all, Outcome::Counts).len(), 7);
    assert_eq!(with(&all, Outcome::BelowThreshold), ["bash 0005"], "what does not matter never counts");
    let critical = judged_with(&json!({"severity": "critical"}), None);
    assert_eq!(with(&critical, Outcome::Counts), ["libssl3 0001", "openssl 0001"]);
    let never = judged_with(&json!({"severity": "never"}), None);
    assert!(never.allowed && never.reasons.is_empty());
    let unrated = judged_with(&json!({"unrated": "critical", "severity": "critical"}), None);
    assert!(with(&unrated, Outcome::Counts).contains(&"bash 0006".to_owned()));
}

#[test]
fn what_the_parent_has_is_told_apart() {
    let parent = inventory(&PARENT);
    let judgement = judged_with(&json!({"onlyNew": true}), Some(&parent));
    // The program of openssl is new. The newer libcurl4 is ours, but its flaw is not new.
    assert_eq!(with(&judgement, Outcome::Counts), ["openssl 0001"]);
    assert_eq!(with(&judgement, Outcome::Inherited), ["libssl3 0001", "libcurl4 0003"]);
    let owner = |name: &str| judgement.findings.iter().find(|j| j.finding.package.name == name).unwrap().owner;
    assert_eq!((owner("libssl3"), owner("bash")), (Owner::Parent, Owner::Parent));
    assert_eq!((owner("libcurl4"), owner("openssl")), (Owner::Ours, Owner::Ours));
    assert_eq!(judgement.counts.new, 2);

    let limits = judged_with(&json!({"severity": "medium", "parentSeverity": "never"}), Some(&parent));
    assert_eq!(with(&limits, Outcome::Counts), ["openssl 0001", "libcurl4 0003", "libcurl4 0004"]);
    let alone = judged_with(&json!({"severity": "medium", "parentSeverity": "never"}), None);
    assert!(with(&alone, Outcome::Counts).contains(&"libssl3 0001".to_owned()), "without a parent, everything is ours");
}

#[test]
fn waivers_hold_until_their_last_day() {
    let waiver = |id: &str, package: Option<&str>, until: &str| {
        let mut waiver = json!({"id": id, "until": until, "reason": "not reachable"});
        if let Some(package) = package {
            waiver["package"] = json!(package);
        }
        waiver
    };
    let policy = json!({"waivers": [
        waiver("DEBIAN-CVE-2026-0001", Some("openssl"), "2026-11-29"),
        waiver("CVE-2026-0003", None, "2026-11-28"),
        waiver("CVE-2026-9999", None, "2027-01-01"),
        waiver("CVE-2026-0004", None, "2027-01-01"),
    ]});
    let judgement = judged_with(&policy, None);
    assert_eq!(with(&judgement, Outcome::Waived), ["libssl3 0001", "openssl 0001"], "the source package is named");
    assert_eq!(with(&judgement, Outcome::Counts), ["libcurl4 0003"]);
    assert_eq!(judgement.waivers.len(), 1);
    assert_eq!(judgement.waivers[0].findings, 2);
    assert_eq!(judgement.expired_waivers.len(), 1);
    let unused: Vec<_> = judgement.unused_waivers.iter().map(|w| w.id.as_str()).collect();
    assert_eq!(unused, ["CVE-2026-9999", "CVE-2026-0004"], "one that is below the threshold needs no waiver");
    let ended = judgement.findings.iter().find(|j| j.finding.id == "CVE-2026-0003").unwrap().waiver_ended;
    assert_eq!(ended, Some(date(2026, 11, 28)));

    let other = judged_with(&json!({"waivers": [waiver("CVE-2026-0001", Some("curl"), "2027-01-01")]}), None);
    assert_eq!(with(&other, Outcome::Waived), [""; 0], "another package");
}

#[test]
fn an_image_that_nothing_covers_is_rejected() {
    let mut image = inventory(&IMAGE);
    let advisories = advisories(&Wanted::of([&image]));
    let judged = |image: &Inventory, policy: &str| {
        let policy = VulnerabilityPolicy::from_json(policy).unwrap();
        judge(Case { image, parent: None, advisories: &advisories, policy: &policy, today: TODAY })
    };
    image.os.as_mut().unwrap().version_id = Some("13".into());
    image.os.as_mut().unwrap().codename = None;
    let reasons = judged(&image, "{}").reasons;
    assert_eq!(reasons, ["The folder has no advisories for Debian 13, so its deb packages (4) are not judged."]);
    assert!(judged(&image, r#"{"allowUncovered": true}"#).allowed);
    image.os.as_mut().unwrap().id = "devuan".into();
    let reasons = judged(&image, "{}").reasons;
    assert_eq!(
        reasons,
        ["No format that is read has advisories for the operating system, so its deb packages (4) are not judged."]
    );
}

#[test]
fn what_could_not_be_read_or_compared_is_told() {
    let issue = Issue {
        file: "a.json".into(),
        field: Some("id".into()),
        message: "The advisory has no id.".into(),
        whole_file: false,
    };
    // Two advisories with a fixed version name curl, and one names bash.
    for (at, issues, compared, read) in [
        (
            1,
            1,
            "2 comparisons of a package with an advisory were not possible, such as libcurl4 with DEBIAN-CVE-2026-0003",
            "A part of the folder was not read: a.json: id: The advisory has no id.\n",
        ),
        (
            2,
            2,
            "A package could not be compared with an advisory: bash with DEBIAN-CVE-2026-0006",
            "2 parts of the folder were not read:\n  a.json: id: The advisory has no id.\n  a.json: id: The advisory has no id.\n",
        ),
    ] {
        let mut image = inventory(&IMAGE);
        image.packages[at].version = "x:1".into();
        let mut advisories = advisories(&Wanted::of([&image]));
        advisories.issues = vec![issue.clone(); issues];
        let policy = VulnerabilityPolicy::default();
        let text = judge(Case { image: &image, parent: None, advisories: &advisories, policy: &policy, today: TODAY });
        let text = text.to_string();
        let reason = "because \"x:1\" is not a version of a Debian package.\n";
        assert!(text.ends_with(&format!("{compared}, {reason}{read}")), "{text}");
    }
}

#[test]
fn the_result_is_the_same_each_time_and_reads_well() {
    let policy = json!({"severity": "medium", "waivers": [
        {"id": "CVE-2026-0001", "package": "libssl3", "until": "2026-12-31", "reason": "The library is not used."},
        {"id": "CVE-2026-0003", "until": "2026-11-01", "reason": "Waiting for 8.2."}]});
    let parent = inventory(&PARENT);
    let judgement = judged_with(&policy, Some(&parent));
    let again = judged_with(&policy, Some(&parent));
    assert_eq!(serde_json::to_string(&judgement).unwrap(), serde_json::to_string(&again).unwrap());
    let text = judgement.to_string();
    let expected = "\
Rejected.
The policy counts a critical vulnerability: CVE-2026-0001 in openssl.
The policy counts a high vulnerability: CVE-2026-0003 in libcurl4.
The policy counts 2 medium vulnerabilities, such as CVE-2026-0006 in bash.
8 findings (2 critical, 3 high, 2 medium, 1 negligible): 4 counting, 2 new, 5 with a fix.
  critical CVE-2026-0001  openssl 3.0-1, fixed in 3.1-1, new
  high     CVE-2026-0003  libcurl4 8.1-1, fixed in 8.2-1, in the parent too, its waiver ended on 2026-11-01
  medium   CVE-2026-0006  bash 5.0-1, fixed in 5.9-1, in the parent too, package of the parent
  medium   CVE-2026-0004  libcurl4 8.1-1, fixed in 8.3-1, in the parent too
The waiver of CVE-2026-0001 holds until 2026-12-31: The library is not used.
The waiver of CVE-2026-0003 ended on 2026-11-01.
";
    assert_eq!(text, expected);
    let value: Value = serde_json::to_value(&judgement).unwrap();
    let first = &value["findings"][0];
    assert_eq!(first["outcome"], "counts");
    assert_eq!(first["severity"], "critical");
    assert_eq!(first["fix"], json!({"state": "available", "version": "3.1-1"}));
    assert_eq!(first["package"]["type"], "deb");
    assert_eq!(value["counts"]["bySeverity"], json!({"negligible": 1, "medium": 2, "high": 3, "critical": 2}));
    assert_eq!(value["newestAdvisory"], "2026-11-01T00:00:00Z");
}

#[test]
fn a_stored_judgement_is_read_as_it_was() {
    let parent = inventory(&PARENT);
    let waiver = json!({"id": "CVE-2026-0003", "package": "curl", "until": "2026-12-31", "reason": "It is not used."});
    let ended = json!({"id": "CVE-2026-0001", "until": "2026-01-01", "reason": "It was not used."});
    let judgement = judged_with(&json!({"severity": "low", "waivers": [waiver, ended]}), Some(&parent));
    assert!(!judgement.waivers.is_empty() && !judgement.expired_waivers.is_empty());
    let stored = serde_json::to_string(&judgement).unwrap();
    assert_eq!(serde_json::from_str::<Judgement>(&stored).unwrap(), judgement);
}

#[test]
fn what_is_not_listed_or_not_read_is_not_allowed() {
    let image = inventory(&[("libc6", "2.36-1", "glibc")]);
    let folder = tempfile::tempdir().unwrap();
    let about = json!({"id": "DEBIAN-CVE-2026-0009", "modified": "2026-11-01T00:00:00Z",
        "affected": [{"package": {"ecosystem": "Debian:12", "name": "glibc"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "2.0-1"}]}]}]});
    fs::write(folder.path().join("a.json"), about.to_string()).unwrap();
    let judged = |image: &Inventory, policy: &VulnerabilityPolicy| {
        let advisories = read::folder(folder.path(), &Wanted::of([image])).unwrap();
        judge(Case { image, parent: None, advisories: &advisories, policy, today: TODAY }).reasons
    };
    let (strict, lax) = (
        VulnerabilityPolicy::default(),
        VulnerabilityPolicy { allow_uncovered: true, ..VulnerabilityPolicy::default() },
    );
    assert_eq!(judged(&image, &strict), [""; 0]);
    let partly = Inventory { packages_incomplete: true, ..image.clone() };
    assert_eq!(judged(&partly, &strict), ["The contents do not list all packages, so not all of them are judged."]);
    let empty = Inventory { packages: Vec::new(), ..image.clone() };
    let nothing = "The contents list no packages of an operating system, so nothing of it is judged.";
    assert_eq!(judged(&empty, &strict), [nothing]);
    fs::write(folder.path().join("tracker.json"), "{\"glibc\": {\"CVE-2026-1\": {\"releases\"").unwrap();
    let reasons = judged(&image, &strict);
    assert!(
        reasons.len() == 1 && reasons[0].contains("a file that cannot be read whole. tracker.json: "),
        "{reasons:?}"
    );
    fs::remove_file(folder.path().join("tracker.json")).unwrap();
    for (name, text, said) in [
        ("bad!.json", "{\"id\": ", "bad!.json: "),
        ("updateinfo.xml", "<updates><update type=\"security\"><id>RHSA", "updateinfo.xml: "),
        ("empty.xml", "", "empty.xml: The file has no XML element."),
        ("page.xml", "<html>Access denied</html>", "page.xml: The file is a web page"),
        ("cut.json", "{\"id\": \"A\", \"affected\": [{\"package\": ", "cut.json: "),
        ("cut.zip", "PK", "cut.zip: "),
        ("updateinfo.xml.zst", "x", "updateinfo.xml.zst: "),
    ] {
        fs::write(folder.path().join(name), text).unwrap();
        let reasons = judged(&image, &strict);
        assert!(reasons.len() == 1 && reasons[0].contains(said), "{name}: {reasons:?}");
        fs::remove_file(folder.path().join(name)).unwrap();
    }
    // Other metadata of a repository, and a record with a mistake, are no reason.
    fs::write(folder.path().join("primary.xml"), "<metadata><package/></metadata>").unwrap();
    fs::write(folder.path().join("b.json"), "{\"id\": 5, \"affected\": []}").unwrap();
    assert_eq!(judged(&image, &strict), [""; 0]);
    fs::write(folder.path().join("cut.xml"), "<updates>").unwrap();
    for image in [&image, &partly, &empty] {
        assert_eq!(judged(image, &lax), [""; 0]);
    }
}
