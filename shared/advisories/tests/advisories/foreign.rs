//! The planted advisories, as programs of other projects judge them: `make advisory-matchers` installs these.
//!
//! For each of them, a script in `tests/matchers` hands it the advisories and the images, and a file next to it explains
//! each difference from what our own reader finds, one a line:
//!
//! - `missing | IMAGE | PACKAGE | VULNERABILITY | REASON`: we find it, the other program does not.
//! - `extra | IMAGE | PACKAGE | VULNERABILITY | REASON`: the other program finds it, we do not.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use goldsmith_advisories::{Inventory, Wanted, find, read};
use serde_json::{Value, json};

use crate::folder::{FILES, Packing, planted_in};

const IMAGES: &str = include_str!("planted/images.json");
/// The exit code of a script that cannot ask its program, as in `matcher.py`.
const NOT_INSTALLED: i32 = 77;

/// A finding as the scripts print it: `IMAGE | PACKAGE | VULNERABILITY`.
type Findings = BTreeSet<String>;

/// A program of another project.
struct Matcher {
    name: &'static str,
    /// The planted files that it judges.
    files: &'static [&'static str],
    /// The file that explains its differences.
    explanations: &'static str,
    python: Python,
    /// For each of the files, a finding with a fix.
    fixable: &'static [Fixable],
}

/// The Python that runs the script of a program.
enum Python {
    /// That of the system. The program is a package of Debian.
    System,
    /// That of `.venv/matchers`, in which the program is a package of PyPI.
    Venv,
}

/// A finding with a fix.
struct Fixable {
    image: &'static str,
    package: &'static str,
    id: &'static str,
    /// A version of the package that has every fix.
    last: &'static str,
}

// Two programs judge each of the planted files.
const MATCHERS: [Matcher; 5] = [
    Matcher {
        name: "trivy",
        files: &["osv.jsonl", "tracker.json", "amazon.xml", "rhel.xml", "vex.json"],
        explanations: include_str!("../matchers/trivy.txt"),
        python: Python::Venv,
        fixable: &[
            Fixable { image: "debian", package: "curl", id: "CVE-2026-1012", last: "99:99-9" },
            Fixable { image: "debian", package: "bash", id: "CVE-2026-1005", last: "99:99-9" },
            Fixable { image: "amazon", package: "openssl-libs", id: "CVE-2026-8001", last: "99:99-9.amzn2023" },
            Fixable { image: "rhel", package: "openssl-libs", id: "CVE-2026-4006", last: "99:99-9.el9" },
            Fixable { image: "rhel", package: "vim-minimal", id: "CVE-2026-4009", last: "99:99-9.el9" },
        ],
    },
    Matcher {
        name: "vdb",
        files: &["osv.jsonl", "amazon.xml"],
        explanations: include_str!("../matchers/vdb.txt"),
        python: Python::Venv,
        fixable: &[
            Fixable { image: "amazon", package: "rack", id: "CVE-2026-6007", last: "99.0.0" },
            Fixable { image: "amazon", package: "openssl-libs", id: "CVE-2026-8001", last: "99:99-9.amzn2023" },
        ],
    },
    Matcher {
        name: "csaf-lib",
        files: &["vex.json"],
        explanations: include_str!("../matchers/csaf-lib.txt"),
        python: Python::Venv,
        fixable: &[Fixable { image: "rhel", package: "vim-minimal", id: "CVE-2026-4009", last: "99:99-9.el9" }],
    },
    Matcher {
        name: "dnf",
        files: &["amazon.xml", "rhel.xml"],
        explanations: include_str!("../matchers/dnf.txt"),
        python: Python::System,
        fixable: &[
            Fixable { image: "amazon", package: "openssl-libs", id: "CVE-2026-8001", last: "99:99-9.amzn2023" },
            Fixable { image: "rhel", package: "openssl-libs", id: "CVE-2026-4006", last: "99:99-9.el9" },
        ],
    },
    Matcher {
        name: "debsecan",
        files: &["tracker.json"],
        explanations: include_str!("../matchers/debsecan.txt"),
        python: Python::System,
        fixable: &[Fixable { image: "debian", package: "bash", id: "CVE-2026-1005", last: "99:99-9" }],
    },
];

impl Matcher {
    /// What the program finds. The error says why it cannot be asked, and what helps.
    fn theirs(&self, images: &Value) -> Result<Findings, String> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let (python, without_it) = match self.python {
            Python::System => (PathBuf::from("python3"), "python3 is not installed."),
            Python::Venv => {
                let venv = root.join("../../.venv/matchers/bin/python");
                (venv, "There is no .venv/matchers. To install it: make advisory-matchers")
            }
        };
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in FILES.into_iter().filter(|(name, _)| self.files.contains(name)) {
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::write(folder.path().join("images.json"), images.to_string()).unwrap();
        let script = root.join(format!("tests/matchers/run_{}.py", self.name.replace('-', "_")));
        let output = match Command::new(&python).arg("-B").arg(&script).arg(folder.path()).output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Err(without_it.to_owned()),
            output => output.unwrap(),
        };
        let stderr = String::from_utf8_lossy(&output.stderr);
        if output.status.code() == Some(NOT_INSTALLED) {
            return Err(stderr.trim().to_owned());
        }
        assert!(output.status.success(), "{}: {stderr}", self.name);
        Ok(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
    }

    /// What our own reader finds in the same files.
    fn ours(&self, images: &Value) -> Findings {
        let folder = planted_in(Packing::Plain, |name| self.files.contains(&name));
        let mut found = Findings::new();
        for (name, image) in images.as_object().unwrap() {
            let image: Inventory = serde_json::from_value(image.clone()).unwrap();
            let advisories = read::folder(folder.path(), &Wanted::of([&image])).unwrap();
            let findings = find(&image, &advisories).found;
            found.extend(findings.into_iter().map(|f| format!("{name} | {} | {}", f.package.name, f.id)));
        }
        found
    }

    /// The differences, each as a line of the explanations without its reason.
    fn differences(&self, theirs: &Findings, ours: &Findings) -> Findings {
        let missing = ours.difference(theirs).map(|finding| format!("missing | {finding}"));
        missing.chain(theirs.difference(ours).map(|finding| format!("extra | {finding}"))).collect()
    }

    fn explained(&self) -> Findings {
        self.explanations.lines().map(|line| line.rsplit_once(" | ").unwrap().0.to_owned()).collect()
    }

    /// The images, in which the packages with a known fix have it.
    fn fixed_images(&self, images: &Value) -> Value {
        let mut images = images.clone();
        for fixable in self.fixable {
            let packages = images[fixable.image]["packages"].as_array_mut().unwrap();
            let package = packages.iter_mut().find(|p| p["name"] == fixable.package).unwrap();
            package["version"] = json!(fixable.last);
            if let Some(source) = package.get_mut("source").and_then(Value::as_object_mut) {
                source.remove("version");
            }
        }
        images
    }

    fn check(&self) {
        let images: Value = serde_json::from_str(IMAGES).unwrap();
        let theirs = match self.theirs(&images) {
            Err(reason) => return eprintln!("SKIPPED: {}: {reason}", self.name),
            Ok(theirs) => theirs,
        };
        let ours = self.ours(&images);
        let (differences, explained) = (self.differences(&theirs, &ours), self.explained());
        let sorted = |of: &Findings, other: &Findings| of.difference(other).cloned().collect::<Vec<_>>();
        assert_eq!(sorted(&differences, &explained), [""; 0], "{}.txt does not explain these", self.name);
        assert_eq!(sorted(&explained, &differences), [""; 0], "{}.txt explains what is no longer so", self.name);

        // A program that does not see the versions would find the same in packages that have every fix.
        for Fixable { image, package, id, .. } in self.fixable {
            let finding = format!("{image} | {package} | {id}");
            assert!(theirs.contains(&finding) && ours.contains(&finding), "{}: {finding}", self.name);
        }
        let images = self.fixed_images(&images);
        let is_fixed = |finding: &String| {
            let mut packages = self.fixable.iter().map(|fixable| format!("{} | {} | ", fixable.image, fixable.package));
            packages.any(|package| finding.starts_with(&package))
        };
        for (before, after) in [(theirs, self.theirs(&images).unwrap()), (ours, self.ours(&images))] {
            let rest: Findings = before.into_iter().filter(|finding| !is_fixed(finding)).collect();
            assert_eq!(after, rest, "{}: the packages with every fix", self.name);
        }
        eprintln!("{}: {} differences, all explained", self.name, differences.len());
    }
}

fn check(name: &str) {
    MATCHERS.iter().find(|matcher| matcher.name == name).unwrap().check();
}

#[test]
fn trivy_finds_the_same() {
    check("trivy");
}

#[test]
fn vulnerability_db_finds_the_same() {
    check("vdb");
}

#[test]
fn the_reader_of_red_hats_documents_finds_the_same() {
    check("csaf-lib");
}

#[test]
fn dnf_finds_the_same() {
    check("dnf");
}

#[test]
fn debsecan_finds_the_same() {
    check("debsecan");
}

#[test]
fn each_explanation_is_about_something_planted() {
    let images: Value = serde_json::from_str(IMAGES).unwrap();
    for Matcher { name, files, explanations, .. } in MATCHERS {
        let lines: Vec<_> = explanations.lines().collect();
        assert!(lines.is_sorted(), "{name}.txt is not sorted");
        for line in lines {
            let fields: Vec<_> = line.split(" | ").collect();
            let [kind, image, package, id, reason] = fields[..] else { panic!("{name}.txt: {line}") };
            assert!(matches!(kind, "missing" | "extra"), "{line}");
            let packages = images[image]["packages"].as_array().unwrap_or_else(|| panic!("{line}"));
            assert!(packages.iter().any(|p| p["name"] == package), "{line}");
            let planted = FILES.iter().filter(|(file, _)| files.contains(file));
            assert!(planted.into_iter().any(|(_, text)| text.contains(&format!("\"{id}\""))), "{line}");
            assert!(reason.ends_with('.') && reason.split(' ').count() > 5, "{line}");
        }
    }
}

#[test]
fn the_page_has_the_numbers() {
    let advisories: usize = FILES.iter().map(|(name, text)| planted_in_file(name, text)).sum();
    let images: BTreeMap<String, Inventory> = serde_json::from_str(IMAGES).unwrap();
    let packages: usize = images.values().map(|image| image.packages.len()).sum();
    let differences: usize = MATCHERS.iter().map(|matcher| matcher.explanations.lines().count()).sum();
    let page = include_str!("../../../../docs/advisories.md");
    let planted = format!("{advisories} planted advisories over {packages} packages");
    for words in [planted, format!("{differences} disagreements")] {
        assert!(page.contains(&words), "docs/advisories.md does not say that there are {words}");
    }
}

/// How many advisories are planted in a file.
fn planted_in_file(name: &str, text: &str) -> usize {
    let json = || serde_json::from_str::<Value>(text).unwrap();
    match name {
        "osv.jsonl" => text.lines().count(),
        "tracker.json" => json().as_object().unwrap().values().map(|package| package.as_object().unwrap().len()).sum(),
        "vex.json" => json()["vulnerabilities"].as_array().unwrap().len(),
        _ => text.matches("<update ").count(),
    }
}
