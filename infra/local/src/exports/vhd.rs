//! Dynamic VHD images (Microsoft, "Virtual Hard Disk Image Format Specification", version 1.0): a copy of the footer, a
//! header, a table of blocks, the blocks that have data, and the footer. All numbers are big-endian.

use std::fs::File;
use std::io::{self, BufWriter, Seek as _, Write as _};

use super::disk::{Disk, SECTOR};

const FOOTER: usize = 512;
const HEADER: usize = 1024;
/// Bytes of a block's data: the size that the specification names as the default.
const BLOCK: usize = 2 << 20;
/// Bytes of the bitmap before each block: one bit for each sector, in whole sectors.
const BITMAP: usize = BLOCK / SECTOR / 8;
/// A table entry of a block without data.
const ABSENT: u32 = u32::MAX;
/// Seconds from 1970 to the specification's epoch, 1 January 2000.
const EPOCH: i64 = 946_684_800;

/// Writes a disk. `now` is the time in seconds since 1970.
pub(super) fn write(disk: &Disk, now: i64, target: &File) -> io::Result<()> {
    let blocks = disk.size().div_ceil(BLOCK as u64);
    let footer = footer(disk.size(), now);
    let table_at = FOOTER + HEADER;
    let table_size = (blocks * 4).next_multiple_of(SECTOR as u64);
    let mut out = BufWriter::new(target);
    let mut table = Vec::with_capacity(usize::try_from(table_size).unwrap_or_default());
    let mut at = table_at as u64 + table_size;
    out.seek(io::SeekFrom::Start(at))?;
    let mut block = vec![0; BLOCK];
    for index in 0..blocks {
        if !disk.read(index * BLOCK as u64, &mut block)? {
            table.extend(ABSENT.to_be_bytes());
            continue;
        }
        let sector = u32::try_from(at / SECTOR as u64).map_err(io::Error::other)?;
        table.extend(sector.to_be_bytes());
        out.write_all(&[0xff; BITMAP])?;
        out.write_all(&block)?;
        at += (BITMAP + BLOCK) as u64;
    }
    out.write_all(&footer)?;
    table.resize(usize::try_from(table_size).unwrap_or_default(), 0xff);
    out.rewind()?;
    out.write_all(&footer)?;
    out.write_all(&header(table_at as u64, blocks))?;
    out.write_all(&table)?;
    out.flush()
}

fn footer(size: u64, now: i64) -> [u8; FOOTER] {
    let mut footer = [0; FOOTER];
    let mut put = |at: usize, bytes: &[u8]| footer[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"conectix");
    put(8, &2_u32.to_be_bytes()); // reserved, always set
    put(12, &0x0001_0000_u32.to_be_bytes()); // version of the format
    put(16, &(FOOTER as u64).to_be_bytes()); // place of the header
    put(24, &u32::try_from(now - EPOCH).unwrap_or_default().to_be_bytes());
    // The program that made it, which is Hyper-V: for other names, some readers take the size from the geometry.
    put(28, b"win ");
    put(32, &0x0006_0000_u32.to_be_bytes());
    put(36, b"Wi2k");
    put(40, &size.to_be_bytes()); // original size
    put(48, &size.to_be_bytes()); // current size
    put(56, &geometry(size));
    put(60, &3_u32.to_be_bytes()); // a dynamic disk
    put(68, &size.to_be_bytes().repeat(2)); // unique id
    let sum = checksum(&footer);
    footer[64..68].copy_from_slice(&sum);
    footer
}

fn header(table_at: u64, blocks: u64) -> [u8; HEADER] {
    let mut header = [0; HEADER];
    let mut put = |at: usize, bytes: &[u8]| header[at..at + bytes.len()].copy_from_slice(bytes);
    put(0, b"cxsparse");
    put(8, &u64::MAX.to_be_bytes()); // unused
    put(16, &table_at.to_be_bytes());
    put(24, &0x0001_0000_u32.to_be_bytes());
    put(28, &u32::try_from(blocks).unwrap_or(u32::MAX).to_be_bytes());
    put(32, &(BLOCK as u32).to_be_bytes());
    let sum = checksum(&header);
    header[36..40].copy_from_slice(&sum);
    header
}

/// Returns the one's complement of the sum of all bytes, for a structure whose own checksum is still zero.
fn checksum(bytes: &[u8]) -> [u8; 4] {
    (!bytes.iter().map(|byte| u32::from(*byte)).sum::<u32>()).to_be_bytes()
}

/// Returns cylinders, heads and sectors of a disk, as the appendix of the specification derives them. Programs that know
/// the size in the footer ignore them.
fn geometry(size: u64) -> [u8; 4] {
    const MOST: u64 = 65_535 * 16 * 255;
    let total = (size / SECTOR as u64).min(MOST);
    let (mut sectors, mut heads);
    let mut times;
    if total >= 65_535 * 16 * 63 {
        (sectors, heads) = (255, 16);
        times = total / sectors;
    } else {
        sectors = 17;
        times = total / sectors;
        heads = times.div_ceil(1024).max(4);
        if times >= heads * 1024 || heads > 16 {
            (sectors, heads) = (31, 16);
            times = total / sectors;
        }
        if times >= heads * 1024 {
            (sectors, heads) = (63, 16);
            times = total / sectors;
        }
    }
    let cylinders = u16::try_from(times / heads).unwrap_or(u16::MAX).to_be_bytes();
    [cylinders[0], cylinders[1], u8::try_from(heads).unwrap_or(u8::MAX), u8::try_from(sectors).unwrap_or(u8::MAX)]
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::FileExt as _;

    use super::*;

    /// Reads a number of four or eight bytes.
    fn number(bytes: &[u8]) -> u64 {
        bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
    }

    #[test]
    fn a_disk_is_read_back_by_its_table() {
        let folder = tempfile::tempdir().unwrap();
        let file = File::create_new(folder.path().join("disk")).unwrap();
        file.set_len(5 << 20).unwrap();
        file.write_all_at(b"begin", 0).unwrap();
        file.write_all_at(b"end", (5 << 20) - 3).unwrap();
        let disk = Disk::open(&folder.path().join("disk")).unwrap();
        let path = folder.path().join("disk.vhd");
        write(&disk, 1_800_000_000, &File::create(&path).unwrap()).unwrap();
        let made = std::fs::read(path).unwrap();
        let (first, last) = (&made[..FOOTER], &made[made.len() - FOOTER..]);
        assert_eq!((first, &first[..8], number(&first[48..56])), (last, &b"conectix"[..], 5 << 20));
        for (structure, sum) in [(first, 64), (&made[FOOTER..FOOTER + HEADER], 36)] {
            let all: u64 = structure.iter().map(|byte| u64::from(*byte)).sum();
            let own: u64 = structure[sum..sum + 4].iter().map(|byte| u64::from(*byte)).sum();
            assert_eq!(number(&structure[sum..sum + 4]), u64::from(!u32::try_from(all - own).unwrap()));
        }
        let table = usize::try_from(number(&made[FOOTER + 16..FOOTER + 24])).unwrap();
        let entry = |index: usize| number(&made[table + 4 * index..table + 4 * index + 4]);
        assert_eq!(
            (number(&made[FOOTER + 28..FOOTER + 32]), entry(1)),
            (3, u64::from(ABSENT)),
            "three blocks, two full"
        );
        let data = |index: usize| usize::try_from(entry(index)).unwrap() * SECTOR + BITMAP;
        assert_eq!(
            (&made[data(0)..data(0) + 5], &made[data(2) + (1 << 20) - 3..data(2) + (1 << 20)]),
            (&b"begin"[..], &b"end"[..])
        );
        assert_eq!(made.len(), table + SECTOR + 2 * (BITMAP + BLOCK) + FOOTER);
    }

    #[test]
    fn the_geometry_is_not_larger_than_the_disk() {
        for gib in [1, 8, 100, 1024] {
            let size = gib << 30;
            let [high, low, heads, sectors] = geometry(size);
            let cylinders = u64::from(u16::from_be_bytes([high, low]));
            let total = cylinders * u64::from(heads) * u64::from(sectors) * SECTOR as u64;
            assert!(total <= size && total * 100 >= size.min(127 << 30) * 98, "{gib} GiB: {total}");
        }
    }
}
