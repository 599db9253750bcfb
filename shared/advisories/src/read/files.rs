//! The files of a folder, in a fixed order, and what is in them.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::bufread::{DeflateDecoder, MultiGzDecoder};

use super::json::MAX_RECORD;
use super::{Reader, is_read, json, updateinfo};

/// The deepest folder that is looked into.
const MAX_DEPTH: usize = 12;
/// How many bytes of a file are looked at to recognize its format.
const BUFFER: usize = 1 << 16;
/// Endings that say that a file must be unpacked first.
const PACKED: [&str; 8] = [".zst", ".xz", ".bz2", ".tar", ".tgz", ".tar.gz", ".7z", ".zck"];

/// Reads every file of a folder.
pub(super) fn walk(root: &Path, reader: &mut Reader<'_>) -> io::Result<()> {
    let mut paths = Vec::new();
    collect(root, 0, &mut paths, reader, root)?;
    paths.sort();
    for path in paths {
        let name = name_in(root, &path);
        if let Err(error) = read(&path, &name, reader) {
            reader.broken(&name, None, format!("The file cannot be read: {error}."));
        }
    }
    Ok(())
}

fn name_in(root: &Path, path: &Path) -> String {
    path.strip_prefix(root).unwrap_or(path).display().to_string()
}

/// Lists the files of a folder. A folder inside that cannot be listed is an issue, and the root an error.
fn collect(
    folder: &Path,
    depth: usize,
    paths: &mut Vec<PathBuf>,
    reader: &mut Reader<'_>,
    root: &Path,
) -> io::Result<()> {
    for entry in folder.read_dir()? {
        let path = entry?.path();
        // A link to a file is read. A link to a folder is not followed, because it may lead in a circle.
        let linked = path.is_symlink();
        let is_folder = path.is_dir();
        if !is_folder {
            paths.push(path);
        } else if linked || depth == MAX_DEPTH {
            let reason = if linked { "is a link, which is not followed" } else { "is too deep" };
            reader.broken(&name_in(root, &path), None, format!("The folder {reason}."));
        } else if let Err(error) = collect(&path, depth + 1, paths, reader, root) {
            reader.broken(&name_in(root, &path), None, format!("The folder cannot be read: {error}."));
        }
    }
    Ok(())
}

/// Reads a file by its ending.
fn read(path: &Path, name: &str, reader: &mut Reader<'_>) -> io::Result<()> {
    let lower = name.to_ascii_lowercase();
    let open = || File::open(path).map(|file| BufReader::with_capacity(BUFFER, file));
    let unpacked = lower.strip_suffix(".gz").unwrap_or(&lower);
    // A fifo would be waited for, and a device has no end.
    if is_read(name) && !path.metadata()?.is_file() {
        reader.broken(name, None, "It is not a regular file.");
        return Ok(());
    }
    if lower.ends_with(".zip") {
        return zip(path, name, reader);
    }
    if PACKED.iter().any(|ending| lower.ends_with(ending)) {
        if lower.contains("updateinfo") || lower.contains("csaf") || lower.contains(".json") {
            reader.broken(name, None, "The file is packed in a format that is not read. Unpack it first.");
        }
        return Ok(());
    }
    let packed = unpacked.len() < lower.len();
    if unpacked.ends_with(".json") {
        if packed { json::read(gzip(open()?), name, reader) } else { json::read(open()?, name, reader) }
    } else if unpacked.ends_with(".xml") {
        if packed { updateinfo::read(gzip(open()?), name, reader) } else { updateinfo::read(open()?, name, reader) }
    }
    Ok(())
}

fn gzip(file: impl BufRead) -> impl BufRead {
    BufReader::with_capacity(BUFFER, MultiGzDecoder::new(file))
}

/// Reads the records of a zip, one after the other.
fn zip(path: &Path, name: &str, reader: &mut Reader<'_>) -> io::Result<()> {
    let mut buffer = vec![0; rawzip::RECOMMENDED_BUFFER_SIZE];
    let archive = rawzip::ZipArchive::from_file(File::open(path)?, &mut buffer).map_err(io::Error::other)?;
    let expected = archive.entries_hint();
    let mut seen = 0;
    let mut record = Vec::new();
    let mut entries = archive.entries(&mut buffer);
    loop {
        let entry = match entries.next_entry() {
            Ok(Some(entry)) => entry,
            Ok(None) => break,
            Err(error) => {
                reader.broken(name, None, format!("The list of the zip's files ends after {seen}: {error}."));
                return Ok(());
            }
        };
        seen += 1;
        let member = format!("{name}!{}", String::from_utf8_lossy(entry.file_path().as_ref()));
        let lower = member.to_ascii_lowercase();
        if !entry.is_dir() && [".xml", ".gz", ".zip"].iter().any(|ending| lower.ends_with(ending)) {
            reader.broken(&member, None, "Only files in JSON are read in a zip. Unpack it first.");
        }
        if entry.is_dir() || !lower.ends_with(".json") {
            continue;
        }
        record.clear();
        match unpack(&archive, &entry, &mut record) {
            Ok(()) => json::record(&record, &member, reader),
            Err(error) => reader.broken(&member, None, format!("The file cannot be unpacked: {error}.")),
        }
    }
    if seen != expected {
        reader.broken(name, None, format!("The zip has {seen} files, and says that it has {expected}."));
    }
    Ok(())
}

/// Unpacks a file of a zip, and compares it with its checksum.
fn unpack(
    archive: &rawzip::ZipArchive<rawzip::FileReader>,
    entry: &rawzip::ZipFileHeaderRecord<'_>,
    record: &mut Vec<u8>,
) -> io::Result<()> {
    let local = archive.get_entry(entry.wayfinder()).map_err(io::Error::other)?;
    let packed = BufReader::new(local.reader());
    let unpacked: Box<dyn Read + '_> = match entry.compression_method() {
        rawzip::CompressionMethod::STORE => Box::new(packed),
        rawzip::CompressionMethod::DEFLATE => Box::new(DeflateDecoder::new(packed)),
        other => return Err(io::Error::other(format!("its compression ({other:?}) is not read"))),
    };
    let mut verified = local.verifying_reader(unpacked).take(MAX_RECORD + 1);
    verified.read_to_end(record)?;
    if record.len() as u64 > MAX_RECORD {
        return Err(io::Error::other("it is larger than 64 MiB"));
    }
    Ok(())
}
