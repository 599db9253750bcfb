//! Inputs of the actions that download and upload files.

use crate::{AccountId, Algorithm, S3Uri, Setting, Template, WebUrl};

/// Inputs of `S3Download`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Download {
    /// The object; with `/*` at its end, all objects below that prefix.
    pub source: Setting<S3Uri>,
    /// The file for one object, or the folder for several objects.
    pub destination: Template,
    /// The account that must own the bucket.
    pub expected_bucket_owner: Option<Setting<AccountId>>,
    /// Whether an existing file may be replaced. Default true.
    pub overwrite: Setting<bool>,
}

/// Inputs of `S3Upload`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct S3Upload {
    /// A file or folder; the last part of the path may contain `*`.
    pub source: Template,
    /// The object for one file, or the prefix for several files.
    pub destination: Setting<S3Uri>,
    /// Whether the files of subfolders are uploaded too. Default false.
    pub recurse: Setting<bool>,
    /// The account that must own the bucket.
    pub expected_bucket_owner: Option<Setting<AccountId>>,
}

/// Inputs of `WebDownload`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebDownload {
    /// The HTTP or HTTPS URL.
    pub source: Setting<WebUrl>,
    /// The file, or the folder if the path ends with `/`.
    pub destination: Template,
    /// Whether an existing file may be replaced. Default true.
    pub overwrite: Setting<bool>,
    /// The digest that the file must have.
    pub checksum: Option<Checksum>,
    /// Whether every TLS certificate is accepted. Default false.
    pub ignore_certificate_errors: Setting<bool>,
}

/// The digest that a file must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// The digest in hex, in upper or lower case.
    pub digest: Template,
    /// The algorithm of the digest.
    pub algorithm: Setting<Algorithm>,
}
