//! The lines of a journal, and the state that results from them.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::seal::{self, Read, SealError};
use crate::secrets::Secrets;
use crate::state::{At, DocumentRecord, PhaseRecord, State, StepRecord};

/// A change of the state. A record comes after the record that it belongs to, and replaces its own earlier form.
#[derive(Debug, Serialize, Deserialize)]
#[expect(clippy::large_enum_variant, reason = "only one exists at a time, while its line is written")]
pub(crate) enum Entry<'e> {
    /// A document's record, with the document's index.
    Document(usize, Cow<'e, DocumentRecord>),
    /// A phase's record. The step index of the position has no meaning here.
    Phase(At, Cow<'e, PhaseRecord>),
    Step(At, Cow<'e, StepRecord>),
    /// The number of reboots that the phase has asked for.
    Reboots(At, u32),
    RebootPending(bool),
    /// The names of the parameters that are secrets.
    Secrets(Vec<String>),
}

/// Returns the state after all complete lines.
pub(super) fn replay(text: &str, secrets: &Secrets, read: Read<'_>) -> Result<State, SealError> {
    let mut lines = text.split_inclusive('\n');
    let mut state: State = seal::from_str(lines.next().unwrap_or_default(), secrets, read)?;
    for line in lines.filter(|line| line.ends_with('\n')) {
        apply(&mut state, seal::from_str(line, secrets, read)?);
    }
    // Secrets that no record contains any more must not be shown either.
    state.secrets.iter().try_for_each(|name| seal::ensure(name, secrets, read))?;
    Ok(state)
}

fn apply(state: &mut State, entry: Entry<'_>) {
    match entry {
        Entry::Document(index, record) => put(&mut state.documents, index, record.into_owned()),
        Entry::Phase(at, record) => {
            if let Some(document) = state.documents.get_mut(at.document) {
                put(&mut document.phases, at.phase, record.into_owned());
            }
        }
        Entry::Step(at, record) => {
            if let Some(phase) = phase(state, at) {
                put(&mut phase.steps, at.step, record.into_owned());
            }
        }
        Entry::Reboots(at, reboots) => {
            if let Some(phase) = phase(state, at) {
                phase.reboots = reboots;
            }
        }
        Entry::RebootPending(pending) => state.reboot_pending = pending,
        Entry::Secrets(secrets) => state.secrets = secrets,
    }
}

fn phase(state: &mut State, at: At) -> Option<&mut PhaseRecord> {
    state.documents.get_mut(at.document)?.phases.get_mut(at.phase)
}

fn put<T>(list: &mut Vec<T>, index: usize, item: T) {
    match list.get_mut(index) {
        Some(old) => *old = item,
        None => list.push(item),
    }
}
