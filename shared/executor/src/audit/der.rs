//! Private keys in DER, the binary form of certificates and their keys. Only files that consist of exactly one such
//! value are recognized.

use super::bytes::find;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OBJECT: u8 = 0x06;

/// rsaEncryption, ecPublicKey; Ed25519, Ed448, X25519, X448 (RFC 8410).
const ALGORITHMS: [&[u8]; 3] =
    [&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01], &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01], &[0x2b, 0x65]];
/// PBES2 and its predecessors (PKCS #5), and the algorithms of PKCS #12.
const ENCRYPTIONS: [&[u8]; 2] =
    [&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05], &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01]];
/// pkcs-7-data, the type of the first part of a PKCS #12 store.
const DATA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x07, 0x01];
/// keyBag and pkcs8ShroudedKeyBag. A store has its keys in the unencrypted part, where each key is encrypted
/// separately.
const KEY_BAG: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x01];
const SHROUDED: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x0a, 0x01, 0x02];

/// Returns which kind of key a file holds.
pub(super) fn private_key(bytes: &[u8]) -> Option<&'static str> {
    let (SEQUENCE, body, rest) = value(bytes)? else { return None };
    // Indefinite lengths are not DER. A store may end with padding.
    if rest.len() > 2 {
        return None;
    }
    let (tag, first, after) = value(body)?;
    match (tag, first, value(after)) {
        (INTEGER, [3], Some((SEQUENCE, content, _))) if starts_with_object(content, &[DATA]) => {
            let holds = [KEY_BAG, SHROUDED].iter().any(|bag| find(bytes, bag).is_some());
            holds.then_some("private key (PKCS #12 store)")
        }
        (INTEGER, [0 | 1], Some((SEQUENCE, algorithm, _))) if starts_with_object(algorithm, &ALGORITHMS) => {
            Some("private key (PKCS #8, DER)")
        }
        // PKCS #1: a version and eight numbers. The first number is the modulus.
        (INTEGER, [0 | 1], Some((INTEGER, modulus, more))) if modulus.len() >= 64 && numbers(more) >= 6 => {
            Some("private key (RSA, DER)")
        }
        // The lengths are those of the curves P-224, P-256, P-384 and P-521.
        (INTEGER, [1], Some((OCTETS, secret, _))) if [28, 32, 48, 66].contains(&secret.len()) => {
            Some("private key (EC, DER)")
        }
        (SEQUENCE, algorithm, Some((OCTETS, _, []))) if starts_with_object(algorithm, &ENCRYPTIONS) => {
            Some("private key (PKCS #8, DER, encrypted)")
        }
        _ => None,
    }
}

fn starts_with_object(bytes: &[u8], objects: &[&[u8]]) -> bool {
    matches!(value(bytes), Some((OBJECT, object, _)) if objects.iter().any(|known| object.starts_with(known)))
}

fn numbers(bytes: &[u8]) -> usize {
    std::iter::successors(value(bytes), |(_, _, rest)| value(rest)).take_while(|(tag, ..)| *tag == INTEGER).count()
}

/// Returns the tag and the content of the first value, and the bytes after it.
fn value(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let [tag, length, rest @ ..] = bytes else { return None };
    let (length, rest) = match *length {
        short @ ..=0x7f => (usize::from(short), rest),
        // Four bytes of length reach far beyond the largest file that is read here. 0x80 is an indefinite length.
        long @ 0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(long - 0x80))?;
            (digits.iter().fold(0, |number, digit| number << 8 | usize::from(*digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((*tag, content, rest))
}
