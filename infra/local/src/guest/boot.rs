//! Starting, entering and stopping an instance.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};

use super::disk::empty;
use super::error::GuestError;
use super::probe::{Disk, Isolation, UNSHARE};
use super::{Guest, fresh_dir, processes};
use crate::ids;

/// How long processes may take to end by themselves when an instance stops or reboots.
const GRACE: Duration = Duration::from_secs(2);
/// How often they are looked at meanwhile.
const LOOK: Duration = Duration::from_millis(20);

/// Sets up the mounts and becomes the first process. Its arguments: id, kind of disk, overlay options.
/// It says its process id as the host counts it, then waits for the endpoint's end, and reaps what is orphaned.
pub(super) const INIT: &str = include_str!("init.sh");
/// Its name in the state folder.
pub(super) const INIT_FILE: &str = "init.sh";

/// The inside of a booted instance.
#[derive(Debug)]
pub(super) enum Running {
    /// `unshare` and, in its namespaces, the first process. Dropping the pipe ends both.
    Namespaces { unshare: Box<Child>, init: Pid, _lifeline: ChildStdin },
    /// No process of its own: what has its root directory in the tree belongs to it.
    Chroot,
}

/// Boots a guest.
pub(super) async fn start(guest: &Guest) -> Result<Running, GuestError> {
    let boot_id = guest.dir().join("boot_id");
    std::fs::write(&boot_id, format!("{}\n", ids::uuid())).map_err(GuestError::prepare(&boot_id))?;
    match guest.isolation {
        Isolation::Namespaces => start_namespaces(guest).await,
        Isolation::Chroot => start_chroot(guest, &boot_id).map_err(GuestError::prepare(guest.tree())),
    }
}

async fn start_namespaces(guest: &Guest) -> Result<Running, GuestError> {
    empty(&guest.run_dir()).map_err(GuestError::prepare(guest.run_dir()))?;
    if guest.disk == Disk::Overlay {
        // A volatile overlay leaves a mark in its work directory that forbids mounting it again.
        fresh_dir(&guest.dir().join("work")).map_err(GuestError::prepare(guest.dir()))?;
    }
    let mut command = Command::new("unshare");
    command.args(UNSHARE).args(["sh", INIT_FILE, &guest.id, &guest.disk.to_string()]);
    command.arg(if guest.disk == Disk::Overlay { guest.overlay_options() } else { String::new() });
    command.current_dir(&guest.state_dir).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut unshare = command.spawn().map_err(|source| GuestError::Start { program: "unshare", source })?;
    let mut line = String::new();
    if let Some(stdout) = unshare.stdout.take() {
        let read = BufReader::new(stdout).read_line(&mut line).await;
        read.map_err(|source| GuestError::Start { program: "unshare", source })?;
    }
    let init = line.trim().parse().ok().and_then(Pid::from_raw);
    match (init, unshare.stdin.take()) {
        (Some(init), Some(_lifeline)) => Ok(Running::Namespaces { unshare: Box::new(unshare), init, _lifeline }),
        _ => {
            let mut stderr = String::new();
            if let Some(mut pipe) = unshare.stderr.take() {
                pipe.read_to_string(&mut stderr).await.ok();
            }
            Err(GuestError::Boot { id: guest.id.clone(), stderr: stderr.trim().to_owned() })
        }
    }
}

fn start_chroot(guest: &Guest, boot_id: &std::path::Path) -> std::io::Result<Running> {
    let tree = guest.tree();
    for name in ["run", "tmp"] {
        empty(&tree.join(name))?;
    }
    // Nothing can be mounted on /proc: the one file that programs read to notice a reboot is a plain file.
    let random = tree.join("proc/sys/kernel/random");
    std::fs::create_dir_all(&random)?;
    std::fs::copy(boot_id, random.join("boot_id"))?;
    Ok(Running::Chroot)
}

/// Ends all processes of a guest.
pub(super) async fn stop(guest: &Guest, running: &mut Running, gently: bool) {
    if gently {
        end_gently(guest, running).await;
    }
    if let Running::Namespaces { unshare, init, .. } = running {
        // The kernel ends every process of a process namespace with its first one.
        kill_process(*init, Signal::KILL).ok();
        unshare.wait().await.ok();
    }
    loop {
        let members = running.members(guest);
        for pid in &members {
            kill_process(*pid, Signal::KILL).ok();
        }
        if members.is_empty() {
            return;
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn end_gently(guest: &Guest, running: &Running) {
    let deadline = tokio::time::Instant::now() + GRACE;
    let others = || {
        let mut members = running.members(guest);
        members.retain(|pid| !running.is_own(*pid));
        members
    };
    for pid in others() {
        kill_process(pid, Signal::TERM).ok();
    }
    while !others().is_empty() && tokio::time::Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
    }
}

impl Running {
    /// Processes inside, as the host counts them.
    pub(super) fn members(&self, guest: &Guest) -> Vec<Pid> {
        match self {
            Running::Namespaces { init, .. } => processes::in_namespace_of(*init),
            Running::Chroot => processes::rooted_below(&guest.tree()),
        }
    }

    /// How many of them are ours: the first process and the one that waits for the endpoint's end.
    pub(super) fn own_processes(&self) -> usize {
        if matches!(self, Running::Namespaces { .. }) { 2 } else { 0 }
    }

    fn is_own(&self, pid: Pid) -> bool {
        matches!(self, Running::Namespaces { init, .. } if *init == pid || processes::is_lifeline(pid, *init))
    }

    /// The start of a command line that runs the rest of it inside.
    pub(super) fn enter(&self, guest: &Guest) -> Command {
        match self {
            Running::Namespaces { init, .. } => {
                let mut command = Command::new("nsenter");
                let target = init.as_raw_nonzero().to_string();
                command.args(["--target", &target, "--mount", "--uts", "--ipc", "--pid", "--root", "--wd", "--"]);
                command
            }
            Running::Chroot => {
                let mut command = Command::new("chroot");
                command.arg(guest.tree());
                command
            }
        }
    }

    /// Its root directory, as the host sees it.
    pub(super) fn root(&self, guest: &Guest) -> PathBuf {
        match self {
            Running::Namespaces { init, .. } => format!("/proc/{}/root", init.as_raw_nonzero()).into(),
            Running::Chroot => guest.tree(),
        }
    }
}
