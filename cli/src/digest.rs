//! SHA-256 of texts, bytes and files, in hexadecimal.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use sha2::{Digest, Sha256};

/// Returns the SHA-256 of the concatenated texts.
pub(crate) fn of_texts<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut digest = Sha256::new();
    texts.for_each(|text| digest.update(text));
    hex::encode(digest.finalize())
}

/// Returns the SHA-256 of a file.
pub(crate) fn of_file(path: &Path) -> Result<String> {
    Ok(of_bytes(&fs::read(path).with_context(|| format!("cannot read {}", path.display()))?))
}

/// Returns the SHA-256 of bytes.
pub(crate) fn of_bytes(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}

#[cfg(test)]
mod tests {
    use super::of_texts;

    #[test]
    fn digests_are_sha_256() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(of_texts(["a", "bc"].into_iter()), expected);
    }
}
