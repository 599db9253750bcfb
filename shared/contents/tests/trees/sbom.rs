//! The bills of materials, and the validators of their own projects: `make sbom-validators` installs these.

use std::path::Path;
use std::process::Command;

use goldsmith_contents::{Contents, OsRelease, Package, PackageSource, PackageType, Subject, cyclonedx, spdx};

use super::run;

/// Reads both documents with the libraries of CycloneDX and SPDX, which check every rule of the formats.
const CHECK: &str = r#"
import sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from spdx_tools.spdx.parser.parse_anything import parse_file
from spdx_tools.spdx.validation.document_validator import validate_full_spdx_document
bom, document = sys.argv[1:]
faults = []
fault = JsonStrictValidator(SchemaVersion.V1_6).validate_str(open(bom).read())
if fault is not None:
    faults.append(f"CycloneDX: {fault}")
faults += [f"SPDX: {one.validation_message}" for one in validate_full_spdx_document(parse_file(document))]
print("\n".join(faults))
"#;

/// One package of each kind, with what may need care: licenses that are none of SPDX's, epochs, the same package URL
/// twice, and characters that need an escape.
fn contents() -> Contents {
    let os = OsRelease {
        id: "debian".into(),
        version_id: "12".into(),
        pretty_name: "Debian 12".into(),
        ..OsRelease::default()
    };
    let mut packages = Vec::new();
    for (kind, name, version, license) in [
        (PackageType::Apk, "musl", "1.2.5-r0", Some("MIT")),
        (PackageType::Cargo, "serde", "1.0.200", None),
        (PackageType::Deb, "libstdc++6", "1:12.2.0-14~x", None),
        (PackageType::Gem, "rake", "13.0.6", Some("MIT OR Ruby")),
        (PackageType::Golang, "example.com/tool", "(devel)", None),
        (PackageType::Golang, "example.com/tool", "v1.0.0", None),
        (PackageType::Npm, "@scope/b", "2.0.0", Some("(MIT OR Apache-2.0)")),
        (PackageType::Pypi, "alpha_one", "1.0", Some("BSD \"3\" <clause>\nmore")),
        (PackageType::Rpm, "bash", "2:5.2-1", Some("GPLv3+ and ASL 2.0")),
    ] {
        let package = Package {
            arch: if kind.is_of_system() { "amd64".to_owned() } else { String::new() },
            source: kind.is_of_system().then(|| PackageSource { name: name.to_owned(), version: version.to_owned() }),
            license: license.map(str::to_owned),
            installed_size: Some(1024),
            ..Package::new(kind, name, version, "/place of it")
        };
        packages.push(package.with_purl(&os));
    }
    Contents { os, packages, ..Contents::default() }
}

fn subject() -> Subject {
    Subject {
        name: "web-server".to_owned(),
        version: "1.2.0/7".to_owned(),
        time: "2026-11-29T03:00:00Z".to_owned(),
        tool_version: "0.1.0".to_owned(),
    }
}

#[test]
fn documents_are_the_same_each_time_and_name_every_package() {
    let (contents, subject) = (contents(), subject());
    for write in [cyclonedx, spdx] {
        let text = write(&contents, &subject).unwrap();
        assert_eq!(text, write(&contents, &subject).unwrap());
        for package in &contents.packages {
            assert!(text.contains(&package.purl), "{}", package.purl);
        }
    }
}

#[test]
fn documents_are_accepted_by_the_validators_of_their_own_projects() {
    let python = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.venv/sbom/bin/python");
    if !python.exists() {
        eprintln!("SKIPPED (the validators are not installed): make sbom-validators");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let (bom, document) = (folder.path().join("a.cdx.json"), folder.path().join("a.spdx.json"));
    let check = |contents: &Contents| {
        std::fs::write(&bom, cyclonedx(contents, &subject()).unwrap()).unwrap();
        std::fs::write(&document, spdx(contents, &subject()).unwrap()).unwrap();
        run(Command::new(&python).args(["-c", CHECK]).arg(&bom).arg(&document)).trim().to_owned()
    };
    assert_eq!(check(&contents()), "");
    assert_eq!(check(&Contents::default()), "", "also without any package");
    // The check itself finds faults in both.
    let both = [("\"1.6\"", "\"1.6\", \"x\": 1", &bom), ("NOASSERTION", "some words", &document)];
    check(&contents());
    for (from, to, path) in both {
        let text = std::fs::read_to_string(path).unwrap();
        std::fs::write(path, text.replacen(from, to, 4)).unwrap();
    }
    let output = Command::new(&python).args(["-c", CHECK]).arg(&bom).arg(&document).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(said.contains("CycloneDX") || !output.status.success(), "{said}");
    assert!(said.to_lowercase().contains("spdx"), "{said}");
}
