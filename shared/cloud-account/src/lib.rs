//! What people's commands ask of the account that a stack is in, and no function does: CloudFormation, the bucket of what is
//! deployed, and who calls. A crate of its own, since these SDKs would make every function larger.

mod artifacts;
mod caller;
mod stacks;

pub use artifacts::{Artifacts, endpoint_of};
pub use caller::{Caller, caller};
pub use stacks::{Change, ChangeSet, Effect, Event, Outcome, Proposal, Stack, Stacks, Value};
