//! What a reader must keep.

use std::collections::HashSet;

use crate::ecosystem::{Ecosystem, Family};
use crate::package::Inventory;

/// The names of packages, in their ecosystems, of which advisories are kept.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    names: HashSet<(Ecosystem, String)>,
    ecosystems: HashSet<Ecosystem>,
}

impl Wanted {
    /// What the packages of some images need: their names, and the names of their source packages.
    #[must_use]
    pub fn of<'a>(inventories: impl IntoIterator<Item = &'a Inventory>) -> Wanted {
        let mut wanted = Wanted::default();
        for inventory in inventories {
            for package in &inventory.packages {
                for ecosystem in Ecosystem::of_package(package, inventory.os.as_ref()) {
                    for (name, ..) in package.names() {
                        let name = ecosystem.normalized(&name).into_owned();
                        wanted.names.insert((ecosystem.clone(), name));
                    }
                    wanted.ecosystems.insert(ecosystem);
                }
            }
        }
        wanted
    }

    /// Whether a package of an ecosystem is wanted. The name needs not be normalized.
    pub(crate) fn has(&self, ecosystem: &Ecosystem, name: &str) -> bool {
        self.ecosystems.contains(ecosystem)
            && self.names.contains(&(ecosystem.clone(), ecosystem.normalized(name).into_owned()))
    }

    /// The releases of a family in which a package is wanted.
    pub(crate) fn releases(&self, family: Family, name: &str) -> Vec<Ecosystem> {
        self.ecosystems.iter().filter(|e| e.family == family && self.has(e, name)).cloned().collect()
    }
}
