//! Imports of whole sources.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod answers;
mod cloudformation;
mod fixtures;
mod limits;
mod modules;
mod packer;
mod terraform;
mod unrecognized;

use std::fs;
use std::path::Path;

use goldsmith_import::{Import, Outcome};
use goldsmith_model::definitions::{Draft, SourceFile};

/// A source in a folder of its own.
struct Source(tempfile::TempDir);

impl Source {
    fn new(files: &[(&str, &str)]) -> Self {
        let source = Self(tempfile::tempdir().unwrap());
        for (path, text) in files {
            let path = source.0.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        source
    }

    /// Imports a file or folder of the source.
    fn import(&self, path: &str, region: Option<&str>) -> Import {
        let path = if path.is_empty() { self.0.path().to_owned() } else { self.0.path().join(path) };
        let import = goldsmith_import::import(&path, region.map(str::to_owned)).unwrap();
        assert_eq!(mistakes(&import), None, "{}", import.files.get("definitions.yml").unwrap());
        assert_eq!(is_told(&import), Ok(()), "{:?}", import.files);
        import
    }

    /// Returns the remarks about an import without the path of the source.
    fn told(&self, import: &Import) -> String {
        let here = fs::canonicalize(self.0.path()).unwrap();
        let told = told(import).replace(&format!("{}/", here.display()), "");
        told.replace(&format!("{}/", self.0.path().display()), "").replace(&format!("{}", self.0.path().display()), "")
    }
}

/// Imports a folder with these files.
fn imported(files: &[(&str, &str)]) -> (Import, String) {
    let source = Source::new(files);
    let import = source.import("", None);
    let told = source.told(&import);
    (import, told)
}

/// Returns the definitions of an import.
fn definitions(import: &Import) -> &str {
    import.files.get("definitions.yml").map_or("", String::as_str)
}

/// Fails unless the text has all of these parts, and says which one is missing.
#[track_caller]
fn has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in:\n{text}");
    }
}

/// Fails if the text has one of these parts.
#[track_caller]
fn has_not(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(!text.contains(part), "`{part}` is in:\n{text}");
    }
}

/// Returns which field is to be filled in but not marked so in the folder: each remark has a line of its own there.
fn is_told(import: &Import) -> Result<(), String> {
    let marks = ["to-fill-in", "TO-FILL-IN"];
    let lines = import.files.values().flat_map(|text| text.lines());
    let lines = lines.filter(|line| marks.iter().any(|mark| line.contains(mark))).count();
    let fields: Vec<&str> = import
        .findings
        .iter()
        .filter(|finding| finding.outcome == Outcome::ToFillIn)
        .map(|finding| finding.field.as_str())
        .collect();
    if lines < fields.len() { Err(format!("{lines} lines for {fields:?}")) } else { Ok(()) }
}

/// Returns what is wrong with the definitions of an import, as `goldsmith validate` says it.
fn mistakes(import: &Import) -> Option<String> {
    let text = import.files.get("definitions.yml")?.clone();
    let files = [SourceFile { path: "definitions.yml".to_owned(), text }];
    let load =
        |path: &Path| import.files.get(path.to_str().unwrap()).cloned().ok_or(std::io::ErrorKind::NotFound.into());
    Draft::read(&files, &load).check_alone().err().map(|found| found.to_string())
}

/// Returns the findings, one a line, with the names of their files alone.
fn told(import: &Import) -> String {
    let line = |finding: &goldsmith_import::Finding| {
        let file = Path::new(&finding.file).file_name().unwrap().to_str().unwrap().to_owned();
        let folder = format!("{}/", Path::new(&finding.file).parent().unwrap().display());
        let why = finding.why.replace(&folder, "");
        let outcome = serde_json::to_value(finding.outcome).unwrap();
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        let (outcome, resource, field) = (outcome.as_str().unwrap(), &finding.resource, &finding.field);
        format!("{file}{line} {outcome} [{resource}] {field}\n  {why}\n  {}\n", finding.instead.replace(&folder, ""))
    };
    import.findings.iter().map(line).collect()
}
