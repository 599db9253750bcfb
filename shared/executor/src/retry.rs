//! Trying again what another moment may let succeed: a busy server, a lost connection.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use crate::explain::explain;

/// Tries in all; the pause before the second is [`FIRST_PAUSE`] and doubles from there.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Tries until it succeeds, until `may_pass` says that waiting is in vain, for the last time, or until the next try
/// would begin after the deadline: then the last error is more telling than that the time is over.
pub(crate) fn retry<T, E: Error>(
    deadline: Option<Instant>,
    log: &mut dyn FnMut(&str),
    may_pass: impl Fn(&E) -> bool,
    mut attempt: impl FnMut() -> Result<T, E>,
) -> Result<T, E> {
    let mut pause = FIRST_PAUSE;
    for tried in 1..TRIES {
        match attempt() {
            Err(error) if may_pass(&error) && deadline.is_none_or(|deadline| Instant::now() + pause < deadline) => {
                log(&format!("try {tried} of {TRIES}: {}", explain(&error)));
                thread::sleep(pause);
                pause *= 2;
            }
            result => return result,
        }
    }
    attempt()
}
