//! What runs the states: the loop of those that wait, the frame of those that do not, effects and their undoing.

pub(crate) mod drive;
pub(crate) mod effect;
pub(crate) mod invocation;
#[cfg(test)]
mod lasting;
pub(crate) mod once;
pub(crate) mod undo;
