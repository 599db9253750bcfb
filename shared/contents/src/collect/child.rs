//! Programs of this machine, with a limit on their time and their output.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

/// The largest output that is read, in bytes. RPM's list of files has about 150 bytes for each file.
const LARGEST: u64 = 128 * 1024 * 1024;
/// The longest time that a program gets.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often it is checked whether a program that prints no more has ended.
const LOOK: Duration = Duration::from_millis(5);

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
        let read = stdout.take(LARGEST + 1).read_to_end(&mut text).map(|_| text);
        let _ = sender.send(read); // The receiver no longer waits, so the text is not needed.
    });
    let patience = until.saturating_duration_since(Instant::now()).min(PATIENCE);
    let end = Instant::now() + patience;
    let read = receiver.recv_timeout(patience);
    // A program may have closed its output long before it ends.
    let is_over = matches!(&read, Ok(Ok(text)) if text.len() as u64 <= LARGEST);
    let status = ended(&mut child, if is_over { end } else { Instant::now() });
    match read {
        Ok(Ok(text)) if text.len() as u64 > LARGEST => Err(format!("{program} prints more than {LARGEST} bytes")),
        Ok(Ok(text)) => {
            match status {
                Some(status) if status.success() => Ok(String::from_utf8(text)
                    .unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned())),
                Some(_) => Err(format!("{program} failed")),
                None => Err(format!("{program} took more than {} seconds", patience.as_secs())),
            }
        }
        Ok(Err(error)) => Err(format!("the output of {program} cannot be read: {error}")),
        Err(_) => Err(format!("{program} took more than {} seconds", patience.as_secs())),
    }
}

/// Returns how a program has ended, or kills it at this time and returns `None`.
fn ended(child: &mut Child, end: Instant) -> Option<ExitStatus> {
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return Some(status),
            Ok(None) if Instant::now() < end => thread::sleep(LOOK),
            Ok(None) | Err(_) => {
                let _ = child.kill(); // It may just have ended.
                let _ = child.wait();
                return None;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::{Duration, Instant};

    use super::output;

    fn shell(script: &str, seconds: u64) -> Result<String, String> {
        output(Command::new("sh").args(["-c", script]), Instant::now() + Duration::from_secs(seconds))
    }

    #[test]
    fn a_program_has_a_limit_on_its_time_even_if_it_has_closed_its_output() {
        assert_eq!(shell("echo x", 60).unwrap(), "x\n");
        assert_eq!(shell("echo x; exit 1", 60).unwrap_err(), "sh failed");
        let start = Instant::now();
        for script in ["exec sleep 600", "exec >&-; exec sleep 600", "echo x; exec >&-; exec sleep 600"] {
            let why = shell(script, 1).unwrap_err();
            assert!(why.starts_with("sh took more than"), "{why}");
        }
        assert!(start.elapsed() < Duration::from_secs(300));
        assert_eq!(shell("exec yes", 60).unwrap_err(), "sh prints more than 134217728 bytes");
    }
}
