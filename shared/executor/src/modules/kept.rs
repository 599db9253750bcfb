//! Downloads that the stack's bucket keeps by their SHA-256, so that a build neither waits for their source nor depends
//! on it.
//!
//! The bucket only saves time: whatever fails here is a line in the step's output, and the source has the file. The URLs
//! of the bucket are signed, so no text shows more than the part before their query.

use std::fs::File;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use goldsmith_document::Algorithm;

use super::Place;
use super::download::save;
use super::files::FileError;
use crate::KeptDownload;
use crate::checksum::Hasher;
use crate::explain::explain;
use crate::http::{self, Content, HttpError, Request};
use crate::output::Output;
use crate::retry::retry;

/// How long the bucket may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(5);
/// How long the bucket may be silent before its file is given up. S3 begins to answer in less than a second.
const SILENCE: Duration = Duration::from_secs(10);
/// How long the bucket may be silent while it receives a file. After the last byte, it may take longer to answer.
const SILENCE_AT_PUT: Duration = Duration::from_secs(30);
/// How long after the first try to keep a file another one may begin. The file itself may take longer.
const LAST_TRY: Duration = Duration::from_secs(60);
/// The largest file that S3 accepts in one PUT request, in bytes
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/upload-objects.html>).
const LARGEST: u64 = 5 * 1024 * 1024 * 1024;

/// A file that the bucket may have.
pub(super) struct Kept<'k> {
    digest: &'k str,
    urls: &'k KeptDownload,
}

/// What the bucket has.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// The right file, which has been saved.
    File,
    /// No such file.
    Nothing,
    /// It is not known, and the file has not been saved.
    Unknown,
}

/// Why the bucket was of no use.
#[derive(Debug, thiserror::Error)]
enum KeptError {
    #[error("the bucket has no file with this SHA-256")]
    Missing,
    #[error("the bucket rejected the request with status 403, which it also does when the URL has expired")]
    Forbidden,
    #[error("the bucket returned status {status}")]
    Status { status: u16 },
    #[error("the bucket's file has the SHA-256 {actual}")]
    Checksum { actual: String },
    /// The message has no signature.
    #[error("{message}")]
    Http { message: String, may_pass: bool },
    #[error("it would have taken more than half of the time that the step had left")]
    TooSlow,
    #[error("{LARGEST} bytes are the limit, and it has {length}")]
    TooLong { length: u64 },
    #[error(transparent)]
    File(#[from] FileError),
}

/// Returns the middle of the time until the deadline.
fn half(deadline: Option<Instant>) -> Option<Instant> {
    let now = Instant::now();
    deadline.map(|deadline| now + deadline.saturating_duration_since(now) / 2)
}

impl<'k> Kept<'k> {
    /// Returns the file if the order lets the bucket keep it.
    pub(super) fn of(algorithm: Algorithm, digest: &'k str, place: &Place<'k>) -> Option<Self> {
        let urls = place.downloads.get(digest).filter(|_| algorithm == Algorithm::Sha256)?;
        Some(Self { digest, urls })
    }

    /// Saves the bucket's file if the bucket has it. There is only one try, because the source has the file, too.
    pub(super) fn get(&self, path: &Path, deadline: Option<Instant>, output: &mut Output<'_>) -> Found {
        let name = path.display();
        // A bucket that is slow to the end must leave the source its time.
        match self.fetch(path, half(deadline)) {
            Ok(()) => {
                output.remark(&format!("{name} comes from the stack's bucket, which has kept it by its SHA-256"));
                Found::File
            }
            Err(KeptError::Missing) => Found::Nothing,
            Err(error) => {
                output.remark(&format!("{name} does not come from the stack's bucket: {}", explain(&error)));
                Found::Unknown
            }
        }
    }

    fn fetch(&self, path: &Path, deadline: Option<Instant>) -> Result<(), KeptError> {
        let url = &self.urls.get;
        let answer = request(url, SILENCE, deadline).send().map_err(KeptError::at(url))?;
        match answer.status {
            200 => {}
            404 => return Err(KeptError::Missing),
            status => return Err(KeptError::of_status(status)),
        }
        let broken = |error| KeptError::at(url)(HttpError::broken(url, error));
        let hasher = Some(Hasher::new(Algorithm::Sha256));
        save(path, &mut answer.into_reader(), hasher, broken, |actual| match actual {
            Some(actual) if actual != self.digest => Err(KeptError::Checksum { actual }),
            _ => Ok(()),
        })
    }

    /// Puts a file with the right digest into the bucket.
    pub(super) fn put(&self, path: &Path, deadline: Option<Instant>, output: &mut Output<'_>) {
        let now = Instant::now();
        // The time of the step is first of all for its downloads: this one must not use up that of the next ones.
        let deadline = half(deadline);
        let last_try = deadline.map_or(now + LAST_TRY, |deadline| deadline.min(now + LAST_TRY));
        let name = path.display();
        let kept = open(path).and_then(|file| {
            let mut log = |text: &str| output.log(&format!("{name} goes to the stack's bucket, {text}"));
            retry(Some(last_try), &mut log, KeptError::may_pass, || self.send(&file, deadline))
        });
        match kept {
            Ok(()) => output.log(&format!("the stack's bucket keeps {name} by its SHA-256")),
            Err(error) => output.remark(&format!("the stack's bucket does not keep {name}: {}", explain(&error))),
        }
    }

    fn send(&self, file: &File, deadline: Option<Instant>) -> Result<(), KeptError> {
        let url = &self.urls.put;
        let headers: Vec<_> = self.urls.headers.clone().into_iter().collect();
        let content = Content::File(file);
        let request = Request { method: "PUT", headers: &headers, content, ..request(url, SILENCE_AT_PUT, deadline) };
        let answer = request.send().map_err(|error| match error {
            HttpError::TimedOut { .. } => KeptError::TooSlow,
            error => KeptError::at(url)(error),
        })?;
        match answer.status {
            200..=299 => Ok(()),
            status => Err(KeptError::of_status(status)),
        }
    }
}

/// Returns a GET request to the bucket.
fn request(url: &str, silence: Duration, deadline: Option<Instant>) -> Request<'_> {
    // The signature of the URL is valid for one host only, so a redirect is not followed.
    Request { connect: CONNECT, silence: Some(silence), redirected: false, ..Request::get(url, deadline) }
}

/// Opens a file that fits into one request.
fn open(path: &Path) -> Result<File, KeptError> {
    let opened = || -> io::Result<(File, u64)> {
        let file = File::open(path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    };
    match opened().map_err(FileError::read(path))? {
        (_, length) if length > LARGEST => Err(KeptError::TooLong { length }),
        (file, _) => Ok(file),
    }
}

impl KeptError {
    fn of_status(status: u16) -> Self {
        match status {
            403 => Self::Forbidden,
            status => Self::Status { status },
        }
    }

    /// Returns the error of a request to this URL.
    fn at(url: &str) -> impl Fn(HttpError) -> Self {
        |error| Self::Http { message: error.unsigned(url), may_pass: error.may_pass() }
    }

    fn may_pass(&self) -> bool {
        match self {
            Self::Status { status } => http::may_pass(*status),
            Self::Http { may_pass, .. } => *may_pass,
            Self::Missing
            | Self::Forbidden
            | Self::Checksum { .. }
            | Self::TooSlow
            | Self::TooLong { .. }
            | Self::File(_) => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;

    use super::{LARGEST, open};

    #[test]
    fn a_file_that_is_too_long_for_one_request_is_not_sent() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("f");
        let file = File::create(&path).unwrap();
        for (length, fits) in [(0, true), (LARGEST, true), (LARGEST + 1, false)] {
            file.set_len(length).unwrap(); // without blocks
            assert_eq!(open(&path).is_ok(), fits, "{length}");
        }
        let told = open(&path).unwrap_err().to_string();
        assert_eq!(told, "5368709120 bytes are the limit, and it has 5368709121");
        assert!(open(&folder.path().join("none")).is_err());
    }
}
