//! The stored form of the contents: JSON in gzip.

use std::io::{self, Read, Write};

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::{CONTENTS_VERSION, Contents};

/// The largest stored form, in bytes: nobody writes or reads a larger one. That of a large image has some hundred
/// kilobytes.
pub const LARGEST_PACKED: u64 = 16 * 1024 * 1024;
/// The largest JSON text that is read, in bytes. The contents of a large image have some megabytes.
const LARGEST: u64 = 64 * 1024 * 1024;

/// Why stored contents cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum PackError {
    /// The bytes are not what [`pack`] writes.
    #[error("the contents of the image cannot be decompressed")]
    Compression(#[source] std::io::Error),
    /// The text is larger than this program reads.
    #[error("the contents of the image have more than {} MiB", LARGEST / 1024 / 1024)]
    TooLarge,
    /// The text is not the JSON of contents.
    #[error("the contents of the image are not what this version of Goldsmith reads")]
    Form(#[source] serde_json::Error),
    /// A newer program has written the contents.
    #[error(
        "the contents of the image have the format {found}, but this version of Goldsmith reads format {CONTENTS_VERSION}"
    )]
    Newer {
        /// The version of the format.
        found: u32,
    },
}

/// Returns contents in their stored form.
///
/// # Errors
/// The contents are larger than [`unpack`] reads.
pub fn pack(contents: &Contents) -> Result<Vec<u8>, PackError> {
    let mut limited = Limited { left: LARGEST, into: GzEncoder::new(Vec::new(), Compression::default()) };
    // A memory cannot fail, so an error of the writer is that of its limit.
    serde_json::to_writer(&mut limited, contents)
        .map_err(|error| if error.is_io() { PackError::TooLarge } else { PackError::Form(error) })?;
    limited.into.finish().map_err(PackError::Compression)
}

/// A writer that takes only so many bytes. The whole JSON text is never in memory.
struct Limited<W> {
    left: u64,
    into: W,
}

impl<W: Write> Write for Limited<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let rest = self.left.checked_sub(bytes.len() as u64);
        self.left = rest.ok_or_else(|| io::Error::other("the text is too large"))?;
        self.into.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.into.flush()
    }
}

/// Reads contents from their stored form.
///
/// # Errors
/// The bytes are not contents, have a newer format, or are larger than 64 MiB.
pub fn unpack(bytes: &[u8]) -> Result<Contents, PackError> {
    let mut json = Vec::new();
    GzDecoder::new(bytes).take(LARGEST + 1).read_to_end(&mut json).map_err(PackError::Compression)?;
    if json.len() as u64 > LARGEST {
        return Err(PackError::TooLarge);
    }
    let contents: Contents = serde_json::from_slice(&json).map_err(PackError::Form)?;
    if contents.version == CONTENTS_VERSION { Ok(contents) } else { Err(PackError::Newer { found: contents.version }) }
}

#[cfg(test)]
mod tests {
    use super::{PackError, pack, unpack};
    use crate::{CONTENTS_VERSION, Contents};

    #[test]
    fn what_is_stored_is_read_again_and_anything_else_is_refused() {
        let contents = Contents { version: CONTENTS_VERSION, notes: vec!["x".to_owned()], ..Contents::default() };
        let packed = pack(&contents).unwrap();
        assert_eq!(packed, pack(&contents).unwrap(), "no time is in it");
        assert_eq!(unpack(&packed).unwrap(), contents);
        let newer = pack(&Contents { version: CONTENTS_VERSION + 1, ..contents }).unwrap();
        assert!(matches!(unpack(&newer), Err(PackError::Newer { found: 2 })));
        assert!(matches!(unpack(b"{}"), Err(PackError::Compression(_))));
        assert!(matches!(unpack(&packed[..packed.len() / 2]), Err(PackError::Compression(_))));
    }

    #[test]
    fn contents_that_no_program_would_read_are_not_stored() {
        let notes = vec!["x".repeat(1024 * 1024); 65];
        let contents = Contents { version: CONTENTS_VERSION, notes, ..Contents::default() };
        assert!(matches!(pack(&contents), Err(PackError::TooLarge)));
    }
}
