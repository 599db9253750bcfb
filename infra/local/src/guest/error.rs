//! Errors of an instance's guest.

use std::io;
use std::path::PathBuf;

use crate::base::BaseImageError;
use crate::own::FolderError;
use crate::programs::ProgramError;

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
    /// A program of the host did not do its work.
    #[error(transparent)]
    Program(#[from] ProgramError),
    /// A program is not installed.
    #[error("{program} is missing: install {package}")]
    NoProgram { program: &'static str, package: &'static str },
    /// The first process did not start.
    #[error("instance {id} does not boot: {stderr}")]
    Boot { id: String, stderr: String },
    /// A file in the instance cannot be opened.
    #[error("cannot open {path} in the instance")]
    Open { path: String, source: io::Error },
    /// The instance's metadata service cannot listen.
    #[error("cannot listen for the metadata requests of instance {id}")]
    Metadata { id: String, source: io::Error },
    /// The image has too many images below it.
    #[error("an image here is based on at most {most} other images: build from a newer source image")]
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
        "instances cannot have networks of their own here: {missing}; or leave out `own` to use this machine's network"
    )]
    NoNetwork { missing: String },
    /// The folder's disks were made with an isolation that no longer works.
    #[error("the disks in {path} were made with the isolation {made}, which does not work now: {missing}")]
    OtherWay { path: PathBuf, made: &'static str, missing: String },
}

impl GuestError {
    /// Returns the error for a thread that waited for a program and did not end normally.
    pub(super) fn ended(program: &'static str, error: tokio::task::JoinError) -> Self {
        ProgramError::Start { program, source: io::Error::other(error) }.into()
    }

    pub(super) fn prepare(path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> GuestError {
        let path = path.into();
        move |source| GuestError::Prepare { path, source }
    }
}
