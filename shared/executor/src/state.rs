//! What is known about an execution: which steps ran and how they ended. Everything that is reported is derived from
//! it, and it is what a run goes on from after a reboot.

use std::collections::BTreeMap;
use std::path::PathBuf;

use goldsmith_document::OnFailure;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{FailureContext, FailureKind, RunResult, RunStatus, Status};

/// One execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct State {
    pub(crate) execution: String,
    pub(crate) start: Timestamp,
    pub(crate) end: Option<Timestamp>,
    pub(crate) log_folder: PathBuf,
    pub(crate) documents: Vec<DocumentRecord>,
    /// The last start ended with the wish for a reboot.
    pub(crate) reboot_pending: bool,
    /// The result, once there is one.
    pub(crate) result: Option<RunResult>,
}

/// A document of which something was started.
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

/// A step that was started.
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
    pub(crate) inputs: Vec<Inputs>,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) last_lines: Vec<String>,
    /// Means something only where the step failed.
    pub(crate) failure: FailureKind,
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

impl State {
    pub(crate) fn new(execution: &str, start: Timestamp, log_folder: PathBuf) -> Self {
        Self {
            execution: execution.to_owned(),
            start,
            end: None,
            log_folder,
            documents: Vec::new(),
            reboot_pending: false,
            result: None,
        }
    }

    /// Reboots that all phases asked for.
    pub(crate) fn reboots(&self) -> u32 {
        self.documents.iter().flat_map(|document| &document.phases).map(|phase| phase.reboots).sum()
    }

    /// The result as it follows from the records.
    pub(crate) fn summary(&self) -> RunResult {
        let statuses = || self.steps().map(|(_, _, step)| step.status);
        let count = |wanted| u32::try_from(statuses().filter(|status| *status == wanted).count()).unwrap_or(u32::MAX);
        let failed = self.steps().find(|(_, _, step)| step.status == Status::Failed);
        RunResult {
            status: if failed.is_some() { RunStatus::Failed } else { RunStatus::Success },
            failed_step_count: count(Status::Failed),
            executed_step_count: u32::try_from(statuses().count()).unwrap_or(u32::MAX),
            ignored_failed_step_count: count(Status::IgnoredFailure),
            failure_message: failed.map(|(d, ..)| format!("Document {} failed!", d.name)).unwrap_or_default(),
            log_url: self.log_folder.display().to_string(),
            failure_context: failed.map(|(document, phase, step)| step.failure(&document.name, &phase.name)),
            ..RunResult::new(&self.execution)
        }
    }

    fn steps(&self) -> impl Iterator<Item = (&DocumentRecord, &PhaseRecord, &StepRecord)> {
        self.documents.iter().flat_map(|document| {
            document.phases.iter().flat_map(move |phase| phase.steps.iter().map(move |step| (document, phase, step)))
        })
    }
}

impl DocumentRecord {
    /// The record of a step by names.
    pub(crate) fn step(&self, phase: &str, step: &str) -> Option<&StepRecord> {
        self.phases.iter().find(|p| p.name == phase)?.steps.iter().find(|s| s.name == step)
    }

    pub(crate) fn status(&self) -> Status {
        combined(self.phases.iter().map(PhaseRecord::status))
    }
}

impl PhaseRecord {
    pub(crate) fn status(&self) -> Status {
        combined(self.steps.iter().map(|step| step.status))
    }
}

impl StepRecord {
    /// Whether nothing more of the document may run because of this step. `onFailure` has no say in a reboot too many.
    pub(crate) fn aborts(&self) -> bool {
        self.status == Status::Failed
            && (self.failure == FailureKind::RebootLimit || self.on_failure == OnFailure::Abort.name())
    }

    fn failure(&self, document: &str, phase: &str) -> FailureContext {
        FailureContext {
            kind: self.failure,
            document: document.to_owned(),
            phase: Some(phase.to_owned()),
            step: Some(self.name.clone()),
            action: Some(self.action.clone()),
            exit_code: self.exit_code,
            message: self.message.clone(),
            last_lines: self.last_lines.clone(),
        }
    }
}

/// Status of what consists of parts: one failed part fails it, one ignored failure marks it.
fn combined(parts: impl Iterator<Item = Status>) -> Status {
    parts.fold(Status::Success, |whole, part| match (whole, part) {
        (Status::Failed, _) | (_, Status::Failed) => Status::Failed,
        (_, Status::Running | Status::Rebooting) => part,
        (Status::Running | Status::Rebooting, _) => whole,
        (_, Status::IgnoredFailure | Status::SuccessWithIgnoredFailure) => Status::SuccessWithIgnoredFailure,
        (whole, Status::Success) => whole,
    })
}

#[cfg(test)]
mod tests {
    use super::combined;
    use crate::Status::{Failed, IgnoredFailure, Success, SuccessWithIgnoredFailure};

    #[test]
    fn one_failure_decides_and_an_ignored_one_marks() {
        assert_eq!(combined([].into_iter()), Success);
        assert_eq!(combined([Success, IgnoredFailure, Success].into_iter()), SuccessWithIgnoredFailure);
        assert_eq!(combined([Failed, IgnoredFailure, Success].into_iter()), Failed);
        assert_eq!(combined([IgnoredFailure, Failed].into_iter()), Failed);
    }
}
