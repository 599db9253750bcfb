//! What Systems Manager checks of a parameter before it answers, and what after.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::emulator::{FakeEmulator, LABELLED, UNLABELLED};
use common::guests::source;
use common::{Client, TestEndpoint, until};
use serde_json::{Value, json};

fn put(client: Client, name: &str, value: &str) -> (u16, Value) {
    client.ssm("PutParameter", &json!({"Name": name, "Value": value, "DataType": "aws:ec2:image", "Overwrite": true}))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ami_is_looked_for_only_after_the_answer() {
    let emulator = FakeEmulator::start();
    let endpoint = TestEndpoint::start("/nonexistent/base.tar".as_ref(), Some(emulator.url.clone())).await;
    let client = endpoint.client;
    let (status, taken) = put(client, "/images/web", "ami-0123456789abcdef0");
    assert_eq!((status, &taken["Tier"]), (200, &json!("Standard")), "{taken}");
    let known = source(client);
    assert_eq!(put(client, "/images/base", &known).0, 200);
    let written = until("the parameter", || {
        let calls = emulator.calls("AmazonSSM.PutParameter");
        (!calls.is_empty()).then_some(calls)
    })
    .await;
    let names: Vec<&Value> = written.iter().map(|call| &call.body["Name"]).collect();
    assert_eq!(names, ["/images/base"], "an AMI that nobody knows is never written");
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_with_a_path_is_fully_qualified() {
    let emulator = FakeEmulator::start();
    let endpoint = TestEndpoint::start("/nonexistent/base.tar".as_ref(), Some(emulator.url.clone())).await;
    let (status, refused) = put(endpoint.client, "images/web", "ami-0123456789abcdef0");
    assert_eq!((status, &refused["__type"]), (400, &json!("ValidationException")));
    assert_eq!(refused["message"], "Parameter name must be a fully qualified name.");
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_label_on_the_oldest_of_a_hundred_versions_is_in_the_way_of_a_new_one() {
    let emulator = FakeEmulator::start();
    let endpoint = TestEndpoint::start("/nonexistent/base.tar".as_ref(), Some(emulator.url.clone())).await;
    let client = endpoint.client;
    let known = source(client);
    let (status, refused) = put(client, LABELLED, &known);
    assert_eq!((status, &refused["__type"]), (400, &json!("ParameterMaxVersionLimitExceeded")));
    let message = refused["message"].as_str().unwrap();
    assert!(message.contains("Version 21, the oldest version, can't be deleted"), "{message}");
    let (status, taken) = put(client, UNLABELLED, &known);
    assert_eq!((status, &taken["Version"]), (200, &json!(121)), "{taken}");
    let written = until("the parameter", || {
        let calls = emulator.calls("AmazonSSM.PutParameter");
        (!calls.is_empty()).then_some(calls)
    })
    .await;
    let names: Vec<&Value> = written.iter().map(|call| &call.body["Name"]).collect();
    assert_eq!(names, [UNLABELLED]);
    endpoint.end().await;
}
