//! What people's commands ask of the account that a stack is in, and no function does: CloudFormation, the bucket of what is
//! deployed, who calls, keys, quotas and settings. A crate of its own, since these SDKs would make every function larger.

mod artifacts;
mod caller;
pub mod functions;
pub mod iam;
pub mod keys;
pub mod quotas;
pub mod settings;
pub mod stack;
mod stacks;

pub use artifacts::{Artifacts, endpoint_of};
pub use caller::{Caller, caller};
pub use stacks::{CHANGE_SETS, Change, ChangeSet, Effect, Event, Kept, Outcome, Proposal, Stack, Stacks, Value};
