//! A signed statement as a Sigstore bundle of version 0.3 (github.com/sigstore/protobuf-specs,
//! `sigstore_bundle.proto`), which cosign and Sigstore's libraries read. It is signed with a key, so it has no
//! certificate, and it is in no transparency log.

use serde::{Deserialize, Serialize};

use crate::dsse::{Envelope, PAYLOAD_TYPE, Signature};
use crate::key::PublicKey;
use crate::statement::{Statement, StatementError};
use crate::{Digest, sha256};

/// The media type of a bundle.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The size of the largest bundle that is written or read, in bytes of JSON. One of an image has some ten kilobytes.
pub const LARGEST_BUNDLE: usize = 16 * 1024 * 1024;

/// A statement that is signed. [`Bundle::verify`] says by whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    envelope: Envelope,
    hint: String,
}

/// Why bytes are not a bundle.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// The bundle is larger than this program reads.
    #[error("the bundle has {size} bytes, but at most {LARGEST_BUNDLE} bytes are read")]
    TooLarge {
        /// Its size, in bytes.
        size: usize,
    },
    /// The bytes are not the JSON of a bundle.
    #[error("the bundle is not the JSON of a Sigstore bundle with a DSSE envelope and a public key")]
    Form(#[source] serde_json::Error),
    /// The bundle has another version or is something else.
    #[error("the bundle has the media type {found:?}, but only {MEDIA_TYPE} is read")]
    MediaType {
        /// The media type.
        found: String,
    },
}

/// Why a statement is not signed.
#[derive(Debug, thiserror::Error)]
pub enum SignError {
    /// The statement cannot be written.
    #[error("the statement cannot be signed")]
    Statement(#[source] StatementError),
    /// The bundle would be larger than anybody reads.
    #[error("the bundle would have {size} bytes, but at most {LARGEST_BUNDLE} bytes are read")]
    TooLarge {
        /// Its size, in bytes.
        size: usize,
    },
    /// The signature is by another key or of other bytes. Nobody could verify the bundle.
    #[error("the signature is not one of the statement by the key {key_id}")]
    Signature {
        /// The id of the key.
        key_id: String,
    },
}

/// Why a bundle is not a statement by a key.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// The payload is not an in-toto statement.
    #[error("the payload has the type {found:?}, but only {PAYLOAD_TYPE} is accepted")]
    PayloadType {
        /// The type of the payload.
        found: String,
    },
    /// Nobody has signed.
    #[error("the bundle has no signature")]
    Unsigned,
    /// Somebody else has signed.
    #[error("the bundle has no signature by the key {key_id}, only by {}", others.join(", "))]
    OtherKey {
        /// The id of the key that was asked for.
        key_id: String,
        /// The ids of the keys that are said to have signed.
        others: Vec<String>,
    },
    /// Two signatures are said to be by the same key.
    #[error("the bundle has {count} signatures by the key {key_id}, but a key signs once")]
    Repeated {
        /// The id of the key.
        key_id: String,
        /// How many signatures there are.
        count: usize,
    },
    /// The signature is not by this key, or the payload was changed.
    #[error("the signature is wrong: the key {key_id} has not signed this statement")]
    Signature {
        /// The id of the key.
        key_id: String,
    },
    /// What is signed is not a statement that this program reads.
    #[error("the signature is right, but this program does not read what is signed")]
    Statement(#[source] StatementError),
}

/// The longest signature of a key on P-256 in DER, in bytes: two numbers of at most 33 bytes, and six bytes of lengths.
const LONGEST_SIGNATURE: usize = 72;

/// A statement that is yet to be signed, by a key that is somewhere else.
#[derive(Debug, Clone)]
pub struct Unsigned {
    /// The bundle without its signature.
    bundle: Bundle,
    key: PublicKey,
}

impl Unsigned {
    /// Prepares a statement for the signature of a key.
    ///
    /// # Errors
    /// The statement breaks a rule of its form, or its bundle would be larger than [`LARGEST_BUNDLE`].
    pub fn new(statement: &Statement, key: &PublicKey) -> Result<Self, SignError> {
        let payload = statement.to_json().map_err(SignError::Statement)?;
        let envelope = Envelope { payload, payload_type: PAYLOAD_TYPE.to_owned(), signatures: Vec::new() };
        let unsigned = Self { bundle: Bundle { envelope, hint: key.key_id() }, key: key.clone() };
        let json = unsigned.clone().with(vec![0; LONGEST_SIGNATURE]).to_json();
        let size = json.map_err(|error| SignError::Statement(StatementError::Form(error)))?.len();
        if size > LARGEST_BUNDLE { Err(SignError::TooLarge { size }) } else { Ok(unsigned) }
    }

    /// Returns what the key must sign: the SHA-256 of DSSE's encoding of the statement. KMS takes it with the message
    /// type `DIGEST` and the algorithm `ECDSA_SHA_256`.
    #[must_use]
    pub fn digest_to_sign(&self) -> Digest {
        sha256(&self.bundle.envelope.signed_bytes())
    }

    /// Returns the bundle with a signature in DER, as KMS returns it.
    ///
    /// # Errors
    /// The signature is not one of this statement by this key.
    pub fn signed(self, signature: Vec<u8>) -> Result<Bundle, SignError> {
        if self.key.verifies(&self.bundle.envelope.signed_bytes(), &signature) {
            Ok(self.with(signature))
        } else {
            Err(SignError::Signature { key_id: self.bundle.hint })
        }
    }

    fn with(mut self, sig: Vec<u8>) -> Bundle {
        self.bundle.envelope.signatures = vec![Signature { sig, keyid: self.bundle.hint.clone() }];
        self.bundle
    }
}

impl Bundle {
    /// Returns the JSON of the bundle, which is the same each time.
    ///
    /// # Errors
    /// None that is known: it consists of texts only.
    pub fn to_json(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(&Wire {
            media_type: MEDIA_TYPE.to_owned(),
            verification_material: Material { public_key: Hint { hint: self.hint.clone() }, tlog_entries: Vec::new() },
            dsse_envelope: self.envelope.clone(),
        })
    }

    /// Reads a bundle. Nothing is verified yet.
    ///
    /// # Errors
    /// The bytes are larger than [`LARGEST_BUNDLE`], or not a bundle of this version with an envelope and a public key.
    pub fn from_json(json: &[u8]) -> Result<Self, BundleError> {
        if json.len() > LARGEST_BUNDLE {
            return Err(BundleError::TooLarge { size: json.len() });
        }
        let wire: Wire = serde_json::from_slice(json).map_err(BundleError::Form)?;
        if wire.media_type != MEDIA_TYPE {
            return Err(BundleError::MediaType { found: wire.media_type });
        }
        Ok(Self { envelope: wire.dsse_envelope, hint: wire.verification_material.public_key.hint })
    }

    /// Returns the envelope, of which nothing is verified.
    #[must_use]
    pub const fn envelope(&self) -> &Envelope {
        &self.envelope
    }

    /// Returns what the bundle says about its key, which is not verified: bundles of this crate have the key's id.
    #[must_use]
    pub fn hint(&self) -> &str {
        &self.hint
    }

    /// Returns the statement, if this key has signed it. Signatures by others make no difference.
    ///
    /// # Errors
    /// The payload has another type, the key has not signed it exactly once, its signature is wrong, or what is signed
    /// is not a statement.
    pub fn verify(&self, key: &PublicKey) -> Result<Statement, VerifyError> {
        let envelope = &self.envelope;
        if envelope.payload_type != PAYLOAD_TYPE {
            return Err(VerifyError::PayloadType { found: envelope.payload_type.clone() });
        }
        let key_id = key.key_id();
        let by_key: Vec<_> = envelope.signatures.iter().filter(|signature| signature.keyid == key_id).collect();
        let signature = match *by_key {
            [signature] => signature,
            [] if envelope.signatures.is_empty() => return Err(VerifyError::Unsigned),
            [] => {
                let others = envelope.signatures.iter().map(|signature| signature.keyid.clone()).collect();
                return Err(VerifyError::OtherKey { key_id, others });
            }
            _ => return Err(VerifyError::Repeated { key_id, count: by_key.len() }),
        };
        if !key.verifies(&envelope.signed_bytes(), &signature.sig) {
            return Err(VerifyError::Signature { key_id });
        }
        Statement::from_json(&envelope.payload).map_err(VerifyError::Statement)
    }
}

/// The JSON of a bundle. Fields that later versions add are ignored.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Envelope,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    public_key: Hint,
    #[serde(skip_deserializing)]
    tlog_entries: Vec<()>,
}

#[derive(Serialize, Deserialize)]
struct Hint {
    #[serde(default)]
    hint: String,
}
