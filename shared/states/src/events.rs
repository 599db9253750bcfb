//! The functions that events call: EventBridge's rules, the tick and people.

pub(crate) mod reap;
pub(crate) mod signal;
pub(crate) mod start;
pub(crate) mod trigger;
