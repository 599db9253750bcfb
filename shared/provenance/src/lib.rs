//! Where an image comes from, as a signed statement that anybody can check: the digest of what is in an AMI
//! ([`content`]), the statement about its build ([`statement`]), and the signed envelope around it ([`dsse`],
//! [`bundle`]) with the key that it is checked with ([`key`]).
//!
//! This crate calls nothing and signs nothing. [`bundle::Unsigned`] says what is to be signed, and takes the signature
//! that KMS has made.

pub mod bundle;
pub mod content;
pub mod dsse;
pub mod key;
pub mod statement;

pub use bundle::{Bundle, BundleError, SignError, Unsigned, VerifyError};
pub use content::{BLOCK, Difference, ImageContent, VolumeContent, block_digest};
pub use key::{KeyError, PublicKey};
pub use statement::{Statement, StatementError, Subject};

/// A SHA-256 digest. In texts, it is 64 lowercase hexadecimal digits.
pub type Digest = [u8; 32];

/// Returns the SHA-256 of some bytes.
pub(crate) fn sha256(bytes: &[u8]) -> Digest {
    use sha2::Digest as _;
    sha2::Sha256::digest(bytes).into()
}

/// Reads a digest from its 64 lowercase hexadecimal digits. Uppercase ones would be a second text for the same digest.
#[must_use]
pub fn digest_from_hex(text: &str) -> Option<Digest> {
    let mut digest = [0; 32];
    hex::decode_to_slice(text, &mut digest).ok()?;
    (!text.bytes().any(|byte| byte.is_ascii_uppercase())).then_some(digest)
}
