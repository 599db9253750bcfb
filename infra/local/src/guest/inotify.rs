//! How many instances can boot their own systemd. The kernel grants each user a limited number of inotify instances,
//! and each systemd with its services takes some. If none is left, a boot fails after a moment or hangs, without a
//! reason.

use std::fs::File;
use std::os::fd::OwnedFd;

use rustix::fs::inotify;

/// Number that a running instance of the source image takes.
const EACH: usize = 5;
/// Most that are taken for a check: in the meantime other programs cannot get them, and each is an open file of the
/// endpoint.
const MOST_TAKEN: usize = 64;
/// The limit, in the kernel's own folder.
const LIMIT: &str = "/proc/sys/fs/inotify/max_user_instances";
/// The setting's name.
pub(crate) const SETTING: &str = "fs.inotify.max_user_instances";

/// What the kernel's limit allows to run at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Watches {
    /// The limit.
    pub limit: usize,
    /// Instances that the limit is enough for if no other program needs any.
    pub instances: usize,
}

impl Watches {
    /// Returns the end of a message about the setting: the command that makes it enough for more instances.
    pub fn remedy(&self) -> String {
        format!("For more: sysctl {SETTING}={}", (4 * self.limit).max(1024))
    }
}

/// Reads the limit; `None` if the kernel does not report it.
pub fn watches() -> Option<Watches> {
    let limit = std::fs::read_to_string(LIMIT).ok()?.trim().parse().ok()?;
    Some(Watches { limit, instances: limit / EACH })
}

/// Returns how many more of `wanted` can boot while `live` ones run. Some of the latter may not have taken their
/// inotify instances yet.
pub(super) fn room(live: usize, wanted: usize) -> usize {
    let by_limit = watches().map_or(wanted, |watches| watches.instances.saturating_sub(live));
    let wanted = wanted.min(by_limit);
    let looked_for = (wanted * EACH).min(MOST_TAKEN);
    // The kernel has no counter that could be read. What can be taken now is what is free.
    let found = free(looked_for);
    if found < looked_for { found / EACH } else { wanted }
}

/// Returns how many of `wanted` are free, by taking them for a moment.
fn free(wanted: usize) -> usize {
    let mut taken: Vec<OwnedFd> = Vec::new();
    while taken.len() < wanted {
        match inotify::init(inotify::CreateFlags::CLOEXEC) {
            Ok(one) => taken.push(one),
            // The endpoint's own limit of open files says nothing about the instances' limit.
            Err(_) if File::open("/dev/null").is_err() => return wanted,
            Err(_) => break,
        }
    }
    taken.len()
}

/// Explains why there is no room, and what helps.
pub(crate) fn shortage() -> String {
    let watches = watches().unwrap_or(Watches { limit: 0, instances: 0 });
    format!(
        "This machine has no room for another instance: {SETTING} is {}, and each instance takes {EACH}. {}",
        watches.limit,
        watches.remedy()
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_fit_than_the_limit_lets() {
        let Some(all) = watches() else { return };
        assert_eq!(room(all.instances, 1), 0);
        assert_eq!(room(all.instances - 1, 0), 0);
        assert!(room(0, usize::from(u16::MAX)) <= all.instances);
        assert!(shortage().contains(&format!("{SETTING} is {}", all.limit)));
    }
}
