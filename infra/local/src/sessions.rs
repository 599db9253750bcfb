//! Sessions of roles that the emulator's STS opens for a service of AWS, so that the emulator's IAM decides what the
//! service may do with them.

use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use crate::api::Scope;
use crate::chain::chain;
use crate::emulator::Emulator;

/// Credentials of a session.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Credentials {
    pub(crate) access_key_id: String,
    pub(crate) secret_access_key: String,
    pub(crate) session_token: String,
    /// Seconds since 1970.
    pub(crate) expiration: i64,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Assumed {
    credentials: Credentials,
}

/// Why there is no session.
pub(crate) enum Refusal {
    /// STS rejects the call with this message.
    Role(String),
    /// STS does not answer, or its answer cannot be read.
    Emulator(String),
}

/// A service that assumes a role.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Service {
    /// Its principal in trust policies.
    pub(crate) principal: &'static str,
    /// The external id that it names; `None` for no id.
    pub(crate) external_id: Option<&'static str>,
}

/// EC2, for an instance's role.
pub(crate) const EC2: Service = Service { principal: "ec2.amazonaws.com", external_id: None };
/// VM Import/Export (user guide, "Required service role").
pub(crate) const VM_EXPORT: Service = Service { principal: "vmie.amazonaws.com", external_id: Some("vmimport") };

/// Opens a session of a role as a service does. The launcher makes the emulator accept the endpoint as this service.
pub(crate) async fn assume(
    emulator: Option<&Emulator>,
    scope: &Scope,
    service: Service,
    role: &str,
    name: &str,
) -> Result<Credentials, Refusal> {
    let emulator = emulator.ok_or_else(|| Refusal::Emulator("there is no emulator".to_owned()))?;
    let target = "AWSSecurityTokenServiceV20110615.AssumeRole";
    let mut body = json!({"RoleArn": role, "RoleSessionName": name});
    if let Some(id) = service.external_id {
        body["ExternalId"] = id.into();
    }
    let answer = emulator.hand_on_as(scope, "sts", target, Bytes::from(body.to_string()), service.principal).await;
    match answer.map_err(|error| Refusal::Emulator(chain(&error)))? {
        (200, text) => serde_json::from_str::<Assumed>(&text)
            .map(|assumed| assumed.credentials)
            .map_err(|error| Refusal::Emulator(chain(&error))),
        (429 | 500.., text) => Err(Refusal::Emulator(text)),
        (_, text) => Err(Refusal::Role(text)),
    }
}
