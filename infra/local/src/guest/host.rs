//! The machine that instances run on: its folders and the way that they are made.

use std::collections::BTreeSet;
use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::Mutex;

use super::error::GuestError;
use super::isolation::{Disk, HOST, Isolation, Network, Way};
use super::probe::{Abilities, requirements, requirements_of, requirements_over_host};
use super::scripts::SCRIPTS;
use super::{Guest, Power, flags, groups, inotify, processes};
use crate::ebs::disks::Disks;
use crate::ebs::store::Store;
use crate::metadata::service::Service;
use crate::own::{FolderError, is_ours, own_folder};
use crate::programs::{is_in, run};
use crate::{base, ids};

/// Mounts trees over each other, and writes their files to a file system. Without a journal, most of the file is a hole.
const MAKE_FILE_SYSTEM: &str = "\
    tree=$1
    case $1 in *:*) mount -t overlay -o \"lowerdir=$1$2\" overlay \"$3\"; tree=$3;; esac
    exec mke2fs -q -F -t ext4 -b 4096 -m 0 -L root -O ^has_journal -E nodiscard,lazy_itable_init=1 -d \"$tree\" \"$4\" \"$5\"";

/// Folders of one endpoint, and the disk and isolation that were found for it.
#[derive(Debug)]
pub(crate) struct Host {
    dir: PathBuf,
    base_tar: PathBuf,
    abilities: Abilities,
    network: Network,
    _lock: File,
}

impl Host {
    /// Ends what a killed endpoint left in the folder, and tries what this machine can do. Disks and layers of an
    /// earlier endpoint stay until [`Host::keep_only`].
    pub(crate) fn open(
        dir: &Path,
        base_tar: &Path,
        wanted: Option<Isolation>,
        network: Option<Network>,
    ) -> Result<Self, GuestError> {
        own_folder(dir)?;
        let dir = dir.canonicalize().map_err(GuestError::prepare(dir))?;
        // Nothing in the folder is touched before the lock is held: another endpoint may be running its instances
        // there.
        let lock = lock(&dir)?;
        // Processes end before their control groups and disks are removed: a group with a process in it cannot be
        // removed.
        processes::end_left(&dir);
        remove_groups(&dir);
        groups::sweep();
        for name in ["instances", "layers"] {
            std::fs::create_dir_all(dir.join(name)).map_err(GuestError::prepare(dir.join(name)))?;
        }
        for (name, script) in SCRIPTS {
            std::fs::write(dir.join(name), script).map_err(GuestError::prepare(dir.join(name)))?;
        }
        let abilities = find_way(&dir, wanted, base_tar == Path::new(HOST))?;
        let network = abilities.network(network).map_err(|missing| GuestError::NoNetwork { missing })?;
        Ok(Host { abilities, network, base_tar: base_tar.to_owned(), dir, _lock: lock })
    }

    /// Returns what this machine can do, and what was chosen.
    pub(crate) fn abilities(&self) -> &Abilities {
        &self.abilities
    }

    /// Returns how disks are made; `None` if instances cannot run.
    pub(crate) fn disk(&self) -> Option<Disk> {
        self.abilities.way().map(|way| way.disk)
    }

    /// Returns how processes are isolated; `None` if instances cannot run.
    pub(crate) fn isolation(&self) -> Option<Isolation> {
        self.abilities.way().map(|way| way.isolation)
    }

    /// Returns the network that instances are in.
    pub(crate) fn network(&self) -> Network {
        self.network
    }

    /// Returns how many more of `wanted` instances can boot while `live` ones run.
    pub(crate) fn room(&self, live: usize, wanted: usize) -> usize {
        if self.isolation() == Some(Isolation::Nspawn) { inotify::room(live, wanted) } else { wanted }
    }

    /// Returns the guest of an instance. For a new instance, nothing exists yet, and its first boot creates the disk;
    /// an instance from before a restart of the endpoint has its disk.
    pub(crate) async fn guest(
        &self,
        id: &str,
        name: &str,
        layers: &[String],
        metadata: Service,
    ) -> Result<Guest, GuestError> {
        let unable = || GuestError::Unable { missing: self.abilities.missing().unwrap_or_default() };
        let mut way = self.abilities.way().ok_or_else(unable)?;
        self.link_base(way).await?;
        if way.isolation == Isolation::Nspawn && !self.has_init(layers) {
            tracing::info!(instance = id, "its image has no init system: it runs in plain namespaces");
            way.isolation = Isolation::Namespaces;
        }
        let has_disk = self.dir.join("instances").join(id).is_dir();
        Ok(Guest {
            id: id.to_owned(),
            name: name.to_owned(),
            layers: layers.to_vec(),
            state_dir: self.dir.clone(),
            way,
            network: self.network,
            power: Mutex::new(if has_disk { Power::Off } else { Power::New }),
            copies: Arc::default(),
            boots: AtomicU64::new(0),
            booted_at: std::sync::Mutex::new(None),
            metadata,
        })
    }

    /// Removes all disks and layers except these, and what interrupted work has left.
    pub(crate) fn keep_only(&self, instances: &BTreeSet<String>, layers: &BTreeSet<String>) -> Result<(), GuestError> {
        for (name, kept) in [("instances", instances), ("layers", layers)] {
            let folder = self.dir.join(name);
            for entry in std::fs::read_dir(&folder).map_err(GuestError::prepare(&folder))?.flatten() {
                if !entry.file_name().to_str().is_some_and(|name| kept.contains(name)) {
                    self.remove(&entry.path())?;
                }
            }
        }
        // Interrupted work starts again from the beginning.
        std::fs::remove_dir_all(self.dir.join("work")).unwrap_or_default();
        Ok(())
    }

    /// Returns the store for the blocks of snapshots that are written by blocks.
    pub(crate) fn blocks(&self) -> Store {
        Store::of(&self.dir)
    }

    /// Returns the disks of snapshots that consist of files.
    pub(crate) fn disks(&self) -> Disks {
        Disks::of(&self.dir)
    }

    /// Makes an empty folder for the files of some work, which end with the work.
    pub(crate) fn make_work(&self, name: &str) -> Result<PathBuf, GuestError> {
        let folder = self.dir.join("work").join(name);
        std::fs::create_dir_all(&folder).map_err(GuestError::prepare(&folder))?;
        Ok(folder)
    }

    /// Removes the folder of some work, if there is one.
    pub(crate) fn remove_work(&self, name: &str) {
        // What stays behind is removed when the next endpoint starts.
        std::fs::remove_dir_all(self.dir.join("work").join(name)).unwrap_or_default();
    }

    /// Writes the files of an image to an ext4 file system in a new file of `gib` GiB. What is empty in it is a hole of the
    /// file. `folder` is for what the work needs.
    pub(crate) async fn make_file_system(
        &self,
        layers: &[String],
        gib: u32,
        folder: &Path,
        file: &Path,
    ) -> Result<(), GuestError> {
        let unable = || GuestError::Unable { missing: self.abilities.missing().unwrap_or_default() };
        let way = self.abilities.way().ok_or_else(unable)?;
        // Debian has mke2fs where only root's search path leads.
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        if !is_in(path.as_ref(), "mke2fs") {
            return Err(GuestError::NoProgram { program: "mke2fs", package: "e2fsprogs" });
        }
        self.link_base(way).await?;
        let newest = layers.iter().rev().map(|layer| format!("layers/{layer}"));
        let mut trees: Vec<String> = newest.chain(["base".to_owned()]).collect();
        if way.disk == Disk::Copy {
            // The newest layer of a copied image has its whole content.
            trees.truncate(1);
        }
        let size = format!("{gib}G");
        let merged = folder.join("tree");
        std::fs::create_dir_all(&merged).map_err(GuestError::prepare(&merged))?;
        let mut command = match trees.as_slice() {
            [_] => way.isolation.as_root("sh"),
            _ => way.isolation.as_root("unshare"),
        };
        if trees.len() > 1 {
            command.args(["--mount", "--propagation", "private", "--", "sh"]);
        }
        let flags = if way.isolation.needs_root() { "" } else { ",userxattr" };
        command.args(["-ec", MAKE_FILE_SYSTEM, "sh", &trees.join(":"), flags]).arg(&merged).arg(file).arg(size);
        command.current_dir(&self.dir).env("PATH", path);
        Ok(run("mke2fs", &mut command).await?)
    }

    /// Returns the size of a layer's files in bytes: what an instance changed.
    pub(crate) fn layer_size(&self, layer: &str) -> u64 {
        size_of(&self.dir.join("layers").join(layer))
    }

    /// Removes a layer that no image and no instance uses.
    pub(crate) fn remove_layer(&self, layer: &str) -> Result<(), GuestError> {
        self.remove(&self.dir.join("layers").join(layer))
    }

    /// Removes a folder, including files that do not belong to the user that the endpoint runs as.
    fn remove(&self, folder: &Path) -> Result<(), GuestError> {
        let isolation = self.isolation().unwrap_or(Isolation::Chroot);
        flags::remove(isolation, folder)
    }

    /// Returns whether an image has an init system to boot.
    fn has_init(&self, layers: &[String]) -> bool {
        let trees = layers.iter().map(|layer| self.dir.join("layers").join(layer)).chain([self.dir.join("base")]);
        let inits = ["usr/sbin/init", "sbin/init", "usr/lib/systemd/systemd"];
        trees.flat_map(|tree| inits.map(|init| tree.join(init))).any(|init| init.symlink_metadata().is_ok())
    }

    /// Makes `base` in the state folder a link to the unpacked base image.
    async fn link_base(&self, way: Way) -> Result<(), GuestError> {
        let tree = match way.disk {
            Disk::Host => PathBuf::from(HOST),
            Disk::Overlay | Disk::Copy => {
                base::unpacked(&self.base_tar, way.isolation).await.map_err(|source| GuestError::Base { source })?
            }
        };
        let link = self.dir.join("base");
        if std::fs::read_link(&link).is_ok_and(|target| target == tree) {
            return Ok(());
        }
        // The new link is renamed over the old one, since instances may be starting at the same time.
        let new = self.dir.join(ids::resource("base"));
        std::os::unix::fs::symlink(&tree, &new).map_err(GuestError::prepare(&new))?;
        std::fs::rename(&new, &link).map_err(GuestError::prepare(link))
    }
}

/// Tries what this machine can do, with its own files if requested. A folder that contains disks keeps the way that
/// they were made in.
fn find_way(dir: &Path, wanted: Option<Isolation>, over_host: bool) -> Result<Abilities, GuestError> {
    let note = dir.join("way.json");
    let has = |name: &str| std::fs::read_dir(dir.join(name)).is_ok_and(|mut entries| entries.next().is_some());
    let made: Option<Way> = std::fs::read(&note).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let made = made.filter(|_| has("instances") || has("layers"));
    let abilities = match made.map(|way| way.isolation).or(wanted) {
        // Disks of the host image are overlays only, so the isolations are tried with that disk.
        _ if over_host => requirements_over_host(wanted, dir),
        Some(isolation) => requirements_of(isolation, dir),
        None => requirements(dir),
    };
    if let Some(made) =
        made.filter(|made| abilities.way() != Some(*made) || wanted.is_some_and(|w| w != made.isolation))
    {
        let missing =
            abilities.missing().unwrap_or_else(|| "another isolation is requested: choose an empty folder".to_owned());
        return Err(GuestError::OtherWay { path: dir.to_owned(), made: made.isolation.name(), missing });
    }
    if let Some(missing) = abilities.missing().filter(|_| over_host) {
        return Err(GuestError::Unable { missing });
    }
    let text = serde_json::to_vec(&abilities.way()).unwrap_or_default();
    std::fs::write(&note, text).map_err(GuestError::prepare(note))?;
    Ok(abilities)
}

/// Returns the size of the files in a folder, in bytes. Files that cannot be read count as empty.
fn size_of(folder: &Path) -> u64 {
    let (mut size, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            match entry.metadata() {
                Ok(facts) if facts.is_dir() => folders.push(entry.path()),
                // A file with holes counts with its whole length. The size only decides how long a snapshot takes.
                Ok(facts) => size += facts.len(),
                Err(_) => {}
            }
        }
    }
    size
}

/// Removes the control groups of instances that a killed endpoint has left.
fn remove_groups(folder: &Path) {
    for entry in std::fs::read_dir(folder.join("instances")).into_iter().flatten().flatten() {
        groups::remove(&entry.file_name().to_string_lossy());
    }
}

/// Removes an endpoint's state folder, including files that belong to ids that only its instances have. The endpoint
/// must have ended. A folder that is no state folder stays.
pub fn remove_state(folder: &Path) -> std::io::Result<()> {
    if !is_ours(folder)? {
        return Err(std::io::Error::other(FolderError::Foreign { path: folder.to_owned() }));
    }
    remove_groups(folder);
    let way: Option<Way> =
        std::fs::read(folder.join("way.json")).ok().and_then(|text| serde_json::from_slice(&text).ok());
    let isolation = way.map_or(Isolation::Chroot, |way| way.isolation);
    flags::remove(isolation, folder).map_err(std::io::Error::other)
}

/// Keeps a second endpoint out of the folder as long as the file is open.
fn lock(dir: &Path) -> Result<File, GuestError> {
    let path = dir.join("lock");
    let file = File::create(&path).map_err(GuestError::prepare(&path))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(GuestError::InUse { path: dir.to_owned() }),
        Err(TryLockError::Error(source)) => Err(GuestError::Prepare { path, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_requested_own_network_is_never_replaced_by_the_machines_network() {
        let folder = tempfile::tempdir().unwrap();
        let open = |network| Host::open(folder.path(), Path::new("missing.tar"), Some(Isolation::Chroot), network);
        for _ in 0..2 {
            let said = open(Some(Network::Own)).unwrap_err().to_string();
            assert!(
                said.starts_with("instances cannot have networks of their own here: ") && said.contains("; "),
                "{said}"
            );
            assert_eq!(open(None).unwrap().network(), Network::Machine);
        }
    }
}
