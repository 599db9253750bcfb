//! Retries operations that may succeed later, for example after a busy server or a lost connection.

use std::error::Error;
use std::thread;
use std::time::{Duration, Instant};

use crate::explain::explain;

/// The total number of tries. The pause before the second try is [`FIRST_PAUSE`], and each further pause is twice as
/// long.
const TRIES: u32 = 5;
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// Repeats `attempt` until it succeeds, until `may_pass` says that waiting does not help, or until [`TRIES`] is
/// reached. It also stops if the next try would begin after the deadline: the last error says more than a time-out
/// would.
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
