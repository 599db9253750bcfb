//! The state of an execution: which steps ran and how they ended. Everything that is reported is derived from it, and a
//! run resumes from it after a reboot.

mod record;

use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Audit, ContentsReport, RunResult, RunStatus, Status};
pub(crate) use record::{At, DocumentRecord, Input, Inputs, Iterations, PhaseRecord, StepRecord};

/// One execution.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct State {
    pub(crate) execution: String,
    pub(crate) start: Timestamp,
    pub(crate) end: Option<Timestamp>,
    pub(crate) log_folder: PathBuf,
    pub(crate) documents: Vec<DocumentRecord>,
    /// Whether the last start ended with a request for a reboot.
    pub(crate) reboot_pending: bool,
    /// The number of times that the agent was started again before the pending reboot.
    #[serde(default)]
    pub(crate) early_starts: u32,
    /// The id of the machine's boot in which the state was written.
    pub(crate) boot: String,
    /// The names of the parameters whose values must not be shown, even after a reboot.
    pub(crate) secrets: Vec<String>,
    /// The result of the audit of the machine's image, if the order asked for an audit.
    #[serde(default)]
    pub(crate) audit: Option<Audit>,
    /// What became of the contents of the machine's image, if the order asked for them.
    #[serde(default)]
    pub(crate) contents: Option<ContentsReport>,
    /// The result, once there is one.
    pub(crate) result: Option<RunResult>,
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
            early_starts: 0,
            boot: String::new(),
            secrets: Vec::new(),
            audit: None,
            contents: None,
            result: None,
        }
    }

    /// Returns the number of reboots that all phases asked for.
    pub(crate) fn reboots(&self) -> u32 {
        self.documents.iter().flat_map(|document| &document.phases).map(|phase| phase.reboots).sum()
    }

    /// Returns whether a step has a start but no end.
    pub(crate) fn has_running_step(&self) -> bool {
        self.steps().any(|(_, _, step)| step.status == Status::Running)
    }

    /// Returns the result that follows from the records.
    pub(crate) fn summary(&self) -> RunResult {
        let count = |wanted: fn(Status) -> bool| {
            u32::try_from(self.steps().filter(|(_, _, step)| wanted(step.status)).count()).unwrap_or(u32::MAX)
        };
        let failed = self.steps().find(|(_, _, step)| step.status == Status::Failed);
        RunResult {
            status: if failed.is_some() { RunStatus::Failed } else { RunStatus::Success },
            failed_step_count: count(|status| status == Status::Failed),
            executed_step_count: count(|status| status != Status::Skipped),
            ignored_failed_step_count: count(|status| status == Status::IgnoredFailure),
            skipped_step_count: count(|status| status == Status::Skipped),
            failure_message: failed.map(|(d, ..)| format!("Document {} failed!", d.name)).unwrap_or_default(),
            log_url: self.log_folder.display().to_string(),
            failure_context: failed.map(|(document, phase, step)| step.failure(&document.name, &phase.name)),
            audit: self.audit.clone(),
            contents: self.contents.clone(),
            ..RunResult::new(&self.execution)
        }
    }

    fn steps(&self) -> impl Iterator<Item = (&DocumentRecord, &PhaseRecord, &StepRecord)> {
        self.documents.iter().flat_map(|document| {
            document.phases.iter().flat_map(move |phase| phase.steps.iter().map(move |step| (document, phase, step)))
        })
    }
}
