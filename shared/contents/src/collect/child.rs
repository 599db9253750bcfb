//! Programs of this machine, with a limit on their time and their output.

use std::io::Read;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The largest output that is read, in bytes. RPM's list of files has about 100 bytes for each file.
const LARGEST: u64 = 256 * 1024 * 1024;
/// The longest time that a program gets.
const PATIENCE: Duration = Duration::from_secs(60);

/// Returns what a program prints, until it ends or `until` comes.
pub(super) fn output(command: &mut Command, until: Instant) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let mut child = command
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program} cannot be started: {error}"))?;
    let stdout = child.stdout.take().ok_or_else(|| format!("{program} has no output"))?;
    // A read of a pipe has no time limit, so a thread reads.
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        let mut text = Vec::new();
        let read = stdout.take(LARGEST).read_to_end(&mut text).map(|_| text);
        let _ = sender.send(read); // The receiver no longer waits, so the text is not needed.
    });
    let patience = until.saturating_duration_since(Instant::now()).min(PATIENCE);
    let read = receiver.recv_timeout(patience);
    let is_late = read.is_err();
    if is_late {
        let _ = child.kill();
    }
    let status = child.wait();
    match read {
        Ok(Ok(text)) if status.as_ref().is_ok_and(std::process::ExitStatus::success) => {
            Ok(String::from_utf8_lossy(&text).into_owned())
        }
        Ok(Ok(_)) => Err(format!("{program} failed")),
        Ok(Err(error)) => Err(format!("the output of {program} cannot be read: {error}")),
        Err(_) => Err(format!("{program} took more than {} seconds", patience.as_secs())),
    }
}
