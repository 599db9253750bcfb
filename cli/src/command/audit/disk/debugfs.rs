//! `debugfs` (e2fsprogs) mounts nothing and needs no root. As it is called here, it changes nothing.
//!
//! It exits with 0 even if a request fails: only its standard error shows the failure.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;

use anyhow::{Context, Result, anyhow};

/// Maximum number of different complaints that are shown: on a full file system, debugfs prints one for each block.
const MOST: usize = 5;

/// Requests to debugfs about one disk.
pub(super) struct Debugfs {
    disk: PathBuf,
    running: Mutex<Running>,
}

#[derive(Default)]
struct Running {
    child: Option<Child>,
    has_ended: bool,
}

/// The answer of debugfs, and the complaints about what it could not do.
pub(super) struct Answer {
    pub(super) text: String,
    pub(super) complaints: Vec<String>,
}

impl Debugfs {
    pub(super) fn of(disk: &Path) -> Result<Self> {
        Ok(Self { disk: disk.canonicalize()?, running: Mutex::default() })
    }

    /// Returns the answer to a request.
    pub(super) fn ask(&self, request: &str) -> Result<Answer> {
        // The `PATH` of many users does not include debugfs, although it needs no permissions of root.
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new("debugfs");
        command.env("PATH", path).env("LC_ALL", "C").args(["-R", request]).arg(&self.disk);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        // It gets its own process group: Ctrl-C is for this program, which ends debugfs.
        command.process_group(0);
        let (stdout, stderr) = {
            let mut running = self.running();
            anyhow::ensure!(!running.has_ended, "interrupted");
            let mut child = command.spawn().context("debugfs (of the package e2fsprogs) cannot be started")?;
            let pipes = child.stdout.take().zip(child.stderr.take());
            running.child = Some(child);
            pipes.context("debugfs has no output")?
        };
        let complaints = thread::spawn(move || complaints(stderr));
        let mut text = Vec::new();
        BufReader::new(stdout).read_to_end(&mut text)?;
        let complaints = complaints.join().map_err(|_| anyhow!("the output of debugfs could not be read"))??;
        let mut child = self.running().child.take().context("interrupted")?;
        anyhow::ensure!(child.wait()?.success(), "debugfs failed: {}", complaints.join("; "));
        Ok(Answer { text: String::from_utf8_lossy(&text).into_owned(), complaints })
    }

    /// Ends the running request, and prevents further requests.
    pub(super) fn end(&self) {
        let mut running = self.running();
        running.has_ended = true;
        if let Some(mut child) = running.child.take() {
            let _ = child.kill(); // it has ended by itself
            let _ = child.wait();
        }
    }

    fn running(&self) -> MutexGuard<'_, Running> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the complaints of debugfs, each of them once.
fn complaints(stderr: impl Read) -> std::io::Result<Vec<String>> {
    let (mut complaints, mut has_more) = (Vec::new(), false);
    for line in BufReader::new(stderr).split(b'\n') {
        let line = String::from_utf8_lossy(&line?).trim().to_owned();
        if !is_complaint(&line) || complaints.contains(&line) {
            continue;
        }
        if complaints.len() < MOST {
            complaints.push(line);
        } else {
            has_more = true;
        }
    }
    complaints.extend(has_more.then(|| "and more".to_owned()));
    Ok(complaints)
}

/// Returns whether a line is a complaint. The version is not a complaint. If the current user is not root, the
/// message that a copy belongs to that user is not a complaint either.
fn is_complaint(line: &str) -> bool {
    let is_version = line.strip_prefix("debugfs ").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    let (_, what) = line.split_once(": ").unwrap_or_default();
    !line.is_empty() && !is_version && !what.starts_with("Operation not permitted while changing ownership of ")
}

#[cfg(test)]
mod tests {
    use super::complaints;

    #[test]
    fn failures_of_debugfs_are_reported_once_and_harmless_lines_are_not() {
        let full = "rdump: No space left on device while writing file\n";
        let said = [
            "debugfs 1.47.0 (5-Feb-2023)\n",
            "dump_file: Operation not permitted while changing ownership of /tmp/x/etc/b\n",
            &full.repeat(3),
            "debugfs: Bad magic number in super-block while trying to open d\n",
        ];
        let expected = [
            "rdump: No space left on device while writing file",
            "debugfs: Bad magic number in super-block while trying to open d",
        ];
        assert_eq!(complaints(said.concat().as_bytes()).unwrap(), expected);
        let many: String = (0..9).map(|n| format!("rdump: {n}\n")).collect();
        let told = complaints(many.as_bytes()).unwrap();
        assert_eq!((told.len(), told[5].as_str()), (6, "and more"));
    }
}
