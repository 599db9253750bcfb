//! The cases.

mod failures;
mod good;
mod kills;
mod refusals;

use crate::stack::Stack;

/// A case: asserts, or panics.
pub(crate) type Case = fn(&Stack);

/// Every case, by name.
pub(crate) fn all() -> Vec<(&'static str, Case)> {
    [good::CASES, failures::CASES, refusals::CASES, kills::CASES].concat()
}
