//! A problem with its place, and all problems of a build as one message.

use std::fmt;

use serde::Serialize;

use super::problem::{Problem, Severity};

/// A problem of one planned build, with its place in the definitions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The problem.
    pub problem: Problem,
    /// The place: the field, and the definition that contains it.
    pub place: Place,
}

/// A field of a definition.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The definition, such as "image recipe `web` 1.0.0".
    pub definition: String,
    /// The path of its field, such as `distributions[1].region`.
    pub field: String,
}

impl Place {
    /// Creates a place.
    pub(super) fn new(definition: impl Into<String>, field: impl Into<String>) -> Self {
        Self { definition: definition.into(), field: field.into() }
    }

    /// Returns the same definition with another field.
    pub(super) fn field(&self, field: impl Into<String>) -> Self {
        Self { definition: self.definition.clone(), field: field.into() }
    }

    /// Creates the finding of a problem at this place.
    pub(super) fn has(&self, problem: Problem) -> Finding {
        Finding { problem, place: self.clone() }
    }
}

impl Finding {
    /// Returns whether the problem stops the build.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        self.problem.severity() == Severity::Refusal
    }
}

impl fmt::Display for Finding {
    /// Writes the finding in one sentence, with its remedy, its name and its place.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { problem, place: Place { definition, field } } = self;
        write!(out, "{problem}: {} ({}, `{field}` of {definition})", problem.remedy(), problem.name())
    }
}

impl Serialize for Finding {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        /// A finding in the form for programs.
        #[derive(Serialize)]
        struct Shown<'f> {
            name: &'static str,
            severity: Severity,
            #[serde(flatten)]
            place: &'f Place,
            message: String,
            remedy: &'static str,
        }
        let Self { problem, place } = self;
        let (name, severity, remedy) = (problem.name(), problem.severity(), problem.remedy());
        Shown { name, severity, place, message: problem.to_string(), remedy }.serialize(serializer)
    }
}

/// The largest number of characters of a rejection. The cause of a failed execution quotes the rejection and has at
/// most 32,768 characters (Step Functions API reference, SendTaskFailure, `cause`).
const LONGEST: usize = 16_000;

/// Returns all rejections as one message, or `None` if there are none. A long message ends with the number of problems
/// that it leaves out.
pub(super) fn refusal(findings: &[Finding]) -> Option<String> {
    let refusals: Vec<String> = findings.iter().filter(|one| one.is_refusal()).map(ToString::to_string).collect();
    if refusals.len() < 2 {
        return refusals.into_iter().next();
    }
    let mut message = format!("{} problems:", refusals.len());
    for (number, refusal) in refusals.iter().enumerate() {
        if message.len() + refusal.len() > LONGEST {
            message += &format!("\nand {} more: `goldsmith plan` shows all of them", refusals.len() - number);
            break;
        }
        message += &format!("\n{}. {refusal}", number + 1);
    }
    Some(message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_refusals_make_one_message_of_limited_length() {
        let place = Place::new("distribution configuration `all`", "distributions[0].region");
        let region = |number: usize| place.has(Problem::RegionUnknown { region: format!("eu-nowhere-{number}") });
        let unchecked = place.has(Problem::Unchecked { error: "no".to_owned() });
        assert_eq!(refusal(std::slice::from_ref(&unchecked)), None);
        let two = refusal(&[region(1), unchecked, region(2)]).unwrap();
        let expected = "2 problems:\n1. the image goes to eu-nowhere-1, which EC2 does not know: correct the Region in the \
                        distribution configuration (region-unknown, `distributions[0].region` of distribution configuration \
                        `all`)\n2. the image goes to eu-nowhere-2";
        assert!(two.starts_with(expected), "{two}");
        let all: Vec<Finding> = (0..100).map(region).collect();
        let message = refusal(&all).unwrap();
        assert!(message.len() < LONGEST + 100, "{}", message.len());
        let written = message.matches("region-unknown").count();
        assert!(
            message.ends_with(&format!("and {} more: `goldsmith plan` shows all of them", 100 - written)),
            "{message}"
        );
    }
}
