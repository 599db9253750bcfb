//! The form of a public key: `SubjectPublicKeyInfo` (RFC 5280, section 4.1; for elliptic curves RFC 5480, section 2).

use ring::agreement::{ECDH_P256, EphemeralPrivateKey, UnparsedPublicKey, agree_ephemeral};
use ring::rand::SystemRandom;

use super::KeyError;

/// What comes before the coordinates of a point on P-256: the lengths, the identifiers of `id-ecPublicKey` and
/// `secp256r1`, and the 4 of an uncompressed point. DER has no other bytes for them.
const PREFIX: [u8; 27] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];

/// Both coordinates of a point on P-256, in bytes.
const COORDINATES: usize = 64;

/// The tags of DER that a public key has.
const SEQUENCE: u8 = 0x30;
const OBJECT_IDENTIFIER: u8 = 0x06;
const BIT_STRING: u8 = 0x03;

/// The identifier of keys on elliptic curves, `id-ecPublicKey`.
const ELLIPTIC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// The identifier of the curve `secp256r1`, which is P-256.
const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];

/// The identifiers of other algorithms (RFC 8017, RFC 8410).
const ALGORITHMS: [(&[u8], &str); 4] = [
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01], "an RSA key"),
    (&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x0a], "an RSA key (PSS)"),
    (&[0x2b, 0x65, 0x70], "an Ed25519 key"),
    (&[0x2b, 0x65, 0x71], "an Ed448 key"),
];

/// The identifiers of other curves (SEC 2).
const CURVES: [(&[u8], &str); 3] = [
    (&[0x2b, 0x81, 0x04, 0x00, 0x22], "an ECDSA key on the curve P-384"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x23], "an ECDSA key on the curve P-521"),
    (&[0x2b, 0x81, 0x04, 0x00, 0x0a], "an ECDSA key on the curve secp256k1"),
];

/// Checks that these bytes are a public key on P-256.
pub(super) fn check(der: &[u8]) -> Result<(), KeyError> {
    if der.len() != PREFIX.len() + COORDINATES || !der.starts_with(&PREFIX) {
        return Err(fault(der));
    }
    if is_on_curve(point(der)) { Ok(()) } else { Err(KeyError::Point) }
}

/// Returns the point of a key that was checked: its 4 and both coordinates.
pub(super) fn point(der: &[u8]) -> &[u8] {
    der.get(PREFIX.len() - 1..).unwrap_or_default()
}

/// Returns whether a point is on the curve. `ring` says so only when two keys agree on a secret, so this agrees on one
/// with a key that is used for nothing else. A point that is not would fail each verification, without a reason.
fn is_on_curve(point: &[u8]) -> bool {
    EphemeralPrivateKey::generate(&ECDH_P256, &SystemRandom::new())
        .is_ok_and(|own| agree_ephemeral(own, &UnparsedPublicKey::new(&ECDH_P256, point), |_| ()).is_ok())
}

/// Says what bytes are that are not a key on P-256.
fn fault(der: &[u8]) -> KeyError {
    let Some((algorithm, curve)) = identifiers(der) else { return KeyError::Form };
    let name = |names: &[(&[u8], &str)], wanted: &[u8]| {
        names.iter().find(|(identifier, _)| *identifier == wanted).map(|(_, name)| (*name).to_owned())
    };
    match curve {
        Some(P256) if algorithm == ELLIPTIC => KeyError::Point,
        Some(curve) if algorithm == ELLIPTIC => {
            KeyError::Kind { found: name(&CURVES, curve).unwrap_or_else(|| "an ECDSA key on another curve".to_owned()) }
        }
        _ => KeyError::Kind { found: name(&ALGORITHMS, algorithm).unwrap_or_else(|| "of another kind".to_owned()) },
    }
}

/// Returns the identifiers of a public key's algorithm and, if it has one, its curve.
fn identifiers(der: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
    let (key, rest) = element(der, SEQUENCE)?;
    let (algorithm, after) = element(key, SEQUENCE)?;
    let (_, end) = element(after, BIT_STRING)?;
    if !rest.is_empty() || !end.is_empty() {
        return None;
    }
    let (identifier, parameters) = element(algorithm, OBJECT_IDENTIFIER)?;
    Some((identifier, element(parameters, OBJECT_IDENTIFIER).map(|(curve, _)| curve)))
}

/// Splits the content of the first element, which must have this tag, from what follows it.
fn element(bytes: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (first, rest) = bytes.split_first()?;
    let (short, rest) = rest.split_first()?;
    if *first != tag {
        return None;
    }
    // A length of 128 or more has its own bytes, and their number is in the first one. Keys need at most two.
    let (length, rest) = match short {
        0..=0x7f => (usize::from(*short), rest),
        0x81 => rest.split_first().map(|(length, rest)| (usize::from(*length), rest))?,
        0x82 => rest.split_first_chunk().map(|(length, rest)| (usize::from(u16::from_be_bytes(*length)), rest))?,
        _ => return None,
    };
    rest.split_at_checked(length)
}
