//! Tokens of one instance's metadata service, version 2.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::ids;

/// The tokens, each with the end of its life.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<BTreeMap<String, Instant>>);

impl Tokens {
    /// A new one.
    pub(super) fn issue(&self, life: Duration) -> String {
        let token = format!("{}{}==", ids::uuid(), ids::uuid()).replace('-', "");
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, end| *end > Instant::now());
        all.insert(token.clone(), Instant::now() + life);
        token
    }

    /// Whether it is one of these, and not over.
    pub(super) fn is_good(&self, token: &str) -> bool {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(token).is_some_and(|end| *end > Instant::now())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_its_end() {
        let tokens = Tokens::default();
        let (short, long) = (tokens.issue(Duration::ZERO), tokens.issue(Duration::from_secs(60)));
        assert!(!tokens.is_good(&short) && tokens.is_good(&long) && !tokens.is_good("made up"));
    }
}
