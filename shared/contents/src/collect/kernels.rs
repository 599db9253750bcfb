//! The installed kernels: those that have modules or an image in `/boot`.

use std::collections::BTreeSet;
use std::path::Path;

use super::tree::{SMALL, Tree};
use crate::Kernel;

/// The largest number of kernels.
const MOST: usize = 1_000;

pub(super) fn read(tree: Tree<'_>, is_live: bool) -> Vec<Kernel> {
    let mut releases = BTreeSet::new();
    for folder in ["lib/modules", "usr/lib/modules"] {
        let has_modules = |name: &String| tree.open(&format!("{folder}/{name}/modules.dep")).is_ok();
        releases.extend(tree.names(folder).into_iter().filter(has_modules));
    }
    releases.extend(tree.names("boot").iter().filter_map(|name| name.strip_prefix("vmlinuz-").map(str::to_owned)));
    let running = if is_live { Tree::new(Path::new("/")).text("proc/sys/kernel/osrelease", SMALL).ok() } else { None };
    let running = running.unwrap_or_default();
    let kernel = |release: String| Kernel { is_running: release == running.trim(), release };
    releases.into_iter().take(MOST).map(kernel).collect()
}
