//! The names of the errors that functions return. The names are a published contract, since the definition retries and
//! catches errors by them.

use strum::VariantArray;

use crate::{STATES, Spec, State};

/// What the definition does with an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Handling {
    /// It is retried, then caught.
    Retried,
    /// It is caught, and the build fails.
    Caught,
    /// It is caught, and the build starts again at its launch, on demand.
    Restarted,
}

/// A name that a function can raise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, strum::IntoStaticStr, strum::VariantArray)]
#[strum(prefix = "Goldsmith.")]
pub enum ErrorName {
    /// The input or a definition is wrong.
    Refused,
    /// AWS throttled the call, or did not answer.
    Throttled,
    /// No combination of instance type, subnet and market had capacity while the launch waited, or none can have it.
    Capacity,
    /// The instance never came online, or it ended before that.
    NotOnline,
    /// EC2 has taken the spot instance of the build back while documents ran, or the instance does not start again
    /// after its checkpoint.
    Interrupted,
    /// A step of a document failed, or its command failed.
    CommandFailed,
    /// The documents asked for more reboots than Run Command allows.
    RebootLimit,
    /// EC2 could not make the AMI.
    ImageFailed,
    /// A test failed.
    TestFailed,
    /// The pipeline has `audit: fail`, and the audit was incomplete or found something that every instance would share.
    AuditFailed,
    /// The pipeline has a `vulnerabilityPolicy`, and the image has a vulnerability that the policy counts, or it could
    /// not be compared with the advisories.
    Vulnerable,
    /// Too few Regions received the image.
    CopyFailed,
    /// A wait passed its deadline.
    Timeout,
    /// The build was closed in the meantime.
    Closed,
    /// AWS rejected a call for a reason that waiting does not fix, such as a missing permission.
    AwsRefused,
    /// Goldsmith itself is at fault: an internal value is not what it must be.
    Internal,
}

/// The errors that every state can return, in addition to those of its row.
const EVERYWHERE: [ErrorName; 4] =
    [ErrorName::Throttled, ErrorName::Closed, ErrorName::AwsRefused, ErrorName::Internal];

impl ErrorName {
    /// Every name.
    pub const ALL: &[Self] = Self::VARIANTS;

    /// Returns the name as the definition spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.into()
    }

    /// Returns what the definition does with the error.
    #[must_use]
    pub fn handling(self) -> Handling {
        match self {
            Self::Throttled => Handling::Retried,
            Self::Interrupted => Handling::Restarted,
            _ => Handling::Caught,
        }
    }

    /// Returns the states that raise the error.
    #[must_use]
    pub fn raised_by(self) -> Vec<State> {
        let raises = |spec: &&Spec| EVERYWHERE.contains(&self) || spec.raises.contains(&self);
        STATES.iter().filter(raises).map(|spec| spec.state).collect()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::{ErrorName, Handling};
    use crate::State;

    /// A row of the page: name, states and handling.
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
        let code: Vec<(String, BTreeSet<String>, String)> = ErrorName::ALL
            .iter()
            .map(|name| {
                let raised_by = name.raised_by();
                let states = if raised_by.len() == State::ALL.len() {
                    BTreeSet::from(["every state".to_owned()])
                } else {
                    raised_by.into_iter().map(|state| state.to_string()).collect()
                };
                let handling = match name.handling() {
                    Handling::Retried => "retried, then caught",
                    Handling::Caught => "caught",
                    Handling::Restarted => "caught, and the build starts again",
                };
                (name.as_str().to_owned(), states, handling.to_owned())
            })
            .collect();
        assert_eq!(page(), code);
    }

    #[test]
    fn the_definition_names_what_does_not_only_fail_the_build() {
        let definition = include_str!("../../../statemachine/image-build.asl.json");
        let names = definition.split('"').filter(|text| text.starts_with("Goldsmith."));
        let used: BTreeSet<&str> = names.collect();
        let named = ErrorName::ALL.iter().filter(|name| name.handling() != Handling::Caught);
        assert_eq!(used, named.map(|name| name.as_str()).collect());
        assert_eq!(ErrorName::Throttled.as_str(), "Goldsmith.Throttled");
    }
}
