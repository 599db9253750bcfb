//! Temporary problems of package managers, and how long to wait for them.

use std::time::{Duration, Instant};

/// How long to wait for another program that holds the manager's locks: first-boot updates of a distribution take
/// minutes.
const LOCKS: Duration = Duration::from_secs(300);
/// The pause before the next attempt if a lock is held.
const LOCK_PAUSE: Duration = Duration::from_secs(3);
/// The pauses before the next attempts if a mirror does not answer.
const MIRROR_PAUSES: [Duration; 3] = [Duration::from_secs(5), Duration::from_secs(10), Duration::from_secs(20)];

/// The texts of the managers for a held lock. apt waits for dpkg's lock by itself, but not for the locks of its lists
/// and archives.
const LOCK_WORDS: [&str; 5] = [
    "Could not get lock",
    "Unable to lock directory",
    "Unable to acquire the dpkg frontend lock",
    "Failed to obtain the transaction lock",
    "System management is locked",
];
/// The texts of the managers for a mirror that does not answer or sends only a part of its content.
const MIRROR_WORDS: [&str; 10] = [
    "Failed to fetch",
    "index files failed to download",
    "Temporary failure resolving",
    "Unable to fetch some archives",
    "Failed to download metadata",
    "Cannot download",
    "Cannot prepare internal mirrorlist",
    "Curl error",
    "Download (curl) error",
    "Timeout exceeded when accessing",
];

/// Counts the waits so far.
pub(super) struct Patience {
    deadline: Option<Instant>,
    locked_since: Option<Instant>,
    mirrors_asked: usize,
}

impl Patience {
    pub(super) fn new(deadline: Option<Instant>) -> Self {
        Self { deadline, locked_since: None, mirrors_asked: 0 }
    }

    /// Returns how long to wait before the next call, and for what. `None` if the failure is permanent or the wait was
    /// long enough.
    pub(super) fn pause(&mut self, said: &[String]) -> Option<(Duration, &'static str)> {
        let says = |words: &[&str]| said.iter().any(|line| words.iter().any(|word| line.contains(word)));
        let (pause, why) = if says(&LOCK_WORDS) {
            let since = *self.locked_since.get_or_insert_with(Instant::now);
            (Some(LOCK_PAUSE).filter(|_| since.elapsed() < LOCKS)?, "another program holds its lock")
        } else if says(&MIRROR_WORDS) {
            self.mirrors_asked += 1;
            (*MIRROR_PAUSES.get(self.mirrors_asked - 1)?, "a mirror does not answer")
        } else {
            return None;
        };
        // A pause beyond the deadline would replace the manager's own error by a time-out, which says less.
        let is_in_time = self.deadline.is_none_or(|deadline| Instant::now() + pause < deadline);
        is_in_time.then_some((pause, why))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(line: &str) -> Vec<String> {
        vec!["Reading package lists...".to_owned(), line.to_owned()]
    }

    #[test]
    fn locks_and_mirrors_are_waited_for_within_bounds() {
        let mut patience = Patience::new(None);
        let mirror = said("E: Failed to fetch http://mirror.example/InRelease  Could not connect");
        for pause in MIRROR_PAUSES {
            assert_eq!(patience.pause(&mirror).unwrap().0, pause);
        }
        assert_eq!(patience.pause(&mirror), None);
        let lock = said("E: Could not get lock /var/lib/apt/lists/lock. It is held by process 7 (apt-get)");
        for _ in 0..1000 {
            assert_eq!(patience.pause(&lock).unwrap().0, LOCK_PAUSE);
        }
        patience.locked_since = Instant::now().checked_sub(LOCKS);
        assert_eq!(patience.pause(&lock), None);
        assert_eq!(patience.pause(&said("E: Unable to locate package nginx")), None);
    }

    #[test]
    fn nothing_is_waited_for_beyond_the_steps_time() {
        let lock = said("System management is locked by the application with pid 7 (zypper).");
        assert_eq!(Patience::new(Some(Instant::now() + LOCK_PAUSE / 2)).pause(&lock), None);
        assert!(Patience::new(Some(Instant::now() + LOCK_PAUSE * 20)).pause(&lock).is_some());
    }
}
