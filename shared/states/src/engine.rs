//! Runs the states: `drive` runs those that wait, and `once` runs those that do not. `effect` makes effects, and `undo`
//! undoes them. `stage` tells how far a run is.

pub(crate) mod drive;
pub(crate) mod effect;
pub(crate) mod invocation;
#[cfg(test)]
mod lasting;
pub(crate) mod mark;
pub(crate) mod once;
pub(crate) mod pending;
pub(crate) mod stage;
pub(crate) mod undo;

use jiff::SignedDuration;

/// Time after which every function that was running when its build was closed has ended: the functions' time-out
/// (`infra/template.yaml`) and a margin.
pub const LATE: SignedDuration = SignedDuration::from_secs(150);
