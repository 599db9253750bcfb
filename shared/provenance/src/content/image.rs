//! What is in an image: its volumes.

use std::collections::BTreeMap;

use super::text::{TextError, TextFault, line_of_digest, lines, text_of};
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
        text_of(FORM, &self.volumes)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{DeviceError, ImageContent};
    use crate::content::TextFault;
    use crate::digest_from_hex;

    /// What `sha256sum` says about an image of the volumes in the tests of volumes.
    const TEXT: &str = "goldsmith-image-v1\n\
        /dev/sda1 c559a0fff6979d00cf3a612737a827e03e703d5921d59b0e194cd3ca977c97c8\n\
        /dev/sdf 0a0148cd9a1cbfbf7a1374e1cb91a5abeab44c899d07b325ef2d4738eb8dcd61\n";
    const DIGEST: &str = "fcc0d332c59312633564f37f05e7695604ac6efe0d1b42c05320b1a4808b68e5";

    #[test]
    fn the_digest_of_an_image_is_that_of_its_text() {
        let volume = |line: usize| {
            let (device, digest) = TEXT.lines().nth(line).unwrap().split_once(' ').unwrap();
            (device.to_owned(), digest_from_hex(digest).unwrap())
        };
        let image = ImageContent::new(BTreeMap::from([volume(2), volume(1)])).unwrap();
        assert_eq!((image.to_text().as_str(), hex::encode(image.digest()).as_str()), (TEXT, DIGEST));
        assert_eq!(ImageContent::parse(TEXT.as_bytes()), Ok(image));
    }

    #[test]
    fn names_that_would_be_other_lines_are_refused() {
        for name in ["", " ", "/dev/sd a", "a\nb", "a\rb", "a\tb", "\u{e4}", "\0", &"x".repeat(129)] {
            let error = ImageContent::new(BTreeMap::from([(name.to_owned(), [0; 32])])).unwrap_err();
            assert_eq!(error, DeviceError::Name { name: name.to_owned() });
        }
        assert_eq!(ImageContent::new(BTreeMap::new()), Err(DeviceError::None));
    }

    #[test]
    fn other_texts_are_refused_with_the_line() {
        let fault = |from: &str, to: &str| {
            let error = ImageContent::parse(TEXT.replacen(from, to, 1).as_bytes()).unwrap_err();
            (error.line, error.fault)
        };
        assert_eq!(fault(TEXT, ""), (1, TextFault::Empty));
        assert_eq!(fault("-v1", "-v1 "), (1, TextFault::ImageHeader));
        assert_eq!(fault(&TEXT["goldsmith-image-v1\n".len()..], ""), (1, TextFault::Device(DeviceError::None)));
        assert_eq!(fault("sdf", "sda"), (3, TextFault::Order));
        assert_eq!(fault("sdf", "sda1"), (3, TextFault::Order));
        assert_eq!(fault("/dev/sda1 ", "/dev/sda1\t"), (2, TextFault::Form));
        assert_eq!(fault("c559", "C559"), (2, TextFault::Digest));
        assert!(matches!(fault("/dev/sda1", "/dev/\0"), (2, TextFault::Device(DeviceError::Name { .. }))));
        assert_eq!(fault("cd61\n", "cd61"), (3, TextFault::Cut));
    }
}
