//! The life of real instances. Needs root: without it, says so and passes, unless `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "instances/agents.rs"]
mod agents;
mod common;
#[path = "instances/spot.rs"]
mod spot;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use common::emulator::FakeEmulator;
use common::guests::{
    base_image, ended, invocation, launch, launch_with, reboot, run, send, source, traces_of, wait_for_image,
    wait_for_state,
};
use common::rights::{Rights, again};
use common::{Client, TestEndpoint, require_or_skip, until};
use serde_json::{Value, json};

/// The tests that run again without root.
const LIFE: [&str; 9] = [
    "an_image_keeps",
    "a_reboot_in",
    "nothing_stays",
    "nothing_of_the_host",
    "output_comes",
    "a_command_ends",
    "what_forks",
    "a_running_instance",
    "an_instance_is_named",
];
/// Starts processes that write a line, start a successor and end, and so on, each of them hard to catch.
const FORKS: &str = "echo 'echo >> /tmp/lines; sh /tmp/next &' > /tmp/next
for number in 1 2 3 4 5 6 7 8 9; do sh /tmp/next; done
sleep 1000";
/// Says whether it still goes on.
const GOES_ON: &str = "before=$(stat -c %s /tmp/lines); sleep 1
[ \"$before\" = \"$(stat -c %s /tmp/lines)\" ] && echo ended";

#[tokio::test(flavor = "multi_thread")]
async fn an_image_keeps_what_its_instance_wrote_and_nothing_else_does() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let builder = launch(client, &source(client)).await;
    let wrote = run(
        client,
        &builder,
        "echo baked > /etc/baked; rm /etc/debian_version; id -u; cat /etc/resolv.conf >/dev/null",
    )
    .await;
    assert_eq!((wrote["Status"].as_str(), wrote["StandardOutputContent"].as_str()), (Some("Success"), Some("0\n")));

    client.ec2("StopInstances", &[("InstanceId.1", &builder)]);
    wait_for_state(client, &builder, "stopped").await;
    // It keeps its address, as EC2 says of stopped instances.
    let address = client.ec2_value("DescribeInstances", &[("InstanceId.1", &builder)], "privateIpAddress");
    let same = [("ImageId", &*source(client)), ("InstanceType", "t3.small"), ("PrivateIpAddress", &*address)];
    assert_eq!(client.ec2_error("RunInstances", &same), "InvalidIPAddress.InUse");
    let image = client.ec2_value("CreateImage", &[("InstanceId", &builder), ("Name", "golden")], "imageId");
    assert_eq!(
        client.ec2_error("CreateImage", &[("InstanceId", &builder), ("Name", "golden")]),
        "InvalidAMIName.Duplicate"
    );
    wait_for_image(client, &image).await;
    // Both it was made of and what that was launched from.
    let described = client.ec2("DescribeImages", &[("ImageId.1", &image)]);
    let origins = ["sourceInstanceId", "sourceImageId"].map(|name| described.element(name));
    assert_eq!(origins, [Some(builder.clone()), Some(source(client))]);
    client.ec2("TerminateInstances", &[("InstanceId.1", &builder)]);

    let there = client.region("us-east-1");
    let copy = [("SourceRegion", "eu-west-1"), ("SourceImageId", image.as_str()), ("Name", "golden")];
    let copied = there.ec2_value("CopyImage", &copy, "imageId");
    wait_for_image(there, &copied).await;
    client.ec2("DeregisterImage", &[("ImageId", &image), ("DeleteAssociatedSnapshots", "true")]);

    let look = "cat /etc/baked; test -e /etc/debian_version && echo not removed";
    let offspring = launch(there, &copied).await;
    assert_eq!(run(there, &offspring, look).await["StandardOutputContent"], "baked\n");
    let sibling = launch(there, &source(there)).await;
    assert_eq!(run(there, &sibling, look).await["StandardOutputContent"], "not removed\n");
    drop(endpoint.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_of_the_host_is_reached_by_what_an_instance_makes() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let host = tempfile::tempdir().unwrap();
    std::fs::create_dir(host.path().join("sbin")).unwrap();
    for file in ["sbin/reboot", "kept"] {
        std::fs::write(host.path().join(file), "of the host").unwrap();
    }
    let data = BASE64_STANDARD.encode("#!/bin/sh\nln -sf /dev/zero /var/log/cloud-init-output.log\n");
    let image = source(client);
    let form = [("ImageId", image.as_str()), ("InstanceType", "t3.small"), ("UserData", data.as_str())];
    let instance = launch_with(client, &form).await;
    let make = format!(
        "mv /usr/local /usr/local.old && ln -s {host} /usr/local && mkfifo /run/power-request &&
         mkdir -p /deep/$(printf 'a/%.0s' $(seq 1500))
         made=$?; ln -sf {host}/kept /proc/sys/kernel/random/boot_id 2> /dev/null
         rm -rf /tmp/* && rmdir /tmp 2> /dev/null && ln -s {host} /tmp; exit $made",
        host = host.path().display()
    );
    assert_eq!(run(client, &instance, &make).await["Status"], "Success");
    let form = [("InstanceId", instance.as_str()), ("Name", "linked")];
    let golden = client.ec2_value("CreateImage", &form, "imageId");
    wait_for_image(client, &golden).await;
    reboot(client, &instance).await;
    assert_eq!(run(client, &instance, "test ! -p /run/power-request").await["Status"], "Success");
    for file in ["sbin/reboot", "kept"] {
        assert_eq!(std::fs::read_to_string(host.path().join(file)).unwrap(), "of the host", "{file}");
    }
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_named_as_ec2_names_it_and_so_is_its_offspring() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let builder = launch(client, &source(client)).await;
    let name = named(client, &builder).await;
    // As a build does that makes another machine known.
    run(client, &builder, "echo '10.0.0.9 database' >> /etc/hosts").await;
    let image = client.ec2_value("CreateImage", &[("InstanceId", &builder), ("Name", "golden")], "imageId");
    wait_for_image(client, &image).await;
    let offspring = launch(client, &image).await;
    assert_ne!(named(client, &offspring).await, name);
    let look = format!("getent hosts database; getent hosts {name}");
    let found = run(client, &offspring, &look).await;
    assert_eq!(found["StandardOutputContent"], "10.0.0.9        database\n", "{found}");
    // A name that a build has chosen stays.
    run(client, &offspring, "echo web1 > /etc/hostname").await;
    let image = client.ec2_value("CreateImage", &[("InstanceId", &offspring), ("Name", "named")], "imageId");
    wait_for_image(client, &image).await;
    let last = launch(client, &image).await;
    assert_eq!(run(client, &last, "cat /etc/hostname").await["StandardOutputContent"], "web1\n");
    drop(endpoint.stop().await);
}

/// Its private DNS name, which it knows itself by and can resolve.
async fn named(client: Client, instance: &str) -> String {
    let name = client.ec2_value("DescribeInstances", &[("InstanceId.1", instance)], "privateDnsName");
    let look =
        "getent hosts localhost > /dev/null && cat /etc/hostname && getent hosts $(cat /etc/hostname) && hostname";
    let said = run(client, instance, look).await;
    let said = said["StandardOutputContent"].as_str().unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let short = name.split('.').next().unwrap();
    assert_eq!(lines[0], short, "{said}");
    assert!(lines[1].starts_with("127.0.1.1") && lines[1].contains(&name), "{said}");
    // Without a namespace of its own it has the machine's name.
    if client.admin("GET", "inventory", &Value::Null)["isolation"] != "chroot" {
        assert_eq!(lines[2], short);
    }
    name
}

#[tokio::test(flavor = "multi_thread")]
async fn output_comes_while_the_script_runs_and_a_failure_is_told() {
    let Some(base) = base_image().await else { return };
    let emulator = FakeEmulator::start();
    let endpoint = TestEndpoint::start(&base, Some(emulator.url.clone())).await;
    let client = endpoint.client;
    let instance = launch(client, &source(client)).await;
    let script = "echo one\necho oops >&2\nuntil [ -e /tmp/go ]; do sleep 0.05; done\necho two\nexit 3";
    let command = send(client, &instance, script, 600);
    let stream = format!("{command}/{instance}/aws-runShellScript/stdout");
    until("the first line", || (emulator.lines(&stream) == ["one"]).then_some(())).await;
    let running = invocation(client, &command, &instance);
    assert_eq!((running["Status"].as_str(), running["StandardOutputContent"].as_str()), (Some("InProgress"), Some("")));
    run(client, &instance, "touch /tmp/go").await;
    let failed = ended(client, &command, &instance).await;
    assert_eq!((failed["Status"].as_str(), failed["ResponseCode"].as_i64()), (Some("Failed"), Some(3)));
    assert_eq!(failed["StandardOutputContent"], "one\ntwo\n");
    assert_eq!(failed["StandardErrorContent"], "oops\nfailed to run commands: exit status 3");
    assert_eq!(emulator.lines(&stream), ["one", "two"]);
    assert_eq!(emulator.lines(&stream.replace("stdout", "stderr")), ["oops"]);

    let files = run(client, &instance, &format!("cat /var/lib/amazon/ssm/{instance}/document/orchestration/{command}/awsrunShellScript/0.awsrunShellScript/stdout")).await;
    assert_eq!(files["StandardOutputContent"], "one\ntwo\n");
    client.ec2("TerminateInstances", &[("InstanceId.1", &instance)]);
    let told = |kind: &str, state: &str| ("eu-west-1".to_owned(), kind.to_owned(), state.to_owned());
    let state = "EC2 Instance State-change Notification";
    until("the events", || emulator.events().contains(&told(state, "terminated")).then_some(())).await;
    let events = emulator.events();
    for name in ["pending", "running", "shutting-down"] {
        assert!(events.contains(&told(state, name)), "{name}: {events:?}");
    }
    assert!(events.contains(&told("EC2 Command Invocation Status-change Notification", "Failed")), "{events:?}");
    drop(endpoint.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reboot_in_the_middle_starts_the_script_again() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let instance = launch(client, &source(client)).await;
    let by_code = "cat /proc/sys/kernel/random/boot_id\nif [ -e /var/once ]; then echo again; exit 0; fi\n\
                   touch /var/once /run/gone\nsetsid sleep 1000 > /dev/null 2>&1 &\nexit 194";
    let rebooted = run(client, &instance, by_code).await;
    assert_eq!(rebooted["Status"], "Success", "{rebooted}");
    let output = rebooted["StandardOutputContent"].as_str().unwrap();
    let lines: Vec<&str> = output.lines().collect();
    assert_eq!((lines.len(), lines[2]), (3, "again"), "{output}");
    assert_ne!(lines[0], lines[1]);

    let left = run(client, &instance, "ls /run/gone /var/once 2>&1; cat /proc/[0-9]*/comm").await;
    let left = left["StandardOutputContent"].as_str().unwrap();
    assert!(left.contains("/var/once\n") && left.contains("cannot access '/run/gone'"), "{left}");
    assert!(!left.contains("sleep"), "{left}");

    // By the system call itself, if it is not the host's.
    if client.admin("GET", "inventory", &Value::Null)["isolation"] != "chroot" {
        let by_call = run(client, &instance, "touch /run/by-call\n/sbin/reboot -f -f\nsleep 1000").await;
        assert_eq!(by_call["Status"], "Failed");
        assert_eq!(run(client, &instance, "ls /run/by-call 2> /dev/null").await["StandardOutputContent"], "");
    }

    // Whether the script still ends before its instance does, differs.
    send(client, &instance, "shutdown -h now", 600);
    wait_for_state(client, &instance, "stopped").await;
    drop(endpoint.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_right_after_a_boot_does_not_see_the_host() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let look = format!("if [ -e {} ]; then echo host; else echo instance; fi", endpoint.state_dir().display());
    for _ in 0..8 {
        let instance = launch(client, &source(client)).await;
        let again = format!("{look}; [ -e /var/once ] || {{ touch /var/once; exit 194; }}");
        assert_eq!(run(client, &instance, &again).await["StandardOutputContent"], "instance\ninstance\n");
        client.ec2("TerminateInstances", &[("InstanceId.1", &instance)]);
    }
    drop(endpoint.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_ends_by_its_time_or_when_cancelled() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let instance = launch(client, &source(client)).await;
    let late = ended(client, &send(client, &instance, "sleep 1000", 5), &instance).await;
    assert_eq!(
        (late["Status"].as_str(), late["StatusDetails"].as_str()),
        (Some("TimedOut"), Some("ExecutionTimedOut"))
    );
    let command = send(client, &instance, "sleep 1000", 600);
    let runs = |command: &str| (invocation(client, command, &instance)["Status"] == "InProgress").then_some(());
    until("it to run", || runs(&command)).await;
    client.ssm("CancelCommand", &json!({"CommandId": command}));
    assert_eq!(ended(client, &command, &instance).await["Status"], "Cancelled");

    let orphan = send(client, &instance, "sleep 1000", 5);
    // Before its delivery, it would stay `Pending` for as long as `TimeoutSeconds` says.
    until("it to run", || runs(&orphan)).await;
    client.admin("POST", "faults", &json!([{"when": {"action": "ListCommands"}, "do": "end-instance"}]));
    client.ssm("ListCommands", &json!({"InstanceId": instance}));
    wait_for_state(client, &instance, "terminated").await;
    let lost = ended(client, &orphan, &instance).await;
    assert_eq!((lost["Status"].as_str(), lost["ResponseCode"].as_i64()), (Some("TimedOut"), Some(-1)));
    drop(endpoint.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_forks_all_the_time_ends_with_its_command() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let instance = launch(client, &source(client)).await;
    let command = send(client, &instance, FORKS, 600);
    let begun = "until [ -s /tmp/lines ]; do sleep 0.05; done";
    assert_eq!(run(client, &instance, begun).await["Status"], "Success");
    client.ssm("CancelCommand", &json!({"CommandId": command}));
    assert_eq!(ended(client, &command, &instance).await["Status"], "Cancelled");
    assert_eq!(run(client, &instance, GOES_ON).await["StandardOutputContent"], "ended\n");
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_instance_is_imaged_with_or_without_a_reboot() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let instance = launch(client, &source(client)).await;
    let boot_id = "cat /proc/sys/kernel/random/boot_id";
    let first = run(client, &instance, &format!("echo one > /etc/baked; {boot_id}")).await;
    let still = client.ec2_value(
        "CreateImage",
        &[("InstanceId", &instance), ("Name", "still"), ("NoReboot", "true")],
        "imageId",
    );
    wait_for_image(client, &still).await;
    assert_eq!(run(client, &instance, boot_id).await["StandardOutputContent"], first["StandardOutputContent"]);
    let again = client.ec2_value("CreateImage", &[("InstanceId", &instance), ("Name", "again")], "imageId");
    wait_for_image(client, &again).await;
    assert_ne!(run(client, &instance, boot_id).await["StandardOutputContent"], first["StandardOutputContent"]);
    for image in [still, again] {
        let offspring = launch(client, &image).await;
        assert_eq!(run(client, &offspring, "cat /etc/baked").await["StandardOutputContent"], "one\n");
    }
    drop(endpoint.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_stays_of_a_terminated_instance_or_a_stopped_endpoint() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let (client, folder) = (endpoint.client, endpoint.state_dir());
    let instance = launch(client, &source(client)).await;
    run(client, &instance, "setsid sleep 1000 </dev/null >/dev/null 2>&1 &").await;
    assert!(!traces_of(&folder).is_empty());
    // The agent closes the command's channel after it has told of the end.
    let is_alone = || client.admin("GET", "inventory", &Value::Null)["processes"] == 1;
    until("the one process", || is_alone().then_some(())).await;
    client.ec2("TerminateInstances", &[("InstanceId.1", &instance)]);
    wait_for_state(client, &instance, "terminated").await;
    assert_eq!(traces_of(&folder), [""; 0]);

    let other = launch(client, &source(client)).await;
    run(client, &other, "setsid sleep 1000 </dev/null >/dev/null 2>&1 &").await;
    let state = endpoint.stop().await;
    assert_eq!(traces_of(&folder), [""; 0]);
    drop(state);
}

/// A client that starts an instance again before its image is available must know that the snapshots have begun.
#[tokio::test(flavor = "multi_thread")]
async fn what_an_instance_writes_after_its_snapshots_have_begun_is_not_in_the_image() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let builder = launch(client, &source(client)).await;
    let times = || {
        let described = client.ec2("DescribeInstances", &[("InstanceId.1", &builder)]);
        ["launchTime", "attachTime"].map(|name| described.element(name).unwrap())
    };
    let [launched, attached] = times();
    assert_eq!(run(client, &builder, "echo before > /etc/written").await["Status"], "Success");
    client.ec2("StopInstances", &[("InstanceId.1", &builder)]);
    wait_for_state(client, &builder, "stopped").await;
    let image = client.ec2_value("CreateImage", &[("InstanceId", &builder), ("Name", "early")], "imageId");
    let described = || client.ec2("DescribeImages", &[("ImageId.1", &image)]);
    until("the snapshots", || described().element("snapshotId").map(drop)).await;
    client.ec2("StartInstances", &[("InstanceId.1", &builder)]);
    wait_for_state(client, &builder, "running").await;
    let [again, same] = times();
    assert!(again > launched && same == attached, "{again} {launched} {same} {attached}");
    // Systems Manager still says `Online` of the agent that has ended with its machine.
    let filter = json!({"Filters": [{"Key": "InstanceIds", "Values": [builder]}]});
    let heard = || {
        let (_, answer) = client.ssm("DescribeInstanceInformation", &filter);
        answer["InstanceInformationList"][0]["LastPingDateTime"].as_f64().unwrap_or_default()
    };
    let started = jiff::Timestamp::now().as_second();
    until("the agent", || (heard() > started as f64).then_some(())).await;
    assert_eq!(run(client, &builder, "echo after > /etc/written").await["Status"], "Success");
    wait_for_image(client, &image).await;
    let offspring = launch(client, &image).await;
    assert_eq!(run(client, &offspring, "cat /etc/written").await["StandardOutputContent"], "before\n");
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_tells_why_its_systemd_is_not_up() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let isolation = client.admin("GET", "inventory", &Value::Null)["isolation"].clone();
    if require_or_skip(isolation == "nspawn", "root and systemd-nspawn") {
        let instance = launch(client, &source(client)).await;
        let broken = run(client, &instance, "ln -sf /bin/false /lib/systemd/systemd").await;
        assert_eq!(broken["Status"], "Success");
        client.ec2("StopInstances", &[("InstanceId.1", &instance)]);
        wait_for_state(client, &instance, "stopped").await;
        client.ec2("StartInstances", &[("InstanceId.1", &instance)]);
        // It has run before: its disk stays.
        wait_for_state(client, &instance, "stopped").await;
        let told = client.ec2("DescribeInstances", &[("InstanceId.1", &instance)]).body;
        let words = ["does not boot: after ", "systemd", "; its console"];
        assert!(words.iter().all(|said| told.contains(said)), "{told}");
    }
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: make isolations"]
async fn images_and_reboots_work_where_nothing_can_be_mounted() {
    again(Rights::StrictContainer, "chroot", &LIFE[..4]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn root_needs_no_init_system() {
    again(Rights::RootWithoutNspawn, "namespaces", &LIFE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn root_in_a_container_runs_instances() {
    let chosen = if std::fs::read_to_string("/proc/sys/user/max_user_namespaces").unwrap().trim() == "0" {
        "chroot"
    } else {
        "single-uid"
    };
    again(Rights::Container, chosen, &LIFE[..1]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_user_runs_instances() {
    again(Rights::User, "single-uid", &LIFE).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: make isolations"]
async fn an_ordinary_user_with_a_range_of_ids_runs_instances() {
    again(Rights::UserWithRange, "user-namespace", &LIFE).await;
}
