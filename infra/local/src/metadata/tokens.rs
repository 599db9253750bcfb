//! Tokens of one instance's metadata service, version 2.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::ids;

/// The tokens, each with the time at which it expires.
#[derive(Debug, Default)]
pub(super) struct Tokens(Mutex<BTreeMap<String, Instant>>);

impl Tokens {
    /// Issues a new token.
    pub(super) fn issue(&self, life: Duration) -> String {
        let token = format!("{}{}==", ids::uuid(), ids::uuid()).replace('-', "");
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|_, end| *end > Instant::now());
        all.insert(token.clone(), Instant::now() + life);
        token
    }

    /// Returns for how long the token is valid; `None` if it has expired or is unknown.
    pub(super) fn left(&self, token: &str) -> Option<Duration> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(token)?.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_until_its_end() {
        let tokens = Tokens::default();
        let (short, long) = (tokens.issue(Duration::ZERO), tokens.issue(Duration::from_secs(60)));
        assert_eq!([&short, "made up"].map(|token| tokens.left(token)), [None, None]);
        assert!(tokens.left(&long).is_some_and(|left| left <= Duration::from_secs(60)));
    }
}
