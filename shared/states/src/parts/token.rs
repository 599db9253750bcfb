//! Makes client tokens, by which AWS recognizes a repeated call.

use sha2::{Digest, Sha256};

/// Returns a client token of 64 characters, which is EC2's limit.
pub(crate) fn token(parts: &[&str]) -> String {
    hex::encode(Sha256::digest(parts.join("\n")))
}
