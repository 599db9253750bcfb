//! The public key of a signer: ECDSA on the curve P-256, which KMS calls `ECC_NIST_P256`.

mod der;
mod pem;

use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};

use crate::sha256;

/// A public key on the curve P-256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublicKey {
    der: Vec<u8>,
}

/// Why something is not a public key that this program takes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The bytes are not a `SubjectPublicKeyInfo` (RFC 5280, section 4.1) in DER.
    #[error("the key is not a public key in DER (SubjectPublicKeyInfo)")]
    Form,
    /// The key is of another kind.
    #[error("the key is {found}, but only ECDSA keys on the curve P-256 (ECC_NIST_P256) are taken")]
    Kind {
        /// What it is, such as "an RSA key".
        found: String,
    },
    /// The point is compressed, or not on the curve.
    #[error("the key is not an uncompressed point on the curve P-256")]
    Point,
    /// The text is not the PEM of one public key (RFC 7468).
    #[error("the text is not the PEM of one public key: {fault}")]
    Pem {
        /// What is wrong with it.
        fault: String,
    },
}

impl PublicKey {
    /// Reads a key from its DER, as KMS returns it.
    ///
    /// # Errors
    /// The bytes are not the `SubjectPublicKeyInfo` of a key on P-256 with an uncompressed point (RFC 5480).
    pub fn from_der(der: &[u8]) -> Result<Self, KeyError> {
        der::check(der)?;
        Ok(Self { der: der.to_vec() })
    }

    /// Reads a key from its PEM, as `openssl` and `aws kms get-public-key` users write it.
    ///
    /// # Errors
    /// The text is not exactly one block `PUBLIC KEY`, or its key is not one that [`PublicKey::from_der`] reads.
    pub fn from_pem(pem: &str) -> Result<Self, KeyError> {
        Self::from_der(&pem::decode(pem)?)
    }

    /// Returns the `SubjectPublicKeyInfo` of the key in DER.
    #[must_use]
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Returns the PEM of the key: lines of 64 characters that end in a line feed.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode(&self.der)
    }

    /// Returns the id that securesystemslib derives for the key, which is the one in signatures: the SHA-256 of the
    /// key's canonical JSON, in hexadecimal. Its verifier skips signatures with any other id.
    #[must_use]
    pub fn key_id(&self) -> String {
        // In OLPC's canonical JSON, keys are sorted, and only quotes and backslashes are escaped, of which PEM has none.
        let pem = self.to_pem();
        let json = format!(r#"{{"keytype":"ecdsa","keyval":{{"public":"{pem}"}},"scheme":"ecdsa-sha2-nistp256"}}"#);
        hex::encode(sha256(json.as_bytes()))
    }

    /// Returns the SHA-256 of the key's DER in hexadecimal: `openssl pkey -pubin -outform DER | sha256sum` prints it.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        hex::encode(sha256(&self.der))
    }

    /// Returns whether a signature in DER is one of this message by this key, with ECDSA and SHA-256.
    #[must_use]
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        let point = der::point(&self.der);
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, point).verify(message, signature).is_ok()
    }
}
