//! Converts between text and bytes, and implements `SetFileEncoding`. No encoding writes a byte order mark. An existing
//! mark is not read as text.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::Path;

use goldsmith_document::{Encoding, SetFileEncoding};

use super::FileError;
use crate::modules::{Element, Fields, ModuleError, Place};
use crate::output::Output;
use crate::resolve::ResolveError;

const MARK: char = '\u{feff}';

/// A file whose encoding changes from UTF-8 to another.
pub(crate) struct Reencoded {
    path: String,
    encoding: Encoding,
}

impl Reencoded {
    pub(crate) fn read(input: &SetFileEncoding, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        Ok(Self { path: fields.text("path", &input.path)?, encoding: fields.setting("encoding", &input.encoding)? })
    }
}

impl Element for Reencoded {
    fn run(&self, place: &Place<'_>, _: &mut Output<'_>) -> Result<Option<String>, ModuleError> {
        let path = place.path(&self.path)?;
        let bytes = fs::read(&path).map_err(FileError::read(&path))?;
        let text = decode(&bytes, Encoding::Utf8, &path)?;
        // The file is opened and not replaced, so that its owner and mode stay.
        let mut file = OpenOptions::new().write(true).truncate(true).open(&path).map_err(FileError::write(&path))?;
        file.write_all(&encode(&text, self.encoding)).map_err(FileError::write(&path))?;
        Ok(None)
    }
}

/// Returns the bytes of a text.
pub(super) fn encode(text: &str, encoding: Encoding) -> Vec<u8> {
    match encoding {
        Encoding::Utf8 => text.as_bytes().to_vec(),
        Encoding::Utf16Le => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        Encoding::Utf16Be => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        Encoding::Utf32Le => text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
        Encoding::Utf32Be => text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
    }
}

/// Returns the text of a file's bytes without a byte order mark.
pub(super) fn decode(bytes: &[u8], encoding: Encoding, path: &Path) -> Result<String, FileError> {
    let text = match encoding {
        Encoding::Utf8 => str::from_utf8(bytes).ok().map(str::to_owned),
        Encoding::Utf16Le => utf16(bytes, u16::from_le_bytes),
        Encoding::Utf16Be => utf16(bytes, u16::from_be_bytes),
        Encoding::Utf32Le => utf32(bytes, u32::from_le_bytes),
        Encoding::Utf32Be => utf32(bytes, u32::from_be_bytes),
    };
    match text {
        Some(text) => Ok(text.strip_prefix(MARK).map(str::to_owned).unwrap_or(text)),
        None => Err(FileError::NotText { path: path.to_owned(), encoding: name(encoding) }),
    }
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> Option<String> {
    // Bytes that remain are a part of a character, so the file is not in this encoding.
    let (units, []) = bytes.as_chunks() else { return None };
    String::from_utf16(&units.iter().map(|bytes| unit(*bytes)).collect::<Vec<_>>()).ok()
}

fn utf32(bytes: &[u8], unit: fn([u8; 4]) -> u32) -> Option<String> {
    let (units, []) = bytes.as_chunks() else { return None };
    units.iter().map(|bytes| char::from_u32(unit(*bytes))).collect()
}

fn name(encoding: Encoding) -> &'static str {
    match encoding {
        Encoding::Utf8 => "UTF-8",
        Encoding::Utf16Le => "UTF-16-LE",
        Encoding::Utf16Be => "UTF-16-BE",
        Encoding::Utf32Le => "UTF-32-LE",
        Encoding::Utf32Be => "UTF-32-BE",
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_document::Encoding::{self, Utf8, Utf16Be, Utf16Le, Utf32Be, Utf32Le};

    use super::{decode, encode};

    fn read(bytes: &[u8], encoding: Encoding) -> Result<String, String> {
        decode(bytes, encoding, "/f".as_ref()).map_err(|error| error.to_string())
    }

    #[test]
    fn every_encoding_is_read_as_it_is_written() {
        assert_eq!(encode("ä", Utf16Be), [0, 0xe4]);
        assert_eq!(encode("ä", Utf32Le), [0xe4, 0, 0, 0]);
        for encoding in [Utf8, Utf16Le, Utf16Be, Utf32Le, Utf32Be] {
            assert_eq!(read(&encode("a ä 𝄞\n", encoding), encoding).unwrap(), "a ä 𝄞\n");
            assert_eq!(read(&encode("\u{feff}a", encoding), encoding).unwrap(), "a");
        }
    }

    #[test]
    fn what_is_not_text_is_reported() {
        assert_eq!(read(&[0xff], Utf8).unwrap_err(), "/f is not text in UTF-8");
        assert_eq!(read(&[0x61], Utf16Le).unwrap_err(), "/f is not text in UTF-16-LE");
        assert_eq!(read(&[0, 0xd8, 0, 0], Utf32Le).unwrap_err(), "/f is not text in UTF-32-LE");
    }
}
