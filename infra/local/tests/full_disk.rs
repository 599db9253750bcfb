//! What a full disk does to an endpoint, which runs in a process of its own whose files may not grow any more.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::path::{Path, PathBuf};

use common::Client;
use common::guests::killable::{self, Killable};
use rustix::process::{Pid, Resource, Rlimit};
use serde_json::{Value, json};

/// Not a test: the endpoint of the others, in a process that can be killed.
#[tokio::test(flavor = "multi_thread")]
async fn serving() {
    killable::serve_when_asked().await;
}

/// An endpoint in a process that may be told how large its files may be.
struct Bounded {
    endpoint: Killable,
    journal: PathBuf,
}

impl Bounded {
    fn start(state: &Path) -> Self {
        let endpoint = Killable::start_bounded(state, "/nonexistent/base.tar".as_ref());
        Bounded { endpoint, journal: state.join("world.jsonl") }
    }

    /// One that has written a group down and has no room for another.
    fn filled(state: &Path) -> Self {
        let bounded = Bounded::start(state);
        assert_eq!(create(bounded.endpoint.client, "before").status, 200);
        bounded.room(Some(10));
        bounded
    }

    /// Lets the journal grow by so many bytes and no more, or without a bound.
    fn room(&self, bytes: Option<u64>) {
        let length = std::fs::metadata(&self.journal).unwrap().len();
        let limit = Rlimit { current: bytes.map(|bytes| length + bytes), maximum: None };
        let process = Pid::from_raw(self.endpoint.pid().try_into().unwrap());
        rustix::process::prlimit(process, Resource::Fsize, limit).unwrap();
    }
}

fn create(client: Client, name: &str) -> common::Answer {
    client.ec2("CreateSecurityGroup", &[("GroupName", name), ("GroupDescription", "d")])
}

fn groups(client: Client) -> Vec<String> {
    client.ec2("DescribeSecurityGroups", &[]).elements("groupName")
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_whose_effect_cannot_be_written_down_fail_until_there_is_room() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().canonicalize().unwrap().join("state");
    let bounded = Bounded::filled(&state);
    let client = bounded.endpoint.client;
    for name in ["torn", "refused"] {
        let answer = create(client, name);
        assert_eq!((answer.status, answer.element("Code").as_deref()), (500, Some("InternalError")));
        let message = answer.element("Message").unwrap();
        assert!(message.starts_with("The state of the local EC2 cannot be written: "), "{message}");
    }
    assert_eq!(groups(client), ["default", "before", "torn"], "reading goes on, and what is refused has no effect");
    let dry = [("GroupName", "dry"), ("GroupDescription", "d"), ("DryRun", "true")];
    assert_eq!(client.ec2_error("CreateSecurityGroup", &dry), "DryRunOperation");
    let command = json!({"DocumentName": "AWS-RunShellScript", "InstanceIds": ["i-0123456789abcdef0"],
        "Parameters": {"commands": ["true"]}});
    let (status, answer) = client.ssm("SendCommand", &command);
    assert_eq!((status, answer["__type"].as_str()), (500, Some("InternalServerError")));
    let started = client.send("POST", "/snapshots", "ebs", "", r#"{"VolumeSize": 1}"#).unwrap();
    assert_eq!((started.status, started.header("x-amzn-errortype")), (500, Some("InternalServerException")));
    let release = client.send("POST", "/_local/release-image", "ec2", "", "").unwrap();
    assert_eq!(release.status, 500);
    client.admin("GET", "inventory", &Value::Null);

    bounded.room(None);
    assert_eq!(create(client, "after").status, 200);
    bounded.endpoint.kill();
    let again = Killable::start(&state, "/nonexistent/base.tar".as_ref());
    assert_eq!(groups(again.client), ["default", "before", "torn", "after"]);
    again.kill();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_state_whose_disk_was_full_to_the_end_is_resumed() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().canonicalize().unwrap().join("state");
    let bounded = Bounded::filled(&state);
    let client = bounded.endpoint.client;
    assert_eq!(create(client, "torn").status, 500);
    assert_eq!(create(client, "refused").status, 500);
    bounded.endpoint.kill();
    let again = Killable::start(&state, "/nonexistent/base.tar".as_ref());
    assert_eq!(groups(again.client), ["default", "before"]);
    assert_eq!(create(again.client, "after").status, 200);
    again.kill();
}
