//! Objects of S3: `GetObject`, `PutObject`, `ListObjectsV2`.

use std::fs::File;
use std::net::IpAddr;
use std::path::Path;
use std::time::Instant;

use goldsmith_document::{Algorithm, S3Uri};
use goldsmith_sigv4::encode;

use super::{Aws, AwsError, Call, origin, xml};
use crate::checksum::of_file;
use crate::http::{Answer, Content};

/// A bucket as one step uses it.
#[derive(Clone, Copy)]
pub(crate) struct Access<'a> {
    pub(crate) aws: &'a Aws,
    /// The account that must own the bucket.
    pub(crate) owner: Option<&'a str>,
    pub(crate) deadline: Option<Instant>,
}

/// The part of a request that differs between the operations.
struct Operation<'o> {
    name: &'static str,
    method: &'o str,
    key: &'o str,
    query: Vec<(&'o str, &'o str)>,
    content: Content<'o>,
    payload: Option<&'o str>,
}

impl Access<'_> {
    /// Returns the object for reading.
    pub(crate) fn get(&self, object: &S3Uri) -> Result<Answer, AwsError> {
        let operation = Operation::new("GetObject", "GET", &object.key);
        self.request(&object.bucket, &operation)
    }

    /// Writes a file as an object. S3 checks that it received the content that was read here.
    pub(crate) fn put(&self, path: &Path, file: &File, object: &S3Uri) -> Result<(), AwsError> {
        let unreadable = |source| AwsError::File { path: path.to_owned(), source };
        let digest = of_file(Algorithm::Sha256, path).map_err(unreadable)?;
        let operation = Operation {
            content: Content::File(file),
            payload: Some(&digest),
            ..Operation::new("PutObject", "PUT", &object.key)
        };
        self.request(&object.bucket, &operation).map(drop)
    }

    /// Returns all keys that begin with the key of a location, in S3's order.
    pub(crate) fn list(&self, prefix: &S3Uri) -> Result<Vec<String>, AwsError> {
        let (mut keys, mut token) = (Vec::new(), None);
        loop {
            let mut operation = Operation::new("ListObjectsV2", "GET", "");
            // S3 encodes the keys because a key may contain characters that XML cannot contain.
            operation.query = vec![("list-type", "2"), ("encoding-type", "url"), ("prefix", &prefix.key)];
            operation.query.extend(token.as_deref().map(|token| ("continuation-token", token)));
            let text = self.request(&prefix.bucket, &operation)?.into_text(operation.name)?;
            keys.extend(xml::all(&text, "Key").map(|key| xml::percent_decoded(&key)));
            match xml::first(&text, "NextContinuationToken") {
                Some(next) => token = Some(next),
                None => return Ok(keys),
            }
        }
    }

    /// Sends a request to the Region of the bucket. If the request goes to another Region, S3 names the right one.
    fn request(&self, bucket: &str, operation: &Operation<'_>) -> Result<Answer, AwsError> {
        let known = self.aws.bucket_regions.borrow().get(bucket).cloned();
        let region = known.map_or_else(|| self.aws.region(self.deadline), Ok)?;
        let answer = self.request_in(&region, bucket, operation)?;
        match answer.header("x-amz-bucket-region").map(str::to_owned) {
            Some(own) if answer.status != 200 && own != region => {
                // Otherwise each object of a bucket in another Region would cost two requests.
                self.aws.bucket_regions.borrow_mut().insert(bucket.to_owned(), own.clone());
                judge(self.request_in(&own, bucket, operation)?, bucket, operation)
            }
            _ => judge(answer, bucket, operation),
        }
    }

    fn request_in(&self, region: &str, bucket: &str, operation: &Operation<'_>) -> Result<Answer, AwsError> {
        let (origin, base) = address(&origin("s3", region), bucket);
        let owner = self.owner.map(|owner| ("x-amz-expected-bucket-owner".to_owned(), owner.to_owned()));
        let call = Call {
            service: "s3",
            region,
            method: operation.method,
            origin,
            path: &format!("{base}/{}", encode(operation.key, true)),
            query: operation.query.clone(),
            headers: owner.into_iter().collect(),
            content: operation.content,
            payload: operation.payload,
        };
        self.aws.call(call, self.deadline)
    }
}

impl<'o> Operation<'o> {
    fn new(name: &'static str, method: &'o str, key: &'o str) -> Self {
        Self { name, method, key, query: Vec::new(), content: Content::Nothing, payload: None }
    }
}

/// Returns the origin and the first part of the path for a bucket. The bucket's name becomes part of the host, unless
/// the host is a number or this machine, or the name would not fit the certificate.
fn address(origin: &str, bucket: &str) -> (String, String) {
    let (scheme, authority) = origin.split_once("://").unwrap_or(("https", origin));
    let host = authority.rsplit_once(':').map_or(authority, |(host, _)| host);
    let is_number = host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
    if is_number || host == "localhost" || bucket.contains('.') {
        return (origin.to_owned(), format!("/{bucket}"));
    }
    (format!("{scheme}://{bucket}.{authority}"), String::new())
}

fn judge(answer: Answer, bucket: &str, operation: &Operation<'_>) -> Result<Answer, AwsError> {
    if answer.status == 200 {
        return Ok(answer);
    }
    let (status, what) = (answer.status, format!("{} s3://{bucket}/{}", operation.name, operation.key));
    let text = answer.into_text(&what)?;
    let part = |tag| xml::first(&text, tag).unwrap_or_default();
    Err(AwsError::Refused { what, status, code: part("Code"), message: part("Message") })
}

#[cfg(test)]
mod tests {
    use super::address;

    #[test]
    fn the_bucket_goes_into_the_host_where_that_can_be() {
        let of = |origin, bucket| address(origin, bucket);
        let text = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        let aws = "https://s3.eu-west-1.amazonaws.com";
        assert_eq!(of(aws, "docs"), text("https://docs.s3.eu-west-1.amazonaws.com", ""));
        assert_eq!(of(aws, "docs.example.org"), text(aws, "/docs.example.org"));
        assert_eq!(of("http://127.0.0.1:4566", "docs"), text("http://127.0.0.1:4566", "/docs"));
        assert_eq!(of("http://[::1]:4566", "docs"), text("http://[::1]:4566", "/docs"));
    }
}
