//! The installed kernels: those that have modules or an image in `/boot`.

use std::collections::BTreeSet;
use std::path::Path;

use super::{entries, name_of, text};
use crate::Kernel;

pub(super) fn read(root: &Path, is_live: bool) -> Vec<Kernel> {
    let names = |folder: &str| entries(&root.join(folder)).map(|entry| name_of(&entry));
    let mut releases = BTreeSet::new();
    for folder in ["lib/modules", "usr/lib/modules"] {
        let has_modules = |name: &String| root.join(folder).join(name).join("modules.dep").is_file();
        releases.extend(names(folder).filter(has_modules));
    }
    releases.extend(names("boot").filter_map(|name| name.strip_prefix("vmlinuz-").map(str::to_owned)));
    let running = if is_live { text(Path::new("/proc/sys/kernel/osrelease")) } else { None };
    let running = running.unwrap_or_default();
    let kernel = |release: String| Kernel { is_running: release == running.trim(), release };
    releases.into_iter().map(kernel).collect()
}
