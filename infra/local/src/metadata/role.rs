//! Credentials of an instance's role. They belong to a session that the emulator's STS opens, so the emulator's IAM
//! decides what the instance may do.

use std::time::{Duration, Instant};

use bytes::Bytes;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::reply::Reply;
use super::tree::time;
use crate::chain::chain;
use crate::endpoint::Endpoint;
use crate::world::Instance;

/// How long the same credentials are shown: half of their lifetime, so that no program gets credentials that are about
/// to expire.
const SHOWN_FOR: Duration = Duration::from_secs(1_800);

/// The current credentials.
#[derive(Debug, Default)]
pub(super) struct Role(Mutex<Option<Shown>>);

#[derive(Debug)]
struct Shown {
    role: String,
    since: Instant,
    document: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed {
    credentials: Credentials,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Credentials {
    access_key_id: String,
    secret_access_key: String,
    session_token: String,
    /// Seconds since 1970.
    expiration: i64,
}

impl Role {
    /// Returns the document with the role's credentials. The document also exists if EC2 may not assume the role, and
    /// says so.
    pub(super) async fn credentials(&self, endpoint: &Endpoint, instance: &Instance, role: &str) -> Reply {
        // The lock is held over the call to STS: several programs that ask at once get one session.
        let mut shown = self.0.lock().await;
        if let Some(shown) = shown.as_ref().filter(|one| one.role == role && one.since.elapsed() < SHOWN_FOR) {
            return Reply::text(shown.document.clone());
        }
        match assume(endpoint, instance, role).await {
            Ok(found) => {
                let document = document(&found).to_string();
                *shown = Some(Shown { role: role.to_owned(), since: Instant::now(), document: document.clone() });
                Reply::text(document)
            }
            Err(Refusal::Role(said)) => {
                tracing::warn!(instance = instance.id, role, said, "the credentials of the role are not available");
                Reply::text(refused(role).to_string())
            }
            Err(Refusal::Emulator(words)) => {
                tracing::error!(instance = instance.id, role, words, "no credentials");
                Reply::refusal(500, "Internal Server Error")
            }
        }
    }
}

enum Refusal {
    /// STS rejects the call with this message.
    Role(String),
    /// STS does not answer, or its answer cannot be read.
    Emulator(String),
}

/// Opens a session as EC2 does, with the instance's name. The launcher makes the emulator accept the endpoint as EC2's
/// service.
async fn assume(endpoint: &Endpoint, instance: &Instance, role: &str) -> Result<Credentials, Refusal> {
    let emulator = endpoint.emulator.as_ref().ok_or_else(|| Refusal::Emulator("there is no emulator".to_owned()))?;
    let target = "AWSSecurityTokenServiceV20110615.AssumeRole";
    let body = json!({"RoleArn": role, "RoleSessionName": instance.id}).to_string();
    let answer = emulator.hand_on(&instance.scope, "sts", target, Bytes::from(body)).await;
    match answer.map_err(|error| Refusal::Emulator(chain(&error)))? {
        (200, text) => serde_json::from_str::<Assumed>(&text)
            .map(|assumed| assumed.credentials)
            .map_err(|error| Refusal::Emulator(chain(&error))),
        (429 | 500.., text) => Err(Refusal::Emulator(text)),
        (_, text) => Err(Refusal::Role(text)),
    }
}

fn document(found: &Credentials) -> Value {
    let end = Timestamp::from_second(found.expiration).unwrap_or_default();
    json!({
        "Code": "Success",
        "LastUpdated": time(Timestamp::now()),
        "Type": "AWS-HMAC",
        "AccessKeyId": found.access_key_id,
        "SecretAccessKey": found.secret_access_key,
        "Token": found.session_token,
        "Expiration": time(end),
    })
}

fn refused(role: &str) -> Value {
    json!({
        "Code": "AssumeRoleUnauthorizedAccess",
        "Message": format!("EC2 cannot assume the role {role}. Its trust policy must allow ec2.amazonaws.com to assume it."),
        "LastUpdated": time(Timestamp::now()),
    })
}
