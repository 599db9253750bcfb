//! Folders of advisories, as users mirror them.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use flate2::Compression;
use flate2::write::{DeflateEncoder, GzEncoder};
use tempfile::TempDir;

/// How the files of a folder are packed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// Each record of OSV is a file, and nothing is packed.
    Plain,
    /// OSV is a zip, and the other files are packed with gzip.
    Packed,
}

/// The files with the planted advisories. In the first one, each line is a record.
pub(crate) const FILES: [(&str, &str); 5] = [
    ("osv.jsonl", include_str!("planted/osv.jsonl")),
    ("tracker.json", include_str!("planted/tracker.json")),
    ("amazon.xml", include_str!("planted/amazon.xml")),
    ("rhel.xml", include_str!("planted/rhel.xml")),
    ("vex.json", include_str!("planted/vex.json")),
];

/// The folder with the planted advisories.
pub(crate) fn planted(packing: Packing) -> TempDir {
    planted_in(packing, |_| true)
}

/// The folder with the planted advisories of some files.
pub(crate) fn planted_in(packing: Packing, is_wanted: impl Fn(&str) -> bool) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in FILES.into_iter().filter(|(name, _)| is_wanted(name)) {
        let path = folder.path().join(name);
        match packing {
            Packing::Plain if name == "osv.jsonl" => {
                fs::create_dir_all(folder.path().join("osv/all")).unwrap();
                for (at, record) in text.lines().enumerate() {
                    fs::write(folder.path().join(format!("osv/all/{at}.json")), record).unwrap();
                }
            }
            Packing::Packed if name == "osv.jsonl" => {
                let records = text.lines().enumerate().map(|(at, record)| (format!("{at}.json"), record.as_bytes()));
                zip(&folder.path().join("all.zip"), &records.collect::<Vec<_>>());
            }
            Packing::Plain => fs::write(path, text).unwrap(),
            Packing::Packed => gzip(&folder.path().join(format!("{name}.gz")), text.as_bytes()),
        }
    }
    folder
}

/// Writes a file that is packed with gzip.
pub(crate) fn gzip(path: &Path, bytes: &[u8]) {
    let mut encoder = GzEncoder::new(fs::File::create(path).unwrap(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap();
}

/// Writes a zip.
pub(crate) fn zip(path: &Path, files: &[(String, &[u8])]) {
    let mut archive = rawzip::ZipArchiveWriter::new(std::io::BufWriter::new(fs::File::create(path).unwrap()));
    for (name, bytes) in files {
        let deflate = rawzip::CompressionMethod::DEFLATE;
        let (mut entry, config) = archive.new_file(name).compression_method(deflate).start().unwrap();
        let mut writer = config.wrap(DeflateEncoder::new(&mut entry, Compression::fast()));
        writer.write_all(bytes).unwrap();
        let (encoder, descriptor) = writer.finish().unwrap();
        encoder.finish().unwrap();
        entry.finish(descriptor).unwrap();
    }
    archive.finish().unwrap().flush().unwrap();
}
