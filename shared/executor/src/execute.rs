//! Carries out a work order and returns an exit status.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::audit::audit_instance;
use crate::aws::Aws;
use crate::contents;
use crate::documents::{DocumentError, copy_documents, read_documents};
use crate::explain::explain;
use crate::output::Output;
use crate::reserve::Reserve;
use crate::run::{Around, Flow, Run, WORKING_DIRECTORY, boot};
use crate::secrets::Secrets;
use crate::state::State;
use crate::store::{Store, StoreError};
use crate::{
    Audit, AuditOrder, Builtin, EXIT_FAILED, EXIT_REBOOT, EXIT_SUCCESS, FailureContext, FailureKind, ORDER_VERSION,
    RunResult, RunStatus, WorkOrder, clean, evidence, first_boot, report,
};

/// Why an order does not run at all, or why a run stops early.
#[derive(Debug, thiserror::Error)]
enum ExecuteError {
    #[error("the work order has version {version}, but this agent reads version {ORDER_VERSION}")]
    Version { version: u32 },
    #[error(transparent)]
    Document(#[from] DocumentError),
    #[error("the log folder {} cannot be written", path.display())]
    Logs { path: PathBuf, source: io::Error },
    #[error("a folder of the work order has no absolute path")]
    Path(#[source] io::Error),
    #[error("a reboot was requested, but the agent was started {starts} times without one")]
    NotRebooted { starts: u32 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The number of starts before the pending reboot that ask for it again. The SSM agent counts each of them as a reboot.
const EARLY_STARTS: u32 = 2;

/// Carries out an order and returns the exit status: 0 means success, 1 means failure, and 194 means that the machine
/// must be rebooted and the same order started again.
///
/// `stdout` receives the steps' output and the event lines as they occur. `report` is called once with the result, but
/// not before a reboot. If an execution has already ended, only its result is reported again. Call this function from
/// the main thread: the processes of a step end with the thread that runs it.
pub fn execute(order: &WorkOrder, stdout: &mut dyn Write, report: &mut dyn FnMut(&RunResult)) -> u8 {
    // An order of another version is not carried out, not even a built-in task. `run` reports it.
    if order.version == ORDER_VERSION && order.builtin == Some(Builtin::CleanAgain) {
        return clean::clean_again(Path::new("/"));
    }
    if order.version == ORDER_VERSION && order.builtin == Some(Builtin::Clean) {
        return run_clean(order, report);
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

/// Cleans this machine, from which an image is made next.
fn run_clean(order: &WorkOrder, report: &mut dyn FnMut(&RunResult)) -> u8 {
    clean::let_journal_go();
    first_boot::let_snaps_go(&order.state_directory);
    let command = std::env::var("SSM_COMMAND_ID").ok();
    let folder = order.working_directory.as_deref().unwrap_or(Path::new(WORKING_DIRECTORY)).to_string_lossy();
    let mut last_pass = |installed: Option<&str>| clean::last_pass(command.as_deref(), installed);
    // After the clean-up, the contents are those of the image. They are collected before its report, which is the
    // last thing that reaches the state.
    let mut report = |result: &RunResult| match &order.contents {
        Some(asked) if result.status == RunStatus::Success => {
            let contents = Some(contents::of_builder(asked));
            report(&RunResult { contents, ..result.clone() });
        }
        _ => report(result),
    };
    clean::clean(Path::new("/"), &order.execution, command.as_deref(), &folder, &mut report, &mut last_pass)
}

/// Runs an order and returns the result. `None` if a reboot is due.
fn run(order: &WorkOrder, stdout: &mut dyn Write) -> Result<Option<RunResult>, ExecuteError> {
    if order.version != ORDER_VERSION {
        return Err(ExecuteError::Version { version: order.version });
    }
    let documents = read_documents(order)?;
    let secrets = Secrets::default();
    let aws = Aws::default();
    let mut store = Store::open(order, &secrets)?;
    let mut state = match store.load(&|name| aws.secret(name))? {
        Some(State { result: Some(result), .. }) => return Ok(Some(result)),
        // This start waited for another run, which is about to reboot the machine: nothing may start before that.
        Some(state) if store.waited && state.reboot_pending => return Ok(None),
        Some(state) if is_early(&state) => return ask_again(&mut store, state).map(|()| None),
        Some(state) => state,
        None => State::new(&order.execution, Timestamp::now(), log_folder(order)),
    };
    let failed = |source| ExecuteError::Logs { path: state.log_folder.clone(), source };
    let mut output = Output::open(stdout, &state.log_folder, secrets, order.event_nonce.clone()).map_err(failed)?;
    copy_documents(order, &state.log_folder).map_err(failed)?;
    // The space is released when this function returns, so just before the result is reported.
    let _reserve = order.on_instance.then(|| Reserve::keep(&order.state_directory));
    if order.on_instance {
        first_boot::settle(&order.state_directory, &mut output);
    }
    look_at_image(order, &mut state, &mut output);
    if state.result.is_some() {
        state.end = Some(Timestamp::now());
        store.begin(&state)?;
        return Ok(state.result);
    }
    let mark = store.name();
    let around = Around { output: &mut output, aws: &aws, ancestors: Vec::new(), muted: false, mark };
    let mut run = Run::new(order, &documents, &mut store, state, around)?;
    match run.run() {
        Ok(Flow::Reboot) => Ok(None),
        Ok(Flow::GoOn | Flow::Abort) => Ok(run.state.result),
        Err(error) => {
            let result = broken_off(run.state.summary(), &error);
            let state = State { result: Some(result.clone()), end: Some(Timestamp::now()), ..run.state };
            report::write(&state, &output.secrets);
            Ok(Some(result))
        }
    }
}

/// Collects the contents of this machine's image and audits it, as the order asks. Both come before the first document,
/// which may install packages and write files that do not belong to the image. An audit that must find nothing, and has
/// found something, is the result of the run.
fn look_at_image(order: &WorkOrder, state: &mut State, output: &mut Output<'_>) {
    if !state.documents.is_empty() {
        return;
    }
    if let Some(asked) = &order.contents
        && state.contents.is_none()
    {
        let report = contents::of_instance(asked);
        output.remark(&format!("contents of the image: {}", report.headline()));
        state.contents = Some(report);
    }
    if let Some(asked) = order.audit
        && state.audit.is_none()
    {
        state.audit = Some(audited(asked, output));
        state.result = state.audit.as_ref().filter(|_| asked.fails).and_then(|audit| refused(state, audit));
    }
}

/// Audits this machine and reports the findings.
fn audited(asked: AuditOrder, output: &mut Output<'_>) -> Audit {
    let audit = audit_instance(asked.image_made, asked.limit_seconds.map(Duration::from_secs));
    output.remark(&format!("audit of the image: {}", audit.headline()));
    audit.lines().iter().for_each(|line| output.remark(&format!("  {line}")));
    audit
}

/// Returns the result if an audit that must find nothing has found something.
fn refused(state: &State, audit: &Audit) -> Option<RunResult> {
    let message = match (audit.count(), audit.is_incomplete) {
        (0, false) => return None,
        (0, true) => "the audit of the image is incomplete: not all files could be examined".to_owned(),
        (..) => format!("the audit of the image has found {}", audit.headline()),
    };
    let context = FailureContext { kind: FailureKind::Audit, message: message.clone(), ..FailureContext::default() };
    Some(RunResult {
        status: RunStatus::Failed,
        failure_message: message,
        failure_context: Some(context),
        ..state.summary()
    })
}

/// Returns whether the SSM agent started the command again before the requested reboot. The SSM agent reboots a minute
/// after the request. If it restarts itself in the meantime (an update of its package), it runs the command again. A
/// person who starts this program by hand decides that the machine is ready.
fn is_early(state: &State) -> bool {
    let by_ssm = env::var_os("AWS_SSM_INSTANCE_ID").is_some();
    by_ssm && state.reboot_pending && !state.boot.is_empty() && state.boot == boot()
}

/// Asks for the pending reboot once more. It fails if the reboot never comes.
fn ask_again(store: &mut Store, state: State) -> Result<(), ExecuteError> {
    let starts = state.early_starts + 1;
    store.begin(&State { early_starts: starts, ..state })?;
    if starts > EARLY_STARTS { Err(ExecuteError::NotRebooted { starts }) } else { Ok(()) }
}

/// Returns the result of a run whose state can no longer be saved: what was known before, and why the run ended.
fn broken_off(known: RunResult, error: &StoreError) -> RunResult {
    let failed = with_evidence(RunResult::failed(&known.execution_id, explain(error)), error);
    RunResult {
        status: failed.status,
        failure_message: failed.failure_message,
        failure_context: known.failure_context.or(failed.failure_context),
        ..known
    }
}

/// Adds the facts about the machine that explain an error of the agent itself.
fn with_evidence(result: RunResult, error: &(dyn std::error::Error + 'static)) -> RunResult {
    let evidence = evidence::limited(evidence::of_error(error));
    let failure_context = result.failure_context.map(|context| FailureContext { evidence, ..context });
    RunResult { failure_context, ..result }
}

fn log_folder(order: &WorkOrder) -> PathBuf {
    // EC2 Image Builder names its log folders in this way.
    let date = Timestamp::now().strftime("%Y-%m-%d_%H-%M-%S");
    order.log_directory.join(format!("TOE_{date}_UTC-0_{}", order.execution.replace('/', "-")))
}

impl ExecuteError {
    fn result(&self, order: &WorkOrder) -> RunResult {
        let document = match self {
            Self::Document(error) => error.document().to_owned(),
            Self::Version { .. } | Self::Logs { .. } | Self::Path(_) | Self::NotRebooted { .. } | Self::Store(_) => {
                String::new()
            }
        };
        let result = with_evidence(RunResult::failed(&order.execution, explain(self)), self);
        let context = result.failure_context.map(|context| FailureContext { document, ..context });
        RunResult { failure_context: context, ..result }
    }
}
