//! The envelope of a signed payload, as DSSE 1.0.0 defines it (github.com/secure-systems-lab/dsse, `protocol.md` and
//! `envelope.md`).

use serde::{Deserialize, Serialize};

/// The payload type of an in-toto statement.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// Returns the bytes that are signed: DSSE's "pre-authentication encoding" of the type of a payload and the payload. It
/// has both lengths, so that no other pair has the same bytes.
#[must_use]
pub fn pae(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let head = format!("DSSEv1 {} {payload_type} {} ", payload_type.len(), payload.len());
    [head.as_bytes(), payload].concat()
}

/// A payload and its signatures. In JSON, bytes are in the standard alphabet of Base64 with padding. DSSE would also let
/// others write the alphabet for URLs, but nobody who writes Sigstore bundles does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Envelope {
    /// The bytes that are signed, together with their type.
    #[serde(with = "bytes")]
    pub payload: Vec<u8>,
    /// What the payload is, such as [`PAYLOAD_TYPE`].
    pub payload_type: String,
    /// The signatures. Whose they are is not known until they are verified.
    pub signatures: Vec<Signature>,
}

impl Envelope {
    /// Returns the bytes that are signed, which are [`pae`] of the payload and its type.
    #[must_use]
    pub fn signed_bytes(&self) -> Vec<u8> {
        pae(&self.payload_type, &self.payload)
    }
}

/// A signature of an envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Signature {
    /// The signature. Those of ECDSA are in DER.
    #[serde(with = "bytes")]
    pub sig: Vec<u8>,
    /// The id of the key. It is not signed, so it only says which signature to try. Empty if there is none.
    #[serde(default)]
    pub keyid: String,
}

/// Bytes as Base64.
mod bytes {
    use base64::Engine as _;
    use base64::prelude::BASE64_STANDARD;
    use serde::{Deserialize as _, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&BASE64_STANDARD.encode(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
        let text = String::deserialize(deserializer)?;
        BASE64_STANDARD.decode(text).map_err(|error| serde::de::Error::custom(format!("not Base64: {error}")))
    }
}

#[cfg(test)]
mod tests {
    use super::{Envelope, pae};

    #[test]
    fn the_encoding_is_that_of_the_examples_of_dsse() {
        // protocol.md, "Test Vectors", and testvectors/vectors.json.
        let example = pae("http://example.com/HelloWorld", b"hello world");
        assert_eq!(example, b"DSSEv1 29 http://example.com/HelloWorld 11 hello world");
        assert_eq!(pae("application/vnd.in-toto+json", b""), b"DSSEv1 28 application/vnd.in-toto+json 0 ");
        assert_eq!(pae("", b"{}"), b"DSSEv1 0  2 {}");
        let bytes = pae("application/vnd.ex\u{e4}mple+json", &[0xfb, 0xff]);
        assert_eq!(bytes, b"DSSEv1 29 application/vnd.ex\xc3\xa4mple+json 2 \xfb\xff", "lengths are in bytes");
    }

    #[test]
    fn an_envelope_has_the_fields_of_dsse() {
        let json = r#"{"payload":"aGVsbG8gd29ybGQ=","payloadType":"x","signatures":[{"sig":"AP8=","keyid":"k"}]}"#;
        let envelope: Envelope = serde_json::from_str(json).unwrap();
        assert_eq!(envelope.payload, b"hello world");
        assert_eq!(envelope.signatures[0].sig, [0, 255]);
        assert_eq!(serde_json::to_string(&envelope).unwrap(), json);
        let without_id = json.replace(r#","keyid":"k""#, "");
        assert_eq!(serde_json::from_str::<Envelope>(&without_id).unwrap().signatures[0].keyid, "");
    }

    #[test]
    fn a_payload_has_one_text() {
        for payload in ["aGVsbG8gd29ybGQ", "aGVsbG8gd29ybGR=", "aGVs bG8=", "-_-_", "aGVsbG8gd29ybGQ=\\n"] {
            let json = format!(r#"{{"payload":"{payload}","payloadType":"x","signatures":[]}}"#);
            let error = serde_json::from_str::<Envelope>(&json).unwrap_err().to_string();
            assert!(error.contains("not Base64"), "{payload}: {error}");
        }
        let twice = r#"{"payload":"","payload":"","payloadType":"x","signatures":[]}"#;
        assert!(serde_json::from_str::<Envelope>(twice).unwrap_err().to_string().contains("duplicate field"));
    }
}
