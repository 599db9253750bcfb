//! What bounds an instance: control groups, root's and those of a user who may make some.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::path::Path;

use common::guests::{base_image, launch, run, source, traces};
use common::rights::{Rights, again, unified};
use common::{TestEndpoint, require_or_skip};

/// Bounds: controller, version 1 or 2 or both, file, value.
const BOUNDS: [(&str, &[u8], &str, &str); 3] =
    [("cpu", &[2], "cpu.weight", "50"), ("cpu", &[1], "cpu.shares", "512"), ("pids", &[1, 2], "pids.max", "4096")];

#[tokio::test(flavor = "multi_thread")]
async fn every_process_of_an_instance_is_in_its_groups() {
    let Some(base) = base_image().await else { return };
    let own = std::fs::read_to_string("/proc/self/cgroup").unwrap();
    let may = rustix::process::geteuid().is_root() || own.contains("0::/test-");
    if !require_or_skip(unified().is_some() && may, "the right to make control groups") {
        return;
    }
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let instance = launch(client, &source(client)).await;
    let said = run(client, &instance, "cat /proc/self/cgroup").await;
    let said = said["StandardOutputContent"].as_str().unwrap();
    let groups = traces::groups_of(&[instance.clone()].into());
    assert!(!groups.is_empty());
    for group in &groups {
        bounded(group);
    }
    let inside = said.lines().filter(|line| line.ends_with(&format!("/goldsmith-{instance}"))).count();
    assert_eq!(
        inside,
        groups.iter().filter(|group| group.ends_with(format!("goldsmith-{instance}"))).count(),
        "{said}"
    );
    client.ec2("TerminateInstances", &[("InstanceId.1", &instance)]);
    common::guests::wait_for_state(client, &instance, "terminated").await;
    assert!(traces::groups_of(&[instance].into()).is_empty());
    endpoint.end().await;
}

/// Makes sure that a group has every bound of the controllers that the group around it has.
fn bounded(group: &Path) {
    let (version, controllers) = around(group);
    let due = |(controller, versions, _, _): &&(&str, &[u8], &str, &str)| {
        versions.contains(&version) && controllers.iter().any(|name| name == controller)
    };
    for (_, _, file, bound) in BOUNDS.iter().filter(due) {
        let value = std::fs::read_to_string(group.join(file)).unwrap();
        assert_eq!(value.trim(), *bound, "{file} of {}", group.display());
    }
}

/// The version of the hierarchy that a group is in, and the controllers of the group around it: version 2 lists them,
/// after those of version 1 their hierarchy is named.
fn around(group: &Path) -> (u8, Vec<String>) {
    if let Ok(names) = std::fs::read_to_string(group.parent().unwrap().join("cgroup.controllers")) {
        return (2, names.split_whitespace().map(str::to_owned).collect());
    }
    let hierarchy = group.strip_prefix("/sys/fs/cgroup").unwrap().iter().next().unwrap();
    (1, hierarchy.to_str().unwrap().split(',').map(str::to_owned).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn root_leaves_most_of_a_busy_machine_to_others() {
    let Some(base) = base_image().await else { return };
    let shares = ["cpu/cpu.shares", "cpu,cpuacct/cpu.shares", "init.scope/cpu.weight", "system.slice/cpu.weight"];
    let has_weights = shares.iter().any(|file| Path::new("/sys/fs/cgroup").join(file).exists());
    if !require_or_skip(has_weights && rustix::process::geteuid().is_root(), "root and the controller `cpu`") {
        return;
    }
    let endpoint = TestEndpoint::start(&base, None).await;
    let instance = launch(endpoint.client, &source(endpoint.client)).await;
    let groups = traces::groups_of(&[instance].into());
    let weighed =
        |group: &&std::path::PathBuf| ["cpu.weight", "cpu.shares"].iter().any(|file| group.join(file).exists());
    assert_eq!(groups.iter().filter(weighed).count(), 1, "{groups:?}");
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_whose_groups_they_are_makes_some() {
    if require_or_skip(unified().is_some(), "control groups of version 2") {
        again(Rights::UserWithGroups, "single-uid", &["every_process"]).await;
    }
}
