//! `goldsmith local doctor`: which instances this machine can run, what prevents more, and what helps.

use std::env::temp_dir;
use std::process::Command;

use anyhow::Result;
use goldsmith_local::{Abilities, Disk, Isolation, Network, Trial, Watches, survey, watches};
use serde_json::json;

use super::machine::{self, succeeds};
use crate::args::{Format, Globals};
use crate::exit::Exit;
use crate::output;

/// Programs that are needed in addition to those of an isolation, the packages that have them, and their purpose.
const PROGRAMS: [(&str, &str, &str); 3] = [
    ("mmdebstrap", "mmdebstrap", "makes the Debian that instances start from, unless another image is named"),
    ("tar", "tar", "unpacks images"),
    ("python3", "python3 and python3-venv", "runs the emulator of the other AWS services"),
];

/// Tries everything and prints the results. The exit code tells whether instances can run.
pub(crate) fn run(globals: &Globals) -> Result<Exit> {
    let abilities = survey(&temp_dir());
    let missing: Vec<_> = PROGRAMS.into_iter().filter(|(program, ..)| !is_here(program)).collect();
    let watches = watches().filter(|_| abilities.way().is_some_and(|way| way.isolation == Isolation::Nspawn));
    if globals.output == Format::Json {
        let missing: Vec<_> = missing
            .iter()
            .map(|(program, package, purpose)| json!({"program": program, "package": package, "purpose": purpose}))
            .collect();
        let most = watches.map(|watches| json!({"instances": watches.instances, "inotifyInstances": watches.limit}));
        output::json(&json!({"chosen": abilities.way(), "trials": abilities.trials, "missingPrograms": missing,
            "most": most}))?;
    } else {
        show(&abilities)?;
        if let Some(watches) = watches {
            output::line(&most(watches))?;
        }
        for (program, package, purpose) in missing {
            output::line(&format!("\n{program} is missing: it {purpose}. Install {package}."))?;
        }
    }
    // The exit code is that of a start, which may also use sudo and which needs Python with venv.
    match machine::check() {
        Ok(_) => Ok(Exit::Success),
        Err(error) if globals.output == Format::Text => Err(error),
        Err(_) => Ok(Exit::Machine),
    }
}

fn is_here(program: &str) -> bool {
    succeeds(Command::new(program).arg("--version"))
}

fn show(abilities: &Abilities) -> Result<()> {
    match abilities.way() {
        Some(way) => output::line(&format!("Instances run here: {} with {} disks.", way.isolation, way.disk))?,
        None => output::line("Instances cannot run here.")?,
    }
    output::line("\nWhat was tried, closest to a real machine first:")?;
    for trial in &abilities.trials {
        output::line(&format!("  {:15} {}{}", trial.isolation.name(), verdict(trial), networks(trial)))?;
        if let Some(obstacle) = &trial.obstacle {
            output::line(&format!("  {:15}   {}", "", obstacle.cause))?;
            output::line(&format!("  {:15}   To get it: {}", "", obstacle.remedy))?;
        }
        if let Some(obstacle) = &trial.network_obstacle {
            output::line(&format!("  {:15}   Its instances have this machine's network: {}", "", obstacle.cause))?;
            output::line(&format!("  {:15}   To give them networks of their own: {}", "", obstacle.remedy))?;
        }
    }
    Ok(())
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
