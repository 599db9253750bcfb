//! The `goldsmith` command: applies definitions, starts builds and watches them, on AWS and on the local AWS alike.

mod args;
mod ask;
mod audited;
mod command;
mod connection;
mod exit;
mod failure;
mod folder;
mod local;
mod output;
mod parameters;
mod render;
mod tags;
#[cfg(test)]
mod testing;
mod version;
mod watch;
mod zip;

use std::process::ExitCode;

use clap::Parser;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let cli = args::Cli::parse();
    match command::run(&cli).await {
        Ok(exit) => exit.into(),
        Err(error) => exit::report(&error).into(),
    }
}
