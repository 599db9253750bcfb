//! Inputs of the actions that run something.

use crate::{AccountId, Expression, Setting, Template};

/// Inputs of `Assert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assert {
    /// What must be true for the step to succeed.
    pub expression: Expression,
}

/// Inputs of `ExecuteBash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecuteBash {
    /// Pieces of one script, in order: a variable that one sets, the next one sees. At least one.
    pub commands: Vec<Template>,
}

/// Inputs of `ExecuteBinary`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecuteBinary {
    /// The program: a path, or a name that is looked for on `PATH`.
    pub path: Template,
    /// Its arguments; no shell sees them.
    pub arguments: Vec<Template>,
}

/// Inputs of `ExecuteDocument`. Its step has no time-out and one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecuteDocument {
    /// A local path, an S3 URI, or the ARN of a component.
    pub document: Template,
    /// The account that must own the document's bucket.
    pub bucket_owner: Option<Setting<AccountId>>,
    /// Names of phases with commas between; none: all phases.
    pub phases: Option<Template>,
    /// Names and values of the document's parameters.
    pub parameters: Vec<(Template, Template)>,
}

/// Inputs of `ExecutePowerShell`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecutePowerShell {
    /// Pieces of one script, in order. At least one.
    Commands(Vec<Template>),
    /// The path of a script.
    File(Template),
}
