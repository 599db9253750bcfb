//! Inputs of the actions that download and upload files.

use super::input::{Field, inputs, optional_value, pair, text, value, value_or};
use crate::parse::{Fields, Parse};
use crate::{AccountId, Algorithm, S3Uri, Setting, Template, WebUrl};

inputs! {
    /// Inputs of `S3Download`.
    S3Download {
        /// The object; with `/*` at its end, all objects below that prefix.
        source: Setting<S3Uri> = value("source").checked(check_prefix),
        /// The file for one object, or the folder for several objects.
        destination: Template = text("destination"),
        /// The account that must own the bucket.
        expected_bucket_owner: Option<Setting<AccountId>> = optional_value("expectedBucketOwner"),
        /// Whether an existing file may be replaced.
        overwrite: Setting<bool> = value_or("overwrite", "true"),
    }
}

inputs! {
    /// Inputs of `S3Upload`.
    S3Upload {
        /// A file or folder; the last part of the path may contain `*`.
        source: Template = text("source").checked(|parse, path| parse.check_wildcard(path, "source")),
        /// The object for one file, or the prefix for several files.
        destination: Setting<S3Uri> = value("destination"),
        /// Whether the files of subfolders are uploaded too.
        recurse: Setting<bool> = value_or("recurse", "false"),
        /// The account that must own the bucket.
        expected_bucket_owner: Option<Setting<AccountId>> = optional_value("expectedBucketOwner"),
    }
}

inputs! {
    /// Inputs of `WebDownload`.
    WebDownload gives ["destination"] {
        /// The HTTP or HTTPS URL.
        source: Setting<WebUrl> = value("source"),
        /// The file, or the folder if the path ends with `/`.
        destination: Template = text("destination"),
        /// Whether an existing file may be replaced.
        overwrite: Setting<bool> = value_or("overwrite", "true"),
        /// The digest that the file must have.
        checksum: Option<Checksum> = pair(["checksum", "algorithm"], checksum),
        /// Whether every TLS certificate is accepted.
        ignore_certificate_errors: Setting<bool> = value_or("ignoreCertificateErrors", "false"),
    }
}

/// The digest that a file must have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checksum {
    /// The digest in hex, in upper or lower case.
    pub digest: Template,
    /// The algorithm of the digest.
    pub algorithm: Setting<Algorithm>,
}

/// Reports a source in S3 that names neither one object nor, with `/*` at its end, all objects below a prefix.
fn check_prefix(parse: &mut Parse<'_>, source: &Setting<S3Uri>) {
    let Some(uri) = &source.value else { return };
    let key = uri.key.strip_suffix('*').filter(|rest| rest.is_empty() || rest.ends_with('/')).unwrap_or(&uri.key);
    if key.contains('*') {
        let message = "`*` can be used only at the end of `source`, after a `/`";
        parse.reader.error(source.text.span, "bad-wildcard", message);
    } else if uri.key.is_empty() || uri.key.ends_with('/') {
        let help = Some("end it with `/*` to download all objects below it".to_owned());
        parse.reader.error_with_help(source.text.span, "wrong-value", "`source` does not name an object", help);
    }
}

/// Reads a digest and its algorithm.
fn checksum(parse: &mut Parse<'_>, fields: &mut Fields<'_>, _: &Field<Option<Checksum>>) -> Option<Option<Checksum>> {
    let digest = parse.optional_text(fields, "checksum");
    let algorithm = parse.optional_value(fields, "algorithm");
    let [digest_node, algorithm_node] =
        ["checksum", "algorithm"].map(|key| fields.node.get(key).filter(|node| !node.is_null()));
    match (digest_node, algorithm_node) {
        (Some(node), None) => {
            parse.reader.error(node.span, "missing-key", "`checksum` also needs `algorithm`");
        }
        (None, Some(node)) => {
            parse.reader.error(node.span, "missing-key", "`algorithm` also needs `checksum`");
        }
        _ => {}
    }
    let (Some(digest), Some(algorithm)) = (digest, algorithm) else { return Some(None) };
    let checksum = Checksum { digest, algorithm };
    if let Some(algorithm) = checksum.algorithm.value {
        parse.check_digest(&checksum.digest, algorithm, "`checksum`");
    }
    Some(Some(checksum))
}
