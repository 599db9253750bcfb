//! The instance's metadata service, version 2 only.

use std::env;
use std::time::{Duration, Instant};

use super::AwsError;
use crate::http::{Content, Request};

/// The address of the service unless `AWS_EC2_METADATA_SERVICE_ENDPOINT` gives another.
const ENDPOINT: &str = "http://169.254.169.254";
/// The connection time-out. The service is on the machine itself: if it does not answer at once, it does not exist.
const CONNECT: Duration = Duration::from_secs(1);
const ANSWER: Duration = Duration::from_secs(5);
/// The number of seconds that a token is valid. Each read gets a new token.
const TOKEN_SECONDS: &str = "60";

/// Returns the text at a path, such as `/latest/meta-data/instance-id`.
pub(super) fn get(path: &str, deadline: Option<Instant>) -> Result<String, AwsError> {
    if env::var("AWS_EC2_METADATA_DISABLED").is_ok_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(AwsError::MetadataDisabled);
    }
    let endpoint = env::var("AWS_EC2_METADATA_SERVICE_ENDPOINT").ok().filter(|endpoint| !endpoint.is_empty());
    let endpoint = endpoint.as_deref().unwrap_or(ENDPOINT).trim_end_matches('/');
    let wish = [("x-aws-ec2-metadata-token-ttl-seconds".to_owned(), TOKEN_SECONDS.to_owned())];
    let token = request("PUT", &format!("{endpoint}/latest/api/token"), &wish, deadline)?;
    request("GET", &format!("{endpoint}{path}"), &[("x-aws-ec2-metadata-token".to_owned(), token)], deadline)
}

fn request(
    method: &str,
    url: &str,
    headers: &[(String, String)],
    deadline: Option<Instant>,
) -> Result<String, AwsError> {
    // The deadline of a step may be hours away. An address that accepts connections but never answers must not use it
    // up.
    let soon = Instant::now() + ANSWER;
    let request = Request {
        method,
        headers,
        content: if method == "PUT" { Content::Text("") } else { Content::Nothing },
        proxied: false,
        connect: CONNECT,
        ..Request::get(url, Some(deadline.map_or(soon, |deadline| deadline.min(soon))))
    };
    let answer = request.send().map_err(AwsError::Metadata)?;
    match answer.status {
        200 => answer.into_text(url).map_err(AwsError::Metadata),
        status => Err(AwsError::MetadataStatus { url: url.to_owned(), status }),
    }
}
