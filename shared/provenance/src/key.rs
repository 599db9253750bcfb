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

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;

    use super::{KeyError, PublicKey};
    use crate::dsse::pae;
    use crate::sha256;

    /// The key of DSSE's example (`protocol.md`, "Test Vectors"), as `cryptography` writes it.
    const PEM: &str = "-----BEGIN PUBLIC KEY-----\n\
        MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEZ805D3eqNZywjCI19lInBJOp7YMr\n\
        CrzAH3CVTAOQ0jgMeCvVTiaRJaRPRDOv8UMs6U4SvKc6pnrIDOoSYI3fdA==\n\
        -----END PUBLIC KEY-----\n";

    /// The signature of the example, in DER.
    const SIGNATURE: &str = "3044022003726ab101ad56c2763b6c6aac8e487275e2a79193a09dc5f859d9f8ef3c4a3b0220\
                             51eab0c06a369b64a7222537d4887a893dc200ae21060074d57825235b624864";

    fn kind(text: &str) -> String {
        let der = BASE64_STANDARD.decode(text).unwrap();
        match PublicKey::from_der(&der) {
            Err(KeyError::Kind { found }) => found,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_key_of_the_example_verifies_its_signature() {
        let key = PublicKey::from_pem(PEM).unwrap();
        let (message, signature) =
            (pae("http://example.com/HelloWorld", b"hello world"), hex::decode(SIGNATURE).unwrap());
        assert!(key.verifies(&message, &signature));
        assert!(!key.verifies(&message[1..], &signature) && !key.verifies(&message, &signature[1..]));
        assert!(!key.verifies(&message, &[]));
        assert_eq!(hex::encode(sha256(&message)), "217751fac2c4f14edb2c9297fbc34abcb016ba88e74757e875ec4ac16fb6b6a1");
    }

    #[test]
    fn its_ids_are_those_of_other_programs() {
        let key = PublicKey::from_pem(PEM).unwrap();
        // SSlibKey.from_crypto(key).keyid of securesystemslib 1.6.0.
        assert_eq!(key.key_id(), "2f9c4662c9410d724be73522fa0dd06be3e17ce4c9b055b2f196737557650ec2");
        // openssl pkey -pubin -outform DER | sha256sum
        assert_eq!(key.fingerprint(), "f793580060562d6ff075d814ea698c282fcc779b0cde64d79ffc6301df00d14b");
    }

    #[test]
    fn both_forms_are_read_and_written() {
        let key = PublicKey::from_pem(PEM).unwrap();
        assert_eq!(key.to_pem(), PEM);
        assert_eq!(PublicKey::from_der(key.der()), Ok(key.clone()));
        assert_eq!(PublicKey::from_pem(&format!("\n{}  \n", PEM.replace('\n', "\r\n"))), Ok(key));
    }

    #[test]
    fn other_kinds_of_keys_are_named() {
        let rsa = concat!(
            "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEArFNODLIXplC/QPLKWIf8j/JgQzwrRkRTiy3ZJb2tz4a2",
            "KYH9ZJUX2R0t0KerRVSx83DlZwcvZKbXI1iRvEwTYNn9T/r69lfaTTVobLi/GK59EE/N6/BvWmD5y+f9RAPYSsEVpwItTFyq9TbynlIO",
            "iDCedu0KOkxYnfUvjP5qmP5QRQ7K5qmhFN4JZEnl6W/aJP07HKSJ73CsPtSPFwj7yOhxMcilKdDsXebNKCC+PeAZOiwCItGmtPJ0QU3L",
            "rpZLViBxsB6x/CoO3rCLHDClbI6o5dfyeiRDibUEqrL7/yEAPpIf/AhJ4rirDVenNh9PV2QecxtrUCTFTIy1jXzhdQIDAQAB"
        );
        assert_eq!(kind(rsa), "an RSA key");
        let p384 = concat!(
            "MHYwEAYHKoZIzj0CAQYFK4EEACIDYgAE252RFtG+hLW6EXd1PCJHhQctmx1UhztCZejRFxTVxNGWUBSgAxPLb5V6",
            "IRimFvY0nk+4GYvj+vgOMOntZ4YVddFtIWqZkURnUYHbsPvC2WL78LQfO3lew+ZuFi2t9FLi"
        );
        assert_eq!(kind(p384), "an ECDSA key on the curve P-384");
        let p521 = concat!(
            "MIGbMBAGByqGSM49AgEGBSuBBAAjA4GGAAQAafUN1NimMq/mGpfsussf7TFH9wtnUoJP5pTgSH6+SMcwMDyxajUn",
            "oLVU6nUmoeaFqU9hK4o2rgV38eKegaevho0Bn5REWsX3gAkGhSriVVoW0fA93CXYJCGyQS8lUtZMH/ne4F7owJMWX0Ig8g4J2ob/DGff",
            "KRVM1j8C5Ck+DtFgmDQ="
        );
        assert_eq!(kind(p521), "an ECDSA key on the curve P-521");
        let secp256k1 = concat!(
            "MFYwEAYHKoZIzj0CAQYFK4EEAAoDQgAEiMVf7B7e8lWL+e73L6Ji6DmA1EqnoRU7cy6kE4idoG2GZXlcib0O",
            "yesBhPI26NxFCeQpVANLaKJCPolNe5o3WA=="
        );
        assert_eq!(kind(secp256k1), "an ECDSA key on the curve secp256k1");
        assert_eq!(kind("MCowBQYDK2VwAyEAt6kdib2kBMXyexES9KzeFdJQJ7mOydoeI7MZRFZDLwg="), "an Ed25519 key");
    }

    #[test]
    fn a_point_that_is_not_on_the_curve_is_refused() {
        let mut der = PublicKey::from_pem(PEM).unwrap().der;
        *der.last_mut().unwrap() ^= 1;
        assert_eq!(PublicKey::from_der(&der), Err(KeyError::Point));
        // A compressed point: 2 or 3, and one coordinate.
        let mut compressed = hex::decode("3039301306072a8648ce3d020106082a8648ce3d030107032200").unwrap();
        compressed.push(2);
        compressed.extend(&der[27..59]);
        assert_eq!(PublicKey::from_der(&compressed), Err(KeyError::Point));
    }

    #[test]
    fn no_bytes_are_a_key_by_mistake() {
        let der = PublicKey::from_pem(PEM).unwrap().der;
        for length in 0..der.len() {
            assert_eq!(PublicKey::from_der(&der[..length]), Err(KeyError::Form), "{length}");
        }
        let longer = [der.as_slice(), &[0]].concat();
        assert_eq!(PublicKey::from_der(&longer), Err(KeyError::Form));
        for bit in 0..der.len() * 8 {
            let mut other = der.clone();
            other[bit / 8] ^= 1 << (bit % 8);
            assert!(PublicKey::from_der(&other).is_err(), "bit {bit}: the other coordinate fits no other one");
        }
    }

    #[test]
    fn other_texts_are_refused_and_named() {
        let fault = |pem: &str| PublicKey::from_pem(pem).unwrap_err().to_string();
        assert!(fault("").contains("empty"));
        assert!(fault("ssh-rsa AAAA").contains("does not begin with"));
        assert!(fault(&PEM.replace("PUBLIC KEY", "EC PRIVATE KEY")).contains("\"EC PRIVATE KEY\""));
        assert!(fault(&PEM.replace("-----END PUBLIC KEY-----\n", "")).contains("does not end"));
        assert!(fault(&format!("{PEM}{PEM}")).contains("more follows"));
        assert!(fault(&PEM.replace("MFkw", "MF!w")).contains("not Base64"));
    }
}
