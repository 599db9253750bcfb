//! `WebDownload`. If a checksum is given, an existing file with that checksum is not fetched again, and a file that the
//! stack's bucket keeps is fetched from there.

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::Instant;

use goldsmith_document::{Algorithm, WebDownload, WebUrl};

use super::download::save;
use super::files::FileError;
use super::kept::{Found, Kept};
use super::{Element, Fields, ModuleError, Place};
use crate::checksum::{Hasher, of_file};
use crate::http::{self, Answer, HttpError, Request};
use crate::output::Output;
use crate::resolve::ResolveError;
use crate::retry::retry;

/// A file to download.
pub(super) struct Download {
    source: String,
    destination: String,
    overwrite: bool,
    checksum: Option<(Algorithm, String)>,
    any_certificate: bool,
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    #[error("`{url}` does not name a file, and the destination is a folder")]
    NoName { url: String },
    #[error("{url} returned status {status}")]
    Status { url: String, status: u16 },
    #[error("{url} has the {algorithm} {actual}, not {expected}")]
    Checksum { url: String, algorithm: &'static str, actual: String, expected: String, evidence: Vec<String> },
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error(transparent)]
    File(#[from] FileError),
}

impl Download {
    pub(super) fn read(input: &WebDownload, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        let WebUrl(source) = fields.setting("source", &input.source)?;
        let destination = fields.text("destination", &input.destination)?;
        let overwrite = fields.setting("overwrite", &input.overwrite)?;
        let checksum = match &input.checksum {
            Some(wanted) => {
                // People copy checksums from web pages and tools, which write them in upper case or with spaces.
                let digest = fields.text("checksum", &wanted.digest)?.trim().to_lowercase();
                Some((fields.setting("algorithm", &wanted.algorithm)?, digest))
            }
            None => {
                fields.or_empty("checksum", None)?;
                fields.or_empty("algorithm", None)?;
                None
            }
        };
        let any_certificate = fields.setting("ignoreCertificateErrors", &input.ignore_certificate_errors)?;
        Ok(Self { source, destination, overwrite, checksum, any_certificate })
    }

    fn path(&self, place: &Place<'_>) -> Result<PathBuf, DownloadError> {
        let destination = place.path(&self.destination)?;
        if !self.destination.ends_with('/') {
            return Ok(destination);
        }
        // Only the path names a file. Presigned URLs, for example, have a long query.
        let (_, after_scheme) = self.source.split_once("://").unwrap_or(("", &self.source));
        let path = after_scheme.split(['?', '#']).next().unwrap_or_default();
        match path.rsplit_once('/') {
            Some((_, name)) if !name.is_empty() && name != ".." && name != "." => Ok(destination.join(name)),
            _ => Err(DownloadError::NoName { url: self.source.clone() }),
        }
    }

    fn fetch(&self, path: &Path, deadline: Option<Instant>) -> Result<(), DownloadError> {
        let url = &self.source;
        let request = Request { any_certificate: self.any_certificate, ..Request::get(url, deadline) };
        let answer = request.send()?;
        // No other status brings the whole file: redirects have been followed, and no part was requested.
        if answer.status != 200 {
            return Err(DownloadError::Status { url: url.clone(), status: answer.status });
        }
        let about = about(&answer, url);
        let hasher = self.checksum.as_ref().map(|(algorithm, _)| Hasher::new(*algorithm));
        let broken = |error| HttpError::broken(url, error).into();
        let mut reader = Counted { inner: answer.into_reader(), length: 0 };
        let received = save(path, &mut reader, hasher, broken, |actual| match (&self.checksum, actual) {
            (Some((algorithm, expected)), Some(actual)) if actual != *expected => Err(DownloadError::Checksum {
                url: url.clone(),
                algorithm: algorithm.name(),
                evidence: Vec::new(),
                actual,
                expected: expected.clone(),
            }),
            _ => Ok(()),
        });
        let length = reader.length;
        received.map_err(|error| match error {
            DownloadError::Checksum { url, algorithm, actual, expected, .. } => {
                let evidence = vec![
                    format!("The expected {algorithm} is {expected}."),
                    format!("The received {algorithm} is {actual}."),
                    format!("The server has sent {length} bytes{about}."),
                ];
                DownloadError::Checksum { url, algorithm, actual, expected, evidence }
            }
            error => error,
        })
    }
}

/// A reader that counts what it reads.
struct Counted<R> {
    inner: R,
    length: u64,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        self.length += length as u64;
        Ok(length)
    }
}

/// Returns what a server says about the file that it sends. Of a header, only the beginning is shown.
fn about(answer: &Answer, url: &str) -> String {
    const HEADER: usize = 60;
    let mut text = format!(" with status {}", answer.status);
    for name in ["Content-Type", "Last-Modified", "ETag"] {
        if let Some(value) = answer.header(name) {
            text = format!("{text}, {name}: {}", value.chars().take(HEADER).collect::<String>());
        }
    }
    let sender = answer.sender();
    let is_same = url.split(['?', '#']).next().is_some_and(|asked| asked.eq_ignore_ascii_case(&sender));
    if is_same {
        text
    } else {
        format!("{text}, after a redirect to {}", sender.chars().take(2 * HEADER).collect::<String>())
    }
}

impl Element for Download {
    fn run(&self, place: &Place<'_>, output: &mut Output<'_>) -> Result<Option<String>, ModuleError> {
        let path = self.path(place)?;
        let name = path.display().to_string();
        if path.exists() {
            if !self.overwrite {
                return Err(FileError::Exists { path, flag: "overwrite" }.into());
            }
            // Without a checksum, nothing says whether the existing file is the current one, so it is fetched again.
            if let Some((algorithm, digest)) = &self.checksum
                && of_file(*algorithm, &path).is_ok_and(|actual| actual == *digest)
            {
                output.log(&format!("{name} already exists"));
                return Ok(Some(name));
            }
        }
        let kept = self.checksum.as_ref().and_then(|(algorithm, digest)| Kept::of(*algorithm, digest, place));
        let found = kept.as_ref().map(|kept| kept.get(&path, place.deadline, output));
        if matches!(found, Some(Found::File)) {
            return Ok(Some(name));
        }
        retry(place.deadline, &mut |text| output.log(text), DownloadError::may_pass, || {
            self.fetch(&path, place.deadline)
        })?;
        if let (Some(kept), Some(Found::Nothing)) = (kept, found) {
            kept.put(&path, place.deadline, output);
        }
        Ok(Some(name))
    }
}

impl DownloadError {
    fn may_pass(&self) -> bool {
        match self {
            Self::Http(error) => error.may_pass(),
            Self::Status { status, .. } => http::may_pass(*status),
            _ => false,
        }
    }
}
