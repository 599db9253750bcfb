//! The feed against a stack in memory: everything is told, in order, and once.

use goldsmith_cloud::fake::HOME;
use serde_json::json;

use super::{Feed, Happening, plain};
use crate::testing::Stack;

const STARTED: &str = "\u{1e}goldsmith {\"t\":\"2026-01-01T00:00:02Z\",\"kind\":\"step-started\",\"document\":\"nginx\",\
                       \"phase\":\"build\",\"step\":\"Install\",\"action\":\"ExecuteBash\",\"attempt\":2}";
const ENDED: &str = "\u{1e}goldsmith {\"t\":\"2026-01-01T00:00:02Z\",\"kind\":\"step-ended\",\"document\":\"nginx\",\
                     \"phase\":\"build\",\"step\":\"Install\",\"attempt\":1,\"status\":\"success\",\"seconds\":1.5}";

async fn lines(feed: &mut Feed, stack: &Stack) -> Vec<String> {
    feed.poll(&stack.connection).await.unwrap().iter().filter_map(plain::line).collect()
}

#[tokio::test]
async fn everything_is_told_once() {
    let stack = Stack::new();
    let mut feed = Feed::new("b");
    assert!(lines(&mut feed, &stack).await.is_empty());
    stack.state("Plan", "SUCCEEDED", "web/1.0.0/1").await;
    stack.state("Build", "RUNNING", "").await;
    stack.cloud.append_log(HOME, "g", "Build", &[STARTED, "Reading package lists..."]);
    let expected = [
        "Build: started",
        "Plan: started",
        "Build: nginx › build › Install (ExecuteBash), attempt 2",
        "Plan: done in 2.0s: web/1.0.0/1",
    ]; // the states of the test's stack run from second 1 to 3, the event is of second 2
    assert_eq!(lines(&mut feed, &stack).await, expected);
    assert!(lines(&mut feed, &stack).await.is_empty());
    stack.cloud.append_log(HOME, "g", "Build", &[ENDED]);
    stack.state("Build", "FAILED", "a step failed").await;
    let expected = ["Build: nginx › build › Install: success in 1.5s", "Build: failed in 2.0s: a step failed"];
    assert_eq!(lines(&mut feed, &stack).await, expected);
    assert!(lines(&mut feed, &stack).await.is_empty());
}

#[tokio::test]
async fn a_log_that_begins_again_after_a_reboot_is_told_once() {
    let stack = Stack::new();
    let mut feed = Feed::new("b");
    stack.state("Build", "RUNNING", "").await;
    let first = ["cloud-init has ended", STARTED, "Reading package lists..."];
    stack.cloud.append_log(HOME, "g", "Build", &first);
    assert_eq!(feed.poll(&stack.connection).await.unwrap().len(), 4);
    let again = [&first[..], &["Building dependency tree...", ENDED]].concat().join("\n");
    stack.cloud.append_log(HOME, "g", "Build", &[&again]);
    let told = feed.poll(&stack.connection).await.unwrap();
    let said = |one: &Happening| matches!(one, Happening::Said { line, .. } if line == "Building dependency tree...");
    assert_eq!((told.len(), told.iter().filter(|one| said(one)).count()), (2, 1), "{told:?}");
}

#[tokio::test]
async fn the_cause_is_told_first_and_once() {
    let stack = Stack::new();
    let mut feed = Feed::new("b");
    stack.state("Plan", "SUCCEEDED", "web/1.0.0/1").await;
    stack.closed_build(json!({"status": "AVAILABLE"})).await;
    let expected = ["web/1.0.0/1: manual", "Plan: started", "Plan: done in 2.0s: web/1.0.0/1"];
    assert_eq!(lines(&mut feed, &stack).await, expected);
    assert!(lines(&mut feed, &stack).await.is_empty());
}

#[tokio::test]
async fn what_happened_between_two_looks_is_told_in_its_order() {
    let stack = Stack::new();
    for (state, began, ended) in [("Snapshot", 7, 8), ("Build", 4, 7), ("Launch", 1, 4)] {
        let record = json!({"state": state, "status": "SUCCEEDED", "detail": "", "startedAt": format!("2026-01-01T00:00:0{began}.000Z"),
                            "endedAt": format!("2026-01-01T00:00:0{ended}.000Z")});
        stack.put("BUILD#b", &format!("STATE#{state}"), record).await;
    }
    let expected = [
        "Launch: started",
        "Launch: done in 3.0s",
        "Build: started",
        "Build: done in 3.0s",
        "Snapshot: started",
        "Snapshot: done in 1.0s",
    ];
    assert_eq!(lines(&mut Feed::new("b"), &stack).await, expected);
}
