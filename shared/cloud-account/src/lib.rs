//! Calls to AWS that only the command line makes, and no function: CloudFormation, the bucket for what is deployed, the
//! caller, quotas and settings. They are a crate of their own, because their SDKs would make every function
//! larger.

mod artifacts;
mod caller;
pub mod functions;
pub mod iam;
pub mod quotas;
pub mod settings;
pub mod stack;
mod stacks;

pub use artifacts::{Artifacts, endpoint_of};
pub use caller::{Caller, caller};
pub use stacks::{CHANGE_SETS, Change, ChangeSet, Effect, Event, Kept, Outcome, Proposal, Stack, Stacks, Value};
