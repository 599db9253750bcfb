//! The states in the order of a build, and the one table with everything that the definition, the functions and the
//! tests must know about each state. A state is a variant of [`State`], a file, and a row here.

mod attest;
#[cfg(test)]
mod calls;
mod checkpoint;
mod distribute;
mod execute_phase;
pub(crate) mod finish;
pub(crate) mod launch;
pub(crate) mod plan;
pub(crate) mod publish;
mod snapshot;
pub(crate) mod test;
#[cfg(test)]
mod verification;

use std::fmt;
use std::pin::Pin;

use goldsmith_model::State;
use jiff::SignedDuration;
use serde_json::Value;

use crate::engine::drive::Waiting;
use crate::error_names::ErrorName;
use crate::{Context, Result, Start};

/// The properties of a state.
#[derive(Debug)]
pub struct Spec {
    /// The state.
    pub state: State,
    /// `Handler` of the function that runs it.
    pub function: &'static str,
    /// How its function handles an invocation.
    pub(crate) run: Run,
    /// The errors that it returns in addition to those that every state returns.
    pub raises: &'static [ErrorName],
    /// What a build keeps for a while if this state fails.
    pub(crate) leaves: Leaves,
}

/// How a state runs.
pub(crate) enum Run {
    /// It waits for AWS at most this many seconds, which is the `TimeoutSeconds` of its Task.
    Waits(i64, &'static dyn Waiting),
    /// It ends when its invocation ends.
    Once(Once),
}

/// A state that does not wait.
pub(crate) type Once = for<'a> fn(&'a Context, &'a Start) -> Pin<Box<dyn Future<Output = Result<Value>> + Send + 'a>>;

/// What a build keeps for a while if a state fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leaves {
    /// Nothing.
    Nothing,
    /// The build instance, if the pipeline keeps it.
    Instance,
    /// The images that were made, so that the distribution can be repeated.
    Images,
}

/// Seconds in an hour.
const HOUR: i64 = 3_600;
/// Seconds for which a launch waits for room before it fails.
const FOR_ROOM: i64 = 6 * HOUR;
/// An hour for the launch itself, after the wait for room.
const LAUNCH: i64 = FOR_ROOM + HOUR;
/// Systems Manager lets no command run for longer than 48 hours (`executionTimeout`).
const LONGEST_COMMAND: i64 = 48 * HOUR;

/// Every state, in the order of [`State::ALL`]: its function, how it runs, which errors it returns, and what its
/// failure leaves.
pub static STATES: &[Spec] = {
    use ErrorName::{
        AuditFailed, Capacity, CommandFailed, CopyFailed, ImageFailed, Interrupted, NotOnline, RebootLimit, Refused,
        TestFailed, Timeout, Vulnerable,
    };
    use Leaves::{Images, Instance, Nothing};
    use Run::{Once, Waits};

    &[
        row(State::Plan, "plan", Once(|c, start| Box::pin(plan::handle(c, start))), &[Refused], Nothing),
        row(State::Launch, "launch", Waits(LAUNCH, &launch::LaunchInstance), &[Capacity, NotOnline, Timeout], Instance),
        row(
            State::Build,
            "execute-phase",
            Waits(LONGEST_COMMAND, &execute_phase::ExecutePhase),
            &[Refused, Interrupted, CommandFailed, RebootLimit, Timeout],
            Instance,
        ),
        row(
            State::Checkpoint,
            "snapshot",
            Waits(12 * HOUR, &checkpoint::MakeCheckpoint),
            &[Interrupted, ImageFailed, Timeout],
            Instance,
        ),
        row(
            State::BuildRest,
            "execute-phase",
            Waits(LONGEST_COMMAND, &execute_phase::ExecutePhase),
            &[Refused, Interrupted, CommandFailed, RebootLimit, Timeout],
            Instance,
        ),
        row(
            State::LaunchAgain,
            "launch",
            Waits(LAUNCH, &launch::LaunchInstance),
            &[Capacity, NotOnline, Timeout],
            Instance,
        ),
        row(
            State::BuildAgain,
            "execute-phase",
            Waits(LONGEST_COMMAND, &execute_phase::ExecutePhase),
            &[Refused, CommandFailed, RebootLimit, Timeout],
            Instance,
        ),
        row(
            State::Snapshot,
            "snapshot",
            Waits(12 * HOUR, &snapshot::MakeImage),
            &[CommandFailed, RebootLimit, ImageFailed, Timeout],
            Instance,
        ),
        row(State::BeginCopies, "distribute", Once(|c, start| Box::pin(distribute::begin(c, start))), &[], Nothing),
        row(
            State::LaunchTest,
            "launch",
            Waits(LAUNCH, &launch::LaunchInstance),
            &[Capacity, NotOnline, Timeout],
            Nothing,
        ),
        row(
            State::ExecuteTest,
            "execute-phase",
            Waits(LONGEST_COMMAND, &execute_phase::ExecutePhase),
            &[Refused, CommandFailed, RebootLimit, AuditFailed, Timeout],
            Nothing,
        ),
        row(State::EndTest, "test", Once(|c, start| Box::pin(test::end(c, start))), &[], Nothing),
        row(
            State::JudgeTests,
            "test",
            Once(|c, start| Box::pin(test::judge(c, start))),
            &[TestFailed, AuditFailed, Vulnerable],
            Nothing,
        ),
        row(State::Attest, "attest", Waits(12 * HOUR, &attest::Attest), &[ImageFailed, Timeout], Nothing),
        row(
            State::DistributeRegion,
            "distribute",
            Waits(24 * HOUR, &distribute::DistributeRegion),
            &[CopyFailed, Timeout],
            Images,
        ),
        row(State::Publish, "publish", Once(|c, start| Box::pin(publish::handle(c, start))), &[CopyFailed], Images),
        row(State::Finish, "finish", Once(|c, start| Box::pin(finish::handle(c, start))), &[], Nothing),
        row(State::FinishFailed, "finish", Once(|c, start| Box::pin(finish::handle(c, start))), &[], Nothing),
    ]
};

const fn row(state: State, function: &'static str, run: Run, raises: &'static [ErrorName], leaves: Leaves) -> Spec {
    Spec { state, function, run, raises, leaves }
}

impl Spec {
    /// Returns the `TimeoutSeconds` of the state in the definition, or `None` if the state does not wait.
    #[must_use]
    pub fn timeout(&self) -> Option<SignedDuration> {
        match self.run {
            Run::Waits(seconds, _) => Some(SignedDuration::from_secs(seconds)),
            Run::Once(_) => None,
        }
    }

    /// Returns how much of [`Spec::timeout`] is for a wait for room, before the state's work begins.
    pub(crate) fn for_room(&self) -> SignedDuration {
        match self.state {
            State::Launch | State::LaunchAgain | State::LaunchTest => SignedDuration::from_secs(FOR_ROOM),
            _ => SignedDuration::ZERO,
        }
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Waits(seconds, _) => write!(out, "Waits({seconds})"),
            Self::Once(_) => out.write_str("Once"),
        }
    }
}

/// Returns the row of a state.
#[must_use]
pub fn spec(state: State) -> &'static Spec {
    // The table has the order of the variants; a test compares them.
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
