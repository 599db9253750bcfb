//! Errors of an instance's guest.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::base::BaseImageError;
use crate::own::FolderError;

/// A disk, boot or file of an instance that did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuestError {
    /// A file or folder on the host cannot be prepared.
    #[error("cannot prepare {path}")]
    Prepare { path: PathBuf, source: io::Error },
    /// The state folder belongs to someone else.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// There is no base image.
    #[error("there is no base image")]
    Base { source: BaseImageError },
    /// A required program of the host could not be started.
    #[error("cannot start {program}")]
    Start { program: &'static str, source: io::Error },
    /// A program of the host ended with an error.
    #[error("{program} failed: {stderr}")]
    Program { program: &'static str, stderr: String },
    /// The first process did not start.
    #[error("instance {id} does not boot: {stderr}")]
    Boot { id: String, stderr: String },
    /// A file in the instance cannot be opened.
    #[error("cannot open {path} in the instance")]
    Open { path: String, source: io::Error },
    /// The instance's metadata service cannot listen.
    #[error("cannot listen for what instance {id} asks of its metadata")]
    Metadata { id: String, source: io::Error },
    /// The image has too many images below it.
    #[error("an image here has at most {most} images below it: make one from a newer source")]
    TooManyLayers { most: usize },
    /// The instance is not booted.
    #[error("instance {id} is not running")]
    NotRunning { id: String },
    /// Another endpoint uses the state folder.
    #[error("{path} is used by another endpoint")]
    InUse { path: PathBuf },
    /// No isolation works.
    #[error("instances cannot run here: {missing}")]
    Unable { missing: String },
    /// A network of its own was requested, but cannot be made.
    #[error(
        "instances cannot have networks of their own here: {missing}; or leave `own` out, for this machine's network then"
    )]
    NoNetwork { missing: String },
    /// The folder's disks were made with an isolation that no longer works.
    #[error("the disks in {path} were made with the isolation {made}, which does not work now: {missing}")]
    OtherWay { path: PathBuf, made: &'static str, missing: String },
}

impl GuestError {
    /// Returns the error for a thread that waited for a program and did not end normally.
    pub(super) fn ended(program: &'static str, error: tokio::task::JoinError) -> Self {
        GuestError::Start { program, source: io::Error::other(error) }
    }

    pub(super) fn prepare(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> GuestError {
        let path = path.into();
        move |source| GuestError::Prepare { path, source }
    }
}

/// Runs a program of the host to its end.
pub(super) async fn run(program: &'static str, command: &mut Command) -> Result<(), GuestError> {
    let mut command = tokio::process::Command::from(std::mem::replace(command, Command::new(program)));
    let output = command.stdin(Stdio::null()).kill_on_drop(true).output().await;
    succeeded(program, output)
}

/// Does the same for callers that may block.
pub(super) fn run_now(program: &'static str, command: &mut Command) -> Result<(), GuestError> {
    let output = command.stdin(Stdio::null()).output();
    succeeded(program, output)
}

fn succeeded(program: &'static str, output: io::Result<Output>) -> Result<(), GuestError> {
    let output = output.map_err(|source| GuestError::Start { program, source })?;
    if output.status.success() {
        return Ok(());
    }
    Err(GuestError::Program { program, stderr: String::from_utf8_lossy(&output.stderr).trim().to_owned() })
}
