//! What can go wrong with the inside of an instance.

use std::io;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use crate::base::BaseImageError;
use crate::own::FolderError;

/// A disk, boot or file of an instance that did not work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum GuestError {
    /// A file or folder on the host.
    #[error("cannot prepare {path}")]
    Prepare { path: PathBuf, source: io::Error },
    /// The state folder is somebody else's.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// The base image.
    #[error("there is no base image")]
    Base { source: BaseImageError },
    /// A program of the host that is needed could not be started.
    #[error("cannot start {program}")]
    Start { program: &'static str, source: io::Error },
    /// A program of the host ended with an error.
    #[error("{program} failed: {stderr}")]
    Program { program: &'static str, stderr: String },
    /// The first process did not come up.
    #[error("instance {id} does not boot: {stderr}")]
    Boot { id: String, stderr: String },
    /// A file inside.
    #[error("cannot open {path} in the instance")]
    Open { path: String, source: io::Error },
    /// Its metadata service cannot listen.
    #[error("cannot listen for what instance {id} asks of its metadata")]
    Metadata { id: String, source: io::Error },
    /// An image of an image of an image, and so on.
    #[error("an image here has at most {most} images below it: make one from a newer source")]
    TooManyLayers { most: usize },
    /// It is not booted.
    #[error("instance {id} is not running")]
    NotRunning { id: String },
    /// Another endpoint has the state folder.
    #[error("{path} is used by another endpoint")]
    InUse { path: PathBuf },
    /// No isolation works.
    #[error("instances cannot run here: {missing}")]
    Unable { missing: String },
    /// A network of its own was asked for, and none is made.
    #[error(
        "instances cannot have networks of their own here: {missing}; or leave `own` out, for this machine's network then"
    )]
    NoNetwork { missing: String },
    /// The folder's disks were made in another way, which does not work any more.
    #[error("the disks in {path} were made with the isolation {made}, which does not work now: {missing}")]
    OtherWay { path: PathBuf, made: &'static str, missing: String },
}

impl GuestError {
    /// A thread that waited for a program and did not end as it should.
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

/// The same for callers that may block.
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
