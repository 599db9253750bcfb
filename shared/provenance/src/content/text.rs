//! What the texts of volumes and images have in common: lines that end in one line feed, canonical numbers and digests.

use std::fmt::{Display, Write as _};

use super::{BLOCK, DeviceError, VolumeError};
use crate::{Digest, digest_from_hex};

/// Why a text is not that of a volume or an image, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {fault}")]
pub struct TextError {
    /// The number of the line. The first line is 1.
    pub line: usize,
    /// What is wrong with the line.
    pub fault: TextFault,
}

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextFault {
    /// There is no line at all.
    #[error("the text is empty")]
    Empty,
    /// The text ends before its line does.
    #[error("the line does not end in a line feed, so the text was cut")]
    Cut,
    /// The line is not UTF-8.
    #[error("the line is not UTF-8")]
    Encoding,
    /// The line ends as lines do on Windows.
    #[error("the line ends in a carriage return and a line feed, but must end in a line feed only")]
    CarriageReturn,
    /// The first line is not that of a volume.
    #[error("the first line of a volume is `goldsmith-volume-v1 SIZE BLOCKSIZE`")]
    VolumeHeader,
    /// The first line is not that of an image.
    #[error("the first line of an image is `goldsmith-image-v1`")]
    ImageHeader,
    /// The blocks have another size.
    #[error("the size of the blocks is not {BLOCK}")]
    BlockSize,
    /// The line does not have two parts.
    #[error("the line is not a name or number, one space, and a digest")]
    Form,
    /// A number is too large or is not written as this project writes it.
    #[error("the number is not decimal without a sign and leading zeros, or it is too large")]
    Number,
    /// The digest is not one.
    #[error("the digest is not 64 lowercase hexadecimal digits")]
    Digest,
    /// The digest is that of a block of zeros.
    #[error("a block of zeros has no line")]
    Zeros,
    /// The line should have come earlier.
    #[error("the line does not come after the one before it in the order of lines, or repeats it")]
    Order,
    /// The size or the index cannot be.
    #[error(transparent)]
    Volume(VolumeError),
    /// The name of the device, or their number, cannot be.
    #[error(transparent)]
    Device(DeviceError),
}

impl TextFault {
    pub(super) const fn at(self, line: usize) -> TextError {
        TextError { line, fault: self }
    }
}

/// Returns the text with this first line, and a line for each subject with its digest.
pub(super) fn text_of<'a>(header: &str, entries: impl IntoIterator<Item = (impl Display, &'a Digest)>) -> String {
    let mut text = format!("{header}\n");
    for (subject, digest) in entries {
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{subject} {}", hex::encode(digest));
    }
    text
}

/// Returns the lines of a text without their ends, and their numbers from 1.
pub(super) fn lines(text: &[u8]) -> impl Iterator<Item = Result<(usize, &str), TextError>> {
    text.split_inclusive(|byte| *byte == b'\n').enumerate().map(|(before, line)| {
        let number = before + 1;
        line_of(line).map(|line| (number, line)).map_err(|fault| fault.at(number))
    })
}

fn line_of(line: &[u8]) -> Result<&str, TextFault> {
    let line = line.strip_suffix(b"\n").ok_or(TextFault::Cut)?;
    if line.ends_with(b"\r") {
        return Err(TextFault::CarriageReturn);
    }
    std::str::from_utf8(line).map_err(|_| TextFault::Encoding)
}

/// Reads a decimal number that has no other text: no sign, and no zero before other digits.
pub(super) fn number(text: &str) -> Option<u64> {
    let is_canonical = text == "0" || !text.starts_with(['0', '+']);
    if is_canonical { text.parse().ok() } else { None }
}

/// Splits a line into what comes before its only space, and the digest after it.
pub(super) fn line_of_digest(line: &str) -> Result<(&str, Digest), TextFault> {
    let (subject, digest) = line.split_once(' ').ok_or(TextFault::Form)?;
    Ok((subject, digest_from_hex(digest).ok_or(TextFault::Digest)?))
}
