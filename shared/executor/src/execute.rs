//! From a work order to an exit status.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use goldsmith_document::{Diagnostics, Document, digest};
use jiff::Timestamp;

use crate::explain::explain;
use crate::output::Output;
use crate::run::{Flow, Run};
use crate::state::State;
use crate::store::{Store, StoreError};
use crate::{
    Builtin, EXIT_FAILED, EXIT_REBOOT, EXIT_SUCCESS, FailureContext, ORDER_VERSION, OrderDocument, RunResult,
    RunStatus, WorkOrder, clean,
};

/// Why an order is not run at all, or why a run breaks off.
#[derive(Debug, thiserror::Error)]
enum ExecuteError {
    #[error("the work order has version {version}, and this agent reads version {ORDER_VERSION}")]
    Version { version: u32 },
    #[error("the text of document `{document}` does not have the digest that the work order gives")]
    Digest { document: String },
    #[error("{found}")]
    Document { document: String, found: Diagnostics },
    #[error("`{value}` is not an allowed value of the parameter `{parameter}`: one of {allowed}")]
    Parameter { document: String, parameter: String, value: String, allowed: String },
    #[error("the log folder {} cannot be written", path.display())]
    Logs { path: PathBuf, source: io::Error },
    #[error("a folder of the work order has no absolute path")]
    Path(#[source] io::Error),
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Carries an order out and returns the exit status: 0 success, 1 failure, 194 when the machine is to be rebooted and
/// the same order to be started again.
///
/// `stdout` gets the steps' output and the event lines as they come. `report` is called once with the result, and not
/// at all before a reboot. An execution that is already over only has its result reported again. Call it from the main
/// thread: the processes of a step are ended with the thread that runs it.
pub fn execute(order: &WorkOrder, stdout: &mut dyn Write, report: &mut dyn FnMut(&RunResult)) -> u8 {
    if order.version == ORDER_VERSION && order.builtin == Some(Builtin::Clean) {
        return clean::clean(Path::new("/"), &order.execution, report);
    }
    match order.absolute().map_err(ExecuteError::Path).and_then(|order| run(&order, stdout)) {
        Ok(None) => EXIT_REBOOT,
        Ok(Some(result)) => {
            report(&result);
            if result.status == RunStatus::Success { EXIT_SUCCESS } else { EXIT_FAILED }
        }
        Err(error) => {
            report(&error.result(order));
            EXIT_FAILED
        }
    }
}

/// The result, or none where a reboot is due.
fn run(order: &WorkOrder, stdout: &mut dyn Write) -> Result<Option<RunResult>, ExecuteError> {
    let documents = read_documents(order)?;
    let store = Store::open(order)?;
    let state = match store.load()? {
        Some(State { result: Some(result), .. }) => return Ok(Some(result)),
        // The run that was waited for is about to have the machine rebooted: nothing may start before that.
        Some(state) if store.waited && state.reboot_pending => return Ok(None),
        Some(state) => state,
        None => State::new(&order.execution, Timestamp::now(), log_folder(order)),
    };
    let failed = |source| ExecuteError::Logs { path: state.log_folder.clone(), source };
    let output = Output::open(stdout, &state.log_folder).map_err(failed)?;
    copy_documents(order, &state.log_folder).map_err(failed)?;
    let mut run = Run { order, documents: &documents, store: &store, state, output };
    match run.run() {
        Ok(Flow::Reboot) => Ok(None),
        Ok(Flow::GoOn | Flow::Abort) => Ok(run.state.result),
        Err(error) => Ok(Some(broken_off(run.state.summary(), &error))),
    }
}

/// The result of a run whose state can no longer be saved: what was known, and why it ended.
fn broken_off(known: RunResult, error: &StoreError) -> RunResult {
    let failed = RunResult::failed(&known.execution_id, explain(error));
    RunResult {
        status: failed.status,
        failure_message: failed.failure_message,
        failure_context: known.failure_context.or(failed.failure_context),
        ..known
    }
}

/// Reads and checks every document before anything runs.
fn read_documents(order: &WorkOrder) -> Result<Vec<Document>, ExecuteError> {
    if order.version != ORDER_VERSION {
        return Err(ExecuteError::Version { version: order.version });
    }
    order.documents.iter().map(read_document).collect()
}

fn read_document(ordered: &OrderDocument) -> Result<Document, ExecuteError> {
    let name = || ordered.name.clone();
    if digest(&ordered.body) != ordered.digest {
        return Err(ExecuteError::Digest { document: name() });
    }
    let document = Document::parse(&ordered.name, &ordered.body)
        .map_err(|found| ExecuteError::Document { document: name(), found })?;
    for parameter in document.parameters.iter().filter(|parameter| !parameter.allowed_values.is_empty()) {
        if let Some(value) = ordered.parameters.get(&parameter.name.value)
            && !parameter.allowed_values.contains(value)
        {
            return Err(ExecuteError::Parameter {
                document: name(),
                parameter: parameter.name.value.clone(),
                value: value.clone(),
                allowed: parameter.allowed_values.join(", "),
            });
        }
    }
    Ok(document)
}

fn log_folder(order: &WorkOrder) -> PathBuf {
    let date = Timestamp::now().strftime("%Y-%m-%d_%H-%M-%S");
    order.log_directory.join(format!("TOE_{date}_UTC-0_{}", order.execution.replace('/', "-")))
}

/// `document.yaml`, and `document-2.yaml` and so on for the others.
fn copy_documents(order: &WorkOrder, folder: &Path) -> io::Result<()> {
    order.documents.iter().enumerate().try_for_each(|(index, document)| {
        let name = if index == 0 { "document.yaml".to_owned() } else { format!("document-{}.yaml", index + 1) };
        fs::write(folder.join(name), &document.body)
    })
}

impl ExecuteError {
    fn result(&self, order: &WorkOrder) -> RunResult {
        let document = match self {
            Self::Digest { document } | Self::Document { document, .. } | Self::Parameter { document, .. } => {
                document.clone()
            }
            Self::Version { .. } | Self::Logs { .. } | Self::Path(_) | Self::Store(_) => String::new(),
        };
        let result = RunResult::failed(&order.execution, explain(self));
        let context = result.failure_context.map(|context| FailureContext { document, ..context });
        RunResult { failure_context: context, ..result }
    }
}
