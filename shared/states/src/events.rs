//! The functions that EventBridge's rules, the tick and people call.

pub(crate) mod reap;
pub(crate) mod signal;
pub(crate) mod start;
pub(crate) mod trigger;
