//! The agent's own binary on a machine in a temporary folder.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod download;
mod machine;
mod resume;
mod run;
