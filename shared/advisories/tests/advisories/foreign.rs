//! The planted advisories, as programs of other projects judge them: `make advisory-matchers` installs these.
//!
//! For each of them, a script in `tests/matchers` hands it the advisories and the images, and a text next to it explains
//! each difference from what our own reader finds, one a line:
//!
//! - `missing | IMAGE | PACKAGE | VULNERABILITY | REASON`: we find it, the other program does not.
//! - `extra | IMAGE | PACKAGE | VULNERABILITY | REASON`: the other program finds it, we do not.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use goldsmith_advisories::{Inventory, Wanted, find, read};
use serde_json::{Value, json};

use crate::folder::{FILES, Packing, planted_in};

const IMAGES: &str = include_str!("planted/images.json");
/// The exit code of a script whose program is not installed.
const NOT_INSTALLED: i32 = 77;

/// A finding as the scripts print it: `IMAGE | PACKAGE | VULNERABILITY`.
type Findings = BTreeSet<String>;

/// A program of another project.
struct Matcher {
    name: &'static str,
    /// The planted files that it judges.
    files: &'static [&'static str],
    /// Its differences, explained.
    text: &'static str,
    /// Whether it is a package of Debian, and not one of PyPI.
    is_of_debian: bool,
    /// For each of the files, a finding with a fix: image, package and vulnerability. The last part is a version with
    /// every fix.
    fixed: &'static [[&'static str; 4]],
}

const MATCHERS: [Matcher; 5] = [
    Matcher {
        name: "trivy",
        files: &["osv.jsonl", "tracker.json", "amazon.xml", "rhel.xml", "vex.json"],
        text: include_str!("../matchers/trivy.txt"),
        is_of_debian: false,
        fixed: &[
            ["debian", "curl", "CVE-2026-1012", "99:99-9"],
            ["debian", "bash", "CVE-2026-1005", "99:99-9"],
            ["amazon", "openssl-libs", "CVE-2026-8001", "99:99-9.amzn2023"],
            ["rhel", "openssl-libs", "CVE-2026-4006", "99:99-9.el9"],
            ["rhel", "vim-minimal", "CVE-2026-4009", "99:99-9.el9"],
        ],
    },
    Matcher {
        name: "vdb",
        files: &["osv.jsonl", "amazon.xml"],
        text: include_str!("../matchers/vdb.txt"),
        is_of_debian: false,
        fixed: &[
            ["amazon", "rack", "CVE-2026-6007", "99.0.0"],
            ["amazon", "openssl-libs", "CVE-2026-8001", "99:99-9.amzn2023"],
        ],
    },
    Matcher {
        name: "csaf",
        files: &["vex.json"],
        text: include_str!("../matchers/csaf.txt"),
        is_of_debian: false,
        fixed: &[["rhel", "vim-minimal", "CVE-2026-4009", "99:99-9.el9"]],
    },
    Matcher {
        name: "dnf",
        files: &["amazon.xml", "rhel.xml"],
        text: include_str!("../matchers/dnf.txt"),
        is_of_debian: true,
        fixed: &[
            ["amazon", "openssl-libs", "CVE-2026-8001", "99:99-9.amzn2023"],
            ["rhel", "openssl-libs", "CVE-2026-4006", "99:99-9.el9"],
        ],
    },
    Matcher {
        name: "tracker",
        files: &["tracker.json"],
        text: include_str!("../matchers/tracker.txt"),
        is_of_debian: true,
        fixed: &[["debian", "bash", "CVE-2026-1005", "99:99-9"]],
    },
];

impl Matcher {
    /// What the program finds, or `None` if it is not installed.
    fn theirs(&self, images: &Value) -> Option<Findings> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let own = root.join("../../.venv/matchers/bin/python");
        let python = if self.is_of_debian { PathBuf::from("python3") } else { own };
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in FILES.into_iter().filter(|(name, _)| self.files.contains(name)) {
            fs::write(folder.path().join(name), text).unwrap();
        }
        fs::write(folder.path().join("images.json"), images.to_string()).unwrap();
        let script = root.join(format!("tests/matchers/run_{}.py", self.name));
        let output = match Command::new(&python).arg("-B").arg(&script).arg(folder.path()).output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            output => output.unwrap(),
        };
        if output.status.code() == Some(NOT_INSTALLED) {
            return None;
        }
        assert!(output.status.success(), "{}: {}", self.name, String::from_utf8_lossy(&output.stderr));
        Some(String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect())
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

    /// The differences, each as a line of the text without its reason.
    fn differences(&self, theirs: &Findings, ours: &Findings) -> Findings {
        let missing = ours.difference(theirs).map(|finding| format!("missing | {finding}"));
        missing.chain(theirs.difference(ours).map(|finding| format!("extra | {finding}"))).collect()
    }

    fn explained(&self) -> Findings {
        self.text.lines().map(|line| line.rsplit_once(" | ").unwrap().0.to_owned()).collect()
    }

    /// The images, in which the packages with a known fix have it.
    fn fixed_images(&self, images: &Value) -> Value {
        let mut images = images.clone();
        for [image, package, _, version] in self.fixed {
            let packages = images[image]["packages"].as_array_mut().unwrap();
            let package = packages.iter_mut().find(|p| p["name"] == *package).unwrap();
            package["version"] = json!(version);
            if let Some(source) = package.get_mut("source").and_then(Value::as_object_mut) {
                source.remove("version");
            }
        }
        images
    }

    fn check(&self) {
        let images: Value = serde_json::from_str(IMAGES).unwrap();
        let Some(theirs) = self.theirs(&images) else {
            eprintln!("SKIPPED ({} is not installed): make advisory-matchers", self.name);
            return;
        };
        let ours = self.ours(&images);
        let (differences, explained) = (self.differences(&theirs, &ours), self.explained());
        let sorted = |of: &Findings, other: &Findings| of.difference(other).cloned().collect::<Vec<_>>();
        assert_eq!(sorted(&differences, &explained), [""; 0], "{}.txt does not explain these", self.name);
        assert_eq!(sorted(&explained, &differences), [""; 0], "{}.txt explains what is no longer so", self.name);

        // A program that does not see the versions would find the same in packages that have every fix.
        for [image, package, id, _] in self.fixed {
            let finding = format!("{image} | {package} | {id}");
            assert!(theirs.contains(&finding) && ours.contains(&finding), "{}: {finding}", self.name);
        }
        let images = self.fixed_images(&images);
        let is_fixed = |finding: &String| {
            self.fixed.iter().any(|[image, package, ..]| finding.starts_with(&format!("{image} | {package} | ")))
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
    check("csaf");
}

#[test]
fn dnf_finds_the_same() {
    check("dnf");
}

#[test]
fn debsecan_finds_the_same() {
    check("tracker");
}

#[test]
fn each_explanation_is_about_something_planted() {
    let images: Value = serde_json::from_str(IMAGES).unwrap();
    let mut count = 0;
    for Matcher { name, files, text, .. } in MATCHERS {
        let lines: Vec<_> = text.lines().collect();
        assert!(lines.is_sorted(), "{name}.txt is not sorted");
        count += lines.len();
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
    let page = include_str!("../../../../docs/advisories.md");
    let sentence = format!("{count} disagreements");
    assert!(page.contains(&sentence), "docs/advisories.md does not say that there are {sentence}");
}

#[test]
fn two_programs_judge_each_planted_file() {
    for (file, _) in FILES {
        let judges: Vec<_> = MATCHERS.iter().filter(|m| m.files.contains(&file)).map(|m| m.name).collect();
        assert!(judges.len() >= 2, "{file}: {judges:?}");
    }
}
