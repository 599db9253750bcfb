//! Where the time of a build went: each moment belongs to exactly one part.

use goldsmith_model::State;
use jiff::Timestamp;

/// A part of a build's time. If several parts are in progress, the moment belongs to the first one of [`Part::ALL`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A step of a document runs.
    Steps,
    /// EC2 launches the build instance or a test instance.
    Launch,
    /// A launch waits until the account or EC2 has room for its instance.
    Room,
    /// The build instance is cleaned and stopped, and EC2 makes the AMI with its snapshots.
    Snapshot,
    /// EC2 copies the AMI to other Regions and accounts.
    Copies,
    /// A command is delivered, an instance reboots, or the audit runs: no step does.
    Between,
    /// Everything else, which is Goldsmith's own work.
    Own,
}

impl Part {
    pub(super) const ALL: [Self; 7] =
        [Self::Steps, Self::Launch, Self::Room, Self::Snapshot, Self::Copies, Self::Between, Self::Own];

    /// Returns what the part is, for people.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Steps => "Steps of the documents",
            Self::Launch => "EC2: launches",
            Self::Room => "EC2: room for instances",
            Self::Snapshot => "EC2: AMI and snapshots",
            Self::Copies => "EC2: copies to Regions",
            Self::Between => "Between the steps",
            Self::Own => "Goldsmith",
        }
    }

    /// Returns what belongs to the part.
    pub(super) fn explanation(self) -> &'static str {
        match self {
            Self::Steps => "what the components do on the instances",
            Self::Launch => "until an instance runs and is online in Systems Manager",
            Self::Room => "until the account or EC2 has room for an instance",
            Self::Snapshot => "clean-up, stop, and the creation of the AMI",
            Self::Copies => "copies, and their settings",
            Self::Between => "delivery of commands, reboots, and the audit",
            Self::Own => "plan, publication, and the transitions between states",
        }
    }

    /// Returns the class of the part's color in the style sheet.
    pub(super) fn class(self) -> &'static str {
        match self {
            Self::Steps => "p-steps",
            Self::Launch => "p-launch",
            Self::Room => "p-room",
            Self::Snapshot => "p-snapshot",
            Self::Copies => "p-copies",
            Self::Between => "p-between",
            Self::Own => "p-own",
        }
    }

    /// Returns the part of a state's time in which none of its steps runs.
    pub(super) fn of(state: State) -> Self {
        match state {
            State::Launch | State::LaunchAgain | State::LaunchTest => Self::Launch,
            State::Checkpoint | State::Snapshot => Self::Snapshot,
            State::DistributeRegion => Self::Copies,
            State::Build | State::BuildRest | State::BuildAgain | State::ExecuteTest => Self::Between,
            State::Plan
            | State::BeginCopies
            | State::EndTest
            | State::JudgeTests
            | State::Attest
            | State::Publish
            | State::Finish
            | State::FinishFailed => Self::Own,
        }
    }
}

/// The seconds of each part, in the order of [`Part::ALL`].
pub(super) type Spent = [f64; Part::ALL.len()];

/// A time in which a part is in progress.
#[derive(Debug, Clone, Copy)]
pub(super) struct Span {
    pub(super) part: Part,
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
}

/// Returns the seconds of each part between two times. Together, they are the time between both.
pub(super) fn spent(from: Timestamp, to: Timestamp, spans: &[Span]) -> Spent {
    let inside = |time: Timestamp| time.clamp(from, to.max(from));
    let mut bounds: Vec<Timestamp> = spans.iter().flat_map(|span| [inside(span.from), inside(span.to)]).collect();
    bounds.extend([from, to.max(from)]);
    bounds.sort_unstable();
    bounds.dedup();
    let mut seconds = Spent::default();
    for pair in bounds.windows(2) {
        let runs = |part: &Part| spans.iter().any(|one| one.part == *part && one.from <= pair[0] && pair[1] <= one.to);
        let at = Part::ALL.iter().position(runs).unwrap_or(Part::ALL.len() - 1);
        seconds[at] += pair[1].duration_since(pair[0]).as_secs_f64();
    }
    seconds
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::{Part, Span, spent};

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn each_moment_counts_once_and_documents_come_before_waiting() {
        let span = |part, from, to| Span { part, from: at(from), to: at(to) };
        let spans = [
            span(Part::Launch, 5, 30),
            span(Part::Between, 30, 100),
            span(Part::Steps, 40, 60),
            span(Part::Steps, 50, 70), // two test instances run at the same time
            span(Part::Launch, 65, 80),
            span(Part::Snapshot, 100, 500), // the build ends before
        ];
        assert_eq!(spent(at(0), at(120), &spans), [30.0, 35.0, 0.0, 20.0, 0.0, 30.0, 5.0]);
        assert_eq!(spent(at(9), at(3), &spans).iter().sum::<f64>(), 0.0);
    }
}
