//! Decides which files of a fresh instance came from its image.
//!
//! An instance makes files at its first boot, such as host keys and a machine id. These files are its own. All files of
//! the image were written before the image existed, and AWS knows the time of that. The instance was launched after it.
//! So a file that was changed later than the image belongs to the instance. The comparison depends on the clocks of
//! both machines: the builder's clock must not be ahead, and the instance's clock must not be behind, by more than the
//! minutes between the two events.
//!
//! If the time of the image is not known, the time of the boot is used. It is read in two ways: as the clock says now,
//! and as the clock said when the first files of `/run` were made. If the clock was set in between (by NTP or
//! cloud-init), the two differ. The earlier one counts, because the files that the boot wrote carry the time of that
//! clock. A step of more than a minute is reported.
//!
//! A file may be changed at boot without being new: services set the owner and the mode of their keys again. So the
//! time of the last change of the inode is not enough. The file must also have been made or written later.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::UNIX_EPOCH;

use jiff::{SignedDuration, Timestamp};

/// The smallest step of the clock that is reported.
const STEP: SignedDuration = SignedDuration::from_mins(1);

/// The time after which a file is the instance's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Since(Option<Timestamp>);

impl Since {
    /// All files belong to the image: it is audited from outside.
    pub(crate) const NEVER: Self = Self(None);

    /// Returns the time for an instance of an image that was made at this time, as far as it is known.
    pub(crate) fn on_instance(image_made: Option<Timestamp>, notes: &mut Vec<String>) -> Self {
        let (since, note) = Self::of(image_made, booted(), first_made(Path::new("/run")));
        notes.extend(note);
        since
    }

    /// Returns the time and an optional note. `now` is the time of the boot as the clock says now, and `then` as it
    /// said then.
    pub(super) fn of(
        image_made: Option<Timestamp>,
        now: Option<Timestamp>,
        then: Option<Timestamp>,
    ) -> (Self, Option<String>) {
        let step = now.zip(then).map(|(now, then)| now.duration_since(then)).filter(|step| step.abs() > STEP);
        // If the clock was behind the image's time, the instance's own files have a time before it.
        let matters = image_made.is_none_or(|made| then.is_some_and(|then| then < made));
        let note = step.filter(|_| matters).map(|step| {
            format!(
                "the clock was moved by {} s after the boot: the audit may treat files that this instance made before that \
                 as files of its image, and the other way around",
                step.as_secs()
            )
        });
        (Self(image_made.or(now.into_iter().chain(then).min())), note)
    }

    /// Returns whether a file came with the image.
    pub(crate) fn is_of_image(self, file: &Metadata) -> bool {
        let Some(since) = self.0 else { return true };
        // A time that cannot be represented counts as old, so that the file is looked at.
        let time = |seconds: i64, nanoseconds: i64| {
            Timestamp::new(seconds, i32::try_from(nanoseconds).unwrap_or(0)).unwrap_or(Timestamp::MIN)
        };
        let made = file.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let made = made.and_then(|made| Timestamp::from_second(i64::try_from(made.as_secs()).ok()?).ok());
        let changed = time(file.ctime(), file.ctime_nsec());
        let written = time(file.mtime(), file.mtime_nsec());
        let is_own = changed > since && (written > since || made.is_some_and(|made| made > since));
        !is_own
    }
}

/// Ticks of a second in `/proc`: USER_HZ, which is 100 on x86_64 and arm64.
const TICKS: i64 = 100;

/// Returns when this system was started, by the clock as it is now.
fn booted() -> Option<Timestamp> {
    boot_of(&fs::read_to_string("/proc/stat").ok()?, &fs::read_to_string("/proc/1/stat").ok()?)
}

/// Returns when process 1 began: so long after the start of the kernel (proc(5), `btime` and `starttime`). On a machine,
/// both are the same within seconds. A container has the kernel of its host, which may have started days before.
fn boot_of(kernel: &str, first_process: &str) -> Option<Timestamp> {
    let kernel: i64 = kernel.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    // The name of a program, in parentheses, may contain spaces; field 3 comes after it, and this is field 22.
    let (_, fields) = first_process.rsplit_once(')')?;
    let ticks: i64 = fields.split_whitespace().nth(19)?.parse().ok()?;
    Timestamp::from_second(kernel + ticks / TICKS).ok()
}

/// Returns when the first entry of a folder was made or changed, if the folder was made in this boot. What is mounted there
/// does not count, because it may be older.
fn first_made(folder: &Path) -> Option<Timestamp> {
    let device = |path: &Path| path.metadata().ok().map(|found| found.dev());
    let own = device(folder)?;
    if Some(own) == device(Path::new("/")) {
        return None;
    }
    let entries = fs::read_dir(folder).ok()?.filter_map(|entry| entry.ok()?.path().symlink_metadata().ok());
    let made_here = entries.filter(|found| found.dev() == own);
    made_here.filter_map(|found| Timestamp::from_second(found.ctime()).ok()).min()
}

#[cfg(test)]
mod tests {
    use std::fs::{self, File, FileTimes};
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, SystemTime};

    use jiff::Timestamp;

    use super::{Since, boot_of};

    #[test]
    fn without_the_images_time_the_earlier_boot_time_counts() {
        let at = |second| Some(Timestamp::from_second(second).unwrap());
        for (image, now, then, expected, told) in [
            (None, 5000, 5002, 5000, false),
            (None, 5000, 4000, 4000, true),
            (None, 5000, 6000, 5000, true),
            (at(4500), 5000, 5001, 4500, false),
            (at(4500), 5000, 4000, 4500, true),
            (at(3000), 5000, 4000, 3000, false),
        ] {
            let (since, note) = Since::of(image, at(now), at(then));
            assert_eq!((since, note.is_some()), (Since(at(expected)), told), "{image:?} {now} {then}");
        }
        assert_eq!(Since::of(None, None, None), (Since::NEVER, None));
    }

    #[test]
    fn a_container_was_started_with_its_first_process_and_not_with_the_kernel() {
        let kernel = "cpu  1 2 3\nbtime 1000\nprocesses 7\n";
        let process = |ticks: u32| {
            format!("1 (a name) S) S 0 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 {ticks} 175546368 2992\n")
        };
        for (ticks, booted) in [(0, 1000), (150, 1001), (2_269_200, 23_692)] {
            assert_eq!(boot_of(kernel, &process(ticks)), Some(Timestamp::from_second(booted).unwrap()), "{ticks}");
        }
        assert_eq!(boot_of("cpu 1\n", &process(1)), None);
        assert_eq!(boot_of(kernel, "1 (cut"), None);
    }

    #[test]
    fn what_was_made_or_written_after_the_image_is_the_instances_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        fs::write(&path, "key").unwrap();
        let found = || path.symlink_metadata().unwrap();
        let hour = jiff::SignedDuration::from_hours(1);
        let (before, after) = (Since(Some(Timestamp::now() - hour)), Since(Some(Timestamp::now() + hour)));
        assert!(after.is_of_image(&found()), "it is older than the image");
        assert!(!before.is_of_image(&found()), "it is newer");
        assert!(Since::NEVER.is_of_image(&found()));
        // A service sets the mode of a key that came with the image: only the inode's time is new.
        let long_ago = SystemTime::now() - Duration::from_secs(7200);
        File::options().write(true).open(&path).unwrap().set_times(FileTimes::new().set_modified(long_ago)).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let made = found().created();
        // The instance made this copy although it has the time of its original. Only some file systems record that.
        assert_eq!(before.is_of_image(&found()), made.is_err());
    }
}
