//! Files that cannot be read: each is named with its field, and everything else is read.

use std::fs;
use std::path::Path;

use goldsmith_advisories::{Advisories, Inventory, Wanted, find, read};
use serde_json::json;

use crate::folder::{gzip, zip};

fn image() -> Inventory {
    serde_json::from_value(json!({
        "os": {"id": "debian", "versionId": "12", "codename": "bookworm"},
        "packages": [
            {"type": "deb", "name": "bash", "version": "5.0-1"},
            {"type": "npm", "name": "lodash", "version": "1.0.0"},
        ]
    }))
    .unwrap()
}

fn good(id: &str) -> String {
    json!({"id": id, "modified": "2026-01-01T00:00:00Z", "affected": [
        {"package": {"ecosystem": "npm", "name": "lodash"},
         "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "2.0.0"}]}]}
    ]})
    .to_string()
}

fn read_folder(folder: &Path) -> Advisories {
    read::folder(folder, &Wanted::of([&image()])).unwrap()
}

fn issues(advisories: &Advisories) -> Vec<String> {
    advisories.issues.iter().map(ToString::to_string).collect()
}

fn found(advisories: &Advisories) -> Vec<String> {
    find(&image(), advisories).found.into_iter().map(|f| f.id).collect()
}

#[test]
fn a_bad_record_is_named_with_its_field_and_the_others_are_read() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("a.json", &good("GHSA-1"));
    write("b.json", &good("GHSA-2").replace("\"2.0.0\"", "7"));
    write("c.json", "{\"id\": \"GHSA-3\", \"affected\": [");
    write("d.json", "[1, 2]");
    write("e.json", &good("GHSA-5").replace("{\"introduced\":\"0\"}", "{\"invented\":\"0\"}"));
    write("f.json", "");
    write("g.json", &good("").replace("\"id\":\"\"", "\"id\":\"\",\"severity\":[]"));
    write("h.json", "{\"id\": \"CVE-2026-1\", \"affected\": null, \"aliases\": null}");
    write("notes.txt", "not read");
    write("z.json", &good("GHSA-9"));
    let advisories = read_folder(folder.path());
    assert_eq!(found(&advisories), ["GHSA-1", "GHSA-9"]);
    let issues = issues(&advisories);
    let starts = [
        "b.json: affected[0].ranges[0].events[1].fixed: invalid type",
        "c.json: ",
        "d.json: The file is not in a format of advisories that is read.",
        "e.json: affected[0].ranges[0].events[0]",
        "f.json: The file is not JSON: EOF",
        "g.json: id: The advisory has no id.",
    ];
    assert_eq!(issues.len(), starts.len(), "{issues:#?}");
    for (issue, start) in issues.iter().zip(starts) {
        assert!(issue.starts_with(start), "{issue}\n{start}");
    }
}

#[test]
fn a_vector_that_cannot_be_read_leaves_the_finding() {
    let folder = tempfile::tempdir().unwrap();
    let record = good("GHSA-1").replacen('{', "{\"severity\":[{\"type\":\"CVSS_V3\",\"score\":\"CVSS:3.1/AV:Q\"}],", 1);
    fs::write(folder.path().join("a.json"), record).unwrap();
    let advisories = read_folder(folder.path());
    assert_eq!(found(&advisories), ["GHSA-1"]);
    assert!(issues(&advisories)[0].starts_with("a.json: severity[0].score: CVSS:3.1/AV:Q is not a CVSS vector"));
}

#[test]
fn a_damaged_zip_gives_what_can_be_unpacked() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("all.zip");
    let (first, second) = (good("GHSA-1"), good("GHSA-2"));
    zip(&path, &[("1.json".into(), first.as_bytes()), ("2.json".into(), second.as_bytes())]);
    let mut bytes = fs::read(&path).unwrap();
    // A byte in the middle of the first file's data: its checksum is wrong, or it cannot be unpacked.
    bytes[60] ^= 0x55;
    fs::write(&path, &bytes).unwrap();
    let advisories = read_folder(folder.path());
    assert_eq!(found(&advisories), ["GHSA-2"]);
    assert!(
        issues(&advisories)[0].starts_with("all.zip!1.json: The file cannot be unpacked"),
        "{:?}",
        issues(&advisories)
    );

    fs::write(&path, &bytes[..bytes.len() - 30]).unwrap();
    let issues = issues(&read_folder(folder.path()));
    assert!(issues[0].starts_with("all.zip: The file cannot be read"), "{issues:?}");
}

#[test]
fn a_damaged_file_of_the_tracker_gives_what_is_before_the_damage() {
    let folder = tempfile::tempdir().unwrap();
    let release = json!({"bookworm": {"status": "resolved", "fixed_version": "5.1-1", "urgency": "high"}});
    let text = json!({"bash": {
        "CVE-2026-0001": {"releases": release},
        "CVE-2026-0002": {"releases": {"bookworm": {"status": "mended"}}},
        "CVE-2026-0003": {"releases": {"bookworm": {"status": "resolved"}}},
        "CVE-2026-0004": {"releases": 7},
    }})
    .to_string();
    fs::write(
        folder.path().join("tracker.json"),
        format!("{},\"zlib\": {{\"CVE", text.trim_end_matches('}').to_owned() + "}}"),
    )
    .unwrap();
    let advisories = read_folder(folder.path());
    assert_eq!(found(&advisories), ["CVE-2026-0001"]);
    let issues = issues(&advisories);
    assert_eq!(issues.len(), 4, "{issues:#?}");
    assert!(issues[0].starts_with("tracker.json: The file ends early or is not JSON"), "{issues:#?}");
    assert!(issues[1].starts_with("tracker.json: bash.CVE-2026-0002.releases.bookworm.status: "));
    assert!(issues[2].starts_with("tracker.json: bash.CVE-2026-0003.releases.bookworm.fixed_version: "));
    assert!(issues[3].starts_with("tracker.json: bash.CVE-2026-0004.releases: "));
}

#[test]
fn a_damaged_updateinfo_gives_the_errata_before_the_damage() {
    let image: Inventory = serde_json::from_value(json!({
        "os": {"id": "amzn", "versionId": "2023"},
        "packages": [{"type": "rpm", "name": "kernel", "version": "6.1.1-1.amzn2023", "arch": "x86_64"}]
    }))
    .unwrap();
    let update = |id: &str, package: &str| {
        format!(
            "<update type=\"security\">{id}<references><reference type=\"cve\" id=\"CVE-2026-1\"/></references>\
             <pkglist><collection short=\"amazon-linux-2023\">{package}</collection></pkglist></update>"
        )
    };
    let kernel = "<package name=\"kernel\" version=\"6.1.2\" release=\"1.amzn2023\" epoch=\"0\" arch=\"x86_64\"/>";
    let text = [
        "<updates>".to_owned(),
        update("<id>ALAS2023-2026-001</id>", kernel),
        update("", kernel),
        update("<id>ALAS2023-2026-003</id>", "<package name=\"kernel\"/>"),
        "<update type=\"security\"><id>ALAS2023-2026-004</wrong>".to_owned(),
    ]
    .concat();
    let folder = tempfile::tempdir().unwrap();
    gzip(&folder.path().join("updateinfo.xml.gz"), text.as_bytes());
    // Another file of the repository's metadata, which is of no interest.
    fs::write(folder.path().join("primary.xml"), "<metadata><package/></metadata>").unwrap();
    fs::write(folder.path().join("x-updateinfo.xml.zst"), "").unwrap();
    let advisories = read::folder(folder.path(), &Wanted::of([&image])).unwrap();
    let found: Vec<_> = find(&image, &advisories).found.into_iter().map(|f| f.ids.join(" ")).collect();
    assert_eq!(found, ["ALAS2023-2026-001 CVE-2026-1"]);
    let issues = issues(&advisories);
    assert_eq!(issues.len(), 4, "{issues:#?}");
    assert!(issues[0].starts_with("updateinfo.xml.gz: byte "), "{issues:#?}");
    assert!(issues[1].starts_with("updateinfo.xml.gz: update[1].id: The erratum has no id."), "{issues:#?}");
    assert!(issues[2].starts_with("updateinfo.xml.gz: update[2].pkglist.collection.package: "), "{issues:#?}");
    assert!(issues[3].starts_with("x-updateinfo.xml.zst: The file is packed in a format that is not read."));
}

#[test]
fn a_folder_that_does_not_exist_is_an_error() {
    assert!(read::folder(Path::new("/nonexistent/advisories"), &Wanted::default()).is_err());
}

#[test]
fn versions_that_cannot_be_compared_are_named() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.json"), good("GHSA-1")).unwrap();
    let mut image = image();
    image.packages[1].version = "latest".into();
    let advisories = read::folder(folder.path(), &Wanted::of([&image])).unwrap();
    let findings = find(&image, &advisories);
    assert_eq!(findings.found, []);
    assert_eq!(findings.unjudged.len(), 1);
    assert_eq!(findings.unjudged[0].reason, "\"latest\" is not a version of a package with Semantic Versioning");
}
