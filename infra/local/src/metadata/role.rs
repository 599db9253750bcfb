//! Credentials of an instance's role. They belong to a session that the emulator's STS opens, so the emulator's IAM
//! decides what the instance may do.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use super::reply::Reply;
use super::tree::time;
use crate::endpoint::Endpoint;
use crate::sessions::{self, Credentials, Refusal};
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

impl Role {
    /// Returns the document with the role's credentials. The document also exists if EC2 may not assume the role, and
    /// says so.
    pub(super) async fn credentials(&self, endpoint: &Endpoint, instance: &Instance, role: &str) -> Reply {
        // The lock is held over the call to STS: several programs that ask at once get one session.
        let mut shown = self.0.lock().await;
        if let Some(shown) = shown.as_ref().filter(|one| one.role == role && one.since.elapsed() < SHOWN_FOR) {
            return Reply::text(shown.document.clone());
        }
        let emulator = endpoint.emulator.as_ref();
        // The session has the instance's name.
        match sessions::assume(emulator, &instance.scope, sessions::EC2, role, &instance.id).await {
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
