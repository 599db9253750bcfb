//! What is in an image: its volumes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::text::{TextError, TextFault, line_of_digest, lines};
use crate::{Digest, sha256};

/// The first line of an image's text.
const FORM: &str = "goldsmith-image-v1";

/// The longest name of a device, in bytes. EC2's own, such as `/dev/sda1`, are much shorter.
const LONGEST_DEVICE: usize = 128;

/// What is in an image: the digest of each of its EBS volumes, by the name of the device. There is at least one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageContent {
    volumes: BTreeMap<String, Digest>,
}

/// Why volumes are not those of an image.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DeviceError {
    /// There is no volume.
    #[error("the image has no volume")]
    None,
    /// The name would not be one word of a line.
    #[error(
        "{name:?} is not the name of a device: a name has 1 to {LONGEST_DEVICE} printable ASCII characters and no space"
    )]
    Name {
        /// The name.
        name: String,
    },
}

impl ImageContent {
    /// Returns the content of an image with these volumes: the names of their devices, and their
    /// [digests](super::VolumeContent::digest).
    ///
    /// # Errors
    /// There is no volume, or a name is not 1 to 128 printable ASCII characters without spaces.
    pub fn new(volumes: BTreeMap<String, Digest>) -> Result<Self, DeviceError> {
        if volumes.is_empty() {
            return Err(DeviceError::None);
        }
        volumes.keys().try_for_each(|name| check_device(name))?;
        Ok(Self { volumes })
    }

    /// Returns the digest of each volume, by the name of the device.
    #[must_use]
    pub const fn volumes(&self) -> &BTreeMap<String, Digest> {
        &self.volumes
    }

    /// Returns the image's text, as [`content`](super) describes it.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = format!("{FORM}\n");
        for (device, digest) in &self.volumes {
            // Writing to a string cannot fail.
            let _ = writeln!(text, "{device} {}", hex::encode(digest));
        }
        text
    }

    /// Returns the content digest of the image, which is the SHA-256 of its text.
    #[must_use]
    pub fn digest(&self) -> Digest {
        sha256(self.to_text().as_bytes())
    }

    /// Reads an image's text. Only what [`ImageContent::to_text`] writes is read, so that a digest has one text.
    ///
    /// # Errors
    /// The text differs from the form in any way. The error names the line.
    pub fn parse(text: &[u8]) -> Result<Self, TextError> {
        let mut lines = lines(text);
        let (line, header) = lines.next().transpose()?.ok_or(TextFault::Empty.at(1))?;
        if header != FORM {
            return Err(TextFault::ImageHeader.at(line));
        }
        let (mut volumes, mut end) = (BTreeMap::new(), line);
        for entry in lines {
            let (line, text) = entry?;
            add_line(&mut volumes, text).map_err(|fault| fault.at(line))?;
            end = line;
        }
        Self::new(volumes).map_err(|fault| TextFault::Device(fault).at(end))
    }
}

fn add_line(volumes: &mut BTreeMap<String, Digest>, line: &str) -> Result<(), TextFault> {
    let (device, digest) = line_of_digest(line)?;
    check_device(device).map_err(TextFault::Device)?;
    if volumes.last_key_value().is_some_and(|(last, _)| device <= last.as_str()) {
        return Err(TextFault::Order);
    }
    volumes.insert(device.to_owned(), digest);
    Ok(())
}

fn check_device(name: &str) -> Result<(), DeviceError> {
    let is_name = (1..=LONGEST_DEVICE).contains(&name.len()) && name.bytes().all(|byte| byte.is_ascii_graphic());
    if is_name { Ok(()) } else { Err(DeviceError::Name { name: name.to_owned() }) }
}
