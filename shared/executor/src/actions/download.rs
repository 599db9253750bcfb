//! `WebDownload`. A file appears under its name only when it is complete and its checksum is right.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};

use goldsmith_document::WebDownload;

use super::{Place, http, record};
use crate::checksum::{Algorithm, Hasher};
use crate::explain::explain;
use crate::output::Output;
use crate::resolve::{ResolveError, Resolver};
use crate::state::Inputs;

/// Tries per file; the pause before the second is one second and doubles from there.
const TRIES: u32 = 5;

/// A file to download.
pub(crate) struct Download {
    source: String,
    destination: String,
    overwrite: bool,
    checksum: Option<(String, String)>,
    ignore_certificate_errors: bool,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum DownloadError {
    #[error("`{name}` is not an algorithm: MD5, SHA1, SHA256 or SHA512")]
    Algorithm { name: String },
    #[error("{} exists, and `overwrite` is false", path.display())]
    Exists { path: PathBuf },
    #[error("`{url}` names no file, and the destination is a folder")]
    NoName { url: String },
    #[error("{url} cannot be fetched")]
    Transport { url: String, source: Box<ureq::Error> },
    #[error("{url} breaks off")]
    Body { url: String, source: io::Error },
    #[error("{url} answers with status {status}")]
    Status { url: String, status: u16 },
    #[error("{url} has the {algorithm} {actual}, not {expected}")]
    Checksum { url: String, algorithm: &'static str, actual: String, expected: String },
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("{url} took longer than the step may")]
    TimedOut { url: String },
}

impl Download {
    pub(super) fn new(input: &WebDownload, resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        let checksum = match &input.checksum {
            Some(wanted) => Some((resolver.text(&wanted.digest)?, resolver.text(&wanted.algorithm.text)?)),
            None => None,
        };
        Ok(Self {
            source: resolver.text(&input.source.text)?,
            destination: resolver.text(&input.destination)?,
            overwrite: resolver.value(&input.overwrite)?,
            checksum,
            ignore_certificate_errors: resolver.value(&input.ignore_certificate_errors)?,
        })
    }

    pub(super) fn inputs(&self) -> Inputs {
        record(&[
            ("source", Some(&self.source)),
            ("destination", Some(&self.destination)),
            ("overwrite", Some(if self.overwrite { "true" } else { "false" })),
            ("checksum", Some(self.checksum.as_ref().map_or("", |(checksum, _)| checksum))),
            ("algorithm", Some(self.checksum.as_ref().map_or("", |(_, algorithm)| algorithm))),
            ("ignoreCertificateErrors", Some(if self.ignore_certificate_errors { "true" } else { "false" })),
        ])
    }

    /// Fetches the file and gives the path that it has then.
    pub(super) fn fetch(&self, place: &Place<'_>, output: &mut Output<'_>) -> Result<String, DownloadError> {
        let path = self.path(place)?;
        let wanted = self.wanted()?;
        if path.exists() {
            if !self.overwrite {
                return Err(DownloadError::Exists { path });
            }
            if let Some((algorithm, checksum)) = &wanted
                && algorithm.of_file(&path).is_ok_and(|actual| actual == *checksum)
            {
                output.log(&format!("{} is there already", path.display()));
                return Ok(path.display().to_string());
            }
        }
        let mut tried = 1;
        loop {
            match self.try_once(&path, wanted.as_ref(), place.deadline) {
                Ok(()) => return Ok(path.display().to_string()),
                Err(error) if tried < TRIES && error.may_pass() => {
                    output.log(&format!("try {tried} of {TRIES}: {}", explain(&error)));
                    let pause = Duration::from_secs(1 << (tried - 1));
                    if place.deadline.is_some_and(|deadline| deadline <= Instant::now() + pause) {
                        return Err(error); // more telling than that the time is over
                    }
                    thread::sleep(pause);
                    tried += 1;
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn path(&self, place: &Place<'_>) -> Result<PathBuf, DownloadError> {
        if !self.destination.ends_with('/') {
            return Ok(place.path(&self.destination));
        }
        let (_, after_scheme) = self.source.split_once("://").unwrap_or(("", &self.source));
        let path = after_scheme.split(['?', '#']).next().unwrap_or_default();
        match path.rsplit_once('/') {
            Some((_, name)) if !name.is_empty() && name != ".." && name != "." => {
                Ok(place.path(&self.destination).join(name))
            }
            _ => Err(DownloadError::NoName { url: self.source.clone() }),
        }
    }

    fn wanted(&self) -> Result<Option<(Algorithm, String)>, DownloadError> {
        let Some((checksum, name)) = &self.checksum else { return Ok(None) };
        let algorithm = Algorithm::named(name).ok_or_else(|| DownloadError::Algorithm { name: name.clone() })?;
        Ok(Some((algorithm, checksum.trim().to_lowercase())))
    }

    fn try_once(
        &self,
        path: &Path,
        wanted: Option<&(Algorithm, String)>,
        deadline: Option<Instant>,
    ) -> Result<(), DownloadError> {
        let failed = |source| DownloadError::Write { path: path.to_owned(), source };
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).map_err(failed)?;
        let part = PathBuf::from(format!("{}.part", path.display()));
        let result = self.to_part(&part, wanted, deadline).and_then(|()| fs::rename(&part, path).map_err(failed));
        if result.is_err() {
            let _ = fs::remove_file(&part); // the error that led here matters more
        }
        result
    }

    fn to_part(
        &self,
        part: &Path,
        wanted: Option<&(Algorithm, String)>,
        deadline: Option<Instant>,
    ) -> Result<(), DownloadError> {
        let mut body = http::get(&self.source, self.ignore_certificate_errors, deadline)?;
        let failed = |source| DownloadError::Write { path: part.to_owned(), source };
        let mut file = File::create(part).map_err(failed)?;
        let mut hasher = wanted.map(|(algorithm, _)| algorithm.hasher());
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let length = body.read(&mut buffer).map_err(|source| self.broken(source))?;
            if length == 0 {
                break;
            }
            file.write_all(&buffer[..length]).map_err(failed)?;
            if let Some(hasher) = &mut hasher {
                hasher.update(&buffer[..length]);
            }
        }
        match (wanted, hasher.map(Hasher::finish)) {
            (Some((algorithm, expected)), Some(actual)) if actual != *expected => Err(DownloadError::Checksum {
                url: self.source.clone(),
                algorithm: algorithm.name(),
                actual,
                expected: expected.clone(),
            }),
            _ => Ok(()),
        }
    }

    fn broken(&self, source: io::Error) -> DownloadError {
        match source.kind() {
            io::ErrorKind::TimedOut => DownloadError::TimedOut { url: self.source.clone() },
            _ => DownloadError::Body { url: self.source.clone(), source },
        }
    }
}

impl DownloadError {
    /// Whether another try may well succeed.
    fn may_pass(&self) -> bool {
        match self {
            DownloadError::Transport { source, .. } => !matches!(**source, ureq::Error::BadUri(_)),
            DownloadError::Body { .. } => true,
            DownloadError::Status { status, .. } => matches!(status, 408 | 429 | 500..),
            _ => false,
        }
    }
}
