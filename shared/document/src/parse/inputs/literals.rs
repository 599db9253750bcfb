//! Checks, beyond the type, of inputs that are known when the document is read.

use super::Parse;
use crate::{Algorithm, Literal, Platform, S3Uri, Setting, Template};

use super::Fields;

impl Parse<'_> {
    /// Reports a `*` that is not in the last part of a path.
    pub(super) fn check_wildcard(&mut self, path: &Template, key: &str) {
        let Some(literal) = path.literal() else { return };
        let folder = literal.rfind(['/', '\\']).map_or("", |at| &literal[..at]);
        if folder.contains('*') {
            let message = format!("`*` can be used only after the last separator of `{key}`");
            self.reader.error(path.span, "bad-wildcard", message);
        }
    }

    /// Reports a source in S3 that names neither one object nor, with `/*` at its end, all objects below a prefix.
    pub(super) fn check_prefix(&mut self, source: &Setting<S3Uri>) {
        let Some(uri) = &source.value else { return };
        let key = uri.key.strip_suffix('*').filter(|rest| rest.is_empty() || rest.ends_with('/')).unwrap_or(&uri.key);
        if key.contains('*') {
            let message = "`*` can be used only at the end of `source`, after a `/`";
            self.reader.error(source.text.span, "bad-wildcard", message);
        } else if uri.key.is_empty() || uri.key.ends_with('/') {
            let help = Some("end it with `/*` to download all objects below it".to_owned());
            self.reader.error_with_help(source.text.span, "wrong-value", "`source` does not name an object", help);
        }
    }

    /// Reports a nested document that is not a path, an object in S3, or a component.
    pub(super) fn check_document(&mut self, document: &Template) {
        let Some(literal) = document.literal() else { return };
        let problem = if literal.starts_with("s3://") {
            S3Uri::read(&literal).is_none_or(|uri| uri.key.is_empty() || uri.key.ends_with('/'))
        } else if literal.starts_with("arn:") {
            let parts: Vec<&str> = literal.splitn(6, ':').collect();
            !matches!(parts[..], [_, _, "imagebuilder", _, _, resource] if resource.starts_with("component/"))
        } else {
            literal.trim().is_empty()
        };
        if problem {
            let help = "write a path, `s3://BUCKET/KEY`, or the ARN of a component";
            let message = "`document` does not name a document";
            self.reader.error_with_help(document.span, "wrong-value", message, Some(help.to_owned()));
        }
    }

    /// Reports a digest whose number of hex digits does not fit its algorithm.
    pub(in crate::parse) fn check_digest(&mut self, digest: &Template, algorithm: Algorithm, what: &str) {
        let Some(literal) = digest.literal() else { return };
        let (literal, wanted) = (literal.trim(), algorithm.hex_digits());
        if literal.len() != wanted || !literal.chars().all(|c| c.is_ascii_hexdigit()) {
            let message = format!("{what} must have the {wanted} hex digits of {}", algorithm.name());
            self.reader.error(digest.span, "wrong-value", message);
        }
    }

    /// Reports owners, groups and modes on Windows, which does not have them in this form.
    pub(super) fn check_ownership(&mut self, fields: &Fields<'_>) {
        if self.target.platform != Some(Platform::Windows) {
            return;
        }
        for key in ["owner", "group", "permissions"] {
            if let Some(span) = fields.map.key_span(key) {
                self.reader.error(span, "platform", format!("`{key}` cannot be set on Windows"));
            }
        }
    }
}
