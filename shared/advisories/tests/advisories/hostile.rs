//! Folders and contents that somebody has made to harm the judge, or that are only odd: none of them makes it wait, fill
//! the memory or panic, and what it does not read is named.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

use goldsmith_advisories::{Advisories, Case, Inventory, Rating, Wanted, find, judge, read};
use goldsmith_model::VulnerabilityPolicy;
use goldsmith_versions::{Scheme, compare};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::folder::zip;

fn image(os: Value, package: Value) -> Inventory {
    serde_json::from_value(json!({"os": os, "packages": [package]})).unwrap()
}

fn debian() -> Inventory {
    let os = json!({"id": "debian", "versionId": "12", "versionCodename": "bookworm"});
    image(os, json!({"type": "deb", "name": "bash", "version": "5.0-1"}))
}

fn read_for(image: &Inventory, folder: &Path) -> Advisories {
    read::folder(folder, &Wanted::of([image])).unwrap()
}

fn issues(advisories: &Advisories) -> Vec<String> {
    advisories.issues.iter().map(ToString::to_string).collect()
}

fn ids(image: &Inventory, folder: &Path) -> Vec<String> {
    let advisories = read_for(image, folder);
    assert_eq!(issues(&advisories), [""; 0]);
    find(image, &advisories).found.into_iter().map(|found| found.id).collect()
}

#[test]
fn what_is_no_regular_file_is_named_and_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let at = |name: &str| folder.path().join(name);
    for name in ["a.json", "b.xml.gz", "c.zip"] {
        assert!(Command::new("mkfifo").arg(at(name)).status().unwrap().success());
    }
    symlink("/dev/zero", at("d.json")).unwrap();
    symlink("nothing", at("e.json")).unwrap();
    symlink(".", at("f")).unwrap();
    let issues = issues(&read_for(&debian(), folder.path()));
    let expected = [
        "a.json: It is not a regular file.",
        "b.xml.gz: It is not a regular file.",
        "c.zip: It is not a regular file.",
        "d.json: It is not a regular file.",
        "e.json: The file cannot be read: No such file or directory (os error 2).",
        "f: The folder is a link, which is not followed.",
    ];
    assert_eq!(issues, expected);
}

#[test]
fn xml_without_end_in_depth_or_length_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, begin: &str, piece: &str, count: usize| {
        let file = fs::File::create(folder.path().join(name)).unwrap();
        let mut gzip = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        gzip.write_all(begin.as_bytes()).unwrap();
        let block = piece.repeat(4096);
        (0..count).for_each(|_| gzip.write_all(block.as_bytes()).unwrap());
        gzip.finish().unwrap();
    };
    write("deep.xml.gz", "<updates>", "<update>", 300);
    write("text.xml.gz", "<updates><update type=\"security\"><id>", "0123456789abcdef", 400);
    write("name.xml.gz", "<updates><", "aaaaaaaaaaaaaaaa", 400);
    let issues = issues(&read_for(&debian(), folder.path()));
    assert_eq!(issues.len(), 3, "{issues:#?}");
    assert!(
        issues[0].starts_with("deep.xml.gz: byte ") && issues[0].ends_with("nested more than 32 deep."),
        "{issues:#?}"
    );
    for (issue, name) in issues[1..].iter().zip(["name", "text"]) {
        assert!(issue.starts_with(&format!("{name}.xml.gz: byte ")), "{issue}");
        assert!(issue.contains("a text or an element is larger than 16 MiB"), "{issue}");
    }
}

#[test]
fn what_a_zip_holds_in_another_format_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = json!({"bash": {"CVE-2026-1": {"releases": {"bookworm": {"status": "open"}}}}}).to_string();
    let members: [(String, &[u8]); 3] = [
        ("updateinfo.xml".to_owned(), b"<updates/>"),
        ("tracker.json".to_owned(), tracker.as_bytes()),
        ("readme.txt".to_owned(), b"x"),
    ];
    zip(&folder.path().join("all.zip"), &members);
    let expected = [
        "all.zip!tracker.json: The file of Debian's tracker is read by itself, not in a zip. Unpack it first.",
        "all.zip!updateinfo.xml: Only files in JSON are read in a zip. Unpack it first.",
    ];
    assert_eq!(issues(&read_for(&debian(), folder.path())), expected);
}

#[test]
fn a_byte_order_mark_is_no_mistake() {
    let folder = tempfile::tempdir().unwrap();
    let tracker = json!({"bash": {"CVE-2026-1": {"releases": {"bookworm": {"status": "open"}}}}});
    let events = json!([{"introduced": "0"}, {"fixed": "6"}]);
    let affected = json!([{"package": {"ecosystem": "Debian:12", "name": "bash"},
                           "ranges": [{"type": "ECOSYSTEM", "events": events}]}]);
    let record = json!({"id": "CVE-2026-2", "modified": "2026-01-01T00:00:00Z", "affected": affected});
    for (name, text) in [("tracker.json", tracker), ("record.json", record)] {
        fs::write(folder.path().join(name), format!("\u{feff}{text}")).unwrap();
    }
    assert_eq!(ids(&debian(), folder.path()), ["CVE-2026-1", "CVE-2026-2"]);
}

#[test]
fn a_date_that_is_none_does_not_make_a_folder_look_new() {
    let folder = tempfile::tempdir().unwrap();
    for (name, date) in [("a", "zzzz"), ("b", "2026-01-01T00:00:00Z"), ("c", "9")] {
        let record = json!({"id": name, "modified": date, "affected": []});
        fs::write(folder.path().join(format!("{name}.json")), record.to_string()).unwrap();
    }
    assert_eq!(read_for(&debian(), folder.path()).newest.as_deref(), Some("2026-01-01T00:00:00Z"));
}

#[test]
fn no_name_looks_like_a_line_of_the_judgement() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a\nAllowed.json"), "{").unwrap();
    let os = json!({"id": "debian", "versionId": "12"});
    let image = image(os, json!({"type": "deb", "name": "bash", "version": "5.0-1"}));
    let today = jiff::civil::date(2026, 11, 29);
    let advisories = read_for(&image, folder.path());
    let case =
        Case { image: &image, parent: None, advisories: &advisories, policy: &VulnerabilityPolicy::default(), today };
    let text = judge(case).to_string();
    assert!(text.starts_with("Rejected.\n") && text.lines().all(|line| !line.starts_with("Allowed")), "{text}");
    assert!(text.contains("\nA part of the folder was not read: a Allowed.json: "), "{text}");
}

/// A document of Red Hat about one package of a module, or of none.
fn vex(purl: &str, module: Option<&str>, status: &str) -> Value {
    let product = |id: &str, key: &str, value: &str| {
        let helper = json!({key: value});
        json!({"product": {"product_id": id, "product_identification_helper": helper}})
    };
    let mut branches = vec![product("os", "cpe", "cpe:/o:redhat:enterprise_linux:9"), product("package", "purl", purl)];
    let relates = |id: &str, product: &str, to: &str| {
        let name = json!({"product_id": id});
        json!({"full_product_name": name, "product_reference": product, "relates_to_product_reference": to})
    };
    let mut relationships = vec![relates("pair", "package", if module.is_some() { "module-in-os" } else { "os" })];
    if let Some(module) = module {
        branches.push(product("module", "purl", module));
        relationships.push(relates("module-in-os", "module", "os"));
    }
    json!({"document": {"tracking": {"id": "CVE-2026-1"}},
           "product_tree": {"branches": branches, "relationships": relationships},
           "vulnerabilities": [{"cve": "CVE-2026-1", "product_status": {status: ["pair"]}}]})
}

#[test]
fn the_module_of_a_package_is_that_of_its_label() {
    let os = json!({"id": "rhel", "versionId": "9.3"});
    let nodejs = |module: Option<&str>| {
        let version = "1:18.18.2-3.module+el9.3.0+20754+3a0e7c8b";
        image(
            os.clone(),
            json!({"type": "rpm", "name": "nodejs", "version": version, "arch": "x86_64", "module": module}),
        )
    };
    let label = |stream: &str| format!("nodejs:{stream}:9030020231114132437:rhel9");
    let purl = "pkg:rpm/redhat/nodejs@20.1.0-1.module%2Bel9.3.0%2B1%2B1?arch=x86_64&epoch=1";
    let folder = tempfile::tempdir().unwrap();
    let write = |text: &Value| fs::write(folder.path().join("a.json"), text.to_string()).unwrap();
    write(&vex(purl, Some("pkg:rpmmod/redhat/nodejs@20:9030020231114132437:rhel9"), "fixed"));
    assert_eq!(ids(&nodejs(Some(&label("20"))), folder.path()), ["CVE-2026-1"]);
    assert_eq!(ids(&nodejs(Some(&label("18"))), folder.path()), [""; 0], "another stream");
    assert_eq!(ids(&nodejs(None), folder.path()), ["CVE-2026-1"], "the stream is not known");
    let title = "Important: npm:9 and nodejs:18 security update";
    let events = json!([{"introduced": "0"}, {"fixed": "1:20.1.0-1.module+el9.3.0+1+1"}]);
    let affected = json!([{"package": {"ecosystem": "Red Hat:enterprise_linux:9::appstream", "name": "nodejs"},
                           "ranges": [{"type": "ECOSYSTEM", "events": events}]}]);
    write(&json!({"id": "RHSA-2026:1", "modified": "2026-01-01T00:00:00Z", "summary": title, "affected": affected}));
    assert_eq!(ids(&nodejs(Some(&label("18"))), folder.path()), ["RHSA-2026:1"], "the second stream of the title");
    assert_eq!(ids(&nodejs(Some(&label("20"))), folder.path()), [""; 0]);
}

#[test]
fn red_hats_documents_name_packages_with_encoded_signs_and_affected_versions() {
    let os = json!({"id": "rhel", "versionId": "9.3"});
    let folder = tempfile::tempdir().unwrap();
    let found = |purl: &str, status: &str, version: &str| {
        fs::write(folder.path().join("a.json"), vex(purl, None, status).to_string()).unwrap();
        let package = json!({"type": "rpm", "name": "libstdc++", "version": version, "arch": "x86_64"});
        !ids(&image(os.clone(), package), folder.path()).is_empty()
    };
    let purl = "pkg:rpm/redhat/libstdc%2B%2B@11.4.1-3.el9?arch=x86_64";
    assert!(found(purl, "fixed", "11.4.1-2.el9") && !found(purl, "fixed", "11.4.1-3.el9"));
    assert!(found(purl, "known_affected", "11.4.1-2.el9") && found(purl, "known_affected", "11.4.1-3.el9"));
}

#[test]
fn many_advisories_with_one_alias_are_joined_in_a_moment() {
    let folder = tempfile::tempdir().unwrap();
    let events = json!([{"introduced": "0"}, {"fixed": "6"}]);
    let package = json!({"ecosystem": "Debian:12", "name": "bash"});
    let affected = json!([{"package": package, "ranges": [{"type": "ECOSYSTEM", "events": events}]}]);
    let records: Vec<(String, String)> = (0..4_000)
        .map(|number| {
            let id = format!("X-{number}");
            let aliases = json!([format!("X-{}", number + 1)]);
            (format!("{id}.json"), json!({"id": id, "aliases": aliases, "affected": affected}).to_string())
        })
        .collect();
    let members: Vec<(String, &[u8])> = records.iter().map(|(name, text)| (name.clone(), text.as_bytes())).collect();
    zip(&folder.path().join("all.zip"), &members);
    let advisories = read_for(&debian(), folder.path());
    assert_eq!(find(&debian(), &advisories).found.len(), 1);
}

const SCHEMES: [Scheme; 6] = [Scheme::Apk, Scheme::Dpkg, Scheme::Gem, Scheme::Pep440, Scheme::Rpm, Scheme::Semver];

proptest! {
    #[test]
    fn no_version_makes_the_comparison_panic_or_contradict_itself(a in "\\PC{0,24}", b in "[0-9a-z.~^:+_-]{0,24}") {
        for scheme in SCHEMES {
            for (a, b) in [(&a, &b), (&b, &b), (&b, &a)] {
                if let Ok(order) = compare(scheme, a, b) {
                    prop_assert_eq!(compare(scheme, b, a), Ok(order.reverse()));
                }
            }
        }
    }

    #[test]
    fn no_vector_makes_the_rating_panic(text in "(CVSS:(2.0|3.1|4.0)/)?[A-Za-z0-9:/é.]{0,40}") {
        let _ = Rating::vector(&text);
    }

    #[test]
    fn no_record_makes_the_reader_panic(text in "\\{\"(id|document|affected|bash)\":[\\[\\]{}\":,a-z0-9]{0,60}") {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.json"), &text).unwrap();
        fs::write(folder.path().join("a.xml"), text.replace('{', "<updates>").replace('[', "<update>")).unwrap();
        let _ = find(&debian(), &read_for(&debian(), folder.path()));
    }
}
