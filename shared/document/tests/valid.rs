//! Documents that are in order become the expected types.

use goldsmith_document::{Action, Chain, Document, OnFailure, Part, Reference, Side, digest};

const GREETER: &str = include_str!("documents/greeter.yml");
const ONLY_TEST: &str = include_str!("documents/only-test.yml");

#[test]
fn a_document_becomes_types() {
    let document = Document::parse("greeter.yml", GREETER).unwrap();
    assert!(document.warnings.is_empty());
    assert_eq!(document.name, "greeter");
    assert_eq!(document.parameters[0].default.as_deref(), Some("hello"));
    assert_eq!(document.parameters[0].allowed_values, ["hello", "servus"]);
    assert_eq!(document.parameters[1].default, None);
    assert_eq!(document.constants[0].value, "1.20", "the source text, not a number");
    let [build, validate] = &document.phases[..] else { panic!() };
    let [write, fetch, restart] = &build.steps[..] else { panic!() };
    let Action::CreateFile(files) = &write.action else { panic!() };
    assert_eq!(files[0].permissions.as_ref().unwrap().text.raw, "0640");
    assert_eq!(files[0].overwrite.value, Some(true));
    assert_eq!((write.timeout_seconds, write.max_attempts, write.on_failure), (Some(7200), 1, OnFailure::Abort));
    assert_eq!((fetch.timeout_seconds, fetch.max_attempts, fetch.on_failure), (None, 3, OnFailure::Ignore));
    assert_eq!(restart.action.name(), "Reboot");
    let Action::ExecuteBash(bash) = &validate.steps[0].action else { panic!() };
    let chain = Chain { phase: "build".into(), step: "Write".into(), side: Side::Inputs, index: 0, key: "path".into() };
    let expected =
        [Part::Text("greeting=$(cat ".into()), Part::Reference(Reference::Chain(chain)), Part::Text(")".into())];
    assert_eq!(bash.commands[1].parts, expected);
}

#[test]
fn json_is_read_and_a_lone_test_phase_is_a_test_component() {
    assert!(Document::parse("only-test.yml", ONLY_TEST).unwrap().is_test_only());
    assert!(!Document::parse("greeter.yml", GREETER).unwrap().is_test_only());
}

#[test]
fn an_empty_phase_is_only_a_warning() {
    let text = "schemaVersion: '1'\nphases:\n  - name: build\n    steps: []\n";
    let document = Document::parse("f.yml", text).unwrap();
    let expected = "f.yml:4:5: warning: the phase `build` has no steps\n      steps: []\n      ^^^^^";
    assert_eq!(document.warnings.to_string(), expected);
    assert!(!document.is_test_only());
}

#[test]
fn the_digest_is_sha_256_in_hex() {
    assert_eq!(digest("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
}

#[test]
fn line_ends_and_byte_order_marks_of_other_editors_are_no_matter() {
    let document = Document::parse("f.yml", GREETER).unwrap();
    let windows = Document::parse("f.yml", &format!("\u{feff}{}", GREETER.replace('\n', "\r\n"))).unwrap();
    assert_eq!(windows.phases[1].steps[0].action, document.phases[1].steps[0].action);
}

#[test]
fn half_a_document_is_never_more_than_a_mistake() {
    for (end, _) in GREETER.char_indices() {
        if let Err(found) = Document::parse("f.yml", &GREETER[..end]) {
            assert!(found.has_errors() && !found.to_string().is_empty());
        }
    }
}
