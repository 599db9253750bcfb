//! Errors of making and unpacking base images.

use std::io;
use std::path::PathBuf;

use crate::own::FolderError;
use crate::programs::ProgramError;

/// Why there is no base image.
#[derive(Debug, thiserror::Error)]
pub enum BaseImageError {
    /// The folder cannot be used.
    #[error("cannot use {path}")]
    Cache {
        /// The folder or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The folder for the unpacked files belongs to another user.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// `mmdebstrap` is missing and cannot be installed.
    #[error("mmdebstrap is missing ({why}): install it, for example by `apt-get install mmdebstrap`")]
    NoTool {
        /// Why it could not be installed.
        why: &'static str,
    },
    /// No instance can run here, so nothing can be installed into an image.
    #[error("the base image cannot be made here: {missing}")]
    Unable {
        /// What is missing.
        missing: String,
    },
    /// A program could not do its work.
    #[error(transparent)]
    Program(#[from] ProgramError),
}
