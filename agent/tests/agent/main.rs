//! The agent's own binary on a machine in a temporary folder.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod aws;
mod cloud;
mod conditions;
mod download;
mod files;
mod loops;
mod machine;
mod programs;
mod resume;
mod run;
