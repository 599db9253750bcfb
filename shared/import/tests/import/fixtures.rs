//! Imports of sources that have every field of `docs/import.md`, compared with the expected folders.
//!
//! After an intended change, run the tests with `GOLDSMITH_WRITE_EXPECTED=1` and read the difference before it is
//! committed.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use goldsmith_import::import;

use super::{is_told, mistakes, told};

const FORMATS: [&str; 3] = ["cloudformation", "packer", "terraform"];

fn fixture(format: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(format)
}

fn files(folder: &Path) -> BTreeMap<String, String> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        if path.is_dir() {
            files.extend(self::files(&path).into_iter().map(|(below, text)| (format!("{name}/{below}"), text)));
        } else {
            files.insert(name, fs::read_to_string(&path).unwrap());
        }
    }
    files
}

#[test]
fn every_format_gives_its_folder_and_its_list() {
    for format in FORMATS {
        let import = import(&fixture(format).join("source"), None).unwrap();
        assert_eq!(mistakes(&import), None, "{format}");
        assert_eq!(is_told(&import), Ok(()), "{format}");
        let mut made = import.files.clone();
        made.insert("findings.txt".to_owned(), told(&import));
        let expected = fixture(format).join("expected");
        if std::env::var_os("GOLDSMITH_WRITE_EXPECTED").is_some() {
            let _ = fs::remove_dir_all(&expected);
            for (path, text) in &made {
                let path = expected.join(path);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                fs::write(path, text).unwrap();
            }
        }
        assert_eq!(made, files(&expected), "{format}");
    }
}

#[test]
fn a_region_that_is_given_stands_where_the_source_asks_for_one() {
    let import = import(&fixture("cloudformation").join("source"), Some("eu-north-1".to_owned())).unwrap();
    assert!(import.files["definitions.yml"].contains("region: eu-north-1"));
    assert!(import.findings.iter().all(|finding| !finding.field.ends_with("Region")), "{:?}", import.findings);
}

#[test]
fn a_file_of_terraform_is_read_with_its_neighbors() {
    let one = import(&fixture("terraform").join("source/main.tf"), None).unwrap();
    let all = import(&fixture("terraform").join("source"), None).unwrap();
    assert_eq!(one.files, all.files);
    assert!(import(Path::new("/none"), None).unwrap_err().to_string().contains("/none cannot be read"));
}

/// Copies a fixture's source, with the text of one file changed.
fn changed(format: &str, folder: &Path, name: &str, text: &str) {
    for (path, whole) in files(&fixture(format).join("source")) {
        let to = folder.join(&path);
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::write(to, if path == name { text } else { &whole }).unwrap();
    }
}

/// Whatever is missing, there is a folder that validates, or none and a reason.
#[test]
fn without_any_one_line_the_rest_is_imported_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (format, name) in [
        ("cloudformation", "images.yml"),
        ("cloudformation", "small.json"),
        ("terraform", "main.tf"),
        ("terraform", "variables.tf"),
        ("packer", "web.pkr.hcl"),
    ] {
        let text = fs::read_to_string(fixture(format).join("source").join(name)).unwrap();
        let lines: Vec<&str> = text.lines().collect();
        for left_out in 0..lines.len() {
            let rest: Vec<&str> =
                lines.iter().enumerate().filter(|(at, _)| *at != left_out).map(|(_, line)| *line).collect();
            let here = folder.path().join(format);
            changed(format, &here, name, &rest.join("\n"));
            let import = import(&here, None).unwrap();
            let which = format!("{name} without line {}: {}", left_out + 1, lines[left_out]);
            assert_eq!(mistakes(&import), None, "{which}");
            assert_eq!(is_told(&import), Ok(()), "{which}");
            assert!(
                !import.definitions.is_empty() || !import.findings.is_empty(),
                "{name} without line {}",
                left_out + 1
            );
        }
    }
}

#[test]
fn a_file_that_ends_anywhere_is_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    for (format, name) in [("cloudformation", "images.yml"), ("terraform", "main.tf"), ("packer", "web.pkr.hcl")] {
        let text = fs::read_to_string(fixture(format).join("source").join(name)).unwrap();
        for end in (0..text.len()).step_by(37) {
            let here = folder.path().join(format);
            changed(format, &here, name, &text[..end]);
            assert_eq!(mistakes(&import(&here, None).unwrap()), None, "{name} up to byte {end}");
        }
    }
}

/// The page's tables of what is taken over: each field of a source is in a fixture, and what stands for it is in the
/// expected folder. Each field that is left out is in a list of findings.
#[test]
fn the_manual_says_what_is_taken_over() {
    let page = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/import.md")).unwrap();
    let text = |what: &str| -> String {
        FORMATS
            .iter()
            .flat_map(|format| files(&fixture(format).join(what)).into_values())
            .collect::<Vec<_>>()
            .join("\n")
    };
    let (source, expected) = (text("source"), text("expected"));
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| `"))
        .map(|line| line.trim_matches('|').split(" | ").map(str::trim).collect())
        .collect();
    assert!(rows.len() >= 20, "{rows:?}");
    let words = |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(str::to_owned).collect() };
    for row in rows {
        for word in words(row[0]) {
            assert!(source.contains(&word), "no fixture has `{word}`");
        }
        for word in words(row[1]) {
            assert!(expected.contains(&word), "no expected folder has `{word}` for {}", row[0]);
        }
    }
}
