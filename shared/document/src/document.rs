//! A component document as types.

use sha2::{Digest, Sha256};

use crate::{Action, Condition, Diagnostics, Loop, Spanned, Target, did_you_mean};

/// Seconds that an attempt of a step may take if the document does not say otherwise.
pub const DEFAULT_TIMEOUT: u64 = 7_200;

/// The shortest and longest length of the name of a phase, step, parameter or constant.
pub(crate) const NAME_LENGTH: std::ops::RangeInclusive<usize> = 3..=128;

/// A document of schema 1.0 without errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The name; may be empty.
    pub name: String,
    /// The description; may be empty.
    pub description: String,
    /// Values that can be given when the document is run.
    pub parameters: Vec<Parameter>,
    /// Values that never change.
    pub constants: Vec<Constant>,
    /// The phases in their order; at least one.
    pub phases: Vec<Phase>,
    /// Whether the output of the steps is not logged.
    pub disable_logging: bool,
    /// Findings that are legal but probably not intended.
    pub warnings: Diagnostics,
}

/// A value that can be given when the document is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// The name.
    pub name: Spanned<String>,
    /// The value if none is given.
    pub default: Option<String>,
    /// The purpose of the parameter.
    pub description: Option<String>,
    /// The only values that are allowed. An empty list allows every value.
    pub allowed_values: Vec<String>,
}

impl Parameter {
    /// Returns whether the document allows this value.
    pub fn allows(&self, value: &str) -> bool {
        self.allowed_values.is_empty() || self.allowed_values.iter().any(|allowed| allowed == value)
    }
}

/// A value that never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constant {
    /// The name.
    pub name: Spanned<String>,
    /// The value as written.
    pub value: String,
}

/// A named list of steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// The name: `build`, `validate`, `test`, or another name that only a direct run selects.
    pub name: Spanned<String>,
    /// The steps in their order; may be empty.
    pub steps: Vec<Step>,
    /// Whether the output of the steps is not logged.
    pub disable_logging: bool,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The name, which is unique in the phase.
    pub name: Spanned<String>,
    /// The action that the step performs.
    pub action: Action,
    /// The number of seconds that one attempt may take, including all iterations of the loop. `None` means no limit.
    /// Default 7,200.
    pub timeout_seconds: Option<u64>,
    /// What happens if the last attempt fails.
    pub on_failure: OnFailure,
    /// The total number of attempts, at least 1.
    pub max_attempts: u32,
    /// The condition under which the step runs. `None` means that it always runs.
    pub condition: Option<Condition>,
    /// The loop in which each attempt runs the action. `None` means once.
    pub repeat: Option<Loop>,
    /// Whether the output of the step is not logged.
    pub disable_logging: bool,
}

/// What happens after the last attempt of a step has failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// The rest of the document does not run, and the run fails.
    #[default]
    Abort,
    /// The next steps run, and the run fails at its end.
    Continue,
    /// The next steps run, and the run does not fail because of this step.
    Ignore,
}

impl OnFailure {
    pub(crate) const ALL: [(&'static str, OnFailure); 3] =
        [("Abort", OnFailure::Abort), ("Continue", OnFailure::Continue), ("Ignore", OnFailure::Ignore)];

    /// Returns the word that a document uses.
    pub fn name(self) -> &'static str {
        match self {
            OnFailure::Abort => "Abort",
            OnFailure::Continue => "Continue",
            OnFailure::Ignore => "Ignore",
        }
    }
}

impl Document {
    /// Reads and checks a document.
    ///
    /// # Errors
    /// Returns all mistakes, ordered by line, together with the warnings.
    pub fn parse(file: &str, text: &str) -> Result<Document, Diagnostics> {
        Self::parse_for(file, text, &Target::default())
    }

    /// Reads and checks a document for the target on which it is to run.
    ///
    /// # Errors
    /// Returns the same errors as [`Document::parse`], and modules that the target does not have.
    pub fn parse_for(file: &str, text: &str, target: &Target) -> Result<Document, Diagnostics> {
        crate::parse::document(file, text, target)
    }

    /// Returns the parameter of this name.
    pub fn parameter(&self, name: &str) -> Option<&Parameter> {
        self.parameters.iter().find(|parameter| parameter.name.value == name)
    }

    /// Returns the name of a parameter that a misspelled one probably means.
    pub fn similar_parameter(&self, name: &str) -> Option<&str> {
        did_you_mean(name, self.parameters.iter().map(|parameter| parameter.name.value.as_str()))
    }

    /// Returns whether `test` is the only phase. Such a document is a test component, which does not take part in the
    /// build.
    pub fn is_test_only(&self) -> bool {
        matches!(&self.phases[..], [only] if only.name.value == "test")
    }
}

/// Returns the SHA-256 of a document's text in lower-case hex.
pub fn digest(text: &str) -> String {
    hex::encode(Sha256::digest(text))
}
