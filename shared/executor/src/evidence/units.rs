//! The units of systemd that have failed, with what they wrote last.

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use super::in_background;
use crate::programs::DEFAULT_PATH;

/// How many units are named, and how many of their lines.
const UNITS: usize = 3;
const LINES: usize = 3;
/// How many lines are read to find those that the unit itself wrote: systemd adds some of its own.
const READ: &str = "12";
/// How long a program of systemd may take, and all of them together.
const LIMIT: Duration = Duration::from_secs(1);
const ALL: Duration = Duration::from_millis(1_700);
/// The pause between two looks at whether a program has ended.
const PAUSE: Duration = Duration::from_millis(5);
/// The most that is read of a program's output.
const OUTPUT: u64 = 64 << 10;

/// Sends facts about units that the output named, and about all that have failed if `is_checked`.
pub(super) fn facts(named: Vec<&str>, is_checked: bool, send: &mut dyn FnMut(Vec<String>)) {
    // systemd makes this folder. Without systemd there are no units.
    if named.is_empty() && !is_checked || !Path::new("/run/systemd/system").is_dir() {
        return;
    }
    let until = Instant::now() + ALL;
    let list = ["list-units", "--failed", "--plain", "--no-legend", "--no-pager"];
    let text = if is_checked { said("systemctl", &list, until) } else { None };
    let found = failed(text.as_deref().unwrap_or_default());
    let others = found.iter().filter(|(unit, _)| !named.contains(&unit.as_str())).cloned();
    let all: Vec<(String, String)> =
        named.iter().map(|unit| ((*unit).to_owned(), String::new())).chain(others).collect();
    for (unit, description) in all.iter().take(UNITS) {
        let mut facts = Vec::new();
        facts.extend(failure(unit, description));
        let journal = ["-b", "-u", unit, "-n", READ, "-o", "cat", "--no-pager", "-q"];
        let text = said("journalctl", &journal, until).unwrap_or_default();
        facts.extend(own_lines(unit, &text).iter().map(|line| format!("{unit} wrote: {line}")));
        send(facts);
    }
    if all.len() > UNITS {
        send(vec![format!("{} more units of systemd have failed.", all.len() - UNITS)]);
    }
}

/// Returns whether a text may be the name of a unit, so that no program takes it for an option.
pub(super) fn is_name(unit: &str) -> bool {
    let is_known = |c: char| c.is_ascii_alphanumeric() || matches!(c, ':' | '_' | '.' | '\\' | '@' | '-');
    !unit.starts_with('-') && unit.contains('.') && unit.len() <= 255 && unit.chars().all(is_known)
}

fn failure(unit: &str, description: &str) -> Option<String> {
    // What systemctl itself has said of a unit in the output need not be repeated.
    (!description.is_empty()).then(|| format!("The unit {unit} has failed ({description})."))
}

/// Reads `systemctl list-units --failed`: the unit, three words about its state, and its description.
fn failed(text: &str) -> Vec<(String, String)> {
    let of = |line: &str| {
        let mut words = line.trim_start_matches(['●', '*', ' ', '\u{d7}']).split_whitespace();
        let unit = words.next().filter(|unit| is_name(unit))?;
        let description = words.skip(3).collect::<Vec<_>>().join(" ");
        let description = if description.is_empty() { "no description".to_owned() } else { description };
        Some((unit.to_owned(), description))
    };
    text.lines().filter_map(of).collect()
}

/// Returns the last lines of a journal that the unit itself wrote, or the last lines if systemd wrote all of them.
fn own_lines(unit: &str, journal: &str) -> Vec<String> {
    let of_systemd = |line: &&str| {
        line.starts_with(&format!("{unit}: "))
            || ["Starting ", "Started ", "Stopping ", "Stopped ", "Failed to start ", "Reloading "]
                .iter()
                .any(|word| line.starts_with(word))
    };
    let lines: Vec<&str> = journal.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let own: Vec<&str> = lines.iter().filter(|line| !of_systemd(line)).copied().collect();
    let shown = if own.is_empty() { &lines } else { &own };
    shown[shown.len().saturating_sub(LINES)..].iter().map(|line| (*line).to_owned()).collect()
}

/// Returns what a program writes. It is ended if it takes too long.
fn said(program: &str, arguments: &[&str], until: Instant) -> Option<String> {
    let until = until.min(Instant::now() + LIMIT);
    let mut command = Command::new(program);
    command.args(arguments).env("LC_ALL", "C").env("PATH", DEFAULT_PATH);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().ok()?;
    let (sender, receiver) = channel();
    if let Some(pipe) = child.stdout.take() {
        in_background(move || {
            let mut bytes = Vec::new();
            let _ = pipe.take(OUTPUT).read_to_end(&mut bytes); // what was read before an error counts
            let _ = sender.send(bytes);
        });
    }
    let read = receiver.recv_timeout(until.saturating_duration_since(Instant::now())).ok();
    while Instant::now() < until && matches!(child.try_wait(), Ok(None)) {
        thread::sleep(PAUSE);
    }
    let _ = child.kill(); // it may have ended
    let _ = child.wait();
    Some(String::from_utf8_lossy(&read?).into_owned())
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::{failed, is_name, own_lines, said};

    #[test]
    fn failed_units_are_read_in_the_forms_of_several_versions() {
        let text = "nginx.service loaded failed failed A high performance web server\n\
                    ● mnt-data.mount loaded failed failed /mnt/data\n  bad name;x loaded failed failed\na.service loaded failed failed\n";
        let expected = [
            ("nginx.service", "A high performance web server"),
            ("mnt-data.mount", "/mnt/data"),
            ("a.service", "no description"),
        ];
        assert_eq!(failed(text), expected.map(|(unit, text)| (unit.to_owned(), text.to_owned())));
        assert!(failed("").is_empty() && failed("\u{fffd}\n-x.service loaded failed failed x").is_empty());
        assert!(is_name("a@b\\x2d1.service") && !is_name("a") && !is_name("--now.x") && !is_name("a b.c"));
    }

    #[test]
    fn what_the_unit_wrote_comes_before_what_systemd_wrote() {
        let journal = "Starting A high performance web server...\nnginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)\n\
                       nginx: configuration file test failed\nnginx.service: Control process exited, code=exited, status=1/FAILURE\n\
                       nginx.service: Failed with result 'exit-code'.\nFailed to start A high performance web server.\n";
        assert_eq!(
            own_lines("nginx.service", journal),
            [
                "nginx: [emerg] bind() to 0.0.0.0:80 failed (98: Address already in use)",
                "nginx: configuration file test failed"
            ]
        );
        assert_eq!(own_lines("a.service", "a.service: Failed.\nFailed to start A.\n").len(), 2);
        assert_eq!(own_lines("a.service", "1\n2\n\n3\n4\n"), ["2", "3", "4"]);
    }

    #[test]
    fn a_program_that_hangs_or_never_stops_writing_is_ended() {
        let limit = || Instant::now() + Duration::from_millis(300);
        let began = Instant::now();
        assert_eq!(said("sleep", &["60"], limit()), None);
        assert_eq!(said("yes", &[], limit()).unwrap().len(), 64 << 10);
        assert_eq!(
            (said("printf", &["a\\377b"], limit()).as_deref(), said("no-such-program", &[], limit())),
            (Some("a\u{fffd}b"), None)
        );
        assert!(began.elapsed() < Duration::from_secs(3));
    }
}
