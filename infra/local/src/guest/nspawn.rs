//! Work that only instances with their own systemd need: finding it, waiting until it is up, and powering it off.

use std::process::Stdio;
use std::time::Duration;

use rustix::process::Pid;
use tokio::time::Instant;

use super::namespaces::Inside;
use super::{Guest, processes};

/// How long the container and its systemd with all units may take to start. This takes a moment, but more than a minute
/// on a very busy machine.
const BOOT: Duration = Duration::from_secs(180);
/// How long it may take to stop all units.
const POWER_OFF: Duration = Duration::from_secs(15);
const LOOK: Duration = Duration::from_millis(20);
/// Exit code of systemd-nspawn if the container requested a reboot.
pub(super) const REBOOT: i32 = 133;

/// Returns the container's first process once it exists: a child of systemd-nspawn, which is a child of `supervisor`.
/// `began` is when the boot began.
pub(super) async fn first_process(supervisor: Pid, began: Instant) -> Option<Pid> {
    // systemd-nspawn may end without a first process, for example if it gets no inotify instance.
    while began.elapsed() < BOOT && !processes::is_ending(supervisor) {
        if let Some(found) = processes::first_in_grandchild(supervisor) {
            return Some(found);
        }
        tokio::time::sleep(LOOK).await;
    }
    None
}

/// Waits until all units have started or failed. The error is the last observed state.
pub(super) async fn wait_until_up(guest: &Guest, inside: &Inside, began: Instant) -> Result<(), String> {
    let mut seen = String::new();
    while began.elapsed() < BOOT && !processes::is_ending(inside.supervisor) {
        seen = state(guest, inside).await;
        // `degraded` means that some unit failed. Real instances have such units too, and cloud-init or the agent work
        // nevertheless.
        if matches!(seen.as_str(), "running" | "degraded") {
            return Ok(());
        }
        tokio::time::sleep(LOOK).await;
    }
    Err(if seen.is_empty() { "unknown".to_owned() } else { seen })
}

/// Returns whether systemd is up and not shutting down.
pub(super) async fn is_up(guest: &Guest, inside: &Inside) -> bool {
    matches!(state(guest, inside).await.as_str(), "running" | "degraded" | "starting" | "maintenance")
}

async fn state(guest: &Guest, inside: &Inside) -> String {
    let mut systemctl = inside.peek(guest);
    systemctl.args(["systemctl", "is-system-running"]).stdin(Stdio::null()).stderr(Stdio::null());
    let output = systemctl.output().await;
    output.map(|output| String::from_utf8_lossy(&output.stdout).trim().to_owned()).unwrap_or_default()
}

/// Stops all units. Units that do not stop in time are left to be killed.
pub(super) async fn power_off(guest: &Guest, inside: &Inside) {
    let mut systemctl = inside.enter(guest);
    let quiet = systemctl.args(["systemctl", "poweroff"]).stdin(Stdio::null()).stdout(Stdio::null());
    quiet.stderr(Stdio::null()).status().await.ok();
    let began = Instant::now();
    while began.elapsed() < POWER_OFF && !processes::is_ending(inside.supervisor) {
        tokio::time::sleep(LOOK).await;
    }
}

/// Returns those of the processes that no unit of the container's systemd started: commands that were sent, and what
/// they left. systemd-nspawn gives the container a control group of this name, and all units are below it.
pub(super) fn outside_units(mut members: Vec<Pid>) -> Vec<Pid> {
    members.retain(|pid| processes::cgroup(*pid).is_some_and(|cgroup| !cgroup.contains("/payload")));
    members
}
