//! Prepares an instance that has just been launched for the first step: some things must have ended, and others must be
//! held.
//!
//! The SSM agent is online as soon as the network is, while cloud-init is still running: it writes package sources,
//! adds users, and runs package managers. If the SSM agent is a snap, as on Ubuntu, a refresh in the middle of a build
//! would replace it and lose the command.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::output::Output;
use crate::programs::find_program;

/// How long the steps wait for cloud-init.
const PATIENCE: Duration = Duration::from_secs(600);
/// The time after which the output says that the steps wait.
const SILENCE: Duration = Duration::from_secs(1);
const LOOK: Duration = Duration::from_millis(200);
/// A file in the parent of the state folder, which exists while snap refreshes are held for the build.
const HELD: &str = "snap-refresh-held";

/// Waits for the end of the first boot and holds what would disturb the steps. Nothing here fails a run; problems are
/// reported in the output. The function is safe to repeat.
pub(crate) fn settle(state_directory: &Path, output: &mut Output<'_>) {
    if let Some(program) = find_program("cloud-init") {
        wait_for_cloud_init(&program, output);
    }
    if let Some(program) = find_program("snap") {
        hold_snaps(&program, state_directory, output);
    }
}

/// Waits for cloud-init. `cloud-init status --wait` ends with 1 if cloud-init has failed, and with 2 (since 23.4) if it
/// has warnings.
fn wait_for_cloud_init(program: &Path, output: &mut Output<'_>) {
    let began = Instant::now();
    let mut child = match quiet(Command::new(program).args(["status", "--wait"])).spawn() {
        Ok(child) => child,
        Err(error) => return output.remark(&format!("the steps do not wait for cloud-init: {error}")),
    };
    let mut told = false;
    let status = loop {
        match child.try_wait() {
            Ok(None) if began.elapsed() < PATIENCE => {}
            ended => break ended.ok().flatten(),
        }
        if !told && began.elapsed() >= SILENCE {
            told = true;
            output.remark("cloud-init is still running; the steps wait for it, at most 10 minutes");
        }
        thread::sleep(LOOK);
    };
    let took = began.elapsed().as_secs();
    match status.map(|status| status.code()) {
        None => {
            let _ = child.kill().and_then(|()| child.wait());
            output.remark("cloud-init did not end within 10 minutes; the steps begin anyway");
        }
        Some(Some(0)) if told => output.remark(&format!("cloud-init ended after {took} s")),
        Some(Some(0)) => {}
        Some(Some(2)) => output.remark("cloud-init ended with warnings; see /var/log/cloud-init.log"),
        Some(_) => output.remark("cloud-init failed; the steps begin anyway; see /var/log/cloud-init.log"),
    }
}

/// Holds snap refreshes, unless they are already held: a hold of someone else must not be released later.
fn hold_snaps(program: &Path, state_directory: &Path, output: &mut Output<'_>) {
    let is_held = quiet(Command::new(program).args(["get", "system", "refresh.hold"])).status();
    if is_held.is_ok_and(|status| status.success()) {
        return;
    }
    // The mark comes first. A hold without a mark would never be released and would get into the image.
    let held = fs::write(mark(state_directory), "")
        .and_then(|()| quiet(Command::new(program).args(["refresh", "--hold"])).status());
    if !held.is_ok_and(|status| status.success()) {
        let _ = fs::remove_file(mark(state_directory));
        output.remark(
            "snap refreshes cannot be held (snapd is older than 2.58); a refresh during the build may make the build \
             fail",
        );
    }
}

/// Releases the hold of snap refreshes if it was made for the build.
pub(crate) fn let_snaps_go(state_directory: &Path) {
    if mark(state_directory).exists()
        && let Some(program) = find_program("snap")
    {
        let _ = quiet(Command::new(program).args(["refresh", "--unhold"])).status();
        let _ = fs::remove_file(mark(state_directory));
    }
}

fn mark(state_directory: &Path) -> PathBuf {
    state_directory.with_file_name(HELD)
}

/// Silences a command: cloud-init prints dots.
fn quiet(command: &mut Command) -> &mut Command {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null())
}
