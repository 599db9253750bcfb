use std::path::Path;

use serde_json::{Value, json};

use super::{own_events, schema};
use crate::testing::{check_event, mistakes};

/// The blocks of JSON on the page about events.
fn blocks() -> Vec<Value> {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/events.md");
    let page = std::fs::read_to_string(page).unwrap();
    let blocks = page.split("```json\n").skip(1).filter_map(|rest| Some(rest.split_once("```")?.0));
    blocks.map(|block| serde_json::from_str(block).unwrap()).collect()
}

/// The whole events on the page, and the patterns of rules.
fn examples() -> (Vec<Value>, Vec<Value>) {
    blocks().into_iter().partition(|block| block["source"].is_string())
}

/// Returns whether a rule with this pattern matches an event. The pages use names, lists of values, and no operators.
fn matches(pattern: &Value, event: &Value) -> bool {
    match (pattern, event) {
        (Value::Object(pattern), _) => pattern.iter().all(|(name, inner)| matches(inner, &event[name])),
        (Value::Array(values), Value::Array(items)) => items.iter().any(|item| values.contains(item)),
        (Value::Array(values), value) => values.contains(value),
        _ => panic!("a pattern has maps and lists: {pattern}"),
    }
}

#[test]
fn the_page_has_an_example_of_every_event_and_each_is_as_the_schema_says() {
    let (events, _) = examples();
    events.iter().for_each(check_event);
    for kind in own_events() {
        assert!(events.iter().any(|event| event["detail-type"] == kind.detail_type), "{}", kind.detail_type);
    }
}

#[test]
fn each_pattern_on_the_page_matches_some_of_its_examples_and_not_all() {
    let (events, patterns) = examples();
    assert!(patterns.len() >= 5, "{}", patterns.len());
    for pattern in patterns {
        let matched = events.iter().filter(|event| matches(&pattern, event)).count();
        assert!(matched > 0 && matched < events.len(), "{matched} of {}: {pattern}", events.len());
    }
}

#[test]
fn an_event_that_differs_from_the_schema_is_found() {
    let (events, _) = examples();
    let failed = events.iter().find(|event| event["detail"]["status"] == "FAILED").unwrap();
    let cases = [
        ("/source", json!("aws.ec2")),
        ("/detail-type", json!("Goldsmith Image Stage Change")),
        ("/resources", json!(["web-server"])),
        ("/detail/status", json!("VERIFIED")),
        ("/detail/amis", json!({"eu-west-1": 1})),
        ("/detail/cause", json!({"kind": "manual"})),
        ("/detail/cause", json!({"kind": "manual", "id": "1", "imageId": "ami-1"})),
        ("/detail/failure", json!({"state": "Build", "error": "Goldsmith.CommandFailed"})),
        ("/detail/failure/lastLines", json!(["the password is xyzzy"])),
        ("/detail/failure/exitCode", json!("1")),
        ("/detail/triedAgainAt", json!("tomorrow")),
        ("/detail/leftBehind", json!([{"what": "i-1", "region": "eu-west-1"}])),
        ("/detail/givenUp", Value::Null),
    ];
    for (pointer, value) in cases {
        let mut event = failed.clone();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        event.pointer_mut(parent).unwrap()[name] = value.clone();
        assert!(!mistakes(&event).is_empty(), "{pointer}: {value}");
    }
    let mut event = failed.clone();
    event["detail"].as_object_mut().unwrap().remove("channel");
    assert_eq!(mistakes(&event), ["event.detail has no channel"]);
}

#[test]
fn the_schema_has_each_event_once() {
    let schema = schema();
    let forms = schema["oneOf"].as_array().unwrap();
    assert_eq!(forms.len(), own_events().len());
    for form in forms {
        let pointer = form["$ref"].as_str().unwrap().strip_prefix('#').unwrap();
        assert!(schema.pointer(pointer).is_some_and(Value::is_object), "{pointer}");
    }
}
