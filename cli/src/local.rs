//! Runs AWS on this machine. The production template, state machine and functions run on an emulator. EC2 and SSM are
//! Goldsmith's own endpoint, whose instances really run commands.

mod deployment;
pub(crate) mod environment;
pub(crate) mod files;
pub(crate) mod folders;
pub(crate) mod http;
pub(crate) mod machine;
mod process;
mod stack;
pub(crate) mod up;

use folders::Folders;

pub(crate) use deployment::release as release_of_local;
#[cfg(test)]
pub(crate) use process::Process;
#[cfg(test)]
pub(crate) use stack::Deployed;
pub(crate) use stack::Stack;
pub(crate) use up::{OfAnother, ensure_up};

/// Prints one sentence about work that takes time.
pub(crate) type Say<'a> = &'a dyn Fn(&str);

/// Returns the call of the AWS CLI for the local stack with this name, if there is one.
pub(crate) fn aws(name: &str, region: Option<&str>) -> Option<String> {
    let stack = Folders::of(name).and_then(|folders| Stack::load(&folders)).ok()??;
    Some(stack.aws(region))
}
