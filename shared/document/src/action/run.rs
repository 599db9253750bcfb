//! Inputs of the actions that run something.

use crate::{AccountId, Expression, Setting, Template};

/// Inputs of `Assert`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assert {
    /// The expression that must be true for the step to succeed.
    pub expression: Expression,
}

/// Inputs of `ExecuteBash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecuteBash {
    /// The pieces of one script, in order. A piece sees the variables that earlier pieces set. There is at least one
    /// piece.
    pub commands: Vec<Template>,
}

/// Inputs of `ExecuteBinary`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecuteBinary {
    /// The program: a path, or a name that is looked up on `PATH`.
    pub path: Template,
    /// The arguments of the program; no shell interprets them.
    pub arguments: Vec<Template>,
}

/// Inputs of `ExecuteDocument`. The step has no time-out and only one attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecuteDocument {
    /// A local path, an S3 URI, or the ARN of a component.
    pub document: Template,
    /// The account that must own the document's bucket.
    pub bucket_owner: Option<Setting<AccountId>>,
    /// The names of phases, separated by commas. `None` means all phases.
    pub phases: Option<Template>,
    /// Names and values of the document's parameters.
    pub parameters: Vec<(Template, Template)>,
}

/// Inputs of `ExecutePowerShell`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ExecutePowerShell {
    /// The pieces of one script, in order. There is at least one piece.
    Commands(Vec<Template>),
    /// The path of a script.
    File(Template),
}
