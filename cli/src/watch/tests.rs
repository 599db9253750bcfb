//! Tests that the feed reports everything from a stack in memory once and in order.

use goldsmith_cloud::fake::HOME;
use goldsmith_executor::{Event, Nonce};
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
async fn a_launch_that_waits_for_room_says_so_and_what_others_do_is_not_told() {
    let stack = Stack::new();
    let state = |state: &str, waits_for: &str, detail: &str| {
        json!({"state": state, "status": "RUNNING", "startedAt": "2026-01-01T00:00:01.000Z", "waitsFor": waits_for,
               "detail": detail})
    };
    let refused = "there has been no room since 2026-01-01T00:00:00Z, and the launch is tried again: t3.small";
    stack.put("BUILD#b", "STATE#Launch", state("Launch", "room#line#200#2026-01-01T00:00:01.000Z", refused)).await;
    let mut feed = Feed::new("b");
    assert_eq!(lines(&mut feed, &stack).await, ["Launch: started", &format!("Launch: {refused}")]);
    assert!(lines(&mut feed, &stack).await.is_empty());
    stack.put("BUILD#b", "STATE#Launch", state("Launch", "i-1", "i-1 is pending")).await;
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

fn event(t: &str, step: &str) -> Event {
    let json =
        json!({"t": t, "kind": "step-ended", "document": "nginx", "phase": "build", "step": step, "status": "success"});
    serde_json::from_value(json).unwrap()
}

/// A running state whose order has this nonce.
async fn run_with_nonce(stack: &Stack, nonce: &Nonce) {
    let record = json!({"state": "Build", "status": "RUNNING", "startedAt": "2026-01-01T00:00:01.000Z", "detail": "",
                        "log": {"group": "g", "stream": "Build", "nonce": nonce.reveal()}});
    stack.put("BUILD#b", "STATE#Build", record).await;
}

#[tokio::test]
async fn only_lines_sealed_for_their_order_are_events_the_rest_is_output() {
    let (stack, nonce) = (Stack::new(), Nonce::random().unwrap());
    run_with_nonce(&stack, &nonce).await;
    let other = Nonce::random().unwrap();
    let event = event("2026-01-01T00:00:02Z", "Install");
    let own = event.to_line(Some(&nonce));
    let forged = [event.to_line(None), event.to_line(Some(&other)), own.replace("success", "failed")];
    let lines: Vec<&str> = forged.iter().chain([&own]).map(String::as_str).collect();
    stack.cloud.append_log(HOME, "g", "Build", &lines);
    let told = Feed::new("b").poll(&stack.connection).await.unwrap();
    let said = forged.map(|line| Happening::Said { label: "Build".to_owned(), line });
    let step = Happening::Step { label: "Build".to_owned(), event };
    assert_eq!(told[1..], said.into_iter().chain([step]).collect::<Vec<_>>());
}

#[tokio::test]
async fn a_time_that_is_far_from_the_logs_pins_no_later_line() {
    let in_order = async |times: [&str; 2]| {
        let (stack, nonce) = (Stack::new(), Nonce::random().unwrap());
        run_with_nonce(&stack, &nonce).await;
        let lines = times.map(|t| event(t, t).to_line(Some(&nonce)));
        stack.cloud.append_log(HOME, "g", "Build", &lines.each_ref().map(String::as_str));
        let told = Feed::new("b").poll(&stack.connection).await.unwrap();
        let times = told.iter().filter_map(|one| match one {
            Happening::Step { event, .. } => Some(event.t.to_string()),
            _ => None,
        });
        times.collect::<Vec<_>>()
    };
    // The log of the test's stack gets all lines at this time.
    let logged = "2026-01-01T00:00:00Z";
    for far in ["2025-12-30T23:59:59Z", "2026-01-02T00:00:01Z", "1970-01-01T00:00:00Z", "9999-12-30T00:00:00Z"] {
        assert_eq!(in_order([far, "2026-01-01T00:00:05Z"]).await, [logged, "2026-01-01T00:00:05Z"], "{far}");
    }
    for near in ["2025-12-31T00:00:00Z", "2026-01-02T00:00:00Z"] {
        assert_eq!(in_order([near, "2026-01-01T00:00:05Z"]).await, [near, "2026-01-01T00:00:05Z"]);
    }
}

#[tokio::test]
async fn a_far_time_neither_holds_the_end_of_its_state_back_nor_moves_it() {
    let stack = Stack::new();
    stack.state("Build", "SUCCEEDED", "").await;
    let record =
        json!({"state": "Snapshot", "status": "RUNNING", "detail": "", "startedAt": "2026-01-01T00:00:04.000Z"});
    stack.put("BUILD#b", "STATE#Snapshot", record).await;
    let far = event("9999-01-01T00:00:00Z", "Install").to_line(None);
    stack.cloud.append_log(HOME, "g", "Build", &[&far]);
    let told = lines(&mut Feed::new("b"), &stack).await;
    assert_eq!(told.last().unwrap(), "Snapshot: started", "{told:?}");
}
