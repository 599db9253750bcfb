//! What this machine can do for instances, determined by trying and never by comparing versions.

use std::fmt;
use std::fs;
use std::path::Path;
use std::process::Command;

use serde::Serialize;

pub use super::causes::Obstacle;

use super::isolation::{Disk, HOST, Isolation, Network, Way};
use super::{causes, groups, network};
use crate::programs::try_out;

/// The outcome of trying one isolation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Trial {
    /// The isolation.
    pub isolation: Isolation,
    /// The disk that works with it; `None` if the isolation itself does not work.
    pub disk: Option<Disk>,
    /// The obstacle to the isolation, or to the overlay if the disk is a copy.
    pub obstacle: Option<Obstacle>,
    /// The network of its instances.
    pub network: Network,
    /// The obstacle to a network of their own; `None` if instances have one, or if none is made.
    pub network_obstacle: Option<Obstacle>,
}

/// What this machine can do for instances.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Abilities {
    /// The trials, in their order.
    pub trials: Vec<Trial>,
}

impl Abilities {
    /// Returns the isolation and the disk that instances get; `None` if instances cannot run.
    pub fn way(&self) -> Option<Way> {
        let mut ways =
            self.trials.iter().filter_map(|trial| Some(Way { isolation: trial.isolation, disk: trial.disk? }));
        ways.next()
    }

    /// Returns the network that instances get: the requested one, or the best that works. The error says why a
    /// requested network of their own does not work.
    pub(super) fn network(&self, wanted: Option<Network>) -> Result<Network, String> {
        let chosen = self.trials.iter().find(|trial| trial.disk.is_some());
        match (wanted, chosen) {
            (Some(Network::Machine), _) => Ok(Network::Machine),
            (None, chosen) => Ok(chosen.map_or(Network::Machine, |trial| trial.network)),
            (Some(Network::Own), Some(Trial { network: Network::Own, .. })) => Ok(Network::Own),
            (Some(Network::Own), Some(trial)) => {
                let obstacle = trial.network_obstacle.clone();
                Err(obstacle.unwrap_or_else(|| causes::network_of_root(trial.isolation)).to_string())
            }
            (Some(Network::Own), None) => Err(self.missing().unwrap_or_default()),
        }
    }

    /// Returns whether instances can run.
    pub fn can_run_instances(&self) -> bool {
        self.way().is_some()
    }

    /// Returns what keeps instances from running and what helps, in words for people; `None` if they can run.
    pub fn missing(&self) -> Option<String> {
        if self.can_run_instances() {
            return None;
        }
        // Root has lost rights that only its environment can give back; the missing parts of namespaces show which. For
        // every other user, the isolation that needs least is the one that lacks least.
        let telling = |trial: &&Trial| self.trials.len() == 1 || trial.isolation == causes::telling_isolation();
        let obstacle = self.trials.iter().find(telling).and_then(|trial| trial.obstacle.as_ref());
        Some(obstacle.map_or_else(|| "nothing was tried".to_owned(), Obstacle::to_string))
    }
}

impl fmt::Display for Abilities {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.way() {
            Some(way) => write!(f, "{} with {} disks", way.isolation, way.disk),
            None => f.write_str(&self.missing().unwrap_or_default()),
        }
    }
}

/// Tries one isolation after the other, with disks in `folder` (which must exist), until one works. Leaves nothing
/// behind.
pub fn requirements(folder: &Path) -> Abilities {
    let mut trials = Vec::new();
    for isolation in Isolation::ALL {
        trials.push(attempt(isolation, folder));
        if trials.last().is_some_and(|trial: &Trial| trial.disk.is_some()) {
            break;
        }
    }
    Abilities { trials }
}

/// Tries only one isolation.
pub fn requirements_of(isolation: Isolation, folder: &Path) -> Abilities {
    Abilities { trials: vec![attempt(isolation, folder)] }
}

/// Tries to run instances over this machine's own files.
pub(super) fn requirements_over_host(wanted: Option<Isolation>, folder: &Path) -> Abilities {
    let isolation = Isolation::Namespaces;
    let fits = if wanted.is_some_and(|wanted| wanted != isolation) { Err(causes::only_namespaces()) } else { Ok(()) };
    let tried = fits
        .and_then(|()| try_isolation(isolation, folder))
        .map_err(|obstacle| if rustix::process::geteuid().is_root() { obstacle } else { causes::host_not_root() })
        .and_then(|()| try_overlay(isolation, folder, HOST).map_err(causes::over_host));
    let disk = tried.is_ok().then_some(Disk::Host);
    let trial = Trial { isolation, disk, obstacle: tried.err(), network: Network::Machine, network_obstacle: None };
    Abilities { trials: vec![trial] }
}

/// Tries every isolation, to report what each of them lacks.
pub fn survey(folder: &Path) -> Abilities {
    Abilities { trials: Isolation::ALL.into_iter().map(|isolation| attempt(isolation, folder)).collect() }
}

fn attempt(isolation: Isolation, folder: &Path) -> Trial {
    let (disk, obstacle) = match try_isolation(isolation, folder) {
        Ok(()) => match try_overlay(isolation, folder, "lower") {
            Ok(()) => (Some(Disk::Overlay), None),
            Err(obstacle) => (Some(Disk::Copy), Some(obstacle)),
        },
        Err(obstacle) => (None, Some(obstacle)),
    };
    // Nothing can be mounted in a chroot, so a copy is the normal disk there.
    let obstacle = obstacle.filter(|_| isolation != Isolation::Chroot || disk.is_none());
    // Root of this machine could leave any network.
    let network_obstacle = (disk.is_some() && !isolation.needs_root()).then(|| network::attempt(isolation).err());
    let network = if network_obstacle == Some(None) { Network::Own } else { Network::Machine };
    Trial { isolation, disk, obstacle, network, network_obstacle: network_obstacle.flatten() }
}

fn try_isolation(isolation: Isolation, folder: &Path) -> Result<(), Obstacle> {
    if isolation.needs_root() && !rustix::process::geteuid().is_root() {
        return Err(causes::not_root());
    }
    match isolation {
        Isolation::Chroot => try_out(Command::new("chroot").args(["/", "true"])).map_err(|said| causes::chroot(&said)),
        Isolation::Nspawn => try_isolation(Isolation::Namespaces, folder).and_then(|()| try_nspawn(folder)),
        Isolation::Namespaces | Isolation::UserNamespace | Isolation::SingleUid => {
            causes::before(isolation).map_or(Ok(()), Err)?;
            try_out(isolation.unshare().arg("true")).map_err(|said| causes::namespaces(isolation, &said))?;
            let proc = ["mount", "-t", "proc", "proc", "/proc"];
            try_out(isolation.unshare().args(proc)).map_err(|said| causes::proc(&said))
        }
    }
}

/// Starts a container that has this machine's programs.
fn try_nspawn(folder: &Path) -> Result<(), Obstacle> {
    let trial = Folder::new(folder, &["usr", "etc"])?;
    for name in ["bin", "sbin", "lib", "lib64"] {
        if let Ok(target) = fs::read_link(Path::new("/").join(name)) {
            std::os::unix::fs::symlink(target, trial.0.join(name)).map_err(|error| causes::folder(folder, &error))?;
        }
    }
    let script = "mount -t tmpfs tmpfs /run && mount -t proc proc /proc && exec systemd-nspawn --quiet --register=no \
                  --keep-unit --as-pid2 --console=pipe --bind-ro=/usr --directory=\"$1\" true";
    let mut command = Isolation::Nspawn.unshare();
    command.args(["sh", "-c", script, "sh"]).arg(&trial.0);
    // It creates groups below the group that it is in.
    let id = trial.0.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let tried = try_out(&mut groups::within(Isolation::Nspawn, &groups::make(Isolation::Nspawn, &id), command));
    groups::remove(&id);
    tried.map_err(|said| causes::nspawn(&said))
}

fn try_overlay(isolation: Isolation, folder: &Path, lower: &str) -> Result<(), Obstacle> {
    if isolation == Isolation::Chroot {
        return Err(causes::overlay(folder, ""));
    }
    let trial = Folder::new(folder, &["lower", "upper", "work", "tree"])?;
    let options = format!("lowerdir={lower},upperdir=upper,workdir=work,{}", isolation.overlay_flags());
    let script = "mount -t overlay overlay -o \"$1\" tree && : > tree/file";
    let mut command = isolation.unshare();
    let tried = try_out(command.args(["sh", "-c", script, "sh", &options]).current_dir(&trial.0));
    // The overlay's files in its work folder belong to the instance's root.
    try_out(isolation.as_root("rm").arg("-rf").arg(&trial.0)).ok();
    tried.map_err(|said| causes::overlay(folder, &said))
}

/// A folder for one trial.
struct Folder(std::path::PathBuf);

impl Folder {
    fn new(parent: &Path, names: &[&str]) -> Result<Self, Obstacle> {
        let folder = Folder(parent.join(crate::ids::resource(".trial")));
        for name in names {
            fs::create_dir_all(folder.0.join(name)).map_err(|error| causes::folder(parent, &error))?;
        }
        Ok(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // The folder may be gone already.
        fs::remove_dir_all(&self.0).ok();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn abilities(isolation: Isolation, network: Network, network_obstacle: Option<Obstacle>) -> Abilities {
        let disk = Some(Disk::Copy);
        Abilities { trials: vec![Trial { isolation, disk, obstacle: None, network, network_obstacle }] }
    }

    #[test]
    fn an_own_network_is_used_if_it_works_and_fails_if_requested_in_vain() {
        let works = abilities(Isolation::SingleUid, Network::Own, None);
        let obstacle = Obstacle { cause: "`pasta` is missing".to_owned(), remedy: "install passt".to_owned() };
        let lacks = abilities(Isolation::SingleUid, Network::Machine, Some(obstacle));
        let of_root = abilities(Isolation::Nspawn, Network::Machine, None);
        assert_eq!(works.network(None), Ok(Network::Own));
        assert_eq!(works.network(Some(Network::Own)), Ok(Network::Own));
        assert_eq!(works.network(Some(Network::Machine)), Ok(Network::Machine));
        for abilities in [&lacks, &of_root] {
            assert_eq!(abilities.network(None), Ok(Network::Machine));
            assert_eq!(abilities.network(Some(Network::Machine)), Ok(Network::Machine));
        }
        assert_eq!(lacks.network(Some(Network::Own)), Err("`pasta` is missing; install passt".to_owned()));
        let said = of_root.network(Some(Network::Own)).unwrap_err();
        assert!(said.contains("nspawn") && said.contains("user-namespace or single-uid"), "{said}");
    }
}
