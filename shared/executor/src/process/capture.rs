//! What a process writes, as far as it is kept.

use std::collections::VecDeque;

use super::{Exit, Finished};
use crate::output::Output;

/// Captured standard output, in bytes; what comes later is shown but not kept for chaining.
pub(crate) const LIMIT: usize = 256 * 1024;
/// Lines, and characters of each, that are kept to explain a failure.
const TAIL_LINES: usize = 50;
const TAIL_LENGTH: usize = 300;

#[derive(Default)]
pub(super) struct Capture {
    stdout: Vec<u8>,
    tail: VecDeque<String>,
}

impl Capture {
    pub(super) fn take(&mut self, stream: &str, mut line: Vec<u8>, output: &mut Output<'_>) {
        if stream == "Stdout" {
            let room = LIMIT - self.stdout.len();
            self.stdout.extend_from_slice(&line[..room.min(line.len())]);
        }
        if line.last() == Some(&b'\n') {
            line.pop();
        }
        let Some(shown) = output.line(stream, &line) else { return };
        if self.tail.len() == TAIL_LINES {
            self.tail.pop_front();
        }
        self.tail.push_back(shown.chars().take(TAIL_LENGTH).collect());
    }

    pub(super) fn finish(self, exit: Exit) -> Finished {
        let stdout = String::from_utf8_lossy(&self.stdout).trim_end_matches('\n').to_owned();
        Finished { exit, stdout, last_lines: self.tail.into() }
    }
}
