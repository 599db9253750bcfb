//! The `goldsmith` command: applies definitions, starts builds and watches them, on AWS and on the local AWS alike.
// As in most of the workspace, the module of a folder is the file next to it: so a folder lists only its parts.
#![warn(clippy::mod_module_files)]

mod approval;
mod args;
mod ask;
mod audited;
mod calls;
mod channel_move;
mod command;
mod connection;
mod contents;
mod deployment;
mod diagnosis;
mod digest;
mod exit;
mod failure;
mod folder;
mod hold;
mod image_switch;
mod kept;
mod local;
mod ours;
mod output;
mod paint;
mod parameters;
mod patience;
mod pointers;
mod provenance;
mod render;
mod room;
mod schedules;
mod since;
mod stack_name;
mod starts;
mod switch;
mod tags;
mod target;
#[cfg(test)]
mod testing;
mod version;
mod watch;
mod zip;

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = command::Cli::read();
    match command::run(&cli).await {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error, cli.globals.output).into(),
    }
}
