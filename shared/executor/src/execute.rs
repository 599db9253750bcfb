//! From a work order to an exit status.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;

use crate::audit::audit_instance;
use crate::aws::Aws;
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
    RunResult, RunStatus, WorkOrder, clean, first_boot, report,
};

/// Why an order is not run at all, or why a run breaks off.
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
    #[error("the machine was to be rebooted, but the agent was started {starts} times without a reboot")]
    NotRebooted { starts: u32 },
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How often a start before the pending reboot asks for it again. Each counts for the SSM agent as a reboot does.
const EARLY_STARTS: u32 = 2;

/// Carries an order out and returns the exit status: 0 success, 1 failure, 194 when the machine is to be rebooted and
/// the same order to be started again.
///
/// `stdout` gets the steps' output and the event lines as they come. `report` is called once with the result, and not
/// at all before a reboot. An execution that is already over only has its result reported again. Call it from the main
/// thread: the processes of a step are ended with the thread that runs it.
pub fn execute(order: &WorkOrder, stdout: &mut dyn Write, report: &mut dyn FnMut(&RunResult)) -> u8 {
    if order.version == ORDER_VERSION && order.builtin == Some(Builtin::CleanAgain) {
        return clean::clean_again(Path::new("/"));
    }
    if order.version == ORDER_VERSION && order.builtin == Some(Builtin::Clean) {
        clean::let_journal_go();
        first_boot::let_snaps_go(&order.state_directory);
        let command = std::env::var("SSM_COMMAND_ID").ok();
        let folder = order.working_directory.as_deref().unwrap_or(Path::new(WORKING_DIRECTORY)).to_string_lossy();
        let mut last_pass = |installed: Option<&str>| clean::last_pass(command.as_deref(), installed);
        return clean::clean(Path::new("/"), &order.execution, command.as_deref(), &folder, report, &mut last_pass);
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
    if order.version != ORDER_VERSION {
        return Err(ExecuteError::Version { version: order.version });
    }
    let documents = read_documents(order)?;
    let secrets = Secrets::default();
    let aws = Aws::default();
    let mut store = Store::open(order, &secrets)?;
    let mut state = match store.load(&|name| aws.secret(name))? {
        Some(State { result: Some(result), .. }) => return Ok(Some(result)),
        // The run that was waited for is about to have the machine rebooted: nothing may start before that.
        Some(state) if store.waited && state.reboot_pending => return Ok(None),
        Some(state) if is_early(&state) => return ask_again(&mut store, state).map(|()| None),
        Some(state) => state,
        None => State::new(&order.execution, Timestamp::now(), log_folder(order)),
    };
    let failed = |source| ExecuteError::Logs { path: state.log_folder.clone(), source };
    let mut output = Output::open(stdout, &state.log_folder, secrets, order.event_nonce.clone()).map_err(failed)?;
    copy_documents(order, &state.log_folder).map_err(failed)?;
    let _reserve = order.on_instance.then(|| Reserve::keep(&order.state_directory));
    if order.on_instance {
        first_boot::settle(&order.state_directory, &mut output);
    }
    // Before the first document: it may write what is not the image's.
    if let Some(asked) = order.audit
        && state.documents.is_empty()
        && state.audit.is_none()
    {
        let audit = audited(asked, &mut output);
        state.audit = Some(audit);
        state.result = state.audit.as_ref().filter(|_| asked.fails).and_then(|audit| refused(&state, audit));
        if state.result.is_some() {
            state.end = Some(Timestamp::now());
            store.begin(&state)?;
            return Ok(state.result);
        }
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

/// Audits this machine, and tells what is found.
fn audited(asked: AuditOrder, output: &mut Output<'_>) -> Audit {
    let audit = audit_instance(asked.image_made, asked.limit_seconds.map(Duration::from_secs));
    output.remark(&format!("audit of the image: {}", audit.headline()));
    audit.lines().iter().for_each(|line| output.remark(&format!("  {line}")));
    audit
}

/// The result where an audit must find nothing, and has.
fn refused(state: &State, audit: &Audit) -> Option<RunResult> {
    let message = match (audit.count(), audit.is_incomplete) {
        (0, false) => return None,
        (0, true) => "the audit of the image is incomplete: not all files could be looked at".to_owned(),
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

/// Whether the SSM agent started the command again before the reboot that it was asked for. It reboots a minute after it
/// was asked, and a restart of its own (an update of its package) meanwhile runs the command anew. Whoever starts this
/// program by hand decides for himself that the machine is ready.
fn is_early(state: &State) -> bool {
    let by_ssm = env::var_os("AWS_SSM_INSTANCE_ID").is_some();
    by_ssm && state.reboot_pending && !state.boot.is_empty() && state.boot == boot()
}

/// Asks for the pending reboot once more, and gives up where it never comes.
fn ask_again(store: &mut Store, state: State) -> Result<(), ExecuteError> {
    let starts = state.early_starts + 1;
    store.begin(&State { early_starts: starts, ..state })?;
    if starts > EARLY_STARTS { Err(ExecuteError::NotRebooted { starts }) } else { Ok(()) }
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

fn log_folder(order: &WorkOrder) -> PathBuf {
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
        let result = RunResult::failed(&order.execution, explain(self));
        let context = result.failure_context.map(|context| FailureContext { document, ..context });
        RunResult { failure_context: context, ..result }
    }
}
