//! The agent's own binary on a machine in a temporary folder.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

mod aws;
mod chains;
mod cloud;
mod conditions;
mod crash;
mod disk;
mod download;
mod evidence;
mod faults;
mod files;
mod first_boot;
mod kept;
mod loops;
mod machine;
mod nested;
mod paced;
mod programs;
mod resume;
mod run;
mod update;
