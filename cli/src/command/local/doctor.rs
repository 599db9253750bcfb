//! `goldsmith local doctor`: shows how instances can run on this machine, what prevents more, and how to fix that.

use std::env::temp_dir;
use std::process::Command;

use anyhow::Result;
use goldsmith_local::{Abilities, Disk, Isolation, Network, Trial, Watches, survey, watches};
use serde::{Serialize, Serializer};
use serde_json::json;

use crate::args::{Format, Globals};
use crate::exit::Exit;
use crate::local::machine::{self, succeeds};
use crate::output::{self, Show};

/// A program, the package that contains it, and its purpose.
type Program = (&'static str, &'static str, &'static str);

/// Programs that are needed in addition to those of an isolation.
const PROGRAMS: [Program; 3] = [
    ("mmdebstrap", "mmdebstrap", "makes the Debian that instances start from, unless another image is named"),
    ("tar", "tar", "unpacks images"),
    ("python3", "python3 and python3-venv", "runs the emulator of the other AWS services"),
];

/// The results of all checks.
struct Survey {
    abilities: Abilities,
    missing: Vec<Program>,
    /// The limit of the kernel for instances, if there is one.
    watches: Option<Watches>,
}

impl Serialize for Survey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let program =
            |(program, package, purpose): &Program| json!({"program": program, "package": package, "purpose": purpose});
        let missing: Vec<_> = self.missing.iter().map(program).collect();
        let most = |watches: &Watches| json!({"instances": watches.instances, "inotifyInstances": watches.limit});
        let Abilities { trials, .. } = &self.abilities;
        json!({"chosen": self.abilities.way(), "trials": trials, "missingPrograms": missing,
               "most": self.watches.as_ref().map(most)})
        .serialize(serializer)
    }
}

impl Show for Survey {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let first = match self.abilities.way() {
            Some(way) => format!("Instances run here: {} with {} disks.", way.isolation, way.disk),
            None => "Instances cannot run here.".to_owned(),
        };
        let mut lines = vec![first, "\nWhat was tried, closest to a real machine first:".to_owned()];
        lines.extend(self.abilities.trials.iter().flat_map(tried));
        lines.extend(self.watches.map(most));
        let missing =
            |(program, package, purpose): &Program| format!("\n{program} is missing: it {purpose}. Install {package}.");
        lines.extend(self.missing.iter().map(missing));
        lines
    }
}

/// Tries everything and prints the results. The exit code tells whether instances can run.
pub(crate) fn run(globals: &Globals) -> Result<Exit> {
    let abilities = survey(&temp_dir());
    let missing = PROGRAMS.into_iter().filter(|(program, ..)| !is_here(program)).collect();
    let watches = watches().filter(|_| abilities.way().is_some_and(|way| way.isolation == Isolation::Nspawn));
    output::show(globals, &Survey { abilities, missing, watches })?;
    // The exit code is that of a start, which may also use sudo and which needs Python with venv.
    match machine::check() {
        Ok(_) => Ok(Exit::Success),
        // In JSON, the trials already say what is missing.
        Err(_) if globals.output == Format::Json => Ok(Exit::Machine),
        Err(error) => Err(error),
    }
}

fn is_here(program: &str) -> bool {
    succeeds(Command::new(program).arg("--version"))
}

/// Returns the lines about an isolation that was tried.
fn tried(trial: &Trial) -> Vec<String> {
    let mut lines = vec![format!("  {:15} {}{}", trial.isolation.name(), verdict(trial), networks(trial))];
    if let Some(obstacle) = &trial.obstacle {
        lines.push(format!("  {:15}   {}", "", obstacle.cause));
        lines.push(format!("  {:15}   To get it: {}", "", obstacle.remedy));
    }
    if let Some(obstacle) = &trial.network_obstacle {
        lines.push(format!("  {:15}   Its instances have this machine's network: {}", "", obstacle.cause));
        lines.push(format!("  {:15}   To give them networks of their own: {}", "", obstacle.remedy));
    }
    lines
}

/// Returns how many instances the kernel lets run at the same time.
fn most(watches: Watches) -> String {
    let Watches { limit, instances } = watches;
    format!("\nAbout {instances} instances at once: fs.inotify.max_user_instances is {limit}. {}", watches.remedy())
}

fn verdict(trial: &Trial) -> &'static str {
    match trial.disk {
        Some(Disk::Overlay | Disk::Host) => "works",
        Some(Disk::Copy) => "works, with copied disks",
        None => "does not work",
    }
}

fn networks(trial: &Trial) -> &'static str {
    if trial.network == Network::Own { ", with networks of their own" } else { "" }
}

#[cfg(test)]
mod tests {
    use goldsmith_local::{Disk, Isolation, Network, Trial, Watches};

    use super::{most, networks, verdict};

    #[test]
    fn the_kernels_limit_is_told_with_what_helps() {
        let told = most(Watches { limit: 128, instances: 25 });
        assert!(told.contains("About 25 instances") && told.contains("is 128"), "{told}");
        assert!(told.ends_with("sysctl fs.inotify.max_user_instances=1024"), "{told}");
    }

    #[test]
    fn a_copied_disk_is_told() {
        let trial = |disk| trial(disk, Network::Machine);
        assert_eq!(verdict(&trial(Some(Disk::Copy))), "works, with copied disks");
        assert_eq!(verdict(&trial(None)), "does not work");
    }

    fn trial(disk: Option<Disk>, network: Network) -> Trial {
        Trial { isolation: Isolation::SingleUid, disk, obstacle: None, network, network_obstacle: None }
    }

    #[test]
    fn a_network_of_its_own_is_told() {
        assert_eq!(networks(&trial(Some(Disk::Overlay), Network::Own)), ", with networks of their own");
        assert_eq!(networks(&trial(Some(Disk::Overlay), Network::Machine)), "");
    }
}
