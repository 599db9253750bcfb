//! Facts about the machine that explain why a step failed, each as one sentence.
//!
//! Nothing here may fail or delay a run: what cannot be read is left out, the looks run in threads of their own, and
//! after [`PATIENCE`] the run continues with the facts that are known by then. No other machine is asked for anything.

mod clue;
mod disk;
mod lock;
mod machine;
mod memory;
mod names;
mod ports;
mod process;
mod units;

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

pub(crate) use clue::Clue;
pub(crate) use disk::full as full_disks;
use machine::Machine;
pub(crate) use memory::Before;

/// The number of facts that are kept, and of characters of each of them.
const MOST: usize = 12;
const LENGTH: usize = 300;
/// How long a failed step waits for the facts.
const PATIENCE: Duration = Duration::from_millis(1_900);
/// The number of clues in the output of a step that are followed.
const CLUES: usize = 6;

/// Watches the output of a step for words that a look at the machine can explain. What may be gone at the end of the
/// step, such as the holder of a lock, is looked at when the words appear.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    folder: PathBuf,
    clues: Vec<Clue>,
    looks: Vec<Receiver<Vec<String>>>,
}

/// The failure that is to be explained.
pub(crate) struct Failure<'f> {
    pub(crate) message: &'f str,
    /// Whether a program of the step was killed by SIGKILL.
    pub(crate) is_killed: bool,
    /// Whether all failed units of systemd may explain the failure.
    pub(crate) is_checked: bool,
    /// The machine when the step began, if it is known.
    pub(crate) before: Option<Before>,
}

impl Watch {
    /// Returns a watch over a program that runs in this folder.
    pub(crate) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), ..Self::default() }
    }

    /// Reads a line.
    pub(crate) fn line(&mut self, line: &str) {
        if self.clues.len() >= CLUES {
            return;
        }
        let Some(clue) = Clue::of(line) else { return };
        let alike = self.clues.iter().filter(|known| known.is_like(&clue)).count();
        if alike >= clue.most() || self.clues.contains(&clue) {
            return;
        }
        if clue.is_fleeting() {
            let (sender, receiver) = channel();
            let (clue, folder) = (clue.clone(), self.folder.clone());
            in_background(move || drop(sender.send(clue.facts(&Machine::own(), &folder))));
            self.looks.push(receiver);
        }
        self.clues.push(clue);
    }

    /// Returns the facts that explain a failure.
    pub(crate) fn explain(mut self, failure: &Failure<'_>) -> Vec<String> {
        failure.message.lines().for_each(|line| self.line(line));
        let until = Instant::now() + PATIENCE;
        let (sender, late) = channel();
        let clues: Vec<Clue> = self.clues.into_iter().filter(|clue| !clue.is_fleeting()).collect();
        let Failure { before, is_killed, is_checked, .. } = *failure;
        in_background(move || look(&clues, before, is_killed, is_checked, &sender));
        let mut facts: Vec<String> = self.looks.iter().flat_map(|look| next(look, until)).flatten().collect();
        while let Some(more) = next(&late, until) {
            facts.extend(more);
        }
        facts
    }
}

/// Looks at what is still there at the end of a step. The facts that cost the least come first.
fn look(clues: &[Clue], before: Option<Before>, is_killed: bool, is_checked: bool, sender: &Sender<Vec<String>>) {
    let machine = Machine::own();
    let _ = sender.send(memory::facts(&machine, before, is_killed)); // a receiver that is gone needs nothing more
    for clue in clues.iter().filter(|clue| !matches!(clue, Clue::Unit(_))) {
        let _ = sender.send(clue.facts(&machine, Path::new("")));
    }
    let named = clues.iter().filter_map(|clue| if let Clue::Unit(unit) = clue { Some(unit.as_str()) } else { None });
    units::facts(named.collect(), is_checked, &mut |facts| drop(sender.send(facts)));
}

/// Returns the facts of an error that no program has caused: an operation of this program has found a full disk.
pub(crate) fn of_error(error: &(dyn std::error::Error + 'static)) -> Vec<String> {
    let mut causes = std::iter::successors(Some(error), |cause| (*cause).source());
    let is_full = causes.any(|cause| cause.downcast_ref().is_some_and(is_out_of_space));
    if is_full { full_disks(None) } else { Vec::new() }
}

/// Returns whether an operation failed for want of space.
pub(crate) fn is_out_of_space(error: &std::io::Error) -> bool {
    matches!(error.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
}

/// Returns the facts within the limits, each as one line without characters that could act on a terminal.
pub(crate) fn limited(facts: Vec<String>) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for fact in facts {
        let plain = |letter: char| {
            let acts = letter.is_control() || matches!(letter, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if acts { ' ' } else { letter }
        };
        let fact = fact.trim().chars().map(plain).take(LENGTH).collect();
        if kept.len() < MOST && !kept.contains(&fact) {
            kept.push(fact);
        }
    }
    kept.retain(|fact| !fact.is_empty());
    kept
}

/// Returns what a look yields before a time, or `None` if it yields nothing more.
fn next(look: &Receiver<Vec<String>>, until: Instant) -> Option<Vec<String>> {
    look.recv_timeout(until.saturating_duration_since(Instant::now())).ok()
}

/// Returns the result of a look, or nothing if it takes too long: a look at a file system whose server is gone may
/// never end.
fn in_time(look: impl FnOnce() -> Vec<String> + Send + 'static) -> Vec<String> {
    let (sender, receiver) = channel();
    in_background(move || drop(sender.send(look())));
    next(&receiver, Instant::now() + PATIENCE).unwrap_or_default()
}

/// Runs a look in a thread. A machine that cannot start another thread gets no look.
fn in_background(look: impl FnOnce() + Send + 'static) {
    let _ = thread::Builder::new().name("evidence".to_owned()).spawn(look);
}

/// Joins words as in `a, b and c`.
fn joined(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [rest @ .., last] => format!("{} and {last}", rest.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::{Failure, Watch, joined, limited};

    const PLAIN: Failure<'static> =
        Failure { message: "exit status 1", is_killed: false, is_checked: false, before: None };

    #[test]
    fn a_failure_without_a_clue_has_no_facts() {
        let mut watch = Watch::new("/tmp".as_ref());
        watch.line("E: Unable to locate package nginx");
        assert_eq!(watch.explain(&PLAIN), Vec::<String>::new());
    }

    #[test]
    fn an_output_full_of_clues_leads_to_few_looks() {
        let mut watch = Watch::new("/tmp".as_ref());
        let began = Instant::now();
        for n in 0..10_000 {
            watch.line(&format!("curl: (7) Failed to connect to 127.0.0.1 port {n} after 0 ms: Connection refused"));
            watch.line(&format!("curl: (6) Could not resolve host: host-{n}.invalid"));
            watch.line("tar: x: Cannot write: No space left on device");
        }
        assert_eq!((watch.clues.len(), watch.looks.len()), (5, 1));
        let facts = watch.explain(&Failure { message: "No space left on device", ..PLAIN });
        assert!(facts.iter().any(|fact| fact.contains("port 1 ")) && began.elapsed().as_secs() < 5, "{facts:?}");
    }

    #[test]
    fn facts_are_few_short_and_harmless() {
        let facts = ["a\nb\u{202e}c\u{1b}[2J", "a\nb\u{202e}c\u{1b}[2J", " "].map(str::to_owned).to_vec();
        assert_eq!(limited(facts), ["a b c [2J"]);
        let long = limited((0..40).map(|n| format!("{n}{}", "ü".repeat(1_000))).collect());
        assert_eq!((long.len(), long[11].chars().count()), (12, 300));
    }

    #[test]
    fn words_are_joined_as_in_a_sentence() {
        let of = |words: &[&str]| joined(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
        assert_eq!([of(&[]), of(&["a"]), of(&["a", "b", "c"])], ["", "a", "a, b and c"]);
    }
}
