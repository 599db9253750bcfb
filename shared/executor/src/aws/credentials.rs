//! The credentials of requests: those from the environment, from the container, or of the instance's role, in this
//! order.

use std::time::{Duration, Instant};
use std::{env, fs, thread};

use goldsmith_sigv4::Keys;
use serde::Deserialize;

use super::{AwsError, imds};
use crate::http::Request;

/// The connection time-out for container services, which are on the machine itself.
const CONNECT: Duration = Duration::from_secs(2);
const CONTAINER_HOST: &str = "http://169.254.170.2";
/// How long a missing role is waited for, and the longest pause between two requests.
const ROLE_APPEARS: Duration = Duration::from_secs(120);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);
const ROLES: &str = "/latest/meta-data/iam/security-credentials/";

/// The keys for signing.
#[derive(Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Credentials {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    #[serde(rename = "Token")]
    pub(super) session_token: Option<String>,
}

impl Credentials {
    /// Returns the keys for signing.
    pub(super) fn keys(&self) -> Keys<'_> {
        Keys { id: &self.access_key_id, secret: &self.secret_access_key, session_token: self.session_token.as_deref() }
    }

    /// Returns the first credentials that exist.
    pub(super) fn find(deadline: Option<Instant>) -> Result<Self, AwsError> {
        if let Some(found) = Self::of_environment() {
            return Ok(found);
        }
        // If a container service is configured but fails, the instance's role is not used instead, because it has other
        // permissions.
        match Self::of_container(deadline) {
            Some(found) => found,
            None => Self::of_role(deadline).map_err(|source| AwsError::NoCredentials { source: Box::new(source) }),
        }
    }

    fn of_environment() -> Option<Self> {
        Some(Self {
            access_key_id: variable("AWS_ACCESS_KEY_ID")?,
            secret_access_key: variable("AWS_SECRET_ACCESS_KEY")?,
            session_token: variable("AWS_SESSION_TOKEN"),
        })
    }

    fn of_container(deadline: Option<Instant>) -> Option<Result<Self, AwsError>> {
        let url = match variable("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
            Some(path) => format!("{CONTAINER_HOST}{path}"),
            None => variable("AWS_CONTAINER_CREDENTIALS_FULL_URI")?,
        };
        let file = || fs::read_to_string(variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE")?).ok();
        // The file comes first, as in AWS's SDKs: EKS renews the token in it, while a variable stays as it was.
        let token = file().or_else(|| variable("AWS_CONTAINER_AUTHORIZATION_TOKEN"));
        let headers: Vec<_> =
            token.map(|token| ("authorization".to_owned(), token.trim().to_owned())).into_iter().collect();
        let request = Request { headers: &headers, proxied: false, connect: CONNECT, ..Request::get(&url, deadline) };
        let answer = || -> Result<Self, AwsError> {
            let answer = request.send().map_err(AwsError::Metadata)?;
            match answer.status {
                200 => read(&url, &answer.into_text(&url).map_err(AwsError::Metadata)?),
                status => Err(AwsError::MetadataStatus { url: url.clone(), status }),
            }
        };
        Some(answer())
    }

    fn of_role(deadline: Option<Instant>) -> Result<Self, AwsError> {
        let roles = wait_for(ROLES, deadline)?;
        // An instance profile has at most one role.
        let role = roles.lines().next().unwrap_or_default();
        let path = format!("{ROLES}{role}");
        read(&path, &wait_for(&path, deadline)?)
    }
}

/// Returns the text at a path of the metadata. After a launch or a reboot, the service may say for a while that the
/// instance has no role, or that the role has no credentials (404).
fn wait_for(path: &str, deadline: Option<Instant>) -> Result<String, AwsError> {
    // If a person runs documents on a machine without a role, the error comes at once.
    let patience = if env::var_os("SSM_COMMAND_ID").is_some() { ROLE_APPEARS } else { Duration::ZERO };
    let until = deadline.unwrap_or(Instant::now() + patience).min(Instant::now() + patience);
    let mut pause = Duration::from_secs(1);
    loop {
        match imds::get(path, deadline) {
            Err(AwsError::MetadataStatus { status: 404, .. }) if Instant::now() + pause < until => {
                thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            answer => return answer,
        }
    }
}

/// The text that the metadata have instead of credentials if a role has none.
#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Refusal {
    code: String,
    message: String,
}

fn read(url: &str, json: &str) -> Result<Credentials, AwsError> {
    let Refusal { code, message } = serde_json::from_str(json).unwrap_or_default();
    // The credentials of containers have no code.
    if !code.is_empty() && code != "Success" {
        return Err(AwsError::NoSession { code, message });
    }
    serde_json::from_str(json).map_err(|source| AwsError::Answer { what: url.to_owned(), source })
}

/// Returns an environment variable if it is set and not empty.
pub(super) fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}
