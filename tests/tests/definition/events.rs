//! Checks the published schema of events with jsonschema, which the environment of the local AWS has.

use std::env;
use std::path::Path;
use std::process::Command;

/// Reads the schema and the page about events, and prints what is wrong. An example without one of its fields must be
/// rejected, since otherwise the schema might accept everything.
const CHECK: &str = r#"
import json, re, sys
from jsonschema import Draft7Validator
schema, page = (open(path).read() for path in sys.argv[1:])
schema = json.loads(schema)
Draft7Validator.check_schema(schema)
validator = Draft7Validator(schema)
blocks = [json.loads(block) for block in re.findall("```json\n(.*?)```", page, re.S)]
events = [block for block in blocks if isinstance(block["source"], str)]
assert len(events) >= 5, len(events)
for event in events:
    for error in validator.iter_errors(event):
        print(event["detail-type"], error.message)
    for field in event["detail"]:
        broken = {**event, "detail": {name: value for name, value in event["detail"].items() if name != field}}
        if validator.is_valid(broken):
            print(event["detail-type"], "is accepted without", field)
    if not validator.is_valid({**event, "detail": {**event["detail"], "of a later release": 1}}):
        print(event["detail-type"], "is rejected with another field")
"#;

#[test]
fn a_stock_validator_accepts_every_example_of_an_event_by_the_schema() {
    let Some(python) = env::var_os("GOLDSMITH_EMULATOR_PYTHON") else {
        eprintln!("SKIPPED (GOLDSMITH_EMULATOR_PYTHON is not set): the schema of events");
        return;
    };
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut check = Command::new(python);
    check.args(["-c", CHECK]).args([docs.join("events.schema.json"), docs.join("events.md")]);
    let said = check.output().expect("the Python of the local AWS runs");
    let [stdout, stderr] = [said.stdout, said.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    assert!(said.status.success() && stdout.is_empty(), "{stdout}{stderr}");
}
