//! Starting, entering and stopping an instance.

use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::time::Instant;

use super::error::GuestError;
use super::inside::{copy_over, own_folder};
use super::isolation::{Disk, Isolation, Network};
use super::namespaces::Inside;
use super::network::Reach;
use super::{Guest, Wish, flags, groups, nspawn, processes, scripts};
use crate::ids;
use crate::programs::ProgramError;

/// How long processes may take to end by themselves when an instance stops or reboots.
const GRACE: Duration = Duration::from_secs(2);
/// How long the kernel may take to end a process namespace.
const BURIAL: Duration = Duration::from_secs(10);
/// Interval between two checks in the meantime.
const LOOK: Duration = Duration::from_millis(20);

/// The running part of a booted instance.
#[derive(Debug)]
pub(super) enum Running {
    /// Processes in namespaces of their own.
    Inside(Box<Inside>),
    /// No process of its own: every process with its root directory in the tree belongs to the instance.
    Chroot,
}

/// Boots a guest.
pub(super) async fn start(guest: &Guest) -> Result<Running, GuestError> {
    // The kernel has one boot id for this machine. Programs take a new id for a reboot, so each boot of an instance
    // gets its own.
    let boot_id = guest.dir().join("boot_id");
    std::fs::write(&boot_id, format!("{}\n", ids::uuid())).map_err(GuestError::prepare(&boot_id))?;
    let name = guest.names().host;
    // A copied tree has had these files since its disk was made. For an overlay they are written at each boot, because
    // the resolver, the proxy and the mirror of this machine may have changed.
    if guest.way.disk != Disk::Copy {
        guest.write_given().await?;
    }
    match guest.way.isolation {
        Isolation::Chroot => start_chroot(guest, &boot_id).await,
        Isolation::Nspawn => start_nspawn(guest, &name).await,
        Isolation::Namespaces | Isolation::UserNamespace | Isolation::SingleUid => {
            flags::empty(guest.way.isolation, guest.dir().join("run")).await?;
            Ok(Running::Inside(start_script(guest, "init.sh", &name).await?))
        }
    }
}

async fn start_nspawn(guest: &Guest, name: &str) -> Result<Running, GuestError> {
    let (began, mut inside) = (Instant::now(), start_script(guest, "nspawn.sh", name).await?);
    let up = match nspawn::first_process(inside.supervisor, began).await {
        Some(first) => {
            inside.init = first;
            nspawn::wait_until_up(guest, &inside, began)
                .await
                .map_err(|state| format!("its systemd is not up ({state})"))
        }
        None => Err("systemd-nspawn has not started its first process".to_owned()),
    };
    let Err(missing) = up else { return Ok(Running::Inside(inside)) };
    let seconds = began.elapsed().as_secs();
    stop(guest, &mut Running::Inside(inside), false).await;
    let stderr = format!("after {seconds} s {missing}; {}", console(guest));
    Err(GuestError::Boot { id: guest.id.clone(), stderr })
}

async fn start_script(guest: &Guest, script: &str, name: &str) -> Result<Box<Inside>, GuestError> {
    let groups = groups::make(guest.way.isolation, &guest.id);
    let mut command = guest.way.isolation.unshare();
    if guest.network == Network::Own {
        command.args(["sh", scripts::NETWORK.0]);
        Reach::with(guest.metadata.environment().map(|(_, url)| url)).add_to(&mut command);
    }
    command.args(["sh", script, &guest.id, &guest.way.disk.to_string()]);
    command.arg(guest.overlay_options()).arg(name);
    let mut command = Command::from(groups::within(guest.way.isolation, &groups, command));
    // A group of its own: a signal to the endpoint's group, such as Ctrl-C in a terminal, must not reach the instances
    // before the endpoint has stopped them.
    command.current_dir(&guest.state_dir).process_group(0).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut unshare = command.spawn().map_err(|source| ProgramError::Start { program: "unshare", source })?;
    let mut line = String::new();
    if let Some(stdout) = unshare.stdout.take() {
        let read = BufReader::new(stdout).read_line(&mut line).await;
        read.map_err(|source| ProgramError::Start { program: "unshare", source })?;
    }
    let mut told = line.split_whitespace().map_while(|word| Pid::from_raw(word.parse().ok()?));
    match (told.next(), unshare.stdin.take()) {
        (Some(init), Some(lifeline)) => {
            let supervisor = told.next().unwrap_or(init);
            Ok(Box::new(Inside { unshare, supervisor, init, groups, _lifeline: lifeline }))
        }
        _ => {
            let mut stderr = String::new();
            if let Some(mut pipe) = unshare.stderr.take() {
                pipe.read_to_string(&mut stderr).await.ok();
            }
            unshare.kill().await.ok();
            remove_groups(guest).await;
            Err(GuestError::Boot { id: guest.id.clone(), stderr: stderr.trim().to_owned() })
        }
    }
}

/// Returns the last line of the console.
fn console(guest: &Guest) -> String {
    let text = std::fs::read(guest.dir().join("console.log")).unwrap_or_default();
    let text = String::from_utf8_lossy(&text);
    let last = text.trim().lines().next_back();
    last.map_or_else(|| "its console shows nothing".to_owned(), |line| format!("its console's last line: {line}"))
}

async fn start_chroot(guest: &Guest, boot_id: &Path) -> Result<Running, GuestError> {
    let tree = guest.tree();
    for name in ["run", "tmp"] {
        let folder = own_folder(&tree, name).map_err(GuestError::prepare(tree.join(name)))?;
        flags::empty(guest.way.isolation, folder).await?;
    }
    // Nothing can be mounted on /proc, so the one file that programs read to detect a reboot is a plain file.
    let random = own_folder(&tree, "proc/sys/kernel/random");
    let written = random.and_then(|random| copy_over(boot_id, &random.join("boot_id")));
    written.map_err(GuestError::prepare(&tree))?;
    Ok(Running::Chroot)
}

/// Ends all processes of a guest.
pub(super) async fn stop(guest: &Guest, running: &mut Running, gently: bool) {
    if gently {
        end_gently(guest, running).await;
    }
    if let Running::Inside(inside) = running {
        // When the first process of a process namespace ends, the kernel ends all of its processes.
        kill_process(inside.supervisor, Signal::KILL).ok();
        // A process that waits for a device cannot be killed until the device answers.
        if tokio::time::timeout(BURIAL, inside.unshare.wait()).await.is_err() {
            tracing::error!(instance = guest.id, "its first process does not end");
        }
    }
    loop {
        // A process can fork between the list and the signals. The loop ends only when a list is empty.
        let members = running.members(guest);
        for pid in &members {
            kill_process(*pid, Signal::KILL).ok();
        }
        if members.is_empty() {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    if matches!(running, Running::Inside(_)) {
        remove_groups(guest).await;
    }
}

async fn remove_groups(guest: &Guest) {
    let id = guest.id.clone();
    tokio::task::spawn_blocking(move || groups::remove(&id)).await.ok();
}

async fn end_gently(guest: &Guest, running: &Running) {
    let deadline = Instant::now() + GRACE;
    for pid in running.others(guest) {
        kill_process(pid, Signal::TERM).ok();
    }
    while !running.others(guest).is_empty() && Instant::now() < deadline {
        tokio::time::sleep(LOOK).await;
    }
    if let (Running::Inside(inside), Isolation::Nspawn) = (running, guest.way.isolation) {
        nspawn::power_off(guest, inside).await;
    }
}

impl Running {
    /// Returns the processes of the instance, as the host counts them.
    fn members(&self, guest: &Guest) -> Vec<Pid> {
        match self {
            Running::Inside(inside) => processes::in_namespace_of(inside.init),
            Running::Chroot => processes::rooted_below(&guest.tree()),
        }
    }

    /// Returns those processes that commands started, without the endpoint's own and without an init system.
    pub(super) fn others(&self, guest: &Guest) -> Vec<Pid> {
        let mut members = self.members(guest);
        match self {
            Running::Inside(_) if guest.way.isolation == Isolation::Nspawn => nspawn::outside_units(members),
            Running::Inside(inside) => {
                members.retain(|pid| *pid != inside.init && !processes::is_lifeline(*pid, inside.init));
                members
            }
            Running::Chroot => members,
        }
    }

    /// Returns the start of a command line that runs the rest of the line in the instance.
    pub(super) fn enter(&self, guest: &Guest) -> Command {
        match self {
            Running::Inside(inside) => inside.enter(guest),
            Running::Chroot => {
                let mut command = Command::new("chroot");
                command.arg(guest.tree());
                command
            }
        }
    }

    /// Returns the root directory of the instance, as the host sees it.
    pub(super) fn root(&self, guest: &Guest) -> PathBuf {
        match self {
            Running::Inside(inside) => format!("/proc/{}/root", inside.init.as_raw_nonzero()).into(),
            Running::Chroot => guest.tree(),
        }
    }

    /// Returns whether the instance runs and is not shutting down.
    pub(super) async fn is_up(&self, guest: &Guest) -> bool {
        match self {
            Running::Inside(inside) if processes::is_ending(inside.init) => false,
            Running::Inside(inside) if guest.way.isolation == Isolation::Nspawn => nspawn::is_up(guest, inside).await,
            Running::Inside(_) | Running::Chroot => true,
        }
    }

    /// Returns what the instance wanted when it ended, if it has ended by itself.
    pub(super) fn ended(&mut self) -> Option<Wish> {
        match self {
            Running::Inside(inside) => inside.unshare.try_wait().ok().flatten().map(wish_of),
            Running::Chroot => None,
        }
    }
}

/// Returns the wish that an exit status expresses. A reboot in a process namespace ends its first process by SIGHUP, a
/// shutdown by SIGINT; `unshare` ends in the same way.
fn wish_of(status: ExitStatus) -> Wish {
    let reboot = status.signal() == Some(Signal::HUP.as_raw()) || status.code() == Some(nspawn::REBOOT);
    if reboot { Wish::Reboot } else { Wish::PowerOff }
}
