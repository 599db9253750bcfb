//! The digests with which files are checked.

use std::fs::File;
use std::io;
use std::path::Path;

use goldsmith_document::Algorithm;
use md5::Md5;
use sha1::Sha1;
use sha2::digest::DynDigest;
use sha2::{Sha256, Sha512};

/// A digest that is being computed.
pub(crate) struct Hasher(Box<dyn DynDigest>);

impl Hasher {
    /// Returns a digest without content.
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        Self(match algorithm {
            Algorithm::Md5 => Box::new(Md5::default()),
            Algorithm::Sha1 => Box::new(Sha1::default()),
            Algorithm::Sha256 => Box::new(Sha256::default()),
            Algorithm::Sha512 => Box::new(Sha512::default()),
        })
    }

    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Returns the digest in lower-case hex.
    pub(crate) fn finish(self) -> String {
        hex::encode(self.0.finalize())
    }
}

/// Returns the digest of a file in lower-case hex.
pub(crate) fn of_file(algorithm: Algorithm, path: &Path) -> io::Result<String> {
    let mut hasher = Hasher::new(algorithm);
    io::copy(&mut File::open(path)?, &mut hasher)?;
    Ok(hasher.finish())
}

impl io::Write for Hasher {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_document::Algorithm::{self, Md5, Sha1, Sha256, Sha512};

    use super::Hasher;

    #[test]
    fn digests_are_the_published_ones_of_abc() {
        let digest = |algorithm: Algorithm| {
            let mut hasher = Hasher::new(algorithm);
            hasher.update(b"abc");
            hasher.finish()
        };
        assert_eq!(digest(Md5), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(digest(Sha1), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(digest(Sha256).starts_with("ba7816bf"));
        assert!(digest(Sha512).starts_with("ddaf35a1"));
    }
}
