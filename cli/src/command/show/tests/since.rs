//! Tests of what `goldsmith show` says has changed since the last good build.

use serde_json::{Value, json};

use crate::command::show::image;
use crate::output::Show;
use crate::testing::{Stack, globals};

/// Stores a good build of 2025 before the failed build `b`, with these attributes of its plan.
async fn stack_with(plan: Value) -> Stack {
    let stack = Stack::new();
    let failure = json!({"state": "Build", "error": "Goldsmith.CommandFailed", "message": "step Install failed"});
    stack.closed_build(json!({"status": "FAILED", "failure": failure})).await;
    let mut build = stack.table_item("BUILD#b", "META").await;
    let first = "2025-12-31T00:00:00.000Z";
    build.as_object_mut().unwrap().extend([("build".to_owned(), json!("a")), ("createdAt".to_owned(), json!(first))]);
    build["plan"].as_object_mut().unwrap().extend(plan.as_object().unwrap().clone());
    stack.put("BUILD#a", "META", build).await;
    let mut good = stack.table_item("IMAGE#web", "V#0000000001.0000000000.0000000000#0000000001").await;
    good.as_object_mut().unwrap().remove("failure");
    for (name, value) in [("image", "web/0.9.0/1"), ("build", "a"), ("status", "AVAILABLE"), ("createdAt", first)] {
        good[name] = json!(value);
    }
    stack.put("IMAGE#web", "V#0000000000.0000000009.0000000000#0000000001", good).await;
    stack
}

async fn text(stack: &Stack, of: &str) -> String {
    image(&stack.connection, of).await.unwrap().lines(&globals("")).join("\n")
}

#[tokio::test]
async fn a_failed_build_says_what_has_changed_since_the_last_good_one() {
    let nginx = json!({"name": "nginx", "version": "1.0.0", "digest": "", "testOnly": false, "parameters": {}});
    let stack = stack_with(json!({"sourceImage": "ami-9", "documents": [nginx]})).await;
    let expected = "
Changed since the last good build, web/0.9.0/1 of 2025-12-31T00:00:00.000Z:
  source image: ami-9 → ami-0
  component nginx: 1.0.0 is gone";
    let shown = text(&stack, "web/1.0.0/1").await;
    assert!(shown.contains(expected), "{shown}");
    assert!(!text(&stack, "web/0.9.0/1").await.contains("last good build"));
    let json = serde_json::to_value(image(&stack.connection, "web/1.0.0/1").await.unwrap()).unwrap();
    let source = json!({"what": "source image", "from": "ami-9", "to": "ami-0"});
    assert_eq!(json["sinceLastGood"]["changes"][0], source, "{json}");
    assert_eq!(json["sinceLastGood"]["image"], "web/0.9.0/1");
}

#[tokio::test]
async fn names_and_parameters_that_the_builds_number_changes_are_no_cause() {
    let region = json!({"region": "eu-west-1", "name": "web 1", "description": "build 1", "tags": {"build": "1"},
                        "parameters": [], "launchPermission": {}});
    let stack = stack_with(json!({"regions": [region]})).await;
    let mut other = region.clone();
    other["description"] = json!("build 2");
    stack.plan_regions(json!([other])).await;
    let shown = text(&stack, "web/1.0.0/1").await.replace("\n ", "");
    assert!(shown.contains("Nothing in the plan has changed since web/0.9.0/1 of "), "{shown}");
    assert!(shown.contains("Look first at what the build depends on:"), "{shown}");
}

#[tokio::test]
async fn a_pipeline_that_never_had_a_good_build_compares_nothing() {
    let stack = Stack::new();
    stack.closed_build(json!({"status": "FAILED"})).await;
    assert!(!text(&stack, "web/1.0.0/1").await.contains("last good build"));
}
