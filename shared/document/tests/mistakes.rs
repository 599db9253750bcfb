//! What authors read about their mistakes: each `tests/mistakes/NAME.yml`, or `NAME.PLATFORM.yml`, gives exactly the
//! text of the file beside it that ends in `.txt`.
//!
//! After an intended change, run the tests with `GOLDSMITH_WRITE_EXPECTED=1` and read the difference before it is
//! committed.

use std::fs;
use std::path::{Path, PathBuf};

use goldsmith_document::{Document, Module, Platform, Target};

#[test]
fn every_mistake_is_explained_as_expected() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mistakes");
    let mut documents: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    documents.retain(|path| path.extension().is_some_and(|end| end == "yml" || end == "json"));
    documents.sort();
    assert!(documents.len() > 10);
    let mut different = Vec::new();
    for document in documents {
        let name = document.file_name().unwrap().to_str().unwrap();
        let actual = explained(name, &fs::read_to_string(&document).unwrap());
        let expected = document.with_extension("txt");
        if std::env::var_os("GOLDSMITH_WRITE_EXPECTED").is_some() {
            fs::write(&expected, &actual).unwrap();
        }
        if fs::read_to_string(&expected).unwrap_or_default() != actual {
            different.push(format!("{}:\n{actual}", document.display()));
        }
    }
    assert!(different.is_empty(), "{}", different.join("\n"));
}

fn explained(name: &str, text: &str) -> String {
    let platform = Platform::ALL.into_iter().find(|(word, _)| name.contains(&format!(".{word}."))).map(|(_, p)| p);
    let blocked = if name.starts_with("blocked") { vec![Module::ExecuteBinary] } else { Vec::new() };
    match Document::parse_for(name, text, &Target { platform, blocked }) {
        Ok(document) => format!("{}\nvalid\n", document.warnings).trim_start().to_owned(),
        Err(found) => format!("{found}\ninvalid: {}\n", found.len()),
    }
}
