//! The units of systemd that the machine's own links enable or mask.

use std::collections::BTreeMap;
use std::fs;

use super::tree::Tree;
use crate::{Unit, UnitState};

/// The folder of links. The links that packages ship are in `/usr/lib/systemd/system`, and do not count: they belong to
/// the package.
const FOLDER: &str = "etc/systemd/system";
/// The endings of folders whose links start units with another unit.
const STARTS: [&str; 3] = [".wants", ".requires", ".upholds"];
/// The largest number of units.
const MOST: usize = 10_000;

pub(super) fn read(tree: Tree<'_>) -> Vec<Unit> {
    let mut units = BTreeMap::new();
    for (name, target) in links(tree, FOLDER) {
        if target == "/dev/null" {
            units.insert(name, UnitState::Masked);
        } else {
            // An alias, such as dbus.service for dbus-broker.service, is named like the unit that it stands for.
            let unit = target.rsplit('/').next().unwrap_or_default().to_owned();
            units.entry(unit).or_insert(UnitState::Enabled);
        }
    }
    for name in tree.names(FOLDER) {
        if STARTS.iter().any(|ending| name.ends_with(ending)) {
            // The name of the link counts, because an instance links to its template: getty@tty1 to getty@.
            for (name, _) in links(tree, &format!("{FOLDER}/{name}")) {
                units.entry(name).or_insert(UnitState::Enabled);
            }
        }
    }
    units.into_iter().take(MOST).map(|(name, state)| Unit { name, state }).collect()
}

/// Returns the links of a folder with their targets.
fn links(tree: Tree<'_>, folder: &str) -> Vec<(String, String)> {
    let Ok(place) = tree.resolved(folder) else {
        return Vec::new();
    };
    let link = |name: String| {
        let target = fs::read_link(place.join(&name)).ok()?;
        Some((name, target.to_string_lossy().into_owned()))
    };
    tree.names(folder).into_iter().filter_map(link).collect()
}
