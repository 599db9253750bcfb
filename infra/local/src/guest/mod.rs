//! Guests, the inside of instances: disks, processes, boots and reboots.
//!
//! There are two disks and five isolations, each chosen by trying (`probe`): an overlay of layers or a copied tree;
//! systemd-nspawn, namespaces with or without root, or a plain chroot. util-linux's `unshare` makes namespaces and
//! `nsenter` enters them: forking and calling `setns` in a threaded process would need unsafe code between fork and
//! exec, and these two programs are on every Linux. Mounts exist only in the instance's own mount namespace, and its
//! first process ends when the endpoint ends, so nothing is left behind even if the endpoint is killed.

mod boot;
mod causes;
mod contents;
mod disk;
mod error;
mod fake_ids;
mod flags;
mod given;
mod groups;
mod hierarchies;
mod host;
pub(crate) mod host_settings;
pub(crate) mod inotify;
pub(crate) mod inside;
pub(crate) mod isolation;
mod names;
mod namespaces;
mod network;
mod nspawn;
pub(crate) mod probe;
mod processes;
mod runtime;
mod scripts;

use std::fs::File;
use std::future::Future;
use std::io::{Read as _, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::process::{Pid, Signal, kill_process, kill_process_group};
use tokio::process::{Child, Command};
use tokio::sync::{Mutex, OwnedRwLockReadGuard, RwLock};
use tokio::task::JoinError;
use tokio::time::sleep;

pub(crate) use error::GuestError;
pub(crate) use host::Host;
pub use host::remove_state;

use crate::metadata::service::Service;
use boot::Running;
use isolation::{Isolation, Network, Way};

/// How long killed processes may take to disappear.
const ENDING: Duration = Duration::from_secs(2);
/// Interval between two checks in the meantime.
const LOOK: Duration = Duration::from_millis(20);

/// What a program in an instance requested with `reboot` or `shutdown`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish {
    Reboot,
    PowerOff,
}

/// The guest of one instance.
#[derive(Debug)]
pub(crate) struct Guest {
    id: String,
    /// Its private DNS name.
    name: String,
    /// Layers over the base, lowest first.
    layers: Vec<String>,
    state_dir: PathBuf,
    way: Way,
    network: Network,
    power: Mutex<Power>,
    /// Tasks that copy the disk share it; a task that removes the disk has it exclusively.
    copies: Arc<RwLock<()>>,
    boots: AtomicU64,
    booted_at: std::sync::Mutex<Option<Instant>>,
    /// The instance's metadata service, as long as the instance exists.
    metadata: Service,
}

/// The parts of an instance that exist on the host.
#[derive(Debug)]
enum Power {
    /// Nothing yet.
    New,
    /// Its disk and its processes.
    On(Running),
    /// Only its disk.
    Off,
    /// Nothing that will ever run again.
    Retired,
}

impl Guest {
    /// Returns the folder of this instance on the host.
    fn dir(&self) -> PathBuf {
        self.state_dir.join("instances").join(&self.id)
    }

    /// Returns where its file system is mounted or copied to.
    fn tree(&self) -> PathBuf {
        self.dir().join("tree")
    }

    /// Returns how often it has booted: the number changes with each reboot.
    pub(crate) fn boots(&self) -> u64 {
        self.boots.load(Ordering::SeqCst)
    }

    /// Returns how long ago it booted under this endpoint.
    pub(crate) fn up_for(&self) -> Option<Duration> {
        self.booted_at.lock().unwrap_or_else(PoisonError::into_inner).map(|booted| booted.elapsed())
    }

    /// Starts the instance. Makes its disk first if it has none yet.
    pub(crate) async fn boot(self: &Arc<Self>) -> Result<(), GuestError> {
        let guest = self.clone();
        wholly(async move { guest.boot_now().await }).await
    }

    async fn boot_now(&self) -> Result<(), GuestError> {
        let mut power = self.power.lock().await;
        match *power {
            Power::New => self.make_disk().await?,
            Power::Off => {}
            Power::On(_) => return Ok(()),
            Power::Retired => return Err(GuestError::NotRunning { id: self.id.clone() }),
        }
        *power = Power::Off; // The disk exists, even if the instance does not start.
        *power = Power::On(boot::start(self).await?);
        self.boots.fetch_add(1, Ordering::SeqCst);
        *self.booted_at.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
        Ok(())
    }

    /// Ends all processes of the instance. With `gently`, they first have a moment to end by themselves.
    pub(crate) async fn halt(self: &Arc<Self>, gently: bool) {
        let guest = self.clone();
        wholly(async move {
            let mut power = guest.power.lock().await;
            if let Power::On(running) = &mut *power {
                boot::stop(&guest, running, gently).await;
                *power = Power::Off;
            }
        })
        .await;
    }

    /// Ends all processes of the instance for good: it is never booted again. Its disk stays.
    pub(crate) async fn retire(self: &Arc<Self>, gently: bool) {
        let guest = self.clone();
        wholly(async move { guest.retire_now(gently).await }).await;
    }

    async fn retire_now(&self, gently: bool) {
        let mut power = self.power.lock().await;
        if let Power::On(running) = &mut *power {
            boot::stop(self, running, gently).await;
        }
        *power = Power::Retired;
    }

    /// Ends all processes of the instance and removes its disk, for good.
    pub(crate) async fn destroy(self: &Arc<Self>) -> Result<(), GuestError> {
        let guest = self.clone();
        wholly(async move {
            guest.retire_now(false).await;
            // Other tasks may hold the guest for a while. Its port must be free, and its credentials gone, at once.
            guest.metadata.close();
            // An image may be in progress.
            let _alone = guest.copies.write().await;
            // Not all files belong to the user that the endpoint runs as.
            flags::remove_folder(guest.way.isolation, guest.dir()).await
        })
        .await
    }

    /// Keeps the disk from being removed until the returned guard is dropped. Returns `None` if the disk is being
    /// removed.
    pub(crate) fn keep_disk(&self) -> Option<OwnedRwLockReadGuard<()>> {
        self.copies.clone().try_read_owned().ok()
    }

    /// Returns whether the instance is booted and not shutting down.
    pub(crate) async fn is_running(&self) -> bool {
        match self.power.lock().await.running() {
            Some(running) => running.is_up(self).await,
            None => false,
        }
    }

    /// Returns the number of processes in the instance, without those that make it an instance.
    pub(crate) async fn processes(&self) -> usize {
        self.power.lock().await.running().map_or(0, |running| running.others(self).len())
    }

    /// Returns a command that runs in the instance, with the environment of an SSM agent and the addresses of metadata
    /// service and emulator. Returns `None` if the instance is not booted.
    pub(crate) async fn command(&self, program: &str) -> Option<Command> {
        let power = self.power.lock().await;
        let mut command = power.running()?.enter(self);
        command.arg(program).env_clear().envs(runtime::environment()).envs(self.metadata.environment());
        Some(command)
    }

    /// Ends a command and everything that it has started, all in one process group. The processes inside end first, so
    /// that their parent outside reaps the command. Otherwise, in a container whose first process does not reap, a
    /// zombie would remain, and the instance could never end.
    pub(crate) async fn end_command(&self, group: Pid, command: &mut Child) {
        let began = Instant::now();
        while self.way.isolation != Isolation::Chroot && !processes::is_over(group) && began.elapsed() < ENDING {
            for pid in processes::others_in_group(group) {
                kill_process(pid, Signal::KILL).ok();
            }
            sleep(LOOK).await;
        }
        // This ends processes that were forked between a check and its signals. The kernel signals a group as a whole,
        // so no fork escapes. The first process is not reaped yet, so no other process can get its number.
        kill_process_group(group, Signal::KILL).ok();
        command.wait().await.ok();
        while processes::others_in_group(group).next().is_some() && began.elapsed() < 2 * ENDING {
            sleep(LOOK).await;
        }
    }

    /// Opens a file in the instance for reading and appending, and creates it if it is missing. A link in it cannot
    /// lead outside.
    pub(crate) async fn open(&self, path: &str) -> Result<File, GuestError> {
        self.open_as(path, OFlags::RDWR | OFlags::APPEND | OFlags::CREATE).await
    }

    /// Returns the content of a file in the instance from `offset` on, at most `limit` bytes; `None` if there is no
    /// such file.
    pub(crate) async fn read(&self, path: &str, offset: u64, limit: u64) -> Option<Vec<u8>> {
        let mut file = self.open_as(path, OFlags::RDONLY | OFlags::NONBLOCK).await.ok()?;
        let mut bytes = Vec::new();
        file.seek(SeekFrom::Start(offset)).ok()?;
        file.take(limit).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Returns the last bytes of a plain file in the instance; `None` if there is no such file.
    pub(crate) async fn tail(&self, path: &str, limit: u64) -> Option<Vec<u8>> {
        let mut file = self.open_as(path, OFlags::RDONLY | OFlags::NONBLOCK).await.ok()?;
        // Reading a device would never end.
        let length = file.metadata().ok().filter(std::fs::Metadata::is_file)?.len();
        let mut bytes = Vec::new();
        // The file may grow in the meantime: the limit below holds nevertheless.
        file.seek(SeekFrom::Start(length.saturating_sub(limit))).ok()?;
        file.take(limit).read_to_end(&mut bytes).ok()?;
        Some(bytes)
    }

    /// Returns whether a path in the instance is a link to the null device.
    pub(crate) async fn is_null(&self, path: &str) -> bool {
        let link = self.open_as(path, OFlags::PATH | OFlags::NOFOLLOW).await;
        link.is_ok_and(|link| {
            rustix::fs::readlinkat(&link, "", Vec::new()).is_ok_and(|to| to.as_bytes() == b"/dev/null")
        })
    }

    async fn open_as(&self, path: &str, flags: OFlags) -> Result<File, GuestError> {
        let root = match self.power.lock().await.running() {
            Some(running) => running.root(self),
            None => return Err(GuestError::NotRunning { id: self.id.clone() }),
        };
        let failed = |source: rustix::io::Errno| GuestError::Open { path: path.to_owned(), source: source.into() };
        let root = File::open(&root).map_err(|source| GuestError::Open { path: path.to_owned(), source })?;
        let relative = path.trim_start_matches('/');
        let mode = if flags.contains(OFlags::CREATE) { Mode::from_raw_mode(0o600) } else { Mode::empty() };
        // IN_ROOT makes absolute links of the instance lead into its own root, as they do for its programs
        // (openat2(2)).
        rustix::fs::openat2(&root, relative, flags | OFlags::CLOEXEC, mode, ResolveFlags::IN_ROOT)
            .map(File::from)
            .map_err(failed)
    }

    /// Returns what was requested from inside since the last call.
    pub(crate) async fn wish(&self) -> Option<Wish> {
        let (tree, marker) = self.wish_file();
        if let Some(text) = names::read_in(&tree, &marker) {
            // A marker that cannot be removed would make the instance reboot for ever, so its wish is ignored.
            names::remove_in(&tree, &marker)?;
            return if text.trim() == "reboot" { Some(Wish::Reboot) } else { Some(Wish::PowerOff) };
        }
        match &mut *self.power.lock().await {
            Power::On(running) => running.ended(),
            Power::New | Power::Off | Power::Retired => None,
        }
    }

    /// Returns where programs inside request a reboot: a tree, and the file's path in it.
    fn wish_file(&self) -> (PathBuf, String) {
        match self.way.isolation {
            Isolation::Chroot => (self.tree(), format!("run/{}", runtime::WISH_FILE)),
            _ => (self.dir().join("run"), runtime::WISH_FILE.to_owned()),
        }
    }
}

impl Power {
    fn running(&self) -> Option<&Running> {
        match self {
            Power::On(running) => Some(running),
            Power::New | Power::Off | Power::Retired => None,
        }
    }
}

/// Runs the work to its end, even if its caller is dropped in the meantime: half a boot would leave processes and
/// control groups that no task knows.
async fn wholly<T: Send + 'static>(work: impl Future<Output = T> + Send + 'static) -> T {
    match tokio::spawn(work).await.map_err(JoinError::try_into_panic) {
        Ok(done) => done,
        Err(Ok(panic)) => std::panic::resume_unwind(panic),
        // The runtime ends, and this task ends with it.
        Err(Err(_)) => std::future::pending().await,
    }
}

/// Empties a folder, or creates it if it is missing.
pub(crate) fn fresh_dir(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_dir_all(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    std::fs::create_dir_all(path)
}
