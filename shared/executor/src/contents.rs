//! Collects the contents of the machine's image, and uploads them. Both have limits on their time, and neither fails the
//! order.

use std::path::Path;
use std::time::{Duration, Instant};

use goldsmith_contents::{Contents, LARGEST_PACKED, Options, collect, pack};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::ContentsOrder;
use crate::audit::Since;
use crate::clean;
use crate::explain::explain;
use crate::http::{Content, HttpError, Request, may_pass};
use crate::retry::retry;

/// The time limit of the collection if the order has none.
const PATIENCE: Duration = Duration::from_secs(60);
/// The time limit of the upload, with all its tries.
const UPLOAD: Duration = Duration::from_secs(60);
/// The names of the SSM agent's package, which a clean-up removes if the build has installed it.
const SSM_AGENT: &[&str] = &["amazon-ssm-agent"];

/// What became of the contents of the machine's image.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContentsReport {
    /// SHA-256 of the uploaded bytes, in hex. Empty if there was no upload.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// The number of uploaded bytes.
    pub bytes: u64,
    /// The number of packages.
    pub packages: u32,
    /// The number of listed files that no package owns.
    pub files: u32,
    /// The milliseconds that the collection took, without the upload.
    pub millis: u64,
    /// Why there was no upload. Empty if there was one.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub failure: String,
}

impl ContentsReport {
    /// Returns the report in one line.
    pub(crate) fn headline(&self) -> String {
        let Self { packages, files, millis, failure, .. } = self;
        let found = format!("{packages} packages and {files} files that no package owns in {millis} ms");
        if failure.is_empty() { found } else { format!("{found}; they could not be stored: {failure}") }
    }
}

/// Collects the contents of the image of this machine, which is a fresh instance.
pub(crate) fn of_instance(asked: &ContentsOrder) -> ContentsReport {
    let since = Since::on_instance(asked.image_made, &mut Vec::new());
    collected(asked, &|file| since.is_of_image(file), &[])
}

/// Collects the contents of the image that is made from this machine next.
pub(crate) fn of_builder(asked: &ContentsOrder) -> ContentsReport {
    let left_out = if clean::installed_ssm_agent(Path::new("/")) { SSM_AGENT } else { &[] };
    collected(asked, &|_| true, left_out)
}

fn collected(
    asked: &ContentsOrder,
    is_of_image: &dyn Fn(&std::fs::Metadata) -> bool,
    left_out: &[&str],
) -> ContentsReport {
    let start = Instant::now();
    let limit = asked.limit_seconds.map_or(PATIENCE, Duration::from_secs);
    let collected_at = Some(Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    let contents = collect(Path::new("/"), &Options { is_live: true, limit, is_of_image, left_out, collected_at });
    let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    let count = |length: usize| u32::try_from(length).unwrap_or(u32::MAX);
    let report = ContentsReport {
        packages: count(contents.packages.len()),
        files: count(contents.files.len()),
        millis,
        ..ContentsReport::default()
    };
    match stored(asked, &contents) {
        Ok((sha256, bytes)) => ContentsReport { sha256, bytes, ..report },
        Err(failure) => ContentsReport { failure, ..report },
    }
}

/// Uploads the contents. Returns the digest and the number of the bytes.
fn stored(asked: &ContentsOrder, contents: &Contents) -> Result<(String, u64), String> {
    let bytes = pack(contents).map_err(|error| explain(&error))?;
    let length = bytes.len() as u64;
    if length > LARGEST_PACKED {
        return Err(format!("they have {length} bytes, and {LARGEST_PACKED} is the limit"));
    }
    let deadline = Some(Instant::now() + UPLOAD);
    let put = || -> Result<(), UploadError> {
        let content = Content::Bytes(&bytes);
        // The signature of the URL is valid for one host only, so a redirect is not followed.
        let request = Request { method: "PUT", content, redirected: false, ..Request::get(&asked.url, deadline) };
        match request.send()?.status {
            200..=299 => Ok(()),
            status => Err(UploadError::Refused { status }),
        }
    };
    retry(deadline, &mut |_| {}, UploadError::may_pass, put).map_err(|error| match error {
        UploadError::Http(error) => error.unsigned(&asked.url),
        refused @ UploadError::Refused { .. } => explain(&refused),
    })?;
    Ok((hex::encode(Sha256::digest(&bytes)), length))
}

/// Why the upload failed.
#[derive(Debug, thiserror::Error)]
enum UploadError {
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("the bucket rejected them with status {status}")]
    Refused { status: u16 },
}

impl UploadError {
    fn may_pass(&self) -> bool {
        match self {
            Self::Http(error) => error.may_pass(),
            Self::Refused { status } => may_pass(*status),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::thread::{self, JoinHandle};

    use goldsmith_contents::{CONTENTS_VERSION, Contents, unpack};

    use super::{ContentsReport, stored};
    use crate::ContentsOrder;

    /// Answers PUT requests with these statuses. Returns the URL, and the bodies.
    fn bucket(statuses: Vec<u16>) -> (String, JoinHandle<Vec<Vec<u8>>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/contents/b?X-Amz-Signature=secret", listener.local_addr().unwrap());
        let serve = move |status: u16| {
            let (mut stream, _) = listener.accept().unwrap();
            let (mut head, mut byte) = (Vec::new(), [0]);
            while !head.ends_with(b"\r\n\r\n") {
                stream.read_exact(&mut byte).unwrap();
                head.extend(byte);
            }
            let head = String::from_utf8(head).unwrap().to_lowercase();
            assert!(head.starts_with("put /contents/b?x-amz-signature=secret "), "{head}");
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
            let mut body = vec![0; length.parse().unwrap()];
            stream.read_exact(&mut body).unwrap();
            write!(stream, "HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n").unwrap();
            body
        };
        (url, thread::spawn(move || statuses.into_iter().map(serve).collect()))
    }

    /// What is recorded of the contents, and the bodies that the bucket has received.
    type Stored = (Result<(String, u64), String>, Vec<Vec<u8>>);

    fn store(statuses: &[u16]) -> Stored {
        let (url, bodies) = bucket(statuses.to_vec());
        let asked = ContentsOrder { url, image_made: None, limit_seconds: None };
        let contents = Contents { version: CONTENTS_VERSION, ..Contents::default() };
        (stored(&asked, &contents), bodies.join().unwrap())
    }

    #[test]
    fn contents_are_uploaded_whole_and_a_busy_bucket_is_asked_again() {
        let (stored, bodies) = store(&[503, 200]);
        let (sha256, length) = stored.unwrap();
        assert_eq!((sha256.len(), length, bodies.len()), (64, bodies[1].len() as u64, 2));
        assert_eq!(unpack(&bodies[1]).unwrap().version, CONTENTS_VERSION);
    }

    #[test]
    fn a_refusal_is_told_and_reveals_no_signature() {
        let (refused, bodies) = store(&[403]);
        assert_eq!((refused, bodies.len()), (Err("the bucket rejected them with status 403".to_owned()), 1));
        let asked = ContentsOrder {
            url: "http://127.0.0.1:1:1/x?X-Amz-Signature=secret".to_owned(),
            image_made: None,
            limit_seconds: None,
        };
        let failure = stored(&asked, &Contents::default()).unwrap_err();
        assert!(!failure.contains("secret"), "{failure}");
        let report = ContentsReport { packages: 2, failure, ..ContentsReport::default() };
        assert!(report.headline().starts_with("2 packages and 0 files that no package owns in 0 ms; they could not"));
    }
}
