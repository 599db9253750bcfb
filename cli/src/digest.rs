//! SHA-256 of texts, bytes and files, in hexadecimal.
//!
//! ring computes them, since its code is optimized in every build. Without optimization, sha2 takes two seconds for the zip
//! of the functions, which the first command with `--local` after a build compares with the deployed one.

use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use anyhow::{Context, Result};
use ring::digest::{self, SHA256};

/// Returns the SHA-256 of the concatenated texts.
pub(crate) fn of_texts<'a>(texts: impl Iterator<Item = &'a str>) -> String {
    let mut digest = digest::Context::new(&SHA256);
    texts.for_each(|text| digest.update(text.as_bytes()));
    hex::encode(digest.finish())
}

/// Returns the SHA-256 of a file.
pub(crate) fn of_file(path: &Path) -> Result<String> {
    Ok(of_bytes(&fs::read(path).with_context(|| format!("cannot read {}", path.display()))?))
}

/// Returns the SHA-256 of bytes.
pub(crate) fn of_bytes(content: &[u8]) -> String {
    hex::encode(digest::digest(&SHA256, content))
}

/// Returns the length of a file and the time at which it was written, which change when it is built again.
pub(crate) fn stamp(path: &Path) -> Result<String> {
    let facts = fs::metadata(path).with_context(|| format!("cannot read {}", path.display()))?;
    let modified = facts.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok()).unwrap_or_default();
    Ok(format!("{}-{}", facts.len(), modified.as_nanos()))
}

#[cfg(test)]
mod tests {
    use super::{of_bytes, of_texts};

    #[test]
    fn digests_are_sha_256() {
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!((of_texts(["a", "bc"].into_iter()), of_bytes(b"abc")), (expected.to_owned(), expected.to_owned()));
    }
}
