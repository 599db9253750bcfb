//! The secret that callers must know. They sign their calls with it, under any access key id, or send it in a header:
//! every user of this machine can reach the port, and every caller can run commands.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::str::FromStr;

use goldsmith_sigv4::{Signable, encode, is_signed_with, sha256};
use hyper::http::request::Parts;

use crate::own::FolderError;

/// Header in which the endpoint and the emulator send each other the secret, and in which other clients send it for
/// routes that are not AWS's.
pub(crate) const SHOWN: &str = "x-goldsmith-local";
/// File that contains the secret.
const FILE: &str = "secret";
/// Length of a new secret, which has as many hexadecimal digits as AWS's has characters.
const BYTES: usize = 20;

/// A secret access key.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// Creates a new secret that cannot be guessed.
    pub fn random() -> io::Result<Self> {
        let mut bytes = [0; BYTES];
        fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        Ok(Secret(hex::encode(bytes)))
    }

    /// Returns the secret that is stored in a folder of Goldsmith's; creates it the first time.
    pub fn kept_in(folder: &Path) -> Result<Self, FolderError> {
        let path = folder.join(FILE);
        let failed = |source| FolderError::Unusable { path: path.clone(), source };
        if path.exists() {
            return Self::read(&path);
        }
        // It gets its name only when it is complete: another start may look for it in the meantime, and this process
        // may end.
        let part = folder.join(format!("{FILE}.{}", std::process::id()));
        let new = Self::random().map_err(failed)?;
        let write = || {
            let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&part)?;
            file.write_all(new.0.as_bytes())?;
            // A link fails if the name exists, while a rename would replace the secret that another start has just
            // handed out.
            fs::hard_link(&part, &path)
        };
        let written = write();
        // A file that does not exist need not be removed.
        let _ = fs::remove_file(&part);
        match written {
            Ok(()) => Ok(new),
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Self::read(&path),
            Err(error) => Err(failed(error)),
        }
    }

    /// Reads the secret from a file.
    pub fn read(path: &Path) -> Result<Self, FolderError> {
        let failed = |source| FolderError::Unusable { path: path.to_owned(), source };
        let text = fs::read_to_string(path).map_err(failed)?;
        text.trim().parse().map_err(|error: &str| failed(io::Error::other(error)))
    }

    /// Returns the secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// Returns whether a request has the secret in its header.
    pub(crate) fn is_shown(&self, head: &Parts) -> bool {
        // Digests are compared, so that the time of the comparison reveals nothing.
        let shown = head.headers.get(SHOWN).map(|value| sha256(value.as_bytes()));
        shown.is_some_and(|shown| shown == sha256(self.0.as_bytes()))
    }

    /// Returns whether a request is signed with the secret.
    pub(crate) fn has_signed(&self, head: &Parts, body: &[u8]) -> bool {
        let mut headers: Vec<(String, String)> = Vec::new();
        for (name, value) in &head.headers {
            let value = String::from_utf8_lossy(value.as_bytes()).split_whitespace().collect::<Vec<_>>().join(" ");
            match headers.iter_mut().find(|(known, _)| known == name.as_str()) {
                Some((_, values)) => *values = format!("{values},{value}"),
                None => headers.push((name.as_str().to_owned(), value)),
            }
        }
        let unsigned = head.headers.get("x-amz-content-sha256").is_some_and(|value| value == UNSIGNED);
        let payload = if unsigned { UNSIGNED.to_owned() } else { sha256(body) };
        let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes());
        let mut pairs: Vec<_> = query.map(|(name, value)| (encode(&name, false), encode(&value, false))).collect();
        pairs.sort();
        let query = pairs.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join("&");
        let path = encode(head.uri.path(), true);
        let request = Signable { method: head.method.as_str(), path: &path, query: &query, headers, payload: &payload };
        is_signed_with(&request, &self.0)
    }
}

/// Value in place of the body's digest if the body is not signed. Some SDKs do not sign blocks of snapshots.
const UNSIGNED: &str = "UNSIGNED-PAYLOAD";

impl FromStr for Secret {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let is_fit = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_graphic());
        is_fit.then(|| Secret(text.to_owned())).ok_or("a secret key has letters, digits and signs, and no spaces")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn a_kept_secret_stays_and_nobody_else_reads_it() {
        let folder = tempfile::tempdir().unwrap();
        let secret = Secret::kept_in(folder.path()).unwrap();
        assert_eq!(Secret::kept_in(folder.path()).unwrap(), secret);
        assert_eq!(fs::metadata(folder.path().join(FILE)).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(secret.reveal().len(), 40);
        assert_ne!(Secret::random().unwrap(), secret);
        assert!(!format!("{secret:?}").contains(secret.reveal()));
    }
}
