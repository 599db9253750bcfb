//! The implementations of the action modules. Each gets its inputs with all references replaced.

mod binary;
mod command;
mod document;
mod download;
mod fields;
mod files;
mod kept;
mod list;
mod s3_download;
mod s3_upload;
mod script;
mod update;
mod web_download;

use std::collections::BTreeMap;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use goldsmith_document::{Action, Assert, Reboot};

use crate::condition::{self, ConditionError};
use crate::evidence::{self, Watch};
use crate::explain::explain;
use crate::output::Output;
use crate::place::Place;
use crate::resolve::{ResolveError, Resolver};
use crate::state::Inputs;

pub(crate) use command::is_killed;
pub(crate) use document::{Call, FetchError};
use fields::Fields;
use files::FileError;
use list::{Element, ModuleError, list};

/// The cause of an attempt that took too long.
pub(crate) const TIMED_OUT: &str = "timed out";

/// An action whose inputs are plain values.
pub(crate) struct Task {
    /// The inputs as they are recorded and as later steps see them.
    pub(crate) inputs: Vec<Inputs>,
    pub(crate) work: Work,
}

/// The work of a task.
pub(crate) enum Work {
    /// Work on this machine.
    Here(Box<dyn Perform>),
    /// Another document, which the run itself executes.
    Document(Call),
}

/// Performs the work of an action once.
pub(crate) trait Perform {
    fn perform(&self, place: &Place<'_>, output: &mut Output<'_>) -> Outcome;
}

/// The outcome of an attempt.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) end: End,
    pub(crate) exit_code: Option<i32>,
    pub(crate) outputs: BTreeMap<String, String>,
    pub(crate) last_lines: Vec<String>,
    /// The facts about the machine that were known when the attempt failed.
    pub(crate) evidence: Vec<String>,
    /// What the output of the attempt says about the machine.
    pub(crate) watch: Box<Watch>,
}

/// The ways in which an attempt ends.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) enum End {
    #[default]
    Success,
    Failed(String),
    /// The outcome is not known because the agent was stopped during the attempt. The text says why.
    Unknown(&'static str),
    /// The machine must reboot after the delay. Then the same step runs again, or the run continues with the next step.
    Reboot {
        again: bool,
        delay: Duration,
    },
}

/// Why a task cannot be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TaskError {
    #[error(transparent)]
    Resolve(#[from] ResolveError),
    #[error(transparent)]
    Condition(#[from] ConditionError),
    #[error("the action `{name}` is not available on Linux")]
    OtherPlatform { name: &'static str },
}

impl Outcome {
    pub(crate) fn failed(error: &(dyn Error + 'static)) -> Self {
        Self { end: End::Failed(explain(error)), evidence: evidence::of_error(error), ..Self::default() }
    }
}

impl Task {
    /// Returns the task of an action. The references in its inputs are replaced.
    pub(crate) fn new(action: &Action, resolver: &Resolver<'_>) -> Result<Self, TaskError> {
        use files as f;
        Ok(match action {
            Action::AppendFile(inputs) => list(inputs, resolver, None, f::Append::read)?,
            Action::Assert(inputs) => assert(inputs, resolver)?,
            Action::CopyFile(inputs) => list(inputs, resolver, None, f::Transfer::reader(false, false))?,
            Action::CopyFolder(inputs) => list(inputs, resolver, None, f::Transfer::reader(false, true))?,
            Action::CreateFile(inputs) => list(inputs, resolver, None, f::NewFile::read)?,
            Action::CreateFolder(inputs) => list(inputs, resolver, None, f::NewFolder::read)?,
            Action::CreateSymlink(inputs) => list(inputs, resolver, None, f::Link::read)?,
            Action::DeleteFile(inputs) => list(inputs, resolver, None, f::DeletedFile::read)?,
            Action::DeleteFolder(inputs) => list(inputs, resolver, None, f::DeletedFolder::read)?,
            Action::ExecuteBash(inputs) => script::Script::task(inputs, resolver)?,
            Action::ExecuteBinary(inputs) => binary::Program::task(inputs, resolver)?,
            Action::ExecuteDocument(inputs) => Call::task(inputs, resolver)?,
            Action::ListFiles(inputs) => list(inputs, resolver, Some(("files", ",")), f::Listing::read)?,
            Action::MoveFile(inputs) => list(inputs, resolver, None, f::Transfer::reader(true, false))?,
            Action::MoveFolder(inputs) => list(inputs, resolver, None, f::Transfer::reader(true, true))?,
            Action::ReadFile(inputs) => list(inputs, resolver, Some(("content", "\n")), f::Reading::read)?,
            Action::Reboot(inputs) => reboot(inputs, resolver)?,
            Action::S3Download(inputs) => list(inputs, resolver, None, s3_download::Download::read)?,
            Action::S3Upload(inputs) => list(inputs, resolver, None, s3_upload::Upload::read)?,
            Action::SetFileEncoding(inputs) => list(inputs, resolver, None, f::Reencoded::read)?,
            Action::SetFileOwner(inputs) => list(inputs, resolver, None, f::Owner::of_file)?,
            Action::SetFilePermissions(inputs) => list(inputs, resolver, None, f::Permissions::of_file)?,
            Action::SetFolderOwner(inputs) => list(inputs, resolver, None, f::Owner::of_folder)?,
            Action::SetFolderPermissions(inputs) => list(inputs, resolver, None, f::Permissions::of_folder)?,
            Action::UpdateOS(inputs) => update::Update::task(inputs, resolver)?,
            Action::WebDownload(inputs) => {
                list(inputs, resolver, Some(("destination", "\n")), web_download::Download::read)?
            }
            Action::ExecutePowerShell(_) | Action::InstallMSI(_) | Action::UninstallMSI(_) | Action::SetRegistry(_) => {
                // The order's documents were checked for Linux, which rejects these actions. This arm makes the
                // compiler ask for every new action.
                return Err(TaskError::OtherPlatform { name: action.name() });
            }
        })
    }

    fn here(inputs: Vec<Inputs>, work: impl Perform + 'static) -> Self {
        Self { inputs, work: Work::Here(Box::new(work)) }
    }
}

impl Place<'_> {
    /// Returns a path of a document. A relative path starts at the working directory. An empty path, such as a
    /// reference without a value leaves it, would be that directory itself, so it is an error.
    fn path(&self, path: &str) -> Result<PathBuf, FileError> {
        if path.is_empty() {
            return Err(FileError::NoPath);
        }
        Ok(self.working_directory.join(path))
    }
}

/// Work whose outcome is known before it begins.
struct Settled(End);

impl Perform for Settled {
    fn perform(&self, _: &Place<'_>, _: &mut Output<'_>) -> Outcome {
        let end = match &self.0 {
            End::Failed(message) => End::Failed(message.clone()),
            End::Reboot { again, delay } => End::Reboot { again: *again, delay: *delay },
            // `Assert` and `Reboot` never make an unknown end.
            End::Success | End::Unknown(_) => End::Success,
        };
        Outcome { end, ..Outcome::default() }
    }
}

fn assert(inputs: &Assert, resolver: &Resolver<'_>) -> Result<Task, TaskError> {
    // The expression is evaluated here and not in `perform`, because only here the references can be replaced.
    let end = match condition::holds(&inputs.expression, resolver)? {
        true => End::Success,
        false => {
            let fact = condition::fact(&inputs.expression, false, resolver)?;
            End::Failed(format!("the assertion is false: {fact}"))
        }
    };
    Ok(Task::here(Vec::new(), Settled(end)))
}

fn reboot(inputs: &Reboot, resolver: &Resolver<'_>) -> Result<Task, TaskError> {
    let mut fields = Fields::new(resolver);
    let delay = Duration::from_secs(fields.setting("delaySeconds", &inputs.delay_seconds)?);
    // The step has done all its work before the reboot. If it ran again, it would reboot again, without an end.
    Ok(Task::here(vec![fields.record()], Settled(End::Reboot { again: false, delay })))
}
