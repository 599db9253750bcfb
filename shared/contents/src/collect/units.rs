//! The units of systemd that the machine's own links enable or mask.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use super::{entries, name_of};
use crate::{Unit, UnitState};

/// The folder of links. The links that packages ship are in `/usr/lib/systemd/system`, and do not count: they belong to
/// the package.
const FOLDER: &str = "etc/systemd/system";
/// The endings of folders whose links start units with another unit.
const STARTS: [&str; 3] = [".wants", ".requires", ".upholds"];

pub(super) fn read(root: &Path) -> Vec<Unit> {
    let mut units = BTreeMap::new();
    for (name, target) in links(&root.join(FOLDER)) {
        if target == "/dev/null" {
            units.insert(name, UnitState::Masked);
        } else {
            // An alias, such as dbus.service for dbus-broker.service, is named like the unit that it stands for.
            let unit = target.rsplit('/').next().unwrap_or_default().to_owned();
            units.entry(unit).or_insert(UnitState::Enabled);
        }
    }
    for folder in entries(&root.join(FOLDER)) {
        let name = name_of(&folder);
        if STARTS.iter().any(|ending| name.ends_with(ending)) {
            // The name of the link counts, because an instance links to its template: getty@tty1 to getty@.
            for (name, _) in links(&folder.path()) {
                units.entry(name).or_insert(UnitState::Enabled);
            }
        }
    }
    units.into_iter().map(|(name, state)| Unit { name, state }).collect()
}

/// Returns the links of a folder with their targets.
fn links(folder: &Path) -> Vec<(String, String)> {
    let link = |entry: fs::DirEntry| {
        let target = fs::read_link(entry.path()).ok()?;
        Some((name_of(&entry), target.to_string_lossy().into_owned()))
    };
    entries(folder).filter_map(link).collect()
}
