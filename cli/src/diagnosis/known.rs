//! The table of known causes: by what each is recognized, what it means, and what helps.
//!
//! A row is found by pieces of what AWS, a step or the instance has said, in lower case. The first row that fits counts, so
//! special rows come before general ones. In texts for people, `{step}`, `{component}`, `{host}`, `{url}`, `{path}`,
//! `{region}` and `{instance}` stand for facts of the failure.

mod aws;
mod build;
mod machine;
mod network;
mod packages;

use goldsmith_states::error_names::ErrorName;

/// A known cause of failures.
#[derive(Debug)]
pub(super) struct Known {
    /// A short name.
    pub(super) id: &'static str,
    /// The names of errors, of which the failure must have one. An empty list allows every error.
    pub(super) errors: &'static [ErrorName],
    /// Pieces of text, in lower case. One of them is enough.
    pub(super) said: &'static [&'static str],
    /// Exit codes of a step. One of them is enough, too.
    pub(super) exits: &'static [i32],
    /// Whether every other row that fits comes before this one.
    pub(super) is_general: bool,
    /// What has happened, as a clause.
    pub(super) title: &'static str,
    /// What helps, one sentence or two each. The first one is the most important one.
    pub(super) helps: &'static [&'static str],
    /// Where the cause is if nothing in the plan has changed, as a sentence.
    pub(super) outside: &'static str,
    /// What the names of the changes begin with that are likely causes.
    pub(super) suspects: &'static [&'static str],
    /// Pieces of changed lines of a document that make the change a likely cause, in lower case.
    pub(super) words: &'static [&'static str],
}

/// A row without anything, from which the others are made.
const ROW: Known = Known {
    id: "",
    errors: &[],
    said: &[],
    exits: &[],
    is_general: false,
    title: "",
    helps: &[],
    outside: "",
    suspects: &[],
    words: &[],
};

/// Returns all rows in the order in which they are tried.
pub(super) fn all() -> impl Iterator<Item = &'static Known> {
    [build::ROWS, aws::ROWS, packages::ROWS, network::ROWS, machine::ROWS].into_iter().flatten()
}
