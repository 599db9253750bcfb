//! Standard output: results, as text or as JSON. A closed pipe is an error like any other, not a crash.

use std::io::{self, Write};

use serde::Serialize;

/// Prints a line of the result.
pub(crate) fn line(text: &str) -> io::Result<()> {
    writeln!(io::stdout().lock(), "{text}")
}

/// Prints the result as one JSON value.
pub(crate) fn json(value: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// Says what is going on, on standard error.
pub(crate) fn say(text: &str) {
    // Nobody to say it to is no reason to stop.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
