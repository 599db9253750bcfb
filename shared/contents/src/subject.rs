//! What a bill of materials is about.

/// The image that a bill of materials describes, and who writes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The name of the image: `web-server`.
    pub name: String,
    /// The version and the build: `1.2.0/7`.
    pub version: String,
    /// When the contents were collected, or when the build of the image ended, in RFC 3339 with seconds and `Z`.
    pub time: String,
    /// The version of the program that writes the document.
    pub tool_version: String,
}

/// Returns a UUID that follows from bytes: the same contents always get the same number. It is a UUID of version 8,
/// whose other bits are free (RFC 9562).
pub(crate) fn uuid(parts: &[&[u8]]) -> String {
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let mut bytes: [u8; 16] = [0; 16];
    bytes.copy_from_slice(&hasher.finalize()[..16]);
    bytes[6] = bytes[6] & 0x0f | 0x80;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    let hex = hex::encode(bytes);
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}
