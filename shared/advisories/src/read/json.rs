//! Recognizes a JSON file by its beginning, and reads it.

use std::io::{BufRead, Read};

use serde::Deserialize;

use super::{Reader, csaf, debian, osv};

/// The largest record in bytes, in a file of its own or in a zip. The largest of osv.dev have a few megabytes.
pub(super) const MAX_RECORD: u64 = 64 << 20;

/// The mark with which some programs begin a file in UTF-8.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// The formats.
enum Format {
    Osv,
    Csaf,
    DebianTracker,
}

/// Reads a file.
pub(super) fn read(mut file: impl BufRead, name: &str, reader: &mut Reader<'_>) {
    let format = match file.fill_buf() {
        Ok(start) => recognize(start),
        Err(error) => {
            reader.broken(name, None, format!("The file cannot be read: {error}."));
            return;
        }
    };
    if let Some(Format::DebianTracker) = format {
        if file.fill_buf().is_ok_and(|start| start.starts_with(BOM)) {
            file.consume(BOM.len());
        }
        return debian::read(file, name, reader);
    }
    let mut bytes = Vec::new();
    match file.take(MAX_RECORD + 1).read_to_end(&mut bytes) {
        Err(error) => reader.broken(name, None, format!("The file cannot be read: {error}.")),
        Ok(_) if bytes.len() as u64 > MAX_RECORD => {
            reader.broken(name, None, "The file is larger than 64 MiB, which no record is.");
        }
        Ok(_) => record(&bytes, name, reader),
    }
}

/// Reads one record: an advisory of OSV, or a document of CSAF.
pub(super) fn record(bytes: &[u8], name: &str, reader: &mut Reader<'_>) {
    let bytes = bytes.strip_prefix(BOM).unwrap_or(bytes);
    match recognize(bytes) {
        Some(Format::Osv) => osv::read(bytes, name, reader),
        Some(Format::Csaf) => csaf::read(bytes, name, reader),
        Some(Format::DebianTracker) => {
            reader.broken(name, None, "The file of Debian's tracker is read by itself, not in a zip. Unpack it first.");
        }
        None => match serde_json::from_slice::<serde::de::IgnoredAny>(bytes) {
            Ok(_) => reader.issue(name, None, "The file is not in a format of advisories that is read."),
            Err(error) => reader.broken(name, None, format!("The file is not JSON: {error}.")),
        },
    }
}

/// The format of a file, by the first key of its object: OSV and CSAF have fixed keys, and the tracker of Debian has
/// names of packages with an object each.
fn recognize(start: &[u8]) -> Option<Format> {
    let start = start.strip_prefix(BOM).unwrap_or(start).trim_ascii_start();
    let after = start.strip_prefix(b"{")?.trim_ascii_start().strip_prefix(b"\"")?;
    let end = after.iter().position(|b| *b == b'"')?;
    let value = after[end + 1..].trim_ascii_start().strip_prefix(b":")?.trim_ascii_start();
    match &after[..end] {
        b"document" | b"product_tree" | b"vulnerabilities" => Some(Format::Csaf),
        b"schema_version" | b"id" | b"modified" | b"published" | b"withdrawn" | b"aliases" | b"upstream"
        | b"related" | b"summary" | b"details" | b"severity" | b"affected" | b"references" | b"credits"
        | b"database_specific" => Some(Format::Osv),
        _ if value.starts_with(b"{") => Some(Format::DebianTracker),
        _ => None,
    }
}

/// Reads a record into its type. An error is an issue with the path of the field.
pub(super) fn typed<'a, T: Deserialize<'a>>(bytes: &'a [u8], name: &str, reader: &mut Reader<'_>) -> Option<T> {
    let failed = match serde_json::from_slice(bytes) {
        Ok(value) => return Some(value),
        Err(error) => error,
    };
    // Keeping track of the path takes time, so only a record with an error is read with it.
    let deserializer = &mut serde_json::Deserializer::from_slice(bytes);
    match serde_path_to_error::deserialize::<_, T>(deserializer) {
        Err(error) => {
            let path = error.path().to_string();
            let path = (path != ".").then_some(path);
            let is_cut = error.inner().is_eof() || error.inner().is_syntax();
            let message = format!("{}.", error.into_inner());
            if is_cut { reader.broken(name, path, message) } else { reader.issue(name, path, message) }
        }
        // The record is followed by something.
        Ok(_) => reader.broken(name, None, format!("{failed}.")),
    }
    None
}
