//! The table of states. A state is a variant of [`State`], a file, and a row here.

use goldsmith_model::State;
use jiff::SignedDuration;

/// What the definition, the functions and the tests have to know about a state.
#[derive(Debug, Clone, Copy)]
pub struct Spec {
    /// The state.
    pub state: State,
    /// `Handler` of the function that runs it.
    pub function: &'static str,
    /// `TimeoutSeconds` in the definition; `None` if the state does not wait.
    pub timeout: Option<SignedDuration>,
}

/// Every state, in the order of [`State::ALL`].
pub const STATES: &[Spec] = &[
    once(State::Plan, "plan"),
    waits(State::Launch, "launch", HOUR),
    waits(State::Build, "execute-phase", 48 * HOUR),
    waits(State::Snapshot, "snapshot", 12 * HOUR),
    waits(State::LaunchTest, "launch", HOUR),
    waits(State::ExecuteTest, "execute-phase", 48 * HOUR),
    once(State::EndTest, "test"),
    once(State::JudgeTests, "test"),
    waits(State::DistributeRegion, "distribute", 24 * HOUR),
    once(State::Publish, "publish"),
    once(State::Finish, "finish"),
    once(State::FinishFailed, "finish"),
];

/// Seconds in an hour.
const HOUR: i64 = 3_600;

const fn once(state: State, function: &'static str) -> Spec {
    Spec { state, function, timeout: None }
}

const fn waits(state: State, function: &'static str, seconds: i64) -> Spec {
    Spec { state, function, timeout: Some(SignedDuration::from_secs(seconds)) }
}

/// Returns the row of a state.
#[must_use]
pub fn spec(state: State) -> &'static Spec {
    &STATES[state as usize]
}

#[cfg(test)]
mod tests {
    use super::{STATES, State};

    #[test]
    fn every_state_has_its_row() {
        assert_eq!(STATES.iter().map(|spec| spec.state).collect::<Vec<_>>(), State::ALL);
    }
}
