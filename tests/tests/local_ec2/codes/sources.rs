//! The error codes that the endpoint's sources name.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Where answers are made: the calls of both services, and the rules of what there is. (What only faults answer with is met
/// by the cases of faults.)
const FOLDERS: [&str; 3] = ["ec2", "ssm", "world"];

/// All codes.
pub(super) fn codes() -> BTreeSet<String> {
    let example = "ApiError::new(\n  \"AuthFailure\", x); check(id, \"InvalidID.Malformed\")?; \"Invalid id: {id}\"";
    assert_eq!(codes_in(example), BTreeSet::from(["AuthFailure", "InvalidID.Malformed"].map(str::to_owned)));
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/local/src");
    let files = FOLDERS.iter().flat_map(|folder| files(&sources.join(folder)));
    files.flat_map(|file| codes_in(&fs::read_to_string(file).unwrap())).collect()
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

/// A code is the first argument of an error, or a word that begins with `Invalid`. A module of tests does not count.
fn codes_in(source: &str) -> BTreeSet<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap();
    let first = source.split("ApiError::new(").skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
    let invalid = source.match_indices("\"Invalid").map(|(at, _)| &source[at + 1..]);
    let literal = first.chain(invalid).filter_map(|rest| rest.split('"').next());
    literal
        .filter(|text| text.chars().all(|one| one.is_ascii_alphanumeric() || one == '.'))
        .map(str::to_owned)
        .collect()
}
