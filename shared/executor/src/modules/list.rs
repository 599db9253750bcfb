//! Actions whose inputs are a list. The elements run in order, and the first failure ends the step. The work of earlier
//! elements is kept.

use std::collections::BTreeMap;

use super::files::FileError;
use super::web_download::DownloadError;
use super::{Fields, Outcome, Perform, Place, TIMED_OUT, Task, TaskError};
use crate::aws::AwsError;
use crate::output::Output;
use crate::resolve::{ResolveError, Resolver};

/// One element of the list.
pub(crate) trait Element {
    /// Performs the work of the element. Returns its part of the action's output, if the action has an output.
    fn run(&self, place: &Place<'_>, output: &mut Output<'_>) -> Result<Option<String>, ModuleError>;
}

/// Why an element fails.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ModuleError {
    #[error(transparent)]
    File(#[from] FileError),
    #[error(transparent)]
    Download(#[from] DownloadError),
    #[error(transparent)]
    Aws(#[from] AwsError),
    #[error("{TIMED_OUT}")]
    TimedOut,
}

struct List {
    elements: Vec<Box<dyn Element>>,
    /// The name of the output, and the text that separates the parts of the elements.
    output: Option<(&'static str, &'static str)>,
}

/// Returns the task of an action with these inputs.
pub(super) fn list<I, E: Element + 'static>(
    inputs: &[I],
    resolver: &Resolver<'_>,
    output: Option<(&'static str, &'static str)>,
    read: impl Fn(&I, &mut Fields<'_>) -> Result<E, ResolveError>,
) -> Result<Task, TaskError> {
    let mut elements: Vec<Box<dyn Element>> = Vec::with_capacity(inputs.len());
    let mut records = Vec::with_capacity(inputs.len());
    // All references are replaced before the first element runs: a reference without a value fails the step before
    // anything is changed.
    for input in inputs {
        let mut fields = Fields::new(resolver);
        elements.push(Box::new(read(input, &mut fields)?));
        records.push(fields.record());
    }
    Ok(Task::here(records, List { elements, output }))
}

impl ModuleError {
    /// Returns the facts that were collected where the error occurred.
    fn evidence(&self) -> Vec<String> {
        match self {
            Self::File(error) | Self::Download(DownloadError::File(error)) => error.evidence(),
            Self::Download(DownloadError::Checksum { evidence, .. }) => evidence.clone(),
            Self::Download(_) | Self::Aws(_) | Self::TimedOut => Vec::new(),
        }
    }
}

impl List {
    fn run(&self, place: &Place<'_>, output: &mut Output<'_>) -> Result<Vec<String>, ModuleError> {
        let mut parts = Vec::new();
        for element in &self.elements {
            // Nothing interrupts the work on a file, so the time limit is checked between the elements.
            if place.is_over() {
                return Err(ModuleError::TimedOut);
            }
            parts.extend(element.run(place, output)?);
        }
        Ok(parts)
    }
}

impl Perform for List {
    fn perform(&self, place: &Place<'_>, output: &mut Output<'_>) -> Outcome {
        match self.run(place, output) {
            Ok(parts) => {
                let outputs = self.output.map(|(name, between)| (name.to_owned(), parts.join(between)));
                Outcome { outputs: BTreeMap::from_iter(outputs), ..Outcome::default() }
            }
            Err(error) => {
                let outcome = Outcome::failed(&error);
                Outcome { evidence: [error.evidence(), outcome.evidence].concat(), ..outcome }
            }
        }
    }
}
