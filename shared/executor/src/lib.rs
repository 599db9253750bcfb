//! Runs work orders on this machine. [`WorkOrder`], [`RunResult`] and [`Event`] are the contract with the senders of
//! orders and the readers of the agent's output; they need only serde. [`execute`] carries out an order.

mod audit;
mod aws;
mod checksum;
mod clean;
mod condition;
mod contents;
mod documents;
mod event;
mod evidence;
mod execute;
mod explain;
mod first_boot;
mod http;
mod modules;
mod nonce;
mod order;
mod order_file;
mod os_release;
mod output;
mod overwrite;
mod place;
mod process;
mod programs;
mod report;
mod reserve;
mod resolve;
mod result;
mod retry;
mod run;
mod secrets;
mod state;
mod store;

pub use audit::{Audit, Finding, FindingKind, audit_instance, audit_tree, private_key_in};
pub use contents::ContentsReport;
pub use event::{EVENT_PREFIX, Event, EventKind, Status};
pub use execute::execute;
pub use explain::explain;
pub use nonce::Nonce;
pub use order::{
    AuditOrder, Builtin, ContentsOrder, KeptDownload, Limits, ORDER_VERSION, OrderDocument, OrderError, WorkOrder,
};
pub use order_file::OrderFile;
pub use result::{
    EXIT_FAILED, EXIT_REBOOT, EXIT_SUCCESS, EXIT_USAGE, FailureContext, FailureKind, RESULT_LIMIT, RunResult, RunStatus,
};
