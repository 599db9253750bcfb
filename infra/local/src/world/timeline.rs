//! A state with its history, so that describe calls can lag.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The states of a resource, oldest first. Never empty.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Timeline<S> {
    first: (Timestamp, S),
    rest: Vec<(Timestamp, S)>,
}

impl<S: Copy> Timeline<S> {
    pub(crate) fn new(state: S) -> Self {
        Timeline::since(Timestamp::now(), state)
    }

    /// Returns a timeline with one state from `time` on.
    pub(crate) fn since(time: Timestamp, state: S) -> Self {
        Timeline { first: (time, state), rest: Vec::new() }
    }

    pub(crate) fn push(&mut self, state: S) {
        self.rest.push((Timestamp::now(), state));
    }

    /// Returns the current state.
    pub(crate) fn now(&self) -> S {
        self.rest.last().unwrap_or(&self.first).1
    }

    /// Returns when the resource has returned to this state for the last time; `None` if it never left its first state.
    pub(crate) fn returned(&self, state: S) -> Option<Timestamp>
    where
        S: PartialEq,
    {
        self.rest.iter().rev().find(|entry| entry.1 == state).map(|entry| entry.0)
    }

    /// Returns the state at `time`; `None` if the resource did not exist yet.
    pub(crate) fn at(&self, time: Timestamp) -> Option<S> {
        let seen = |entry: &&(Timestamp, S)| entry.0 <= time;
        self.rest.iter().rev().find(seen).or_else(|| Some(&self.first).filter(seen)).map(|entry| entry.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_what_was_true_when() {
        let before = Timestamp::UNIX_EPOCH;
        let mut timeline = Timeline::new('a');
        timeline.push('b');
        assert_eq!((timeline.at(before), timeline.now(), timeline.at(Timestamp::now())), (None, 'b', Some('b')));
    }
}
