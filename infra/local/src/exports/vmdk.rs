//! Stream-optimized VMDK images (VMware, "Virtual Disk Format 5.0"): a header with the description, then the grains that
//! have data, each in a zlib stream behind a marker with its place, then the tables with the grains' places, and at the
//! end a footer, which is a copy of the header with the place of the tables. All numbers are little-endian.
//!
//! The zlib streams store their data without compression, which the format allows: the object is larger, and needs no
//! time.

use std::fs::File;
use std::io::{self, BufWriter, Write as _};

use super::disk::{Disk, SECTOR};

/// Bytes of a grain.
const GRAIN: usize = 128 * SECTOR;
/// Entries of a grain table.
const ENTRIES: usize = 512;
/// Sectors of the description.
const DESCRIPTION: usize = 20;
/// Sectors before the first grain.
const OVERHEAD: u64 = 128;
/// The place of the directory in a header whose footer has it.
const AT_END: u64 = u64::MAX;
/// Most bytes of a stored block of deflate (RFC 1951, 3.2.4).
const STORED: usize = 65_535;

const END_OF_STREAM: u32 = 0;
const GRAIN_TABLE: u32 = 1;
const GRAIN_DIRECTORY: u32 = 2;
const FOOTER: u32 = 3;

/// A file that is written from its beginning to its end, in whole sectors.
struct Out<'f> {
    file: BufWriter<&'f File>,
    sectors: u64,
}

impl Out<'_> {
    /// Writes these bytes, and zeros up to the next sector.
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)?;
        let whole = bytes.len().next_multiple_of(SECTOR);
        self.file.write_all(&[0; SECTOR][..whole - bytes.len()])?;
        self.sectors += (whole / SECTOR) as u64;
        Ok(())
    }

    /// Writes a marker: the number of sectors that follow it, and what they are.
    fn mark(&mut self, sectors: u64, kind: u32) -> io::Result<()> {
        let mut marker = Vec::from(sectors.to_le_bytes());
        marker.extend(0_u32.to_le_bytes()); // no data in the marker itself
        marker.extend(kind.to_le_bytes());
        self.put(&marker)
    }
}

/// Writes a disk. `name` is the name of the image in its own description.
pub(super) fn write(disk: &Disk, name: &str, target: &File) -> io::Result<()> {
    let size = disk.size();
    let mut out = Out { file: BufWriter::new(target), sectors: 0 };
    out.put(&header(size, AT_END))?;
    out.put(&description(size, name))?;
    let rest = OVERHEAD - out.sectors;
    out.put(&vec![0; usize::try_from(rest).unwrap_or_default() * SECTOR])?;
    let grains = size.div_ceil(GRAIN as u64);
    let mut directory = Vec::new();
    let (mut table, mut grain) = (Vec::with_capacity(ENTRIES), vec![0; GRAIN]);
    for index in 0..grains {
        let has_data = disk.read(index * GRAIN as u64, &mut grain)?;
        table.push(if has_data { put_grain(&mut out, index, &grain)? } else { 0 });
        if table.len() == ENTRIES || index + 1 == grains {
            directory.push(put_table(&mut out, &mut table)?);
        }
    }
    let bytes: Vec<u8> = directory.iter().flat_map(|place: &u32| place.to_le_bytes()).collect();
    out.mark(bytes.len().div_ceil(SECTOR) as u64, GRAIN_DIRECTORY)?;
    let directory_at = out.sectors;
    out.put(&bytes)?;
    out.mark(1, FOOTER)?;
    out.put(&header(size, directory_at))?;
    out.mark(0, END_OF_STREAM)?;
    out.file.flush()
}

/// Writes a grain. Returns the sector of its marker.
fn put_grain(out: &mut Out<'_>, index: u64, grain: &[u8]) -> io::Result<u32> {
    let at = u32::try_from(out.sectors).map_err(io::Error::other)?;
    let stream = zlib(grain);
    let mut marked = Vec::from((index * (GRAIN / SECTOR) as u64).to_le_bytes());
    marked.extend(u32::try_from(stream.len()).unwrap_or_default().to_le_bytes());
    marked.extend(stream);
    out.put(&marked)?;
    Ok(at)
}

/// Writes a table and empties it. Returns its sector, or 0 if none of its grains has data.
fn put_table(out: &mut Out<'_>, table: &mut Vec<u32>) -> io::Result<u32> {
    let has_data = table.iter().any(|place| *place != 0);
    table.resize(ENTRIES, 0);
    let bytes: Vec<u8> = table.drain(..).flat_map(u32::to_le_bytes).collect();
    if !has_data {
        return Ok(0);
    }
    out.mark((bytes.len() / SECTOR) as u64, GRAIN_TABLE)?;
    let at = u32::try_from(out.sectors).map_err(io::Error::other)?;
    out.put(&bytes)?;
    Ok(at)
}

fn header(size: u64, directory_at: u64) -> Vec<u8> {
    let mut header = Vec::from(*b"KDMV");
    header.extend(3_u32.to_le_bytes()); // version of stream-optimized disks
    // The line ends are valid, and grains are compressed and have markers.
    header.extend(0x0003_0001_u32.to_le_bytes());
    header.extend((size / SECTOR as u64).to_le_bytes());
    header.extend(((GRAIN / SECTOR) as u64).to_le_bytes());
    header.extend(1_u64.to_le_bytes()); // place of the description
    header.extend((DESCRIPTION as u64).to_le_bytes());
    header.extend((ENTRIES as u32).to_le_bytes());
    header.extend(0_u64.to_le_bytes()); // no second directory
    header.extend(directory_at.to_le_bytes());
    header.extend(OVERHEAD.to_le_bytes());
    header.push(0); // closed cleanly
    header.extend(b"\n \r\n");
    header.extend(1_u16.to_le_bytes()); // compressed by deflate
    header
}

fn description(size: u64, name: &str) -> Vec<u8> {
    let sectors = size / SECTOR as u64;
    let cylinders = sectors / 255 / 63;
    let text = format!(
        "# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType=\"streamOptimized\"\n\n\
         RDONLY {sectors} SPARSE \"{name}\"\n\nddb.virtualHWVersion = \"7\"\nddb.adapterType = \"lsilogic\"\n\
         ddb.geometry.cylinders = \"{cylinders}\"\nddb.geometry.heads = \"255\"\nddb.geometry.sectors = \"63\"\n"
    );
    let mut bytes = text.into_bytes();
    bytes.resize(DESCRIPTION * SECTOR, 0);
    bytes
}

/// Returns data as a zlib stream (RFC 1950) of stored blocks.
fn zlib(data: &[u8]) -> Vec<u8> {
    let mut stream = vec![0x78, 0x01];
    let mut blocks = data.chunks(STORED).peekable();
    while let Some(block) = blocks.next() {
        stream.push(u8::from(blocks.peek().is_none()));
        let length = u16::try_from(block.len()).unwrap_or(u16::MAX);
        stream.extend(length.to_le_bytes());
        stream.extend((!length).to_le_bytes());
        stream.extend(block);
    }
    stream.extend(adler32(data).to_be_bytes());
    stream
}

fn adler32(data: &[u8]) -> u32 {
    const MODULUS: u32 = 65_521;
    // So many sums stay below 2^32 (as in RFC 1950's own implementations).
    const AT_ONCE: usize = 5_552;
    let (mut low, mut high) = (1_u32, 0_u32);
    for part in data.chunks(AT_ONCE) {
        for byte in part {
            low += u32::from(*byte);
            high += low;
        }
        low %= MODULUS;
        high %= MODULUS;
    }
    high << 16 | low
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    fn number(bytes: &[u8]) -> usize {
        bytes.iter().rev().fold(0, |number, byte| number << 8 | usize::from(*byte))
    }

    #[test]
    fn a_disk_is_read_back_from_its_end() {
        const SIZE: u64 = 40 << 20; // two tables
        let folder = tempfile::tempdir().unwrap();
        let file = File::create_new(folder.path().join("disk")).unwrap();
        file.set_len(SIZE).unwrap();
        file.write_all_at(b"begin", 0).unwrap();
        file.write_all_at(b"end", SIZE - 64).unwrap();
        let disk = Disk::open(&folder.path().join("disk")).unwrap();
        let path = folder.path().join("disk.vmdk");
        write(&disk, "disk.vmdk", &File::create(&path).unwrap()).unwrap();
        let made = std::fs::read(path).unwrap();
        let footer = &made[made.len() - 2 * SECTOR..][..SECTOR];
        assert_eq!((&made[..4], &footer[..4]), (&b"KDMV"[..], &b"KDMV"[..]));
        assert_eq!(number(&footer[12..20]) as u64 * SECTOR as u64, SIZE);
        assert_eq!(made[56..64], [0xff; 8], "the first header says that the directory is at the end");
        let directory = number(&footer[56..64]) * SECTOR;
        let table = |index: usize| number(&made[directory + 4 * index..][..4]) * SECTOR;
        let place = |index: usize| number(&made[table(index / ENTRIES) + 4 * (index % ENTRIES)..][..4]) * SECTOR;
        let last = usize::try_from(SIZE).unwrap() / GRAIN - 1;
        assert_eq!(place(1), 0, "a grain of zeros is left out");
        for (index, sector) in [(0, 0), (last, last * GRAIN / SECTOR)] {
            let marker = &made[place(index)..];
            assert_eq!((number(&marker[..8]), number(&marker[8..12])), (sector, GRAIN + 2 + 2 * 5 + 4));
        }
        // The marker, the beginning of the stream, and that of its first block.
        assert_eq!(&made[place(0) + 12 + 2 + 5..][..5], b"begin");
        assert!(made[place(last)..].windows(3).any(|word| word == b"end"));
    }

    #[test]
    fn the_checksum_is_that_of_zlib() {
        assert_eq!(adler32(b"Wikipedia"), 0x11E6_0398);
        assert_eq!(zlib(b"a"), [0x78, 0x01, 1, 1, 0, 0xfe, 0xff, b'a', 0, 0x62, 0, 0x62]);
    }
}
