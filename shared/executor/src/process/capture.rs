//! The part of a process's output that is kept.

use std::collections::VecDeque;
use std::path::Path;

use super::{Exit, Finished};
use crate::evidence::Watch;
use crate::output::Output;

/// The largest captured standard output, in bytes. Later output is shown but not kept for references.
pub(crate) const LIMIT: usize = 256 * 1024;
/// The number of lines, and of characters of each line, that are kept to explain a failure.
const TAIL_LINES: usize = 50;
const TAIL_LENGTH: usize = 300;

pub(super) struct Capture {
    stdout: Vec<u8>,
    tail: VecDeque<String>,
    /// For each stream, the end of a line that was cut, if this end may be the beginning of a secret.
    held: Vec<(&'static str, Vec<u8>)>,
    watch: Watch,
}

impl Capture {
    /// Returns a capture of the output of a process that runs in this folder.
    pub(super) fn new(folder: &Path) -> Self {
        Self { stdout: Vec::new(), tail: VecDeque::new(), held: Vec::new(), watch: Watch::new(folder) }
    }

    /// Takes a line or a part of a line that is too long. `is_cut` says that more of the line follows.
    pub(super) fn take(&mut self, stream: &'static str, part: Vec<u8>, is_cut: bool, output: &mut Output<'_>) {
        if stream == "Stdout" {
            let room = LIMIT - self.stdout.len();
            self.stdout.extend_from_slice(&part[..room.min(part.len())]);
        }
        let held = self.held.iter().position(|(other, _)| *other == stream).map(|at| self.held.swap_remove(at).1);
        let mut line = held.unwrap_or_default();
        line.extend(part);
        if is_cut {
            let rest = line.split_off(output.secrets.seam(&line));
            if !rest.is_empty() {
                self.held.push((stream, rest));
            }
            // The whole part may be the beginning of a secret. Without this check, an empty line would be shown for it.
            if line.is_empty() {
                return;
            }
        } else if line.last() == Some(&b'\n') {
            line.pop();
        }
        self.show(stream, &line, output);
    }

    fn show(&mut self, stream: &str, line: &[u8], output: &mut Output<'_>) {
        let Some(shown) = output.line(stream, line) else { return };
        self.watch.line(&shown);
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(shown.chars().take(TAIL_LENGTH).collect());
    }

    pub(super) fn finish(mut self, exit: Exit, output: &mut Output<'_>) -> Finished {
        for (stream, rest) in std::mem::take(&mut self.held) {
            self.show(stream, &rest, output);
        }
        // The limit may have cut a secret, and its first half alone would not be recognized as one.
        if self.stdout.len() == LIMIT {
            self.stdout.truncate(output.secrets.seam(&self.stdout));
        }
        let stdout = String::from_utf8_lossy(&self.stdout).trim_end_matches('\n').to_owned();
        Finished { exit, stdout, last_lines: self.tail.into(), watch: self.watch }
    }
}
