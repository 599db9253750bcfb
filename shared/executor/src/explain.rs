//! Formats an error and its causes as one line.

use std::error::Error;

/// Returns `error: cause: cause of the cause`.
#[must_use]
pub fn explain(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |text, cause| format!("{text}: {cause}"))
}
