//! Calls to AWS that only the command line makes: CloudFormation, the bucket for files to deploy, the caller, quotas
//! and settings. They are a separate crate, because their SDKs would make every function larger.

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
