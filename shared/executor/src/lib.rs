//! Runs work orders on this machine. [`WorkOrder`], [`RunResult`] and [`Event`] are the contract with those who send
//! the agent and read its output; they need nothing but serde.

mod event;
mod order;
mod result;

pub use event::{EVENT_PREFIX, Event, EventKind, Status};
pub use order::{Builtin, Limits, ORDER_VERSION, OrderDocument, WorkOrder};
pub use result::{
    EXIT_FAILED, EXIT_REBOOT, EXIT_SUCCESS, EXIT_USAGE, FailureContext, RESULT_LIMIT, RunResult, RunStatus,
};
