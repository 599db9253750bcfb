//! Text with `{{ references }}`: cut into parts when a document is read, put together when a step runs.
//!
//! `{{` that is not closed on its line is plain text. A literal `{{x}}` is written `{{literal(x)}}`, for which see
//! [`Template`].

mod parse;
mod split;

pub(crate) use parse::{BadReference, Found, parse};
pub(crate) use split::{LITERAL, Piece, split};

use crate::yaml::Span;

/// An input's text, cut at its references.
///
/// Text in double braces that is meant for another program is put in `literal(…)`:
/// `docker ps --format '{{literal(.ID)}}'` runs `docker ps --format '{{.ID}}'`. Everything between the parentheses is
/// kept as it is, spaces included; the first `)` that stands before closing braces ends it. YAML needs no quotes for it,
/// and the original language has no such reference, so that no document which is valid there means something else here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The text as written.
    pub raw: String,
    /// Where it stands.
    pub span: Span,
    /// The text cut at its references; literal braces are already text.
    pub parts: Vec<Part>,
}

impl Template {
    /// The text, if it has no references.
    pub fn literal(&self) -> Option<String> {
        let texts = self.parts.iter().map(|part| match part {
            Part::Text(text) => Some(text.as_str()),
            Part::Reference(_) => None,
        });
        texts.collect()
    }
}

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// Text that stays as it is.
    Text(String),
    /// What is replaced by a value.
    Reference(Reference),
}

/// What a reference names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A parameter or a constant: `{{ Name }}`.
    Name(String),
    /// An input or output of an earlier step of the same document.
    Chain(Chain),
    /// The number of the step's iteration, from 0: `{{ loop.index }}`, or with the loop's own name.
    LoopIndex,
    /// The value of the step's iteration: `{{ loop.value }}`, or with the loop's own name.
    LoopValue,
    /// A variable of the environment: `{{ env:NAME }}`.
    Env(String),
    /// Something about the run: `{{ context:key }}`.
    Context(ContextKey),
    /// A parameter of the Parameter Store: `{{ aws:ssm:… }}`.
    Ssm(SsmName),
    /// Instance metadata, a path below `meta-data/`: `{{ aws:imds:path }}`. Never one of [`FORBIDDEN_METADATA`].
    Imds(String),
}

/// The name of a parameter in the Parameter Store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SsmName {
    /// It stands in the document: `aws:ssm:/path/name`.
    Given(String),
    /// It is the value of a parameter or constant of the document: `aws:ssm:resolve(Name)`.
    Declared(String),
    /// It is the value of another parameter in the store: `aws:ssm:resolve(aws:ssm:/path/name)`.
    Stored(String),
}

/// Folders of the instance metadata that hold credentials and that no document may read.
pub const FORBIDDEN_METADATA: [&str; 2] = ["iam/", "identity-credentials/"];

/// `phase.step.outputs[index].key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Name of the phase.
    pub phase: String,
    /// Name of the step.
    pub step: String,
    /// Inputs or outputs.
    pub side: Side,
    /// The element, from 0; without `[i]` the first one.
    pub index: usize,
    /// Name of the input or output.
    pub key: String,
}

/// Which of a step's values a chain takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// What the step was given.
    Inputs,
    /// What it produced.
    Outputs,
}

/// What `{{ context:key }}` can tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContextKey {
    /// The id of the execution.
    ExecutionId,
    /// The AWS account of the instance.
    AccountId,
    /// The Region of the instance.
    Region,
    /// `linux`, `windows` or `darwin`.
    OsPlatform,
    /// The name of the operating system, on Linux from `/etc/os-release`.
    OsName,
    /// Its version, on Linux from `/etc/os-release`, elsewhere empty.
    OsVersion,
    /// The date in UTC, `YYYY-MM-DD`.
    Date,
    /// Date and time in UTC, RFC 3339 with `Z`.
    DateTime,
    /// A random UUID, version 4.
    Uuid,
    /// The name of the host.
    Hostname,
    /// The name of the phase that runs.
    Phase,
    /// The name of the step that runs.
    Step,
}

impl ContextKey {
    pub(crate) const ALL: [(&'static str, ContextKey); 12] = [
        ("executionId", ContextKey::ExecutionId),
        ("accountId", ContextKey::AccountId),
        ("region", ContextKey::Region),
        ("osPlatform", ContextKey::OsPlatform),
        ("osName", ContextKey::OsName),
        ("osVersion", ContextKey::OsVersion),
        ("date", ContextKey::Date),
        ("dateTime", ContextKey::DateTime),
        ("uuid", ContextKey::Uuid),
        ("hostname", ContextKey::Hostname),
        ("phase", ContextKey::Phase),
        ("step", ContextKey::Step),
    ];

    /// The key in a document.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}
