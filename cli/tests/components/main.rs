//! Runs the stock components with the real binary. A component that changes a machine runs on one that is made for the
//! test, and whose package managers record their calls.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod install;
mod look;
mod machine;
mod publisher;
mod settings;
mod signatures;

use std::fs;

/// Files that contain no document.
const DEFINITIONS: &str = "components.yml";

#[test]
fn every_document_is_valid_and_defined() {
    let folder = machine::components();
    let said = machine::goldsmith().arg("validate").arg(&folder).output().unwrap();
    let (stdout, errors) = (String::from_utf8(said.stdout).unwrap(), String::from_utf8(said.stderr).unwrap());
    assert_eq!((said.status.code(), errors.as_str()), (Some(0), ""), "{stdout}");
    let definitions = fs::read_to_string(folder.join(DEFINITIONS)).unwrap();
    let names = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let documents: Vec<String> = names.filter(|name| name != DEFINITIONS).collect();
    assert!(documents.len() >= 15, "{documents:?}");
    for file in documents {
        let name = file.strip_suffix(".yml").unwrap();
        let text = fs::read_to_string(folder.join(&file)).unwrap();
        let description = text.lines().find(|line| line.starts_with("description: ")).unwrap();
        let (above, below) = (
            format!("kind: Component\nname: {name}\nsemanticVersion: "),
            format!("\nplatform: Linux\n{description}\nuri: {file}\n"),
        );
        let defined = definitions.split_once(&above).and_then(|(_, after)| after.split_once('\n')).unwrap_or_default();
        assert!(format!("\n{}", defined.1).starts_with(&below) && defined.0.starts_with("1."), "{name}: {defined:?}");
        assert!(text.starts_with(&format!("name: {name}\n")), "{name}");
    }
}
