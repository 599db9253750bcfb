//! The digests by which downloads are checked.

use std::fs::File;
use std::io;
use std::path::Path;

use md5::Md5;
use sha1::Sha1;
use sha2::digest::DynDigest;
use sha2::{Sha256, Sha512};

/// An algorithm of the language.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Algorithm {
    Md5,
    Sha1,
    Sha256,
    Sha512,
}

/// A digest that is being made.
pub(crate) struct Hasher(Box<dyn DynDigest>);

impl Algorithm {
    /// By its name in a document, in any case.
    pub(crate) fn named(name: &str) -> Option<Self> {
        [Self::Md5, Self::Sha1, Self::Sha256, Self::Sha512].into_iter().find(|a| a.name().eq_ignore_ascii_case(name))
    }

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA1",
            Self::Sha256 => "SHA256",
            Self::Sha512 => "SHA512",
        }
    }

    pub(crate) fn hasher(self) -> Hasher {
        Hasher(match self {
            Self::Md5 => Box::new(Md5::default()),
            Self::Sha1 => Box::new(Sha1::default()),
            Self::Sha256 => Box::new(Sha256::default()),
            Self::Sha512 => Box::new(Sha512::default()),
        })
    }

    /// The digest of a file, in lower-case hex.
    pub(crate) fn of_file(self, path: &Path) -> io::Result<String> {
        let mut hasher = self.hasher();
        io::copy(&mut File::open(path)?, &mut hasher)?;
        Ok(hasher.finish())
    }
}

impl Hasher {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest in lower-case hex.
    pub(crate) fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
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
    use super::Algorithm;

    #[test]
    fn digests_are_the_published_ones_of_abc() {
        let digest = |name| {
            let mut hasher = Algorithm::named(name).unwrap().hasher();
            hasher.update(b"abc");
            hasher.finish()
        };
        assert_eq!(digest("md5"), "900150983cd24fb0d6963f7d28e17f72");
        assert_eq!(digest("SHA1"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert!(digest("Sha256").starts_with("ba7816bf"));
        assert!(digest("SHA512").starts_with("ddaf35a1"));
        assert_eq!(Algorithm::named("CRC32"), None);
    }
}
