//! A folder with many advisories: the memory and the time that it takes.

use std::time::Instant;

use goldsmith_advisories::{Case, Inventory, Wanted, judge, read};
use goldsmith_model::VulnerabilityPolicy;
use serde_json::json;

/// An image with packages `p0`, `p1` and so on, whose versions are 1.0.
fn image(packages: usize) -> Inventory {
    let package = |at| json!({"type": "deb", "name": format!("p{at}"), "version": "1.0-1", "arch": "amd64"});
    let packages: Vec<_> = (0..packages).map(package).collect();
    let os = json!({"id": "debian", "versionId": "12", "codename": "bookworm"});
    serde_json::from_value(json!({"os": os, "packages": packages})).unwrap()
}

/// Writes a zip with advisories of as many packages as there are `names`. Every second one is fixed in the image. A
/// record has the size of a usual one of osv.dev, some 2 kB.
fn write(path: &std::path::Path, advisories: usize, names: usize) -> usize {
    let records: Vec<(String, Vec<u8>)> = (0..advisories)
        .map(|at| {
            let fixed = if (at / names).is_multiple_of(2) { "1.0-1" } else { "1.0-2" };
            let references: Vec<_> = (0..8)
                .map(|n| json!({"type": "WEB", "url": format!("https://example.org/{at}/{n}/a/path/that/is/long")}))
                .collect();
            let record = json!({"schema_version": "1.7.5", "id": format!("DEBIAN-CVE-2026-{at:06}"),
                "modified": "2026-11-01T00:00:00Z", "upstream": [format!("CVE-2026-{at:06}")],
                "details": "A flaw, described in some detail. ".repeat(20), "references": references,
                "severity": [{"type": "CVSS_V3", "score": "CVSS:3.1/AV:N/AC:L/PR:N/UI:N/S:U/C:H/I:N/A:N"}],
                "affected": [{"package": {"ecosystem": "Debian:12", "name": format!("p{}", at % names)},
                    "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": fixed}]}]}]});
            (format!("{at}.json"), record.to_string().into_bytes())
        })
        .collect();
    let size = records.iter().map(|(_, bytes)| bytes.len()).sum();
    let files: Vec<_> = records.iter().map(|(name, bytes)| (name.clone(), bytes.as_slice())).collect();
    crate::folder::zip(path, &files);
    size
}

/// Judges an image with 500 packages by advisories of so many names, and returns the seconds.
fn judged(advisories: usize, names: usize) -> f64 {
    let folder = tempfile::tempdir().unwrap();
    let size = write(&folder.path().join("all.zip"), advisories, names);
    let image = image(500);
    let start = Instant::now();
    let read = read::folder(folder.path(), &Wanted::of([&image])).unwrap();
    let seconds_to_read = start.elapsed().as_secs_f64();
    assert_eq!(read.issues, []);
    let kept = advisories * 500 / names;
    assert_eq!(read.all.len(), kept, "only what the image needs is kept");
    let today = jiff::civil::date(2026, 11, 29);
    let case = Case { image: &image, parent: None, advisories: &read, policy: &VulnerabilityPolicy::default(), today };
    let judgement = judge(case);
    let seconds = start.elapsed().as_secs_f64();
    assert_eq!(judgement.counts.found, kept / 2);
    eprintln!("{advisories} advisories, {size} bytes: {seconds_to_read:.2} s to read, {seconds:.2} s in all");
    seconds
}

#[test]
fn only_what_the_image_needs_is_kept() {
    judged(2_000, 1_000);
}

#[test]
#[ignore = "takes a minute without optimization: cargo test --release -- --ignored"]
fn an_image_with_500_packages_is_judged_by_100_000_advisories_in_ten_seconds() {
    let seconds = judged(100_000, 5_000);
    assert!(cfg!(debug_assertions) || seconds <= 10.0, "it took {seconds:.1} s");
}
