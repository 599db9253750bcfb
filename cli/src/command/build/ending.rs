//! How a build ended, from its records and its execution.

use std::collections::BTreeMap;

use anyhow::Result;
use goldsmith_cloud::{Execution, ExecutionStatus};
use goldsmith_store::{AuditRecord, FailureCause, ImageRecord, ImageStatus, Store};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::audited;
use crate::command::kept::KeptInstance;
use crate::exit::Exit;
use crate::failure;

/// The outcome of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Outcome {
    /// There is a new image.
    Built,
    /// There is no new image.
    Failed,
    /// Nothing had changed.
    Skipped,
    /// Another build of the pipeline runs.
    AlreadyRunning,
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
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failure: Option<FailureCause>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kept: Option<KeptInstance>,
    #[serde(skip_serializing_if = "Option::is_none")]
    audit: Option<AuditRecord>,
    /// The image of another build of the pipeline, which is running.
    #[serde(skip)]
    running: Option<String>,
}

/// The output of a build that made nothing.
#[derive(Deserialize)]
struct Answer {
    outcome: Outcome,
    reason: Option<String>,
    /// The image of the build that is running.
    image: Option<String>,
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
        let good = image.status == ImageStatus::Available;
        let failure = (!good).then(|| image.failure.unwrap_or_else(|| failure_of(execution)));
        Self {
            outcome: if good { Outcome::Built } else { Outcome::Failed },
            build: execution.name.clone(),
            image: Some(image.image.to_string()),
            amis: image.amis,
            reason: None,
            failure,
            kept: None,
            audit: None,
            running: None,
        }
    }

    /// Returns the end of a build that ended in Plan: it was rejected or skipped, or another build was running.
    fn without_image(execution: &Execution) -> Self {
        let answer = execution.output.as_deref().and_then(|output| serde_json::from_str::<Answer>(output).ok());
        let answer = answer.filter(|_| execution.status == ExecutionStatus::Succeeded);
        let failure = answer.is_none().then(|| failure_of(execution));
        let outcome = answer.as_ref().map_or(Outcome::Failed, |answer| answer.outcome);
        let (reason, running) = answer.map_or((None, None), |answer| (answer.reason, answer.image));
        let build = execution.name.clone();
        Self { outcome, build, image: None, amis: BTreeMap::new(), reason, failure, kept: None, audit: None, running }
    }

    /// Returns the exit code of this outcome.
    pub(crate) fn exit(&self) -> Exit {
        match self.outcome {
            Outcome::Built | Outcome::Skipped => Exit::Success,
            Outcome::Failed if self.is_refused() => Exit::Invalid,
            Outcome::Failed | Outcome::AlreadyRunning => Exit::Failed,
        }
    }

    /// Returns whether Plan found the input or a definition wrong.
    fn is_refused(&self) -> bool {
        self.image.is_none() && self.failure.as_ref().is_some_and(|cause| cause.error == "Goldsmith.Refused")
    }

    /// Returns whether Plan did not find a public parameter, such as AWS's parameter of a source image.
    pub(crate) fn lacks_public_parameter(&self) -> bool {
        let message = self.failure.as_ref().map(|cause| cause.message.as_str()).unwrap_or_default();
        let names_one = message.starts_with("source image ssm:/aws/") && message.contains("there is no such parameter");
        self.is_refused() && names_one
    }

    /// Returns the image, if Plan got as far as naming one.
    pub(crate) fn image(&self) -> Option<&str> {
        self.image.as_deref()
    }

    /// Returns what all instances of the new image would share, if there is anything. For a failed build, the cause
    /// says it.
    fn audit_lines(&self) -> Vec<String> {
        let Some(audit) = self.audit.as_ref().filter(|audit| audit.count() > 0 || audit.is_incomplete) else {
            return Vec::new();
        };
        let lines = audited::lines(audit).into_iter().map(|line| format!("  {line}"));
        std::iter::once(format!("warning: the image was audited: {}", audited::headline(audit))).chain(lines).collect()
    }

    fn image_or_build(&self) -> &str {
        self.image.as_deref().unwrap_or(&self.build)
    }

    /// Returns the instance that is kept for inspection.
    pub(crate) fn kept(&self) -> Option<&KeptInstance> {
        self.kept.as_ref()
    }

    /// Returns the end as text for people. `again` is how to call the command line for the same stack.
    pub(crate) fn lines(&self, again: &str) -> Vec<String> {
        let reason = self.reason.as_deref().unwrap_or("no reason is known");
        match (self.outcome, &self.failure) {
            (Outcome::Built, _) => {
                let amis = self.amis.iter().map(|(region, id)| format!("  {region}  {id}"));
                let first = format!("{} is available", self.image_or_build());
                std::iter::once(first).chain(amis).chain(self.audit_lines()).collect()
            }
            (Outcome::Skipped, _) => vec![format!("Nothing was built: {reason}")],
            (Outcome::AlreadyRunning, _) => {
                let running = self.running.as_deref().unwrap_or("BUILD");
                let watch = format!("Watch that build with `{again} logs {running} --follow`");
                vec![
                    format!("goldsmith: error: nothing was built: {reason}"),
                    format!("{watch}, or stop it with `{again} cancel {running}`."),
                ]
            }
            (Outcome::Failed, cause) => {
                let cause = cause.clone().unwrap_or_default();
                let mut lines = vec![format!("goldsmith: error: {} failed in {cause}", self.image_or_build())];
                lines.extend(failure::facts(&cause));
                lines.extend(self.amis.iter().map(|(region, id)| format!("  kept  {region}  {id}")));
                lines
            }
        }
    }
}

/// Returns the cause from Step Functions, for a build without a record of it.
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
