//! Inputs of the actions that download and upload files.

use super::{Fields, Parse};
use crate::{Checksum, S3Download, S3Upload, WebDownload};

impl Parse<'_> {
    pub(super) fn s3_download(&mut self, fields: &mut Fields<'_>) -> Option<S3Download> {
        let source = self.value(fields, "source");
        let destination = self.text(fields, "destination");
        let expected_bucket_owner = self.optional_value(fields, "expectedBucketOwner");
        let overwrite = self.value_or(fields, "overwrite", "true");
        if let Some(source) = &source {
            self.check_prefix(source);
        }
        Some(S3Download { source: source?, destination: destination?, expected_bucket_owner, overwrite })
    }

    pub(super) fn s3_upload(&mut self, fields: &mut Fields<'_>) -> Option<S3Upload> {
        let source = self.text(fields, "source");
        let destination = self.value(fields, "destination");
        let recurse = self.value_or(fields, "recurse", "false");
        let expected_bucket_owner = self.optional_value(fields, "expectedBucketOwner");
        if let Some(source) = &source {
            self.check_wildcard(source, "source");
        }
        Some(S3Upload { source: source?, destination: destination?, recurse, expected_bucket_owner })
    }

    pub(super) fn web_download(&mut self, fields: &mut Fields<'_>) -> Option<WebDownload> {
        let source = self.value(fields, "source");
        let destination = self.text(fields, "destination");
        let overwrite = self.value_or(fields, "overwrite", "true");
        let ignore_certificate_errors = self.value_or(fields, "ignoreCertificateErrors", "false");
        let checksum = self.checksum(fields);
        Some(WebDownload { source: source?, destination: destination?, overwrite, checksum, ignore_certificate_errors })
    }

    fn checksum(&mut self, fields: &mut Fields<'_>) -> Option<Checksum> {
        let digest = self.optional_text(fields, "checksum");
        let algorithm = self.optional_value(fields, "algorithm");
        let [digest_node, algorithm_node] = ["checksum", "algorithm"].map(|key| fields.map.optional(key));
        match (digest_node, algorithm_node) {
            (Some(node), None) => {
                self.reader.error(node.span, "missing-key", "`checksum` also needs `algorithm`");
            }
            (None, Some(node)) => {
                self.reader.error(node.span, "missing-key", "`algorithm` also needs `checksum`");
            }
            _ => {}
        }
        let checksum = Checksum { digest: digest?, algorithm: algorithm? };
        if let Some(algorithm) = checksum.algorithm.value {
            self.check_digest(&checksum.digest, algorithm, "`checksum`");
        }
        Some(checksum)
    }
}
