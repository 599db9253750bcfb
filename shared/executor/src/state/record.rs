//! The records of documents, phases and steps.

use std::collections::BTreeMap;

use goldsmith_document::{OnFailure, Step};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::State;
use crate::{FailureContext, FailureKind, Status};

/// The position of a step: indices into the state's documents, phases and steps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct At {
    pub(crate) document: usize,
    pub(crate) phase: usize,
    pub(crate) step: usize,
}

/// A document that was started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DocumentRecord {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) start: Timestamp,
    pub(crate) end: Option<Timestamp>,
    pub(crate) phases: Vec<PhaseRecord>,
}

/// A phase that was started.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct PhaseRecord {
    pub(crate) name: String,
    pub(crate) start: Timestamp,
    pub(crate) end: Option<Timestamp>,
    pub(crate) reboots: u32,
    pub(crate) steps: Vec<StepRecord>,
}

/// A step that was started or that its condition skipped. If a record exists, the condition has been evaluated.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct StepRecord {
    pub(crate) name: String,
    pub(crate) action: String,
    pub(crate) timeout_seconds: Option<u64>,
    pub(crate) on_failure: String,
    pub(crate) max_attempts: u32,
    pub(crate) status: Status,
    pub(crate) attempt: u32,
    pub(crate) start: Timestamp,
    pub(crate) end: Option<Timestamp>,
    pub(crate) exit_code: Option<i32>,
    pub(crate) message: String,
    /// The inputs. For a loop, they are those of the last iteration.
    pub(crate) inputs: Vec<Inputs>,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) last_lines: Vec<String>,
    /// The facts about the machine that explain the failure.
    #[serde(default)]
    pub(crate) evidence: Vec<String>,
    /// The kind of the failure. It has a meaning only if the step failed.
    pub(crate) failure: FailureKind,
    /// `disableLogging`: inputs and outputs are not reported.
    pub(crate) muted: bool,
    /// The iteration at which the loop of a step that waits for a reboot resumes.
    pub(crate) iterations: Option<Iterations>,
    /// The states of the documents that the step ran.
    pub(crate) nested: Vec<State>,
}

/// The progress of a loop.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Iterations {
    /// The values, which are put together before the first iteration. Empty for a range of numbers.
    pub(crate) values: Vec<String>,
    /// The next iteration.
    pub(crate) next: usize,
    /// The outputs of the iterations so far.
    pub(crate) outputs: BTreeMap<String, Vec<String>>,
}

/// The inputs of one element of a step, after their references were replaced.
pub(crate) type Inputs = BTreeMap<String, Input>;

/// The value of an input.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum Input {
    Text(String),
    Texts(Vec<String>),
}

impl DocumentRecord {
    pub(crate) fn new(name: &str, description: &str) -> Self {
        let (name, description) = (name.to_owned(), description.to_owned());
        Self { name, description, start: Timestamp::now(), end: None, phases: Vec::new() }
    }

    /// Returns the record of a step by names.
    pub(crate) fn step(&self, phase: &str, step: &str) -> Option<&StepRecord> {
        self.phases.iter().find(|p| p.name == phase)?.steps.iter().find(|s| s.name == step)
    }

    pub(crate) fn status(&self) -> Status {
        combined(self.phases.iter().map(PhaseRecord::status))
    }
}

impl PhaseRecord {
    pub(crate) fn new(name: &str) -> Self {
        Self { name: name.to_owned(), start: Timestamp::now(), end: None, reboots: 0, steps: Vec::new() }
    }

    pub(crate) fn status(&self) -> Status {
        combined(self.steps.iter().map(|step| step.status))
    }
}

impl StepRecord {
    /// Returns the record of a step that is about to be started.
    pub(crate) fn new(step: &Step, muted: bool) -> Self {
        Self {
            name: step.name.value.clone(),
            action: step.action.name().to_owned(),
            timeout_seconds: step.timeout_seconds,
            on_failure: step.on_failure.name().to_owned(),
            max_attempts: step.max_attempts,
            status: Status::Running,
            attempt: 1,
            start: Timestamp::now(),
            end: None,
            exit_code: None,
            message: String::new(),
            inputs: Vec::new(),
            outputs: BTreeMap::new(),
            last_lines: Vec::new(),
            evidence: Vec::new(),
            failure: FailureKind::Step,
            muted,
            iterations: None,
            nested: Vec::new(),
        }
    }

    /// Returns whether the rest of the document must not run because of this step. If the step asked for too many
    /// reboots, `onFailure` does not apply.
    pub(crate) fn aborts(&self) -> bool {
        self.status == Status::Failed
            && (self.failure == FailureKind::RebootLimit || self.on_failure == OnFailure::Abort.name())
    }

    pub(super) fn failure(&self, document: &str, phase: &str) -> FailureContext {
        FailureContext {
            kind: self.failure,
            document: document.to_owned(),
            phase: Some(phase.to_owned()),
            step: Some(self.name.clone()),
            action: Some(self.action.clone()),
            exit_code: self.exit_code,
            message: self.message.clone(),
            last_lines: self.last_lines.clone(),
            evidence: self.evidence.clone(),
        }
    }
}

/// Returns the status of something that consists of parts. One failed part fails it, and one ignored failure marks it.
fn combined(parts: impl Iterator<Item = Status>) -> Status {
    parts.fold(Status::Success, |whole, part| match (whole, part) {
        (Status::Failed, _) | (_, Status::Failed) => Status::Failed,
        // What still runs may fail, so the whole is not a success before it has ended.
        (_, Status::Running | Status::Rebooting) => part,
        (Status::Running | Status::Rebooting, _) => whole,
        (_, Status::IgnoredFailure | Status::SuccessWithIgnoredFailure) => Status::SuccessWithIgnoredFailure,
        (whole, Status::Success | Status::Skipped) => whole,
    })
}

#[cfg(test)]
mod tests {
    use super::combined;
    use crate::Status::{Failed, IgnoredFailure, Skipped, Success, SuccessWithIgnoredFailure};

    #[test]
    fn one_failure_decides_and_an_ignored_one_marks() {
        assert_eq!(combined([].into_iter()), Success);
        assert_eq!(combined([Success, Skipped].into_iter()), Success);
        assert_eq!(combined([Success, IgnoredFailure, Success].into_iter()), SuccessWithIgnoredFailure);
        assert_eq!(combined([Failed, IgnoredFailure, Success].into_iter()), Failed);
        assert_eq!(combined([IgnoredFailure, Failed].into_iter()), Failed);
    }
}
