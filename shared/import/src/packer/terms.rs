//! Who may use the snapshots of an AMI, and when the AMI is deprecated: Packer names both apart from the AMI's Regions and
//! accounts.

use std::collections::BTreeSet;

use crate::fields::Fields;
use crate::finding::{Findings, Outcome};
use crate::item::{Item, Mark, sole_mark};

/// Returns `true` if the snapshots are shared with exactly those who may launch the AMI: `accounts` are its users and
/// groups.
pub(super) fn sharing(fields: &mut Fields<'_>, accounts: [Option<&Item>; 2], findings: &mut Findings) -> Option<Item> {
    let users = fields.take("snapshotUsers");
    let groups = fields.take("snapshotGroups");
    let (key, item) = [("snapshotUsers", users), ("snapshotGroups", groups)]
        .into_iter()
        .find_map(|(key, item)| item.filter(|item| !item.items().is_empty()).map(|item| (key, item)))?;
    if [users, groups].map(names) == accounts.map(names) {
        return Some(item.place.text("true"));
    }
    let why = "the snapshots are shared with others who may not launch the AMI";
    let instead = "write `shareSnapshots: true` if all of `launchPermission` may have the snapshots too";
    fields.tell(findings, Outcome::LeftOut, key, why, instead);
    None
}

/// Returns the names in a list. A name that is not known is equal only to itself.
fn names(list: Option<&Item>) -> BTreeSet<&str> {
    list.map(Item::items).unwrap_or_default().iter().filter_map(|item| item.text()).collect()
}

/// Returns how long after its build the AMI is deprecated. A fixed date has no counterpart: it would be another number of
/// days for each build.
pub(super) fn deprecation(fields: &mut Fields<'_>, findings: &mut Findings) -> Option<Item> {
    const KEY: &str = "deprecateAt";
    let item = fields.take(KEY)?;
    let hours = item.text().and_then(sole_mark).filter(|(mark, _)| *mark == Mark::Now);
    let hours = hours.and_then(|(_, later)| later.strip_suffix('h')?.parse::<u32>().ok());
    match hours {
        Some(hours) if hours >= 24 => {
            let days = hours / 24;
            if hours % 24 != 0 {
                let why = "only whole days are counted";
                fields.tell(findings, Outcome::Changed, KEY, why, format!("`deprecateAfter: P{days}D` was written"));
            }
            Some(item.place.text(days.to_string()))
        }
        _ => {
            let why = "it is not a number of days after the build";
            let instead = "write `deprecateAfter: P90D` in the distribution, or use `goldsmith deprecate IMAGE --at DATE` for one image";
            fields.tell(findings, Outcome::LeftOut, KEY, why, instead);
            None
        }
    }
}
