//! Planted advisories over the packages of six images, in the formats in which they are published. What each image must
//! have was written by hand in `expected.txt`; each advisory says in its details what it tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use goldsmith_advisories::{Advisories, Finding, Fix, Inventory, Wanted, find, read};
use serde_json::json;

use crate::folder::{Packing, planted};

type Images = BTreeMap<String, Inventory>;

fn images() -> Images {
    serde_json::from_str(include_str!("planted/images.json")).unwrap()
}

fn read_for(images: &Images, folder: &Path) -> Advisories {
    read::folder(folder, &Wanted::of(images.values())).unwrap()
}

/// A finding as a line of `expected.txt`.
fn line(image: &str, finding: &Finding) -> String {
    let severity = finding.rating.map_or("unrated", |rating| rating.severity.word());
    let fix = match &finding.fix {
        Fix::Available(version) => version.as_str(),
        Fix::None => "none",
        Fix::WontFix => "will not be fixed",
    };
    format!("{image} | {} | {} | {severity} | {fix}", finding.package.name, finding.id)
}

fn expected(of: impl Fn(&str) -> bool) -> Vec<String> {
    let lines = include_str!("planted/expected.txt").lines().filter(|line| !line.starts_with('#'));
    let mut lines: Vec<_> = lines.filter(|line| of(line)).map(str::to_owned).collect();
    lines.sort();
    lines
}

fn found(images: &Images, advisories: &Advisories) -> Vec<String> {
    let findings = images.iter().map(|(name, image)| (name, find(image, advisories).found));
    let mut lines: Vec<_> =
        findings.flat_map(|(name, found)| found.into_iter().map(|f| line(name, &f)).collect::<Vec<_>>()).collect();
    lines.sort();
    lines
}

#[test]
fn exactly_the_expected_findings_are_found() {
    let folder = planted(Packing::Plain);
    let images = images();
    let advisories = read_for(&images, folder.path());
    assert_eq!(advisories.issues, []);
    assert_eq!(found(&images, &advisories), expected(|_| true));
    assert_eq!(advisories.newest.as_deref(), Some("2026-11-01T00:00:00Z"));
    assert!(images.values().map(|image| image.packages.len()).sum::<usize>() >= 30);
}

#[test]
fn packed_files_give_the_same() {
    let images = images();
    let plain = planted(Packing::Plain);
    let packed = planted(Packing::Packed);
    assert!(fs::read_dir(packed.path()).unwrap().all(|e| {
        let name = e.unwrap().file_name().into_string().unwrap();
        name.ends_with(".gz") || name.ends_with(".zip")
    }));
    let (plain, packed) = (read_for(&images, plain.path()), read_for(&images, packed.path()));
    assert_eq!(packed.issues, []);
    assert_eq!(found(&images, &packed), found(&images, &plain));
    assert_eq!(packed.coverage, plain.coverage);
}

#[test]
fn one_image_alone_gives_the_same_as_with_others() {
    let folder = planted(Packing::Plain);
    for (name, image) in images() {
        let alone = Images::from([(name.clone(), image)]);
        let advisories = read_for(&alone, folder.path());
        assert_eq!(found(&alone, &advisories), expected(|line| line.starts_with(&format!("{name} |"))), "{name}");
        for advisory in &advisories.all {
            assert!(!advisory.affects.is_empty(), "{} is kept for nothing", advisory.id);
        }
    }
}

#[test]
fn a_finding_names_everything_that_names_it() {
    let folder = planted(Packing::Plain);
    let images = images();
    let advisories = read_for(&images, folder.path());
    let ids = |image: &str, package: &str, id: &str| {
        let found = find(&images[image], &advisories).found;
        let of: Vec<_> = found.into_iter().filter(|f| f.package.name == package && f.id == id).collect();
        assert_eq!(of.len(), 1, "{package} {id}");
        of[0].ids.join(" ")
    };
    assert_eq!(ids("debian", "curl", "CVE-2026-1012"), "CVE-2026-1012 DEBIAN-CVE-2026-1012 DSA-9001-1");
    assert_eq!(ids("amazon", "requests", "CVE-2026-1017"), "CVE-2026-1017 GHSA-aaaa-aaaa-aaaa PYSEC-2026-1");
    assert_eq!(ids("rhel", "nodejs", "CVE-2026-4003"), "CVE-2026-4003 RHSA-2026:4003 RHSA-2026:4007");
    assert_eq!(ids("amazon", "openssl-libs", "CVE-2026-8002"), "ALAS2023-2026-801 CVE-2026-8002");
}

#[test]
fn a_fix_of_the_package_counts_more_than_one_of_its_source() {
    let image = json!({"os": {"id": "rocky", "versionId": "9.3"}, "packages": [{"type": "rpm", "name": "device-mapper",
        "version": "9:1.02.195-3.el9", "source": {"name": "lvm2", "version": "2.03.21-3.el9"}}]});
    let image: Inventory = serde_json::from_value(image).unwrap();
    let affected = |name, fixed| {
        json!({"package": {"ecosystem": "Rocky Linux:9", "name": name},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]})
    };
    let package = affected("device-mapper", "9:1.02.197-2.el9");
    let source = affected("lvm2", "9:2.03.23-2.el9");
    for (affected, fix) in [(json!([source, package]), "9:1.02.197-2.el9"), (json!([source]), "9:2.03.23-2.el9")] {
        let folder = tempfile::tempdir().unwrap();
        let record = json!({"id": "RLSA-2026:1", "upstream": ["CVE-2026-1"], "affected": affected});
        fs::write(folder.path().join("record.json"), record.to_string()).unwrap();
        let found = find(&image, &read::folder(folder.path(), &Wanted::of([&image])).unwrap()).found;
        assert_eq!(found.iter().map(|f| &f.fix).collect::<Vec<_>>(), [&Fix::Available(fix.into())]);
    }
}

#[test]
fn the_coverage_says_how_much_was_compared() {
    let folder = planted(Packing::Plain);
    let images = images();
    let advisories = read_for(&images, folder.path());
    let covered: Vec<_> = find(&images["amazon"], &advisories).covered;
    let lines: Vec<_> = covered.iter().map(|c| format!("{} {} {}", c.kind.word(), c.packages, c.advisories)).collect();
    assert_eq!(lines, ["rpm 3 4", "pypi 3 7", "npm 3 4", "gem 1 2", "golang 2 4", "cargo 1 2"]);
    let debian = &find(&images["debian"], &advisories).covered[0];
    // Fourteen records of OSV with Debian 12, and six statements of the tracker about bookworm in wanted packages.
    assert_eq!((debian.packages, debian.advisories), (10, 20));
}
