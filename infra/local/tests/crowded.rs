//! What happens where the machine has no room for another instance: in a suite of its own, since others boot instances.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use common::guests::{base_image, launch, source, wait_for_image, wait_for_state};
use common::{TestEndpoint, require_or_skip};
use rustix::fs::inotify;
use serde_json::Value;

/// Takes all that the kernel gives this user.
fn take_all() -> Vec<OwnedFd> {
    std::iter::from_fn(|| inotify::init(inotify::CreateFlags::CLOEXEC).ok()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_launches_are_refused_and_what_runs_is_never_ended() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let isolation = client.admin("GET", "inventory", &Value::Null)["isolation"].clone();
    if require_or_skip(isolation == "nspawn", "root and systemd-nspawn") {
        let image = source(client);
        let instance = launch(client, &image).await;
        let taken = take_all();
        let refused = client.ec2("RunInstances", &[("ImageId", &image), ("InstanceType", "t3.small")]);
        assert_eq!(refused.element("Code").as_deref(), Some("InsufficientInstanceCapacity"), "{}", refused.body);
        assert!(refused.body.contains("sysctl fs.inotify.max_user_instances="), "{}", refused.body);
        let form = [("InstanceId", instance.as_str()), ("Name", "golden")];
        let golden = client.ec2_value("CreateImage", &form, "imageId");
        // What its systemd had is taken as well, as soon as it is halted.
        let done = Arc::new(AtomicBool::new(false));
        let told = done.clone();
        let more = tokio::task::spawn_blocking(move || {
            let mut more = Vec::new();
            while !told.load(Ordering::SeqCst) {
                more.extend(take_all());
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
            more
        });
        wait_for_image(client, &golden).await;
        wait_for_state(client, &instance, "stopped").await;
        done.store(true, Ordering::SeqCst);
        let start = [("InstanceId.1", instance.as_str())];
        drop((taken, more.await.unwrap()));
        assert_eq!(client.ec2("StartInstances", &start).status, 200);
        wait_for_state(client, &instance, "running").await;
    }
    endpoint.end().await;
}
