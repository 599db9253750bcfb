//! How a build ended, from its records and its execution.

use std::collections::BTreeMap;

use anyhow::Result;
use goldsmith_cloud::{Execution, ExecutionStatus};
use goldsmith_model::{ExecutionInput, ExecutionOutput, StartFrom};
use goldsmith_store::{AuditRecord, FailureCause, ImageRecord, ImageStatus, Store};
use jiff::Timestamp;
use serde::Serialize;

use crate::audited;
use crate::exit::Exit;
use crate::failure;
use crate::kept::KeptInstance;

/// The outcome of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// There is a new image.
    Built,
    /// An AMI has passed its tests.
    Verified,
    /// An image that existed has got what its distribution lacked.
    Distributed,
    /// There is no new image.
    Failed,
    /// Somebody has stopped the build.
    Cancelled,
    /// Nothing had changed.
    Skipped,
    /// Another build of the pipeline is running.
    AlreadyRunning,
    /// An automatic build of the pipeline began within the last hour.
    TooSoon,
}

/// The end of a build, as `--output json` prints it.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Ending {
    outcome: Outcome,
    build: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    amis: BTreeMap<String, String>,
    /// The AMI that was tested.
    #[serde(skip_serializing_if = "Option::is_none")]
    tested: Option<String>,
    /// The image that was distributed.
    #[serde(skip_serializing_if = "Option::is_none")]
    distributed: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureCause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<KeptInstance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<AuditRecord>,
    /// The image of another build of the pipeline that is running.
    #[serde(skip)]
    running: Option<String>,
}

impl Ending {
    /// Reads the records of an execution that has ended.
    pub(crate) async fn of(store: &Store, execution: &Execution) -> Result<Self> {
        let Some(build) = store.build(&execution.name).await? else { return Ok(Self::without_image(execution)) };
        let Some(image) = store.image(&build.image).await? else { return Ok(Self::without_image(execution)) };
        let kept = KeptInstance::of(store, &build, Timestamp::now()).await?;
        let audit = audited::of(&store.states(&execution.name).await?).cloned();
        Ok(Self { kept, audit, ..Self::of_image(image, execution) })
    }

    fn of_image(image: ImageRecord, execution: &Execution) -> Self {
        let outcome = match image.status {
            ImageStatus::Available => Outcome::Built,
            ImageStatus::Verified => Outcome::Verified,
            ImageStatus::Distributed => Outcome::Distributed,
            ImageStatus::Cancelled => Outcome::Cancelled,
            _ => Outcome::Failed,
        };
        let failure = matches!(outcome, Outcome::Failed | Outcome::Cancelled)
            .then(|| image.failure.unwrap_or_else(|| failure_of(execution)));
        Self {
            outcome,
            build: execution.name.clone(),
            image: Some(image.image.to_string()),
            amis: image.amis,
            tested: image.is_verification.then_some(image.source_image),
            distributed: image.distributes.map(|image| image.to_string()),
            reason: None,
            failure,
            kept: None,
            audit: None,
            running: None,
        }
    }

    /// Returns the end of a build that ended in Plan: the build was rejected or skipped, or another build was running.
    fn without_image(execution: &Execution) -> Self {
        let is_good = execution.status == ExecutionStatus::Succeeded;
        let output =
            execution.output.as_deref().filter(|_| is_good).and_then(|output| serde_json::from_str(output).ok());
        let (outcome, reason, running) = match output {
            Some(ExecutionOutput::Skipped { reason }) => (Outcome::Skipped, reason, None),
            Some(ExecutionOutput::AlreadyRunning { reason, image }) => (Outcome::AlreadyRunning, Some(reason), image),
            Some(ExecutionOutput::TooSoon { reason }) => (Outcome::TooSoon, Some(reason), None),
            None if execution.status == ExecutionStatus::Aborted => (Outcome::Cancelled, None, None),
            // A build that has made something has records, or had some that have expired.
            Some(
                ExecutionOutput::Build { .. }
                | ExecutionOutput::Built { .. }
                | ExecutionOutput::Verify { .. }
                | ExecutionOutput::Verified { .. }
                | ExecutionOutput::Distribute { .. }
                | ExecutionOutput::Distributed { .. },
            )
            | None => (Outcome::Failed, None, None),
        };
        let (tested, distributed) = match started_from(execution) {
            Some(StartFrom::Test { image }) => (Some(image.to_string()), None),
            Some(StartFrom::Distribute { image }) => (None, Some(image.to_string())),
            None => (None, None),
        };
        Self {
            outcome,
            build: execution.name.clone(),
            image: None,
            amis: BTreeMap::new(),
            tested,
            distributed,
            reason,
            failure: matches!(outcome, Outcome::Failed | Outcome::Cancelled).then(|| failure_of(execution)),
            kept: None,
            audit: None,
            running: running.map(|image| image.to_string()),
        }
    }

    /// Returns the exit code of this outcome.
    pub(crate) fn exit(&self) -> Exit {
        match self.outcome {
            Outcome::Built | Outcome::Verified | Outcome::Distributed | Outcome::Skipped | Outcome::TooSoon => {
                Exit::Success
            }
            Outcome::Failed if self.is_refused() => Exit::Invalid,
            Outcome::Failed | Outcome::Cancelled | Outcome::AlreadyRunning => Exit::Failed,
        }
    }

    /// Returns whether Plan found a mistake in the input or in a definition.
    fn is_refused(&self) -> bool {
        self.image.is_none() && self.failure.as_ref().is_some_and(|cause| cause.error == "Goldsmith.Refused")
    }

    /// Returns whether Plan did not find a public parameter, such as AWS's parameter of a source image.
    pub(crate) fn lacks_public_parameter(&self) -> bool {
        let message = self.failure.as_ref().map(|cause| cause.message.as_str()).unwrap_or_default();
        let names_one = message.starts_with("source image ssm:/aws/") && message.contains("there is no such parameter");
        self.is_refused() && names_one
    }

    /// Returns whether the build has failed.
    pub(crate) fn has_failed(&self) -> bool {
        self.outcome == Outcome::Failed
    }

    /// Returns the image if Plan has named one.
    pub(crate) fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }

    /// Returns what all instances of the new image would share, if the audit found anything. For a failed build, the
    /// cause contains this.
    fn audit_lines(&self) -> Vec<String> {
        let Some(audit) = self.audit.as_ref().filter(|audit| audit.count() > 0 || audit.is_incomplete) else {
            return Vec::new();
        };
        let lines = audited::lines(audit).into_iter().map(|line| format!("  {line}"));
        std::iter::once(format!("warning: the image was audited: {}", audited::headline(audit))).chain(lines).collect()
    }

    /// Returns what the run was for: the image or the AMI, if it is known.
    fn subject(&self) -> String {
        let run = self.image.as_deref().unwrap_or(&self.build);
        match self.tested.as_ref().or(self.distributed.as_ref()) {
            Some(what) => format!("{what} ({run})"),
            None => run.to_owned(),
        }
    }

    /// Returns what a start of this kind does.
    fn done(&self) -> &'static str {
        match (&self.tested, &self.distributed) {
            (Some(_), _) => "tested",
            (None, Some(_)) => "distributed",
            (None, None) => "built",
        }
    }

    /// Returns the instance that is kept for inspection.
    pub(crate) fn kept(&self) -> Option<&KeptInstance> {
        self.kept.as_ref()
    }

    /// Returns the end of the build as text for people. `again` is the call of the command line for the same stack.
    pub(crate) fn lines(&self, again: &str) -> Vec<String> {
        let reason = self.reason.as_deref().unwrap_or("no reason is known");
        match (self.outcome, &self.failure) {
            (Outcome::Built, _) => {
                let amis = self.amis.iter().map(|(region, id)| format!("  {region}  {id}"));
                let first = format!("{} is available", self.subject());
                std::iter::once(first).chain(amis).chain(self.audit_lines()).collect()
            }
            (Outcome::Verified, _) => {
                let first = format!("{} has passed its tests", self.subject());
                std::iter::once(first).chain(self.audit_lines()).collect()
            }
            (Outcome::Distributed, _) => {
                let amis = self.amis.iter().map(|(region, id)| format!("  {region}  {id}"));
                std::iter::once(format!("{} is distributed", self.subject())).chain(amis).collect()
            }
            (Outcome::Skipped | Outcome::TooSoon, _) => vec![format!("Nothing was {}: {reason}", self.done())],
            (Outcome::AlreadyRunning, _) => {
                let running = self.running.as_deref().unwrap_or("BUILD");
                let watch = format!("Watch that build with `{again} logs {running} --follow`");
                vec![
                    format!("goldsmith: error: nothing was {}: {reason}", self.done()),
                    format!("{watch}, or stop it with `{again} cancel {running}`."),
                ]
            }
            (Outcome::Cancelled, cause) => {
                let why = cause.as_ref().map(|cause| format!(": {}", cause.message)).unwrap_or_default();
                vec![format!("goldsmith: error: {} was cancelled{why}", self.subject())]
            }
            (Outcome::Failed, cause) => {
                let cause = cause.clone().unwrap_or_default();
                let mut lines = vec![format!("goldsmith: error: {} failed in {cause}", self.subject())];
                lines.extend(failure::facts(&cause));
                lines.extend(self.amis.iter().map(|(region, id)| format!("  kept  {region}  {id}")));
                lines
            }
        }
    }
}

/// Returns what an execution was to test or to distribute, by its input; `None` if it was to build an image.
fn started_from(execution: &Execution) -> Option<StartFrom> {
    let input: ExecutionInput = serde_json::from_str(&execution.input).ok()?;
    input.from
}

/// Returns the cause from Step Functions, for a build whose record has none.
fn failure_of(execution: &Execution) -> FailureCause {
    let said = execution.cause.clone().filter(|cause| !cause.is_empty());
    let said = said.unwrap_or_else(|| "the execution ended without a cause".to_owned());
    // Finish passes on `STATE: MESSAGE`.
    let (state, message) = match said.split_once(": ") {
        Some((state, message)) if state.chars().all(char::is_alphanumeric) => (state.to_owned(), message.to_owned()),
        _ => ("the execution".to_owned(), said),
    };
    FailureCause { state, message, error: execution.error.clone().unwrap_or_default(), ..FailureCause::default() }
}
