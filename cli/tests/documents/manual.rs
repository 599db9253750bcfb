//! `docs/documents.md` says what is true: its examples are valid, and it knows every action with its inputs and outputs.

use std::fs;
use std::path::Path;

use goldsmith_document::Module;

use crate::folder::Folder;

fn manual() -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/documents.md")).unwrap()
}

#[test]
fn every_example_is_a_valid_document() {
    let manual = manual();
    let examples: Vec<&str> =
        manual.split("```yaml\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0)).collect();
    assert!(examples.len() >= 5);
    for example in examples {
        let said = Folder::with(&[("example.yml", example)]).goldsmith("validate example.yml");
        said.is(0, "1 file: valid\n", "");
    }
}

#[test]
fn every_action_is_described_with_its_inputs_and_outputs() {
    let manual = manual();
    let windows = ["ExecutePowerShell", "InstallMSI", "UninstallMSI", "SetRegistry"];
    for (name, module) in Module::ALL {
        assert!(manual.contains(&format!("`{name}`")), "{name}");
        let is_row = |line: &&str| line.split('|').nth(1).is_some_and(|cell| cell.contains(&format!("`{name}`")));
        let row = manual.lines().find(is_row);
        let known = module.chainable_inputs().iter().chain(module.outputs());
        for key in known.filter(|_| !windows.contains(&name)) {
            assert!(row.is_some_and(|row| row.contains(&format!("`{key}`"))), "{name}: {key}");
        }
    }
}
