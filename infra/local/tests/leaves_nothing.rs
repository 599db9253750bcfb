//! Many instances leave nothing behind, not even when the endpoint is killed among them: no process, mount, file,
//! namespace or control group. As root the suite runs again with other rights.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use common::guests::killable::{self, Killable};
use common::guests::{base_image, invocation, launch, run, send, source, traces, traces_of, wait_for_state};
use common::rights::{Rights, again, unified};
use common::{Client, TestEndpoint, require_or_skip, until};
use serde_json::{Value, json};
use tokio::sync::Mutex;
use tokio::task::JoinSet;

/// How many instances live in one test.
const LIVES: usize = 200;
/// How many of them end before the endpoint is killed.
const BEFORE_THE_KILL: usize = 20;
/// How many of them at a time.
const AT_A_TIME: usize = 20;
/// What holds with other rights, too.
const ALL: [&str; 3] = ["two_hundred_instances_leave", "a_killed_endpoint", "a_cancelled_command"];
/// Tests of this file look at all descendants of this process: one at a time.
static ALONE: Mutex<()> = Mutex::const_new(());

/// Not a test: the endpoint of the others, in a process that can be killed.
#[tokio::test(flavor = "multi_thread")]
async fn serving() {
    killable::serve_when_asked().await;
}

/// Launches an instance, runs a command in it and terminates it.
async fn one_life(client: Client, number: usize) {
    let instance = launch(client, &source(client)).await;
    let script = format!("setsid sleep 1000 < /dev/null > /dev/null 2>&1 &\necho {number}");
    let said = run(client, &instance, &script).await;
    assert_eq!(said["StandardOutputContent"], format!("{number}\n"));
    client.ec2("TerminateInstances", &[("InstanceId.1", &instance)]);
    wait_for_state(client, &instance, "terminated").await;
}

/// Runs lives until so many have ended. Returns how many have begun in the meantime.
async fn live(client: Client, enough: usize) -> JoinSet<()> {
    let (mut running, mut begun) = (JoinSet::new(), 0);
    for _ in 0..enough {
        while begun < LIVES && running.len() < AT_A_TIME {
            // A thread each: the test's client waits for its answers.
            let (runtime, number) = (tokio::runtime::Handle::current(), begun);
            running.spawn_blocking(move || runtime.block_on(one_life(client, number)));
            begun += 1;
        }
        running.join_next().await.unwrap().unwrap();
    }
    running
}

/// Makes sure that nothing is left of these instances but the process `endpoint`.
fn assert_nothing_left(state: &Path, instances: &BTreeSet<String>, endpoint: Option<u32>) {
    assert_eq!(traces_of(&state.join("instances")), [""; 0]);
    for name in ["instances", "layers"] {
        assert_eq!(std::fs::read_dir(state.join(name)).unwrap().count(), 0, "{name}");
    }
    let mut processes = traces::descendants();
    assert_eq!(traces::foreign_namespaces(processes.keys()), BTreeSet::new());
    processes.retain(|pid, _| Some(*pid) != endpoint);
    assert!(processes.is_empty(), "{processes:?}");
    assert_eq!(traces::groups_of(instances), [""; 0].map(std::path::PathBuf::from));
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: make isolations"]
async fn two_hundred_instances_leave_nothing() {
    let Some(base) = base_image().await else { return };
    let _alone = ALONE.lock().await;
    traces::adopt_orphans();
    let endpoint = TestEndpoint::start(&base, None).await;
    let state = endpoint.state_dir().join("state");
    live(endpoint.client, LIVES).await;
    let instances = traces::instances_in(&state);
    assert_eq!(instances.len(), LIVES);
    assert_nothing_left(&state, &instances, None);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_endpoint_leaves_nothing_after_a_reset() {
    let Some(base) = base_image().await else { return };
    let _alone = ALONE.lock().await;
    traces::adopt_orphans();
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().canonicalize().unwrap().join("state");
    let first = Killable::start(&state, &base);
    let kept = launch(first.client, &source(first.client)).await;
    let mut broken = live(first.client, BEFORE_THE_KILL).await;
    first.kill();
    // Their connections are gone.
    while broken.join_next().await.is_some() {}
    let instances = traces::instances_in(&state);
    assert!(instances.len() > BEFORE_THE_KILL, "{}", instances.len());

    let second = Killable::start(&state, &base);
    let known = second.client.admin("GET", "inventory", &Value::Null)["instances"].to_string();
    assert!(known.contains(&kept), "{known}");
    second.client.admin("POST", "reset", &Value::Null);
    assert_nothing_left(&state, &instances, Some(second.pid()));
    second.kill();
    assert_nothing_left(&state, &instances, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancelled_command_leaves_nothing_where_nobody_reaps_orphans() {
    let Some(base) = base_image().await else { return };
    let _alone = ALONE.lock().await;
    traces::adopt_orphans();
    let endpoint = TestEndpoint::start(&base, None).await;
    let (client, state) = (endpoint.client, endpoint.state_dir().join("state"));
    let instance = launch(client, &source(client)).await;
    let command = send(client, &instance, "sleep 1000 & sleep 1000", 600);
    let status = || invocation(client, &command, &instance)["Status"].as_str().unwrap().to_owned();
    until("it to run", || (status() == "InProgress").then_some(())).await;
    client.ssm("CancelCommand", &json!({"CommandId": command}));
    until("its end", || (status() == "Cancelled").then_some(())).await;
    client.ec2("TerminateInstances", &[("InstanceId.1", &instance)]);
    wait_for_state(client, &instance, "terminated").await;
    assert_nothing_left(&state, &[instance].into(), None);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_is_ended_before_it_boots_leaves_nothing() {
    let Some(base) = base_image().await else { return };
    let _alone = ALONE.lock().await;
    let folder = tempfile::tempdir_in(base.parent().unwrap()).unwrap();
    // Nothing in it could boot.
    std::fs::create_dir(folder.path().join("etc")).unwrap();
    let empty = folder.path().join("empty.tar");
    let made = Command::new("tar").arg("-C").arg(folder.path()).arg("-cf").arg(&empty).arg("etc").status();
    assert!(made.unwrap().success());
    let endpoint = TestEndpoint::start(&empty, None).await;
    let (client, state) = (endpoint.client, endpoint.state_dir().join("state"));
    let launch = || {
        let pace = |profile: Value| drop(client.admin("POST", "settings", &json!({"delays": profile})));
        pace(json!({"profile": "realistic", "speedUp": 20}));
        let form = [("ImageId", &*source(client)), ("InstanceType", "t3.small")];
        let instance = client.ec2_value("RunInstances", &form, "instanceId");
        pace(json!({"profile": "instant"}));
        instance
    };
    let ended = launch();
    client.ec2("TerminateInstances", &[("InstanceId.1", &ended)]);
    wait_for_state(client, &ended, "terminated").await;
    // Its turn comes after the other's.
    let failed = launch();
    wait_for_state(client, &failed, "terminated").await;
    assert_nothing_left(&state, &[ended, failed].into(), None);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_holds_for_an_ordinary_user() {
    again_alone(Rights::User, "single-uid", &["a_killed_endpoint", "a_cancelled_command"]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: make isolations"]
async fn two_hundred_instances_of_an_ordinary_user_leave_nothing() {
    again_alone(Rights::User, "single-uid", &["two_hundred_instances_leave"]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_leaves_nothing_of_a_user_who_can_make_control_groups() {
    let _alone = ALONE.lock().await;
    if require_or_skip(unified().is_some(), "control groups of version 2") {
        again(Rights::UserWithGroups, "single-uid", &["a_killed_endpoint"]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: make isolations"]
async fn the_same_holds_for_an_ordinary_user_with_a_range_of_ids() {
    again_alone(Rights::UserWithRange, "user-namespace", &ALL).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: make isolations"]
async fn the_same_holds_for_root_without_nspawn() {
    again_alone(Rights::RootWithoutNspawn, "namespaces", &ALL).await;
}

async fn again_alone(rights: Rights, isolation: &str, tests: &[&str]) {
    let _alone = ALONE.lock().await;
    again(rights, isolation, tests).await;
}
