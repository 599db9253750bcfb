//! Distinguishes repeated lines of a log from new lines.
//!
//! After each reboot of its instance, the SSM agent sends a command's whole output again, from its first line on
//! (amazon-ssm-agent 3.3: its uploader keeps no position). A line alone does not show whether it is new, because steps
//! repeat themselves. But an event line contains its time in nanoseconds, so no two event lines are equal. So when the
//! first event line appears again, the output has begun again, and from there on, as many lines are repeated as there
//! were before.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

/// The lines of a log so far.
#[derive(Debug, Default)]
pub(super) struct Repeats {
    /// A hash of each distinct line, in order.
    lines: Vec<u64>,
    /// Index of the first event in these lines.
    first_event: Option<usize>,
    /// Index of the line that a repeated output has reached.
    at: Option<usize>,
}

/// Whether a line of a log is new.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// The line is new.
    New,
    /// The line is repeated, and so are this many lines right before it.
    Known { before: usize },
}

impl Repeats {
    /// Processes the next line.
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

    /// Handles the first repeated event: the lines right before it, which counted as new, are repeated too.
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

    /// Returns which of these lines are reported. Lines with an `@` are events.
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
