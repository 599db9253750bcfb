//! Text with `{{ references }}`. It is cut into parts when a document is read, and put together when a step runs.
//!
//! A `{{` that is not closed on its line is plain text. A literal `{{x}}` is written `{{literal(x)}}` (see
//! [`Template`]).

mod parse;
mod split;

pub(crate) use parse::{BadReference, Found, parse};
pub(crate) use split::{LITERAL, Piece, split};

use crate::yaml::Span;

/// The text of an input, cut at its references.
///
/// Text in double braces that is meant for another program is put in `literal(…)`:
/// `docker ps --format '{{literal(.ID)}}'` runs `docker ps --format '{{.ID}}'`. Everything between the parentheses is
/// kept as it is, including spaces. The first `)` before closing braces ends it. YAML does not require quotes for it.
/// The language of EC2 Image Builder has no such reference, so every document that is valid there has the same meaning
/// here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template {
    /// The text as written.
    pub raw: String,
    /// The place of the text.
    pub span: Span,
    /// The text cut at its references. Literal braces are already text.
    pub parts: Vec<Part>,
}

impl Template {
    /// Returns the text if it has no references.
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
    /// A reference that is replaced by a value.
    Reference(Reference),
}

/// The kinds of references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reference {
    /// A parameter or a constant: `{{ Name }}`.
    Name(String),
    /// An input or output of an earlier step of the same document.
    Chain(Chain),
    /// The number of the step's iteration, from 0: `{{ loop.index }}`, or the same with the loop's own name.
    LoopIndex,
    /// The value of the step's iteration: `{{ loop.value }}`, or the same with the loop's own name.
    LoopValue,
    /// An environment variable: `{{ env:NAME }}`.
    Env(String),
    /// Information about the run: `{{ context:key }}`.
    Context(ContextKey),
    /// A parameter of the Parameter Store: `{{ aws:ssm:… }}`.
    Ssm(SsmName),
    /// Instance metadata, by a path below `meta-data/`: `{{ aws:imds:path }}`. The path is never in
    /// [`FORBIDDEN_METADATA`].
    Imds(String),
}

/// The name of a parameter in the Parameter Store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SsmName {
    /// The document contains the name: `aws:ssm:/path/name`.
    Given(String),
    /// The name is the value of a parameter or constant of the document: `aws:ssm:resolve(Name)`.
    Declared(String),
    /// The name is the value of another parameter in the store: `aws:ssm:resolve(aws:ssm:/path/name)`.
    Stored(String),
}

/// Folders of the instance metadata that hold credentials and that no document may read.
pub const FORBIDDEN_METADATA: [&str; 2] = ["iam/", "identity-credentials/"];

/// A reference to a value of another step: `phase.step.outputs[index].key`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// Name of the phase.
    pub phase: String,
    /// Name of the step.
    pub step: String,
    /// Inputs or outputs.
    pub side: Side,
    /// The element, counted from 0. Without `[i]`, it is the first element.
    pub index: usize,
    /// Name of the input or output.
    pub key: String,
}

/// The side of a step from which a chain takes its value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The inputs that the step was given.
    Inputs,
    /// The outputs that the step produced.
    Outputs,
}

/// The keys of `{{ context:key }}`.
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
    /// The version of the operating system: on Linux from `/etc/os-release`, elsewhere empty.
    OsVersion,
    /// The date in UTC, `YYYY-MM-DD`.
    Date,
    /// The date and time in UTC, in the form of RFC 3339 with `Z`.
    DateTime,
    /// A random UUID, version 4.
    Uuid,
    /// The name of the host.
    Hostname,
    /// The name of the current phase.
    Phase,
    /// The name of the current step.
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

    /// Returns the key in a document.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }
}
