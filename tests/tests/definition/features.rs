//! Holds the page of features against the tests that it names.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

const ROOT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/..");

/// Returns the text of every end-to-end case in a folder, and in those below it.
fn cases(folder: &Path) -> String {
    let paths = std::fs::read_dir(folder).expect("the cases").map(|entry| entry.expect("an entry").path());
    let text = |path: PathBuf| match path.extension() {
        _ if path.is_dir() => cases(&path),
        Some(extension) if extension == "rs" => std::fs::read_to_string(path).expect("text"),
        _ => String::new(),
    };
    paths.map(text).collect()
}

/// Returns what stands between backquotes in the last column of each row.
fn shown_by(page: &str) -> Vec<(&str, Vec<&str>)> {
    let rows =
        page.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| ---") && !line.contains("shown by"));
    rows.map(|row| {
        let last = row.trim_end_matches([' ', '|']).rsplit(" | ").next().unwrap_or_default();
        (row, last.split('`').skip(1).step_by(2).collect())
    })
    .collect()
}

#[test]
fn each_feature_names_a_test_that_exists() {
    let page = std::fs::read_to_string(Path::new(ROOT).join("docs/features.md")).expect("the page");
    let cases = cases(&Path::new(ROOT).join("tests/tests/e2e/cases"));
    let rows = shown_by(&page);
    assert!(rows.len() > 20, "{} rows", rows.len());
    for (row, names) in &rows {
        assert!(!names.is_empty(), "no test: {row}");
        for name in names {
            let is_case = cases.contains(&format!("\"{name}\""));
            let is_path = name.contains('/') && Path::new(ROOT).join(name).exists();
            let is_target = *name == "make demo";
            assert!(is_case || is_path || is_target, "there is no test `{name}`: {row}");
        }
    }
    let named: BTreeSet<&str> = rows.iter().map(|(row, _)| *row).collect();
    assert_eq!(named.len(), rows.len(), "a row stands twice");
}
