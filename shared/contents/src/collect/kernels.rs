//! The installed kernels: those that have modules or an image in `/boot`.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::text;
use crate::Kernel;

pub(super) fn read(root: &Path, is_live: bool) -> Vec<Kernel> {
    let names = |folder: &str| {
        let entries = fs::read_dir(root.join(folder)).into_iter().flatten().filter_map(Result::ok);
        entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect::<Vec<_>>()
    };
    let mut releases = BTreeSet::new();
    for folder in ["lib/modules", "usr/lib/modules"] {
        let has_modules = |name: &String| root.join(folder).join(name).join("modules.dep").is_file();
        releases.extend(names(folder).into_iter().filter(has_modules));
    }
    releases.extend(names("boot").iter().filter_map(|name| name.strip_prefix("vmlinuz-").map(str::to_owned)));
    let running = if is_live { text(Path::new("/proc/sys/kernel/osrelease")) } else { None };
    let running = running.unwrap_or_default();
    let kernel = |release: String| Kernel { is_running: release == running.trim(), release };
    releases.into_iter().map(kernel).collect()
}
