//! The names of errors that leave a function. They are a published contract, since the definition retries and catches
//! by them.

use crate::State;

/// What the definition does with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// It is retried, then caught.
    Retried,
    /// It is caught, and the build fails.
    Caught,
}

/// A name that a function can raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ErrorName {
    /// The input or a definition is wrong.
    Refused,
    /// AWS asked to slow down, or did not answer.
    Throttled,
    /// No combination of instance type and subnet had capacity.
    Capacity,
    /// The instance never came online, or ended before that.
    NotOnline,
    /// A step of a document failed, or its command failed.
    CommandFailed,
    /// The documents asked for more reboots than Run Command allows.
    RebootLimit,
    /// EC2 could not make the AMI.
    ImageFailed,
    /// A test failed.
    TestFailed,
    /// Every instance of the image would share something, and the pipeline does not allow that.
    AuditFailed,
    /// Too few Regions have the image.
    CopyFailed,
    /// A wait passed its deadline.
    Timeout,
    /// The build was closed in the meantime.
    Closed,
    /// AWS rejected a call for a reason that waiting does not fix, such as a missing permission.
    AwsRefused,
    /// Goldsmith itself is at fault: something that its own parts make is not as it should be.
    Internal,
}

/// A row of the contract.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// The name.
    pub name: ErrorName,
    /// States that raise it.
    pub raised_by: &'static [State],
    /// What the definition does.
    pub handling: Handling,
}

/// States that wait.
const WAITING: &[State] =
    &[State::Launch, State::Build, State::Snapshot, State::LaunchTest, State::ExecuteTest, State::DistributeRegion];
/// States that run commands.
const COMMANDS: &[State] = &[State::Build, State::Snapshot, State::ExecuteTest];

/// The whole contract. Tests compare it with `docs/errors.md` and the definition.
pub const TABLE: &[Row] = &[
    Row {
        name: ErrorName::Refused,
        raised_by: &[State::Plan, State::Build, State::ExecuteTest],
        handling: Handling::Caught,
    },
    Row { name: ErrorName::Throttled, raised_by: State::ALL, handling: Handling::Retried },
    Row { name: ErrorName::Capacity, raised_by: &[State::Launch, State::LaunchTest], handling: Handling::Caught },
    Row { name: ErrorName::NotOnline, raised_by: &[State::Launch, State::LaunchTest], handling: Handling::Caught },
    Row { name: ErrorName::CommandFailed, raised_by: COMMANDS, handling: Handling::Caught },
    Row { name: ErrorName::RebootLimit, raised_by: COMMANDS, handling: Handling::Caught },
    Row { name: ErrorName::ImageFailed, raised_by: &[State::Snapshot], handling: Handling::Caught },
    Row { name: ErrorName::TestFailed, raised_by: &[State::JudgeTests], handling: Handling::Caught },
    Row {
        name: ErrorName::AuditFailed,
        raised_by: &[State::ExecuteTest, State::JudgeTests],
        handling: Handling::Caught,
    },
    Row {
        name: ErrorName::CopyFailed,
        raised_by: &[State::DistributeRegion, State::Publish],
        handling: Handling::Caught,
    },
    Row { name: ErrorName::Timeout, raised_by: WAITING, handling: Handling::Caught },
    Row { name: ErrorName::Closed, raised_by: State::ALL, handling: Handling::Caught },
    Row { name: ErrorName::AwsRefused, raised_by: State::ALL, handling: Handling::Caught },
    Row { name: ErrorName::Internal, raised_by: State::ALL, handling: Handling::Caught },
];

impl ErrorName {
    /// Returns the name as the definition spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "Goldsmith.Refused",
            Self::Throttled => "Goldsmith.Throttled",
            Self::Capacity => "Goldsmith.Capacity",
            Self::NotOnline => "Goldsmith.NotOnline",
            Self::CommandFailed => "Goldsmith.CommandFailed",
            Self::RebootLimit => "Goldsmith.RebootLimit",
            Self::ImageFailed => "Goldsmith.ImageFailed",
            Self::TestFailed => "Goldsmith.TestFailed",
            Self::AuditFailed => "Goldsmith.AuditFailed",
            Self::CopyFailed => "Goldsmith.CopyFailed",
            Self::Timeout => "Goldsmith.Timeout",
            Self::Closed => "Goldsmith.Closed",
            Self::AwsRefused => "Goldsmith.AwsRefused",
            Self::Internal => "Goldsmith.Internal",
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ErrorName, Handling, TABLE};
    use crate::State;

    /// A row of the page: name, states, handling.
    fn page() -> Vec<(String, BTreeSet<String>, String)> {
        let text = include_str!("../../../docs/errors.md");
        let rows = text.lines().filter(|line| line.starts_with("| `Goldsmith."));
        let cells = |line: &str| line.split('|').map(|cell| cell.trim().to_owned()).collect::<Vec<_>>();
        rows.map(cells)
            .map(|row| (row[1].replace('`', ""), row[2].split(", ").map(str::to_owned).collect(), row[3].clone()))
            .collect()
    }

    #[test]
    fn the_page_says_what_the_code_does() {
        let code: Vec<(String, BTreeSet<String>, String)> = TABLE
            .iter()
            .map(|row| {
                let every = row.raised_by.len() == State::ALL.len();
                let states = if every {
                    BTreeSet::from(["every state".to_owned()])
                } else {
                    row.raised_by.iter().map(|state| state.name().to_owned()).collect()
                };
                let handling = match row.handling {
                    Handling::Retried => "retried, then caught",
                    Handling::Caught => "caught",
                };
                (row.name.as_str().to_owned(), states, handling.to_owned())
            })
            .collect();
        assert_eq!(page(), code);
    }

    #[test]
    fn the_definition_retries_what_is_retried_and_knows_no_other_name() {
        let definition = include_str!("../../../statemachine/image-build.asl.json");
        let names = definition.split('"').filter(|text| text.starts_with("Goldsmith."));
        let used: BTreeSet<&str> = names.collect();
        let retried = TABLE.iter().filter(|row| row.handling == Handling::Retried).map(|row| row.name.as_str());
        assert_eq!(used, retried.collect());
        assert_eq!(ErrorName::Throttled.as_str(), "Goldsmith.Throttled");
    }
}
