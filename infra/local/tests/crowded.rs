//! What happens where the machine has no room for another instance: in a suite of its own, since others boot instances.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use common::guests::{base_image, launch, source, wait_for_image, wait_for_state};
use common::{TestEndpoint, require_or_skip};
use rustix::fs::inotify;
use serde_json::Value;

/// Takes all that the kernel gives this user.
fn take_all() -> Vec<OwnedFd> {
    std::iter::from_fn(|| inotify::init(inotify::CreateFlags::CLOEXEC).ok()).collect()
}

/// Whether the endpoint, which is in this process, has files to open when all are taken.
fn is_small() -> bool {
    let limit = std::fs::read_to_string("/proc/sys/fs/inotify/max_user_instances").unwrap_or_default();
    limit.trim().parse().is_ok_and(|limit: u32| limit <= 512)
}

/// Takes all there is again and again, until it is dropped, also by a failed assertion.
struct Hoarder(Arc<AtomicBool>, Option<JoinHandle<()>>);

impl Hoarder {
    fn begin() -> Self {
        let done = Arc::new(AtomicBool::new(false));
        let told = done.clone();
        let work = move || {
            let mut taken = Vec::new();
            while !told.load(Ordering::SeqCst) {
                taken.extend(take_all());
                std::thread::sleep(std::time::Duration::from_millis(1));
            }
        };
        Hoarder(done, Some(std::thread::spawn(work)))
    }
}

impl Drop for Hoarder {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
        self.1.take().map(JoinHandle::join);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_room_launches_are_refused_and_what_runs_is_never_ended() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let isolation = client.admin("GET", "inventory", &Value::Null)["isolation"].clone();
    if require_or_skip(isolation == "nspawn", "root and systemd-nspawn") && is_small() {
        let image = source(client);
        let instance = launch(client, &image).await;
        let taken = take_all();
        let refused = client.ec2("RunInstances", &[("ImageId", &image), ("InstanceType", "t3.small")]);
        assert_eq!(refused.element("Code").as_deref(), Some("InsufficientInstanceCapacity"), "{}", refused.body);
        assert!(refused.body.contains("sysctl fs.inotify.max_user_instances="), "{}", refused.body);
        let form = [("InstanceId", instance.as_str()), ("Name", "golden")];
        let golden = client.ec2_value("CreateImage", &form, "imageId");
        // What its systemd had is taken as well, as soon as it is halted.
        let hoarder = Hoarder::begin();
        wait_for_image(client, &golden).await;
        wait_for_state(client, &instance, "stopped").await;
        drop((taken, hoarder));
        let start = [("InstanceId.1", instance.as_str())];
        assert_eq!(client.ec2("StartInstances", &start).status, 200);
        wait_for_state(client, &instance, "running").await;
    }
    endpoint.end().await;
}
