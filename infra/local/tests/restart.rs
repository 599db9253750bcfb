//! What a killed endpoint leaves to the next one, and several endpoints side by side. As root the suite runs
//! again as an ordinary user.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::guests::killable::{self, Killable};
use common::guests::{base_image, ended, launch, run, send, source, traces_of, wait_for_image, wait_for_state};
use common::rights::{Rights, again};
use common::{Client, TestEndpoint, until};
use serde_json::{Value, json};

/// Not a test: the endpoint of the others, in a process that can be killed.
#[tokio::test(flavor = "multi_thread")]
async fn serving() {
    killable::serve_when_asked().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_goes_on_after_the_endpoint_was_killed() {
    let Some(base) = base_image().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().canonicalize().unwrap().join("state");
    let first = Killable::start(&state, &base);
    let client = first.client;
    let run_one = |client: Client| {
        let form = [("ImageId", &*source(client)), ("InstanceType", "t3.small"), ("ClientToken", "t")];
        client.ec2_value("RunInstances", &form, "instanceId")
    };
    let builder = run_one(client);
    until("online", || client.is_online(&builder).then_some(())).await;
    run(client, &builder, "echo baked > /etc/baked").await;
    let image =
        client.ec2_value("CreateImage", &[("InstanceId", &builder), ("Name", "kept"), ("NoReboot", "true")], "imageId");
    wait_for_image(client, &image).await;
    let stopped = launch(client, &image).await;
    client.ec2("StopInstances", &[("InstanceId.1", &stopped)]);
    wait_for_state(client, &stopped, "stopped").await;
    let done = send(client, &builder, "echo done", 600);
    ended(client, &done, &builder).await;
    let open = send(client, &builder, "touch /var/again\nsleep 1000", 600);
    until("it to run", || run_sync(client, &open, &builder, "InProgress")).await;
    let looked = "until [ -e /var/again ]; do sleep 0.05; done";
    run(client, &builder, looked).await;
    first.kill();

    let second = Killable::start(&state, &base);
    let client = second.client;
    assert_eq!(run_one(client), builder, "the client token is remembered");
    let before = client.ssm("GetCommandInvocation", &json!({"CommandId": done, "InstanceId": builder})).1;
    assert_eq!(before["StandardOutputContent"], "done\n");
    // Its host has crashed: the agent finds no worker of it.
    let lost = ended(client, &open, &builder).await;
    assert_eq!((lost["Status"].as_str(), lost["ResponseCode"].as_i64()), (Some("Failed"), Some(1)));
    assert_eq!(run(client, &builder, "cat /etc/baked").await["StandardOutputContent"], "baked\n");
    client.ec2_value("StartInstances", &[("InstanceId.1", &stopped)], "instanceId");
    until("online", || client.is_online(&stopped).then_some(())).await;
    assert_eq!(run(client, &stopped, "cat /etc/baked").await["StandardOutputContent"], "baked\n");
    let offspring = launch(client, &image).await;
    assert_eq!(run(client, &offspring, "cat /etc/baked").await["StandardOutputContent"], "baked\n");
    second.kill();

    let third = Killable::start(&state, &base);
    third.client.admin("POST", "reset", &Value::Null);
    assert_eq!(traces_of(&state.join("instances")), [""; 0]);
    for name in ["instances", "layers"] {
        assert_eq!(std::fs::read_dir(state.join(name)).unwrap().count(), 0, "{name}");
    }
    third.kill();
}

/// Whether an invocation has this status.
fn run_sync(client: Client, command: &str, instance: &str, status: &str) -> Option<()> {
    let got = client.ssm("GetCommandInvocation", &json!({"CommandId": command, "InstanceId": instance})).1;
    (got["Status"] == status).then_some(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stopped_endpoint_keeps_what_exists() {
    let Some(base) = base_image().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let one = TestEndpoint::start_in(folder.path(), &base).await;
    let instance = launch(one.client, &source(one.client)).await;
    run(one.client, &instance, "echo kept > /etc/kept").await;
    one.end().await;
    assert_eq!(traces_of(&folder.path().canonicalize().unwrap()), [""; 0]);
    let two = TestEndpoint::start_in(folder.path(), &base).await;
    until("online", || two.client.is_online(&instance).then_some(())).await;
    assert_eq!(run(two.client, &instance, "cat /etc/kept").await["StandardOutputContent"], "kept\n");
    two.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn several_endpoints_run_side_by_side() {
    let Some(base) = base_image().await else { return };
    let one = TestEndpoint::start(&base, None).await;
    let two = TestEndpoint::start(&base, None).await;
    let instances = [launch(one.client, &source(one.client)).await, launch(two.client, &source(two.client)).await];
    let missing = two.client.ec2_error("DescribeInstances", &[("InstanceId.1", &instances[0])]);
    assert_eq!(missing, "InvalidInstanceID.NotFound");
    drop(one.stop().await);
    assert_eq!(run(two.client, &instances[1], "echo still there").await["StandardOutputContent"], "still there\n");
    drop(two.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_for_an_ordinary_user() {
    again(Rights::User, "single-uid", &["everything_goes_on", "several_endpoints"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_for_an_ordinary_user_with_a_range_of_ids() {
    again(Rights::UserWithRange, "user-namespace", &["everything_goes_on", "several_endpoints"]).await;
}
