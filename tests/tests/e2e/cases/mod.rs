//! The cases.

mod documents;
mod failures;
mod good;
mod kills;
mod refusals;
mod role;
mod rules;
mod sources;
mod starts;
mod stops;

use crate::stack::Stack;

/// A case: asserts, or panics.
pub(crate) type Case = fn(&Stack);

/// Every case, by name.
pub(crate) fn all() -> Vec<(&'static str, Case)> {
    [
        good::CASES,
        documents::CASES,
        failures::CASES,
        refusals::CASES,
        sources::CASES,
        role::CASES,
        rules::CASES,
        kills::CASES,
        starts::CASES,
        stops::CASES,
    ]
    .concat()
}
