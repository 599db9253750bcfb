//! The nonce, which distinguishes an order's own event lines from all other lines of the log.
//!
//! Everyone who may write to the stack's log can write lines that look like events, and so can the steps. So each order
//! has a nonce that its sender and its readers know, and each event line has a seal that is made with the nonce. The
//! nonce itself is in no line, because steps on the instance can read what the agent has written.

use std::fmt;
use std::fs::File;
use std::io::{self, Read as _};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::{Deserialize, Serialize};
use sha2::Sha256;

/// The secret of one order: 64 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Nonce(String);

impl Nonce {
    /// Returns a new nonce.
    ///
    /// # Errors
    /// The machine provides no random numbers.
    pub fn random() -> io::Result<Self> {
        Ok(Self(hex::encode(random::<32>()?)))
    }

    /// Returns a nonce from its stored text.
    #[must_use]
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// Returns the text of the nonce. Store it only where no step can read it.
    #[must_use]
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns the seal of a text: its HMAC-SHA256 in hex.
    pub(crate) fn seal(&self, text: &str) -> String {
        let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(self.0.as_bytes()) else { return String::new() }; // every key length is accepted
        mac.update(text.as_bytes());
        hex::encode(mac.finalize().into_bytes())
    }
}

impl fmt::Debug for Nonce {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("Nonce(…)")
    }
}

/// Returns random bytes of the machine.
pub(crate) fn random<const LENGTH: usize>() -> io::Result<[u8; LENGTH]> {
    let mut bytes = [0; LENGTH];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::Nonce;

    #[test]
    fn each_nonce_is_another_one_and_is_shown_by_no_message() {
        let (one, two) = (Nonce::random().unwrap(), Nonce::random().unwrap());
        assert!(one != two && one.reveal().len() == 64, "{}", one.reveal());
        assert!(!format!("{one:?}").contains(one.reveal()));
        assert_eq!(Nonce::new(one.reveal()), one);
    }

    /// RFC 4231, test case 2.
    #[test]
    fn a_seal_is_an_hmac() {
        let seal = Nonce::new("Jefe").seal("what do ya want for nothing?");
        assert_eq!(seal, "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843");
    }
}
