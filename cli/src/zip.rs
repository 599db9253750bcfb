//! Reads the content of a zip, from the list of files at its end. The crates that read zips all bring more than this
//! module needs: it only reads the zip of the functions.

use miniz_oxide::inflate::decompress_to_vec_with_limit;

/// The first bytes of the end record, of each entry of the list of files, and of each file (APPNOTE.TXT, 4.3.16,
/// 4.3.12, 4.3.7).
const END: &[u8] = b"PK\x05\x06";
const ENTRY: &[u8] = b"PK\x01\x02";
const FILE: &[u8] = b"PK\x03\x04";
/// Number of bytes before the name, in an entry and in a file.
const BEFORE_ENTRYS_NAME: usize = 46;
const BEFORE_FILES_NAME: usize = 30;
/// Size of the end record without its comment. The record is the last part of the zip.
const END_SIZE: usize = 22;
/// Methods of compression (4.4.5).
const STORED: u16 = 0;
const DEFLATED: u16 = 8;

/// A zip, or the end of one if that contains the list of files. Zip64 is not supported: a zip needs it only from 4 GiB
/// or 65,535 files on, which Lambda does not accept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Zip<'a> {
    /// The last bytes of the zip.
    pub bytes: &'a [u8],
    /// Number of bytes before those.
    pub before: usize,
}

/// A file of a zip, as the list describes it.
#[derive(Debug)]
pub(crate) struct Entry<'a> {
    pub name: &'a [u8],
    method: u16,
    /// Number of bytes of the file in the zip.
    size: usize,
    /// Offset from the beginning of the zip.
    at: usize,
}

impl<'a> Zip<'a> {
    /// Returns the files, or `None` if this is not a zip or is cut off.
    pub(crate) fn entries(self) -> Option<Vec<Entry<'a>>> {
        let from = self.bytes.len().saturating_sub(END_SIZE + usize::from(u16::MAX));
        let end = self.bytes.get(from..)?.windows(END.len()).rposition(|window| window == END)?;
        let end = self.bytes.get(from + end..)?;
        let mut rest = self.from(offset(end, 16)?)?;
        let mut entries = Vec::new();
        for _ in 0..number(end, 10)? {
            let entry = rest.strip_prefix(ENTRY).and(Some(rest))?;
            let length = |at| number(entry, at).map(usize::from);
            let (name, more) = (length(28)?, length(30)? + length(32)?);
            entries.push(Entry {
                name: entry.get(BEFORE_ENTRYS_NAME..BEFORE_ENTRYS_NAME + name)?,
                method: number(entry, 10)?,
                size: offset(entry, 20)?,
                at: offset(entry, 42)?,
            });
            rest = entry.get(BEFORE_ENTRYS_NAME + name + more..)?;
        }
        Some(entries)
    }

    /// Returns at most this many of the first bytes of a file, or `None` if the file cannot be unpacked.
    pub(crate) fn start_of(self, entry: &Entry<'_>, length: usize) -> Option<Vec<u8>> {
        let file = self.from(entry.at)?.strip_prefix(FILE).and(self.from(entry.at))?;
        // The extra field of the file's header may differ from that of its entry.
        let begin = BEFORE_FILES_NAME + usize::from(number(file, 26)?) + usize::from(number(file, 28)?);
        let content = file.get(begin..begin.checked_add(entry.size)?)?;
        match entry.method {
            STORED => Some(content.iter().take(length).copied().collect()),
            // Unpacking stops at the limit, with what it has by then.
            DEFLATED => match decompress_to_vec_with_limit(content, length) {
                Ok(all) => Some(all),
                Err(error) if error.output.len() == length => Some(error.output),
                Err(_) => None,
            },
            _ => None,
        }
    }

    /// Returns the bytes of the zip from this offset on.
    fn from(self, at: usize) -> Option<&'a [u8]> {
        self.bytes.get(at.checked_sub(self.before)?..)
    }
}

fn number(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|two| u16::from_le_bytes(*two))
}

fn offset(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().and_then(|four| usize::try_from(u32::from_le_bytes(*four)).ok())
}

/// Makes zips for tests.
#[cfg(test)]
pub(crate) mod testing {
    use miniz_oxide::deflate::compress_to_vec;

    use super::{DEFLATED, END, ENTRY, FILE};

    /// A zip of files: name, content, and whether it is compressed.
    pub(crate) fn zip(files: &[(&str, &[u8], bool)]) -> Vec<u8> {
        let (mut zip, mut list) = (Vec::new(), Vec::new());
        for (name, content, is_packed) in files {
            let packed = if *is_packed { compress_to_vec(content, 6) } else { content.to_vec() };
            let method = if *is_packed { DEFLATED } else { 0 }.to_le_bytes();
            let size = u32::try_from(packed.len()).unwrap().to_le_bytes();
            let length = u16::try_from(name.len()).unwrap().to_le_bytes();
            let at = u32::try_from(zip.len()).unwrap().to_le_bytes();
            let mut file = [FILE, &[0; 22], &length, &3_u16.to_le_bytes(), name.as_bytes(), b"xxx", &packed].concat();
            file[8..10].copy_from_slice(&method);
            zip.extend(file);
            let mut entry = [ENTRY, &[0; 42], name.as_bytes()].concat();
            entry[10..12].copy_from_slice(&method);
            entry[20..24].copy_from_slice(&size);
            entry[28..30].copy_from_slice(&length);
            entry[42..46].copy_from_slice(&at);
            list.extend(entry);
        }
        let (count, at) = (u16::try_from(files.len()).unwrap(), u32::try_from(zip.len()).unwrap());
        let end = [END, &[0; 6], &count.to_le_bytes(), &[0; 4], &at.to_le_bytes(), &[0; 2]].concat();
        [zip, list, end].concat()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::zip;
    use super::*;

    const FILES: [(&str, &[u8], bool); 2] = [("agent-x86_64", &[7; 900], true), ("bootstrap", b"#!/bin/sh", false)];

    #[test]
    fn the_list_of_files_is_read_even_if_only_the_end_is_there() {
        let whole = zip(&FILES);
        for before in [0, 20] {
            let entries = Zip { bytes: &whole[before..], before }.entries().unwrap();
            let names: Vec<_> = entries.iter().map(|entry| entry.name).collect();
            assert_eq!(names, [b"agent-x86_64".as_slice(), b"bootstrap"]);
        }
        for wrong in [&whole[20..], &whole[..whole.len() - END_SIZE], b"", b"PK, but no zip"] {
            assert!(Zip { bytes: wrong, before: 0 }.entries().is_none());
        }
    }

    #[test]
    fn a_file_begins_as_it_was_packed() {
        let whole = zip(&FILES);
        let zip = Zip { bytes: &whole, before: 0 };
        for (entry, (_, content, _)) in zip.entries().unwrap().iter().zip(FILES) {
            for length in [4, 2_000] {
                assert_eq!(zip.start_of(entry, length).unwrap(), content[..length.min(content.len())]);
            }
        }
        let end = Zip { bytes: &whole[20..], before: 20 };
        assert_eq!(end.start_of(&end.entries().unwrap()[0], 4), None, "it is not there");
    }
}
