//! Inputs of the actions that fetch and send files.

use crate::{AccountId, Algorithm, S3Uri, Setting, Template, WebUrl};

/// Inputs of `S3Download`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Download {
    /// The object; with `/*` at its end, all objects below that prefix.
    pub source: Setting<S3Uri>,
    /// The file for one object, the folder for several.
    pub destination: Template,
    /// The account that must own the bucket.
    pub expected_bucket_owner: Option<Setting<AccountId>>,
    /// Whether a file that is there may be replaced. Default true.
    pub overwrite: Setting<bool>,
}

/// Inputs of `S3Upload`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Upload {
    /// A file or folder; `*` may stand in its last part.
    pub source: Template,
    /// The object for one file, the prefix for several.
    pub destination: Setting<S3Uri>,
    /// Whether folders below are sent too. Default false.
    pub recurse: Setting<bool>,
    /// The account that must own the bucket.
    pub expected_bucket_owner: Option<Setting<AccountId>>,
}

/// Inputs of `WebDownload`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebDownload {
    /// The HTTP or HTTPS URL.
    pub source: Setting<WebUrl>,
    /// The file, or with a `/` at its end the folder.
    pub destination: Template,
    /// Whether a file that is there may be replaced. Default true.
    pub overwrite: Setting<bool>,
    /// What the file must be.
    pub checksum: Option<Checksum>,
    /// Whether any TLS certificate is good enough. Default false.
    pub ignore_certificate_errors: Setting<bool>,
}

/// The digest that a file must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// The digest in hex, in any case.
    pub digest: Template,
    /// How it is made.
    pub algorithm: Setting<Algorithm>,
}
