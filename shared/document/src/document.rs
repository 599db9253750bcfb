//! A component document as types.

use sha2::{Digest, Sha256};

use crate::{Action, Condition, Diagnostics, Loop, Spanned, Target};

/// Longest and shortest name of a phase, step, parameter or constant.
pub(crate) const NAME_LENGTH: std::ops::RangeInclusive<usize> = 3..=128;

/// A document of schema 1.0 without errors.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// Its name; may be empty.
    pub name: String,
    /// Its description; may be empty.
    pub description: String,
    /// Values that whoever runs it may give.
    pub parameters: Vec<Parameter>,
    /// Values that never change.
    pub constants: Vec<Constant>,
    /// The phases in their order; at least one.
    pub phases: Vec<Phase>,
    /// Whether nothing of what its steps print is logged.
    pub disable_logging: bool,
    /// What is legal but probably not meant.
    pub warnings: Diagnostics,
}

/// A value that whoever runs the document may give.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its name.
    pub name: Spanned<String>,
    /// The value where none is given.
    pub default: Option<String>,
    /// What it is for.
    pub description: Option<String>,
    /// The only values that may be given; none: any.
    pub allowed_values: Vec<String>,
}

impl Parameter {
    /// Whether the document allows this value.
    pub fn allows(&self, value: &str) -> bool {
        self.allowed_values.is_empty() || self.allowed_values.iter().any(|allowed| allowed == value)
    }
}

/// A value that never changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Constant {
    /// Its name.
    pub name: Spanned<String>,
    /// Its value as written.
    pub value: String,
}

/// A named list of steps.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Phase {
    /// Its name: `build`, `validate`, `test`, or another that only a direct run selects.
    pub name: Spanned<String>,
    /// The steps in their order; may be none.
    pub steps: Vec<Step>,
    /// Whether nothing of what its steps print is logged.
    pub disable_logging: bool,
}

/// One step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// Its name, unique in its phase.
    pub name: Spanned<String>,
    /// What it does.
    pub action: Action,
    /// Seconds that one attempt may take, all iterations of its loop together; `None` is no limit. Default 7,200.
    pub timeout_seconds: Option<u64>,
    /// What follows when the last attempt failed.
    pub on_failure: OnFailure,
    /// Attempts in all, at least 1.
    pub max_attempts: u32,
    /// Whether it runs; none: it does.
    pub condition: Option<Condition>,
    /// How often each attempt runs its action; none: once.
    pub repeat: Option<Loop>,
    /// Whether nothing of what it prints is logged.
    pub disable_logging: bool,
}

/// What follows when a step has failed for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnFailure {
    /// Nothing more of the document runs, and the run has failed.
    #[default]
    Abort,
    /// The next steps run, and the run has failed in the end.
    Continue,
    /// The next steps run, and the run does not fail for this.
    Ignore,
}

impl OnFailure {
    pub(crate) const ALL: [(&'static str, OnFailure); 3] =
        [("Abort", OnFailure::Abort), ("Continue", OnFailure::Continue), ("Ignore", OnFailure::Ignore)];

    /// The word in a document.
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
    /// All mistakes that were found, ordered by line, together with the warnings.
    pub fn parse(file: &str, text: &str) -> Result<Document, Diagnostics> {
        Self::parse_for(file, text, &Target::default())
    }

    /// Reads and checks a document for a place where it is to run.
    ///
    /// # Errors
    /// As [`Document::parse`], and modules that the place does not have.
    pub fn parse_for(file: &str, text: &str, target: &Target) -> Result<Document, Diagnostics> {
        crate::parse::document(file, text, target)
    }

    /// Whether its only phase is `test`: a test component, which takes no part in the build.
    pub fn is_test_only(&self) -> bool {
        matches!(&self.phases[..], [only] if only.name.value == "test")
    }
}

/// SHA-256 of a document's text, in lower-case hex.
pub fn digest(text: &str) -> String {
    Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}
