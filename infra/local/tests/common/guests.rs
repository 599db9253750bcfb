//! Real instances: what every test needs that runs commands in some.

pub(crate) mod killable;
pub(crate) mod traces;

use std::path::{Path, PathBuf};

use goldsmith_local::{ensure_base_image, requirements};
use serde_json::{Value, json};

use super::rights::CACHE;
use super::{Client, require_or_skip, until};

/// Log group of the commands.
pub(crate) const GROUP: &str = "/goldsmith/test/builds";
/// What the next suite run expects of its endpoints: the name of an isolation.
pub(crate) const EXPECTED_ISOLATION: &str = "GOLDSMITH_TEST_ISOLATION";

/// The base image, or none when this machine cannot run instances.
pub(crate) async fn base_image() -> Option<PathBuf> {
    let cache = std::env::var_os(CACHE).map_or_else(|| env!("CARGO_TARGET_TMPDIR").into(), PathBuf::from);
    let missing = requirements(&cache).missing();
    if !require_or_skip(missing.is_none(), missing.as_deref().unwrap_or_default()) {
        return None;
    }
    Some(ensure_base_image(&cache, |step| eprintln!("{step}")).await.unwrap())
}

/// Launches an instance and waits until it takes commands.
pub(crate) async fn launch(client: Client, image: &str) -> String {
    launch_with(client, &[("ImageId", image), ("InstanceType", "t3.small")]).await
}

/// The same of one that the form describes.
pub(crate) async fn launch_with(client: Client, form: &[(&str, &str)]) -> String {
    if let Ok(expected) = std::env::var(EXPECTED_ISOLATION) {
        assert_eq!(client.admin("GET", "inventory", &Value::Null)["isolation"], expected);
    }
    let id = client.ec2_value("RunInstances", form, "instanceId");
    until("the instance to be online", || {
        let (_, answer) =
            client.ssm("DescribeInstanceInformation", &json!({"Filters": [{"Key": "InstanceIds", "Values": [id]}]}));
        let online = answer["InstanceInformationList"][0]["PingStatus"] == "Online";
        let described = (!online).then(|| client.ec2("DescribeInstances", &[("InstanceId.1", &id)]).body);
        assert!(!described.iter().any(|body| body.contains("<name>terminated</name>")), "{described:?}");
        online.then_some(())
    })
    .await;
    id
}

pub(crate) fn send(client: Client, instance: &str, script: &str, timeout: u32) -> String {
    let input = json!({"DocumentName": "AWS-RunShellScript", "InstanceIds": [instance], "Comment": "a/b/1",
        "Parameters": {"commands": script.lines().collect::<Vec<_>>(), "executionTimeout": [timeout.to_string()]},
        "CloudWatchOutputConfig": {"CloudWatchOutputEnabled": true, "CloudWatchLogGroupName": GROUP}});
    let (status, answer) = client.ssm("SendCommand", &input);
    assert_eq!(status, 200, "{answer}");
    answer["Command"]["CommandId"].as_str().unwrap().to_owned()
}

pub(crate) fn invocation(client: Client, command: &str, instance: &str) -> Value {
    client.ssm("GetCommandInvocation", &json!({"CommandId": command, "InstanceId": instance})).1
}

/// Waits for the end of a command.
pub(crate) async fn ended(client: Client, command: &str, instance: &str) -> Value {
    until("the command to end", || {
        let invocation = invocation(client, command, instance);
        let open = matches!(invocation["Status"].as_str(), Some("Pending" | "InProgress"));
        (!open).then_some(invocation)
    })
    .await
}

pub(crate) async fn run(client: Client, instance: &str, script: &str) -> Value {
    ended(client, &send(client, instance, script, 600), instance).await
}

/// Reboots an instance and waits until its next boot takes commands: one that is sent at once may run in the boot before, and
/// end with that.
pub(crate) async fn reboot(client: Client, instance: &str) {
    let boot_id = "cat /proc/sys/kernel/random/boot_id";
    let before = run(client, instance, boot_id).await;
    client.ec2_value("RebootInstances", &[("InstanceId.1", instance)], "return");
    for _ in 0..100 {
        let now = run(client, instance, boot_id).await;
        if now["Status"] == "Success" && now["StandardOutputContent"] != before["StandardOutputContent"] {
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("{instance} does not reboot");
}

pub(crate) async fn wait_for_state(client: Client, instance: &str, state: &str) {
    let wanted = format!("<name>{state}</name>");
    let look = || client.ec2("DescribeInstances", &[("InstanceId.1", instance)]).body.contains(&wanted).then_some(());
    until(state, look).await;
}

pub(crate) async fn wait_for_image(client: Client, image: &str) {
    until("the image", || {
        let answer = client.ec2("DescribeImages", &[("ImageId.1", image)]);
        assert!(!answer.body.contains("<imageState>failed</imageState>"), "{}", answer.body);
        answer.body.contains("<imageState>available</imageState>").then_some(())
    })
    .await;
}

/// The source image that a public parameter names.
pub(crate) fn source(client: Client) -> String {
    let (status, answer) = client.ssm("GetParameter", &json!({"Name": "/goldsmith/examples/source"}));
    assert_eq!(status, 200, "{answer}");
    answer["Parameter"]["Value"].as_str().unwrap().to_owned()
}

/// Command lines of processes and lines of mount tables that name a folder.
pub(crate) fn traces_of(folder: &Path) -> Vec<String> {
    let folder = folder.to_str().unwrap();
    let mut traces = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let read = |name: &str| std::fs::read(entry.path().join(name)).unwrap_or_default();
        let root = std::fs::read_link(entry.path().join("root")).unwrap_or_default();
        let mounts = String::from_utf8_lossy(&read("mountinfo")).into_owned();
        let command = String::from_utf8_lossy(&read("cmdline")).replace('\0', " ");
        if root.starts_with(folder) || command.contains(folder) {
            traces.push(command);
        }
        traces.extend(mounts.lines().filter(|line| line.contains(folder)).map(str::to_owned));
    }
    traces
}
