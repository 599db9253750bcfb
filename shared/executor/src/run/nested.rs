//! `ExecuteDocument`: a run inside a step. Its own state is inside the folder of the outer run.
//!
//! A document that would run inside itself, directly or through other documents, is recognized by its text and
//! rejected. The text that the first start reads is kept, and the run resumes with it after a reboot.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::PathBuf;

use goldsmith_document::digest;
use jiff::Timestamp;

use super::{Around, Flow, Run};
use crate::documents::{DocumentError, copy_documents, read_documents};
use crate::modules::{Call, End, FetchError, Outcome};
use crate::place::Place;
use crate::resolve::uuid;
use crate::state::{At, State};
use crate::store::StoreError;
use crate::{OrderDocument, RunResult, RunStatus, WorkOrder};

/// The largest depth to which documents may run documents.
const MAX_DEPTH: usize = 3;

#[derive(Debug, thiserror::Error)]
enum NestedError {
    #[error("documents can run documents {MAX_DEPTH} levels deep, but {document} would be one level more")]
    TooDeep { document: String },
    #[error("{document} is already running and would run inside itself")]
    Cycle { document: String },
    #[error("the machine provides no random numbers for an execution id")]
    Id(#[source] io::Error),
    #[error("the log folder {} cannot be written", path.display())]
    Logs { path: PathBuf, source: io::Error },
    #[error(transparent)]
    Fetch(#[from] FetchError),
    #[error(transparent)]
    Document(#[from] DocumentError),
}

impl Run<'_, '_> {
    /// Runs a document, or resumes it after a reboot.
    pub(super) fn nested(
        &mut self,
        at: At,
        call: &Call,
        iteration: usize,
        place: &Place<'_>,
    ) -> Result<Outcome, StoreError> {
        let mut store = self.store.nested(&format!("{}-{}-{}-{iteration}", at.document, at.phase, at.step))?;
        let mut ancestors = self.around.ancestors.clone();
        ancestors.push(self.order.documents[at.document].digest.clone());
        let read_secret = |name: &str| self.around.aws.secret(name);
        let known = store.order(&read_secret)?;
        let (order, documents) = match self.order_for(call, known.clone(), &ancestors, place) {
            Ok(order) => match read_documents(&order) {
                Ok(documents) => (order, documents),
                Err(error) => return Ok(Outcome::failed(&error)),
            },
            Err(error) => return Ok(Outcome::failed(&error)),
        };
        // From here on, a reboot resumes with this text and this execution id.
        if known.is_none() {
            store.keep_order(&order)?;
        }
        // Every start has the table in its own order, so its signatures are in no second file.
        let order = WorkOrder { downloads: self.order.downloads.clone(), ..order };
        let folder = self.state.log_folder.join(format!("nested-{}", order.execution));
        let read_secret = |name: &str| self.around.aws.secret(name);
        let state =
            store.load(&read_secret)?.unwrap_or_else(|| State::new(&order.execution, Timestamp::now(), folder.clone()));
        if let Err(source) = fs::create_dir_all(&folder).and_then(|()| copy_documents(&order, &folder)) {
            return Ok(Outcome::failed(&NestedError::Logs { path: folder, source }));
        }
        let muted = self.around.output.muted;
        let mark = format!("{}-{iteration}", place.mark);
        let around = Around { output: &mut *self.around.output, aws: self.around.aws, ancestors, muted, mark };
        let mut run = Run::new(&order, &documents, &mut store, state, around)?;
        let flow = run.run()?;
        let state = run.state;
        // The steps of the nested run have set this for themselves.
        self.around.output.muted = muted;
        let outcome = outcome(flow, &state, &call.document);
        let nested = &mut self.step_record(at).nested;
        // After a reboot, the record already has the state from before it.
        nested.retain(|earlier| earlier.execution != state.execution);
        nested.push(state);
        Ok(outcome)
    }

    fn order_for(
        &mut self,
        call: &Call,
        known: Option<WorkOrder>,
        ancestors: &[String],
        place: &Place<'_>,
    ) -> Result<WorkOrder, NestedError> {
        if let Some(known) = known {
            return Ok(known);
        }
        let document = || call.document.clone();
        if ancestors.len() > MAX_DEPTH {
            return Err(NestedError::TooDeep { document: document() });
        }
        let body = call.fetch(place, self.around.output)?;
        let digest = digest(&body);
        if ancestors.contains(&digest) {
            return Err(NestedError::Cycle { document: document() });
        }
        let parameters = call.parameters.iter().cloned().collect();
        Ok(WorkOrder {
            execution: uuid().map_err(NestedError::Id)?,
            phases: call.phases.clone(),
            documents: vec![OrderDocument { name: document(), version: String::new(), digest, body, parameters }],
            // The nested order has no nonce because it is kept in a file that steps can read.
            event_nonce: None,
            downloads: BTreeMap::new(),
            ..self.order.clone()
        })
    }
}

/// Returns the outcome of a nested run for its step.
fn outcome(flow: Flow, state: &State, document: &str) -> Outcome {
    if flow == Flow::Reboot {
        return Outcome { end: End::Reboot { again: true, delay: Default::default() }, ..Outcome::default() };
    }
    let result = state.result.clone().unwrap_or_else(|| state.summary());
    let context = result.failure_context.clone().unwrap_or_default();
    let end = match result.status {
        RunStatus::Success => End::Success,
        RunStatus::Failed | RunStatus::BootstrapFailed => {
            let place = format!("{}.{}", context.phase.unwrap_or_default(), context.step.unwrap_or_default());
            End::Failed(format!("{document} failed in its step `{place}`: {}", context.message))
        }
    };
    let (last_lines, evidence) = (context.last_lines, context.evidence);
    Outcome { end, exit_code: context.exit_code, outputs: outputs(&result), last_lines, evidence, ..Outcome::default() }
}

fn outputs(result: &RunResult) -> BTreeMap<String, String> {
    let status = if result.status == RunStatus::Success { "success" } else { "failed" };
    [
        ("executedStepCount", result.executed_step_count.to_string()),
        ("executionId", result.execution_id.clone()),
        ("failedStepCount", result.failed_step_count.to_string()),
        ("failureMessage", result.failure_message.clone()),
        ("ignoredFailedStepCount", result.ignored_failed_step_count.to_string()),
        ("logUrl", result.log_url.clone()),
        ("status", status.to_owned()),
    ]
    .map(|(key, value)| (key.to_owned(), value))
    .into()
}
