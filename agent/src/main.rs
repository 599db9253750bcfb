//! The agent that runs on the instance: `goldsmith-agent ORDER.json`.
//!
//! Standard output contains the steps' output and event lines. Standard error contains one line of JSON, the result.
//! The exit status is 0 for success, 1 for failure, and 2 for wrong arguments. It is 194 if the machine must be
//! rebooted and the same call repeated; standard error is then empty.

mod paced;

use std::env;
use std::io::{self, Write};
use std::path::Path;
use std::process::ExitCode;

use goldsmith_executor::{EXIT_FAILED, EXIT_REBOOT, EXIT_USAGE, OrderFile, RunResult, execute};
use paced::Paced;

fn main() -> ExitCode {
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let [path] = &arguments[..] else {
        let _ = writeln!(io::stderr(), "usage: goldsmith-agent ORDER.json");
        return ExitCode::from(EXIT_USAGE);
    };
    // A reader that no longer reads must not stop a step in its middle, so a failed write is not an error.
    let mut report = |result: &RunResult| drop(writeln!(io::stderr(), "{}", result.to_line()));
    let status = match OrderFile::take(Path::new(path)) {
        Ok((order, file)) => {
            let mut stdout = Paced::new(io::stdout());
            let status = execute(&order, &mut stdout, &mut report);
            // The nonce returns as late as possible: from here on, only what the steps left running could read it.
            if status == EXIT_REBOOT {
                file.put_back();
            }
            status
        }
        Err(error) => {
            report(&error.result());
            EXIT_FAILED
        }
    };
    ExitCode::from(status)
}
