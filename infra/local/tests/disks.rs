//! What images keep of their instances' disks, whatever these have made of them. Needs what instances need: without, it says
//! so and passes, unless `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::guests::{base_image, launch, reboot, run, source, wait_for_image, wait_for_state};
use common::rights::{Rights, again};
use common::{Client, TestEndpoint, require_or_skip, until};
use serde_json::Value;

/// The tests that run again without systemd and without root.
const DISKS: [&str; 6] = [
    "folders_stay",
    "a_link_in_the_place",
    "nothing_in_run",
    "a_busy_instance",
    "what_an_instance_is_given",
    "an_image_is_whole",
];
/// What folders are like into which an instance is given files, and the root.
const LOOK: &str = "stat -c '%n %a %u:%g' / /etc /usr/local /usr/local/sbin";

/// Makes an image and launches an instance from it.
async fn offspring(client: Client, instance: &str, name: &str) -> String {
    let image = client.ec2_value("CreateImage", &[("InstanceId", instance), ("Name", name)], "imageId");
    wait_for_image(client, &image).await;
    launch(client, &image).await
}

async fn said(client: Client, instance: &str, script: &str) -> String {
    let ended = run(client, instance, script).await;
    assert_eq!(ended["Status"], "Success", "{ended}");
    ended["StandardOutputContent"].as_str().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn folders_stay_as_their_images_have_them() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let builder = launch(client, &source(client)).await;
    let of_source = said(client, &builder, LOOK).await;
    assert_eq!(of_source, "/ 755 0:0\n/etc 755 0:0\n/usr/local 755 0:0\n/usr/local/sbin 755 0:0\n");
    let change =
        "chmod 711 / && chmod 750 /etc && chown 7:50 /usr/local && chmod 2775 /usr/local && chmod 700 /usr/local/sbin";
    let changed = said(client, &builder, &format!("{change} && {LOOK}")).await;
    assert_ne!(changed, of_source);
    // Of the image, and of an image of that which does not touch them.
    let first = offspring(client, &builder, "first").await;
    assert_eq!(said(client, &first, LOOK).await, changed);
    let second = offspring(client, &first, "second").await;
    assert_eq!(said(client, &second, LOOK).await, changed);
    reboot(client, &second).await;
    assert_eq!(said(client, &second, LOOK).await, changed);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_in_the_place_of_a_folder_stays_one() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let builder = launch(client, &source(client)).await;
    said(client, &builder, "mv /usr/local /opt/local && ln -s /opt/local /usr/local && touch /opt/local/own").await;
    let offspring = offspring(client, &builder, "linked").await;
    assert_eq!(
        said(client, &offspring, "readlink /usr/local && ls /usr/local/own").await,
        "/opt/local\n/usr/local/own\n"
    );
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_in_run_and_no_link_at_tmp_keeps_an_instance_from_rebooting() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let instance = launch(client, &source(client)).await;
    let make = "mkdir -p /run/folder && touch /run/folder/locked
        chattr +i /run/folder/locked /run/folder 2> /dev/null
        cat /proc/sys/kernel/random/boot_id";
    let before = said(client, &instance, make).await;
    reboot(client, &instance).await;
    let look = "cat /proc/sys/kernel/random/boot_id; ls /run/folder 2> /dev/null || true";
    let after = said(client, &instance, look).await;
    assert!(after != before && !after.contains("locked"), "{after}");
    let image = client.ec2_value("CreateImage", &[("InstanceId", &instance), ("Name", "linked")], "imageId");
    wait_for_image(client, &image).await;
    // An instance cannot change /tmp while it is mounted; an image may have anything there.
    for layer in std::fs::read_dir(endpoint.state_dir().join("state/layers")).unwrap() {
        let tmp = layer.unwrap().path().join("tmp");
        std::fs::remove_dir_all(&tmp).unwrap_or_default();
        std::os::unix::fs::symlink("/var/tmp", tmp).unwrap();
    }
    let offspring = launch(client, &image).await;
    reboot(client, &offspring).await;
    let seen = said(client, &offspring, "readlink /tmp; touch /tmp/file && ls /tmp/file").await;
    // Nothing is mounted in a chroot: there the folder is emptied at each boot, and made.
    let isolation = client.admin("GET", "inventory", &Value::Null)["isolation"].clone();
    assert_eq!(seen, if isolation == "chroot" { "/tmp/file\n" } else { "/var/tmp\n/tmp/file\n" }, "{isolation}");
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_instance_is_imaged_while_its_files_come_and_go() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let instance = launch(client, &source(client)).await;
    let busy = "echo kept > /opt/kept
        for loop in 1 2; do
            (while [ ! -e /opt/enough ]; do
                mkdir -p /opt/busy$loop/a/b && touch /opt/busy$loop/a/b/c && rm -rf /opt/busy$loop
                touch /opt/swap$loop && rm /opt/swap$loop && mkdir -p /opt/swap$loop/e && rm -r /opt/swap$loop
            done) > /dev/null 2>&1 < /dev/null &
        done";
    said(client, &instance, busy).await;
    let mut image = String::new();
    for number in 0..5 {
        let name = format!("busy{number}");
        let form = [("InstanceId", instance.as_str()), ("Name", &name), ("NoReboot", "true")];
        image = client.ec2_value("CreateImage", &form, "imageId");
        wait_for_image(client, &image).await;
    }
    let offspring = launch(client, &image).await;
    assert_eq!(said(client, &offspring, "cat /opt/kept").await, "kept\n");
    said(client, &instance, "touch /opt/enough").await;
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_instance_is_given_stays_out_of_its_images_whoever_owns_it() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let instance = launch(client, &source(client)).await;
    // An overlay copies a file whose owner or time changes.
    let change = "touch /etc/own; find /etc/resolv.conf /usr/local/sbin -exec touch {} + && test -s /etc/resolv.conf";
    said(client, &instance, change).await;
    let image = client.ec2_value("CreateImage", &[("InstanceId", &instance), ("Name", "own")], "imageId");
    wait_for_image(client, &image).await;
    let layers = std::fs::read_dir(endpoint.state_dir().join("state/layers")).unwrap();
    let layers: Vec<_> = layers.map(|layer| layer.unwrap().path()).collect();
    let has = |path: &str| layers.iter().any(|layer| layer.join(path).symlink_metadata().is_ok());
    assert!(has("etc/own"));
    for given in ["etc/resolv.conf", "usr/local/sbin/reboot", "usr/local/sbin/systemctl"] {
        assert!(!has(given), "{given}");
    }
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_is_whole_even_if_its_instance_is_terminated_at_once() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let instance = launch(client, &source(client)).await;
    said(client, &instance, "mkdir /opt/many && cd /opt/many && touch $(seq 2000) && echo kept > last").await;
    client.ec2("StopInstances", &[("InstanceId.1", &instance)]);
    wait_for_state(client, &instance, "stopped").await;
    let image = client.ec2_value("CreateImage", &[("InstanceId", &instance), ("Name", "whole")], "imageId");
    client.ec2("TerminateInstances", &[("InstanceId.1", &instance)]);
    wait_for_image(client, &image).await;
    let offspring = launch(client, &image).await;
    assert_eq!(said(client, &offspring, "ls /opt/many | wc -l; cat /opt/many/last").await, "2001\nkept\n");
    wait_for_state(client, &instance, "terminated").await;
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn flags_of_files_are_kept_and_do_not_lock_their_layer() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let builder = launch(client, &source(client)).await;
    let make = "command -v chattr && cd /opt && touch locked log plain && mkdir folder && echo a > folder/file && \
        chattr +i locked folder && chattr +a log && chattr +d plain";
    let made = run(client, &builder, make).await;
    let able = require_or_skip(made["Status"] == "Success", "root, e2fsprogs and a file system with flags");
    if able {
        let image = client.ec2_value("CreateImage", &[("InstanceId", &builder), ("Name", "golden")], "imageId");
        wait_for_image(client, &image).await;
        let offspring = launch(client, &image).await;
        let look = "cd /opt; lsattr -d locked log plain folder | cut -c5-7; echo more >> log && echo appended; \
            rm -f locked log folder/file; ls folder; chattr -i locked && rm locked && echo removed";
        let said = run(client, &offspring, look).await;
        assert_eq!(said["StandardOutputContent"], "i--\n-a-\n--d\ni--\nappended\nfile\nremoved\n", "{said}");
        let gone = [("ImageId", image.as_str()), ("DeleteAssociatedSnapshots", "true")];
        client.ec2_value("DeregisterImage", &gone, "return");
        for instance in [&builder, &offspring] {
            client.ec2("TerminateInstances", &[("InstanceId.1", instance)]);
            wait_for_state(client, instance, "terminated").await;
        }
        let layers = endpoint.state_dir().join("state/layers");
        until("no layer", || std::fs::read_dir(&layers).unwrap().next().is_none().then_some(())).await;
    }
    drop(endpoint.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: make isolations"]
async fn disks_are_the_same_where_nothing_can_be_mounted() {
    again(Rights::StrictContainer, "chroot", &DISKS).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: make isolations"]
async fn disks_are_the_same_without_an_init_system() {
    again(Rights::RootWithoutNspawn, "namespaces", &DISKS).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn disks_are_the_same_for_an_ordinary_user() {
    again(Rights::User, "single-uid", &DISKS[1..]).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "takes a minute or more: make isolations"]
async fn disks_are_the_same_for_a_user_with_a_range_of_ids() {
    again(Rights::UserWithRange, "user-namespace", &DISKS).await;
}
