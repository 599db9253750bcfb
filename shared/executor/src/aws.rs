//! The few AWS calls that documents need: objects of S3, parameters of SSM, and the instance's metadata. The calls are
//! signed here, so that the agent needs no SDK.

mod credentials;
mod imds;
mod s3;
mod ssm;
mod xml;

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use goldsmith_sigv4::{Signable, encode, sha256, sign};
use jiff::Timestamp;
use serde::Deserialize;

use crate::http::{self, Answer, Content, HttpError, Request};
use credentials::{Credentials, variable};
pub(crate) use s3::Access;

/// How long credentials are used before they are fetched again. The credentials of a role are valid for at least some
/// minutes longer.
const CREDENTIALS_LAST: Duration = Duration::from_secs(240);

/// AWS as this machine reaches it. Credentials and the Region are looked up when the first call needs them.
#[derive(Default)]
pub(crate) struct Aws {
    credentials: RefCell<Option<(Credentials, Instant)>>,
    identity: RefCell<Option<Identity>>,
    /// The Regions of buckets that S3 reported to be in another Region.
    bucket_regions: RefCell<BTreeMap<String, String>>,
}

/// The account and the Region of the instance.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Identity {
    account_id: String,
    region: String,
}

/// Why a call to AWS failed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AwsError {
    #[error(
        "there are no AWS credentials in the environment, from a container service, or from a role of this instance"
    )]
    NoCredentials { source: Box<AwsError> },
    #[error("the AWS Region is not known: AWS_REGION is not set, and the instance's metadata does not have the Region")]
    NoRegion { source: Box<AwsError> },
    #[error("AWS_EC2_METADATA_DISABLED disables the instance's metadata")]
    MetadataDisabled,
    #[error("the instance's metadata cannot be read")]
    Metadata(#[source] HttpError),
    #[error("{url} returned status {status}")]
    MetadataStatus { url: String, status: u16 },
    #[error("the instance has no credentials of its role, {code}: {message}")]
    NoSession { code: String, message: String },
    #[error("the response to {what} cannot be read")]
    Answer { what: String, source: serde_json::Error },
    #[error(transparent)]
    Http(#[from] HttpError),
    #[error("{what} failed with status {status}, {code}: {message}")]
    Refused { what: String, status: u16, code: String, message: String },
    #[error("{} cannot be read", path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("the key `{key}` cannot be a path below the destination")]
    Key { key: String },
}

/// A call before it is signed.
struct Call<'c> {
    service: &'static str,
    region: &'c str,
    method: &'c str,
    /// The origin `https://host`, without a trailing slash.
    origin: String,
    /// The encoded path, from the first slash.
    path: &'c str,
    query: Vec<(&'c str, &'c str)>,
    headers: Vec<(String, String)>,
    content: Content<'c>,
    /// The SHA-256 of the content if the content is a file.
    payload: Option<&'c str>,
}

impl Aws {
    /// Returns a value of the instance's metadata by its path below `meta-data/`.
    pub(crate) fn metadata(&self, path: &str, deadline: Option<Instant>) -> Result<String, AwsError> {
        imds::get(&format!("/latest/meta-data/{}", path.trim_start_matches('/')), deadline)
    }

    /// Returns the Region from the environment or, if it has none, the Region of the instance.
    pub(crate) fn region(&self, deadline: Option<Instant>) -> Result<String, AwsError> {
        match variable("AWS_REGION").or_else(|| variable("AWS_DEFAULT_REGION")) {
            Some(region) => Ok(region),
            None => match self.identity(deadline) {
                Ok(identity) => Ok(identity.region),
                Err(source) => Err(AwsError::NoRegion { source: Box::new(source) }),
            },
        }
    }

    /// Returns the account of the instance.
    pub(crate) fn account(&self, deadline: Option<Instant>) -> Result<String, AwsError> {
        self.identity(deadline).map(|identity| identity.account_id)
    }

    fn identity(&self, deadline: Option<Instant>) -> Result<Identity, AwsError> {
        if let Some(known) = &*self.identity.borrow() {
            return Ok(known.clone());
        }
        let path = "/latest/dynamic/instance-identity/document";
        let json = imds::get(path, deadline)?;
        let found: Identity =
            serde_json::from_str(&json).map_err(|source| AwsError::Answer { what: path.to_owned(), source })?;
        Ok(self.identity.borrow_mut().insert(found).clone())
    }

    fn credentials(&self, deadline: Option<Instant>) -> Result<Credentials, AwsError> {
        if let Some((known, since)) = &*self.credentials.borrow()
            && since.elapsed() < CREDENTIALS_LAST
        {
            return Ok(known.clone());
        }
        let found = Credentials::find(deadline)?;
        *self.credentials.borrow_mut() = Some((found.clone(), Instant::now()));
        Ok(found)
    }

    /// Signs and makes a call. The response may have any status.
    fn call(&self, call: Call<'_>, deadline: Option<Instant>) -> Result<Answer, AwsError> {
        let credentials = self.credentials(deadline)?;
        let mut query: Vec<String> = (call.query.iter())
            .map(|(name, value)| format!("{}={}", encode(name, false), encode(value, false)))
            .collect();
        // The signature covers the sorted query. The URL has the same text, so the two cannot differ.
        query.sort();
        let query = query.join("&");
        let payload = match (call.payload, call.content) {
            (Some(digest), _) => digest.to_owned(),
            (None, Content::Text(text)) => sha256(text.as_bytes()),
            (None, Content::Bytes(bytes)) => sha256(bytes),
            (None, _) => sha256(b""),
        };
        let host = call.origin.split_once("://").map_or(call.origin.as_str(), |(_, host)| host);
        let mut headers = call.headers;
        // The signature must cover the host, so the header is set here and not by the HTTP client.
        headers.push(("host".to_owned(), host.to_owned()));
        let signable = Signable { method: call.method, path: call.path, query: &query, headers, payload: &payload };
        let headers = sign(signable, credentials.keys(), (call.region, call.service), Timestamp::now());
        let mark = if query.is_empty() { "" } else { "?" };
        let url = format!("{}{}{mark}{query}", call.origin, call.path);
        let (method, content) = (call.method, call.content);
        // A signature is valid for one host only, so a redirect is not followed.
        let request = Request { method, headers: &headers, content, redirected: false, ..Request::get(&url, deadline) };
        Ok(request.send()?)
    }
}

impl AwsError {
    /// Returns whether another try may succeed.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Http(error) | Self::Metadata(error) => error.may_pass(),
            // Services that speak JSON, such as SSM, throttle with status 400.
            Self::Refused { status, code, .. } => http::may_pass(*status) || code.contains("Throttl"),
            Self::MetadataStatus { status, .. } => http::may_pass(*status),
            _ => false,
        }
    }
}

/// Returns the address of a service: the one from the environment, or AWS's own address.
fn origin(service: &str, region: &str) -> String {
    let own =
        variable(&format!("AWS_ENDPOINT_URL_{}", service.to_uppercase())).or_else(|| variable("AWS_ENDPOINT_URL"));
    match own {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None if region.starts_with("cn-") => format!("https://{service}.{region}.amazonaws.com.cn"),
        None => format!("https://{service}.{region}.amazonaws.com"),
    }
}
