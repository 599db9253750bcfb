//! Checks, beyond the type, that several inputs or conditions need.

use super::Parse;
use crate::{Algorithm, Template};

impl Parse<'_> {
    /// Reports a `*` that is not in the last part of a path.
    pub(crate) fn check_wildcard(&mut self, path: &Template, key: &str) {
        let Some(literal) = path.literal() else { return };
        // Documents for Windows are checked here too.
        let folder = literal.rfind(['/', '\\']).map_or("", |at| &literal[..at]);
        if folder.contains('*') {
            let message = format!("`*` can be used only after the last separator of `{key}`");
            self.reader.error(path.span, "bad-wildcard", message);
        }
    }

    /// Reports a digest whose number of hex digits does not fit its algorithm.
    pub(crate) fn check_digest(&mut self, digest: &Template, algorithm: Algorithm, what: &str) {
        let Some(literal) = digest.literal() else { return };
        let (literal, wanted) = (literal.trim(), algorithm.hex_digits());
        if literal.len() != wanted || !literal.chars().all(|c| c.is_ascii_hexdigit()) {
            let message = format!("{what} must have the {wanted} hex digits of {}", algorithm.name());
            self.reader.error(digest.span, "wrong-value", message);
        }
    }
}
