//! Fingerprints of key pairs, as EC2 shows them (`KeyPairInfo` in the API reference). For an RSA key that EC2 made,
//! this is the SHA-1 digest of the DER-encoded private key; for an imported RSA key, the MD5 digest of the DER-encoded
//! public key; for an ED25519 key, OpenSSH's own fingerprint, SHA-256 in Base64.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use crate::api::ApiError;

/// `rsaEncryption` and its empty parameters, which name the algorithm of a key.
const RSA: [u8; 15] = [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

const INTEGER: u8 = 0x02;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const SEQUENCE: u8 = 0x30;

/// Returns the fingerprint of a private RSA key in PEM (PKCS#1), which is digested as PKCS#8.
pub(super) fn of_private_rsa(pem: &str) -> Result<String, ApiError> {
    let base64: String = pem.lines().filter(|line| !line.starts_with("-----")).collect();
    let key = STANDARD.decode(base64).map_err(|_| malformed())?;
    let version = der(INTEGER, &[0]);
    let whole = der(SEQUENCE, &[&version[..], &RSA, &der(OCTET_STRING, &key)].concat());
    Ok(digits(&Sha1::digest(whole)))
}

/// Returns the fingerprint of a public key in the form of a line of `authorized_keys`.
pub(super) fn of_public(line: &str) -> Result<String, ApiError> {
    let blob = line.split(' ').nth(1).and_then(|text| STANDARD.decode(text).ok()).ok_or_else(malformed)?;
    if !line.starts_with("ssh-rsa ") {
        return Ok(STANDARD.encode(Sha256::digest(blob)));
    }
    let (_, rest) = field(&blob)?;
    let (exponent, rest) = field(rest)?;
    let (modulus, _) = field(rest)?;
    let numbers = [der(INTEGER, modulus), der(INTEGER, exponent)].concat();
    // A bit string begins with the number of unused bits in its last byte.
    let key = der(BIT_STRING, &[&[0], &der(SEQUENCE, &numbers)[..]].concat());
    Ok(digits(&Md5::digest(der(SEQUENCE, &[&RSA[..], &key].concat()))))
}

/// Returns the first field of an OpenSSH key, whose length precedes it, and the rest.
fn field(blob: &[u8]) -> Result<(&[u8], &[u8]), ApiError> {
    let (length, rest) = blob.split_first_chunk::<4>().ok_or_else(malformed)?;
    rest.split_at_checked(u32::from_be_bytes(*length) as usize).ok_or_else(malformed)
}

/// Returns a value preceded by DER's tag and length.
fn der(tag: u8, value: &[u8]) -> Vec<u8> {
    let bytes = value.len().to_be_bytes();
    let significant = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let mut coded = vec![tag];
    match value.len() {
        // One byte is enough for the length.
        0..=127 => coded.push(value.len().to_le_bytes()[0]),
        _ => {
            coded.push(0x80 | significant.len().to_le_bytes()[0]);
            coded.extend(significant);
        }
    }
    coded.extend(value);
    coded
}

fn digits(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

fn malformed() -> ApiError {
    ApiError::new("InvalidKey.Format", "Key is not in valid OpenSSH public key format")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_as_short_as_they_can_be() {
        assert_eq!(der(INTEGER, &[7]), [2, 1, 7]);
        assert_eq!(der(OCTET_STRING, &[0; 127])[..2], [4, 127]);
        assert_eq!(der(OCTET_STRING, &[0; 128])[..3], [4, 0x81, 128]);
        assert_eq!(der(OCTET_STRING, &[0; 300])[..4], [4, 0x82, 1, 44]);
    }
}
