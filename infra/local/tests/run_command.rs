//! Run Command as amazon-ssm-agent 3.3.1142.0 does it, where a good guess is wrong. Needs what instances need: without,
//! it says so and passes, unless `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::emulator::FakeEmulator;
use common::guests::{base_image, ended, invocation, launch, run, send, source, wait_for_state};
use common::{Client, TestEndpoint, until};
use serde_json::{Value, json};

/// An endpoint with one instance.
async fn machine() -> Option<(TestEndpoint, Client, String)> {
    let base = base_image().await?;
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let instance = launch(client, &source(client)).await;
    Some((endpoint, client, instance))
}

/// Status, code, and both outputs.
fn told(invocation: &Value) -> (&str, i64, &str, &str) {
    let text = |name: &str| invocation[name].as_str().unwrap();
    (
        text("Status"),
        invocation["ResponseCode"].as_i64().unwrap(),
        text("StandardOutputContent"),
        text("StandardErrorContent"),
    )
}

/// What the plugin said, which only the list with details shows.
fn plugin_output(client: Client, command: &Value) -> String {
    let input = json!({"CommandId": command["CommandId"], "Details": true});
    let (_, answer) = client.ssm("ListCommandInvocations", &input);
    answer["CommandInvocations"][0]["CommandPlugins"][0]["Output"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_that_removes_the_agents_files_removes_its_answer() {
    let Some((endpoint, client, instance)) = machine().await else { return };
    let gone = run(client, &instance, "echo out\necho err >&2\nrm -r /var/lib/amazon/ssm/*/document").await;
    assert_eq!(told(&gone), ("Success", 0, "", ""));
    let kept =
        run(client, &instance, "echo out\nrm -r /var/lib/amazon/ssm/*/document/orchestration/*/*/*/stdout").await;
    assert_eq!(told(&kept), ("Success", 0, "out\n", ""));
    let channel = "ls -d /var/lib/amazon/ssm/\"$AWS_SSM_INSTANCE_ID\"/channels/\"$SSM_COMMAND_ID\"";
    let open = run(client, &instance, channel).await;
    let path = open["StandardOutputContent"].as_str().unwrap().trim().to_owned();
    assert!(path.ends_with(open["CommandId"].as_str().unwrap()), "{open}");
    let closed = run(client, &instance, &format!("until [ ! -e {path} ]; do sleep 0.05; done; echo closed")).await;
    assert_eq!(told(&closed).2, "closed\n");
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn outputs_are_pipes_and_whoever_holds_one_holds_the_command() {
    let Some((endpoint, client, instance)) = machine().await else { return };
    let kind =
        run(client, &instance, "readlink /proc/$$/fd/1 /proc/$$/fd/2 | cut -d: -f1\necho direct > /dev/stdout").await;
    assert_eq!(told(&kind), ("Success", 0, "pipe\npipe\ndirect\n", ""));
    let held =
        send(client, &instance, "echo now\n(until [ -e /tmp/let-go ]; do sleep 0.05; done; echo later >&2) &", 600);
    run(client, &instance, "true").await;
    assert_eq!(invocation(client, &held, &instance)["Status"], "InProgress");
    run(client, &instance, "touch /tmp/let-go").await;
    assert_eq!(told(&ended(client, &held, &instance).await), ("Success", 0, "now\n", "later\n"));
    let freed = run(client, &instance, "sleep 1000 > /dev/null 2>&1 &\necho free").await;
    assert_eq!(told(&freed), ("Success", 0, "free\n", ""));
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn some_exit_codes_are_the_agents_own() {
    let Some((endpoint, client, instance)) = machine().await else { return };
    let says = |code: u32| format!("echo out\nprintf err >&2\nexit {code}");
    let ends = async |code| run(client, &instance, &says(code)).await;
    assert_eq!(told(&ends(0).await), ("Success", 0, "out\n", "err"));
    // Its words are put right behind what the script said.
    assert_eq!(told(&ends(3).await), ("Failed", 3, "out\n", "errfailed to run commands: exit status 3"));
    assert_eq!(told(&ends(137).await), ("TimedOut", 137, "out\n", "err"));
    assert_eq!(told(&ends(168).await), ("Success", 0, "out\n", ""));
    assert_eq!(told(&ends(169).await), ("Failed", 169, "out\n", "errfailed to run commands: exit status 169"));
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_are_cut_by_bytes() {
    let Some((endpoint, client, instance)) = machine().await else { return };
    let long = run(client, &instance, "printf x; i=0; while [ $i -lt 15000 ]; do printf 'ä'; i=$((i+1)); done").await;
    let text = told(&long).2;
    assert!(text.ends_with("\u{fffd}--output truncated--"), "{}", &text[text.len() - 60..]);
    assert_eq!(text.chars().filter(|&letter| letter == 'ä').count(), (24_000 - 20 - 1) / 2);
    let bad = run(client, &instance, "printf 'a\\377b\\000\\033c'").await;
    assert_eq!(told(&bad).2, "a\u{fffd}b\0\u{1b}c");
    let errors = run(client, &instance, "head -c 9000 /dev/zero | tr '\\0' e >&2").await;
    assert_eq!(told(&errors).3.len(), 8_000);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_script_has_the_agents_environment() {
    let Some((endpoint, client, instance)) = machine().await else { return };
    let script = "echo \"${HOME-none} $PWD $AWS_SSM_INSTANCE_ID $AWS_SSM_REGION_NAME $SSM_COMMAND_ID\"
echo \"$AWS_SSM_PLATFORM_NAME, $AWS_SSM_PLATFORM_VERSION\"";
    let said = run(client, &instance, script).await;
    let command = said["CommandId"].as_str().unwrap();
    let expected = format!("none /usr/bin {instance} eu-west-1 {command}\nDebian GNU/Linux, 12\n");
    assert_eq!(told(&said), ("Success", 0, expected.as_str(), ""));
    let input = json!({"DocumentName": "AWS-RunShellScript", "InstanceIds": [instance],
        "Parameters": {"commands": ["pwd"], "workingDirectory": ["/nowhere"], "executionTimeout": ["4"]}});
    let (_, sent) = client.ssm("SendCommand", &input);
    let lost = ended(client, sent["Command"]["CommandId"].as_str().unwrap(), &instance).await;
    assert_eq!(told(&lost), ("Failed", 1, "", "failed to run commands: fork/exec /bin/sh: no such file or directory"));
    // Less than five seconds count as not said.
    assert_eq!(sent["Command"]["Parameters"]["executionTimeout"], json!(["3600"]));
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_exit_194_the_log_comes_again_from_its_beginning() {
    let Some(base) = base_image().await else { return };
    let emulator = FakeEmulator::start();
    let endpoint = TestEndpoint::start(&base, Some(emulator.url.clone())).await;
    let client = endpoint.client;
    let instance = launch(client, &source(client)).await;
    let script = "echo a line\necho and one more\n[ -e /var/once ] && exit 0\ntouch /var/once\nexit 194";
    let twice = run(client, &instance, script).await;
    assert_eq!(told(&twice).2, "a line\nand one more\na line\nand one more\n");
    let stream = format!("{}/{instance}/aws-runShellScript/stdout", twice["CommandId"].as_str().unwrap());
    let once = ["a line", "and one more"];
    assert_eq!(emulator.lines(&stream), [once, once, once].concat());
    // Many lines are one event.
    assert!(emulator.events_of(&stream).iter().any(|event| event.contains('\n')), "{:?}", emulator.events_of(&stream));
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_that_nobody_asked_for_fails_the_command_without_output() {
    let Some((endpoint, client, instance)) = machine().await else { return };
    let lost = run(client, &instance, "echo said\ntouch /var/ran-$(ls /var | grep -c ran-)\nreboot\nsleep 1000").await;
    assert_eq!(told(&lost), ("Failed", 1, "", ""));
    assert!(plugin_output(client, &lost).starts_with("document process failed unexpectedly"), "{lost}");
    assert_eq!(told(&run(client, &instance, "ls /var | grep ran-").await).2, "ran-0\n", "it ran again");

    let stopped = send(client, &instance, "sleep 1000", 600);
    until("it to run", || (invocation(client, &stopped, &instance)["Status"] == "InProgress").then_some(())).await;
    client.ec2("StopInstances", &[("InstanceId.1", &instance)]);
    wait_for_state(client, &instance, "stopped").await;
    assert_eq!(invocation(client, &stopped, &instance)["Status"], "InProgress");
    client.ec2("StartInstances", &[("InstanceId.1", &instance)]);
    assert_eq!(told(&ended(client, &stopped, &instance).await), ("Failed", 1, "", ""));
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_agent_holds_the_script_up() {
    let Some((endpoint, client, instance)) = machine().await else { return };
    client.admin("POST", "settings", &json!({"outputRate": 100_000}));
    let slow = send(client, &instance, "touch /var/begun\nhead -c 20000000 /dev/zero\ntouch /var/printed", 600);
    let look = "until [ -e /var/begun ]; do sleep 0.1; done; sleep 1; ls /var/printed 2> /dev/null";
    assert_eq!(told(&run(client, &instance, look).await).2, "");
    client.ssm("CancelCommand", &json!({"CommandId": slow}));
    assert_eq!(ended(client, &slow, &instance).await["Status"], "Cancelled");
    endpoint.end().await;
}
