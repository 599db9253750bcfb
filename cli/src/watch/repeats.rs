//! Distinguishes lines of a log that come again from new lines.
//!
//! After each reboot of its instance, the SSM agent sends a command's whole output again, from its first line on
//! (amazon-ssm-agent 3.3: its uploader keeps no position). A line alone does not show whether it is new, because steps
//! repeat themselves. But an event line holds its time in nanoseconds and is never written twice. So when the first
//! event line comes again, the log has begun again; from there on, as many lines are known as came before.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The lines of a log so far.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// A hash of each new line, in order.
    lines: Vec<u64>,
    /// Index of the first event among them.
    first_event: Option<usize>,
    /// Index that a log that comes again has reached among them.
    at: Option<usize>,
}

/// What a line of a log is.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The line is new.
    New,
    /// The line has come before, and so have this many lines right before it.
    Known { before: usize },
}

impl Repeats {
    /// Takes the next line.
    pub(super) fn next(&mut self, line: &str, is_event: bool) -> Line {
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        let line = hasher.finish();
        if let Some(at) = self.at.take() {
            // If the log is shorter than before, what follows is new.
            if self.lines.get(at) == Some(&line) {
                self.at = Some(at + 1);
                return Line::Known { before: 0 };
            }
        }
        match self.first_event {
            Some(first) if is_event && self.lines[first] == line => self.begin_again(first),
            _ => {
                if is_event && self.first_event.is_none() {
                    self.first_event = Some(self.lines.len());
                }
                self.lines.push(line);
                Line::New
            }
        }
    }

    /// Handles the first event that comes again: the lines before it, which were taken for new, have come again too.
    fn begin_again(&mut self, first: usize) -> Line {
        let rest = self.lines.len() - first;
        let before = if rest > first && self.lines[rest..] == self.lines[..first] { first } else { 0 };
        self.lines.truncate(self.lines.len() - before);
        self.at = Some(first + 1);
        Line::Known { before }
    }
}

#[cfg(test)]
mod tests {
    use super::{Line, Repeats};

    /// The lines that are told of these; those with an `@` are events.
    fn told(lines: &[&str]) -> Vec<String> {
        let mut repeats = Repeats::default();
        let mut told = Vec::new();
        for line in lines {
            match repeats.next(line, line.starts_with('@')) {
                Line::New => told.push((*line).to_owned()),
                Line::Known { before } => told.truncate(told.len() - before),
            }
        }
        told
    }

    #[test]
    fn each_line_is_told_once_however_often_the_log_begins_again() {
        let one = ["waiting", "@1 started", "same", "same", "@2 reboot"];
        let two = [&one[..], &["@3 started", "same", "@4 reboot"]].concat();
        let three = [&two[..], &["@5 started", "same", "@6 ended"]].concat();
        assert_eq!(told(&[&one[..], &two].concat()), two);
        assert_eq!(told(&[&one[..], &two, &three].concat()), three);
        assert_eq!(told(&three), three, "what steps repeat is no repetition");
        assert_eq!(told(&["no", "no", "no"]), ["no", "no", "no"]);
        assert_eq!(told(&["@1", "@1", "a", "@1", "a", "b"]), ["@1", "a", "b"]);
    }

    #[test]
    fn a_log_that_comes_again_in_part_loses_nothing() {
        assert_eq!(told(&["@1", "a", "b", "@1", "a", "c"]), ["@1", "a", "b", "c"]);
        assert_eq!(told(&["x", "@1", "y", "@1", "y", "z"]), ["x", "@1", "y", "z"]);
    }
}
