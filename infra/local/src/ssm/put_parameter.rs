//! PutParameter, which the emulator performs: the checks that AWS makes before its answer, and those that it makes
//! afterwards.
//!
//! AWS accepts a value of the data type `aws:ec2:image` with success and checks it later. The new version appears a
//! moment afterwards. If the AMI is not found, the version never appears, and no error is reported (Systems Manager API
//! reference, PutParameter). AWS keeps 100 versions, and rejects a new one if the oldest one has a label.

use std::sync::Arc;

use bytes::Bytes;
use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{answer, hand_on};
use crate::api::{Answer, ApiError, Scope};
use crate::endpoint::Endpoint;
use crate::world::ImageState;

/// The name of the call.
pub(super) const ACTION: &str = "PutParameter";
const OF_IMAGES: &str = "aws:ec2:image";
const OF_TEXT: &str = "text";
/// How many versions of a parameter AWS keeps.
const MOST_VERSIONS: u64 = 100;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Input {
    name: String,
    #[serde(default)]
    value: String,
    data_type: Option<String>,
    #[serde(default)]
    overwrite: bool,
}

/// The parameter's current version.
struct Present {
    data_type: String,
    version: u64,
}

/// Checks a PutParameter, and makes the emulator perform it, now or after the answer.
pub(super) async fn put(endpoint: &Arc<Endpoint>, scope: &Scope, body: &Bytes) -> Answer {
    // The emulator rejects a body that cannot be read.
    let Ok(input) = serde_json::from_slice::<Input>(body) else { return hand_on(endpoint, scope, ACTION, body).await };
    let data_type = input.data_type.as_deref().unwrap_or(OF_TEXT);
    if input.name.contains('/') && !input.name.starts_with('/') {
        let message = "Parameter name must be a fully qualified name.";
        return answer(Err(ApiError::new("ValidationException", message)));
    }
    let present = present(endpoint, scope, &input.name).await;
    if let Some(present) = present.as_ref().filter(|present| present.data_type != data_type) {
        let message = format!(
            "You can't change a parameter from the data type {} to {data_type}. Delete it and create it again.",
            present.data_type
        );
        return answer(Err(ApiError::new("ValidationException", message)));
    }
    let is_refused = present.is_some() && !input.overwrite;
    let newest = present.as_ref().map_or(0, |present| present.version);
    if !is_refused && is_labelled(endpoint, scope, &input.name, newest).await {
        let message = format!(
            "You attempted to create a new version of {} by calling the PutParameter API with the overwrite flag. Version \
             {}, the oldest version, can't be deleted because it has a label associated with it. Move the label to another \
             version of the parameter, and try again.",
            input.name,
            newest + 1 - MOST_VERSIONS
        );
        return answer(Err(ApiError::new("ParameterMaxVersionLimitExceeded", message)));
    }
    if data_type != OF_IMAGES || is_refused {
        return hand_on(endpoint, scope, ACTION, body).await;
    }
    let version = present.map_or(1, |present| present.version + 1);
    let (endpoint, scope, body, image) = (endpoint.clone(), scope.clone(), body.clone(), input.value);
    let later = endpoint.clone();
    endpoint.spawn(async move {
        tokio::time::sleep(later.settings().delays.parameter).await;
        if is_available(&later, &scope, &image) {
            hand_on(&later, &scope, ACTION, &body).await;
        }
    });
    answer(Ok(json!({"Tier": "Standard", "Version": version})))
}

async fn present(endpoint: &Endpoint, scope: &Scope, name: &str) -> Option<Present> {
    let body = Bytes::from(json!({"Name": name}).to_string());
    let found: Value = serde_json::from_str(&hand_on(endpoint, scope, "GetParameter", &body).await.body).ok()?;
    let parameter = found.get("Parameter")?;
    let data_type = parameter.get("DataType").and_then(Value::as_str).unwrap_or(OF_TEXT).to_owned();
    Some(Present { data_type, version: parameter.get("Version")?.as_u64()? })
}

/// Returns whether the oldest version that AWS keeps of a parameter has a label, so that AWS would not delete it for a new
/// version. The emulator keeps all versions.
async fn is_labelled(endpoint: &Endpoint, scope: &Scope, name: &str, newest: u64) -> bool {
    let Some(oldest) = (newest + 1).checked_sub(MOST_VERSIONS).filter(|oldest| *oldest > 0) else { return false };
    let mut next = Value::Null;
    loop {
        let mut body = json!({"Name": name});
        if next.is_string() {
            body["NextToken"] = next;
        }
        let body = Bytes::from(body.to_string());
        let found = hand_on(endpoint, scope, "GetParameterHistory", &body).await.body;
        let mut found: Value = serde_json::from_str(&found).unwrap_or_default();
        let version = found["Parameters"].as_array().into_iter().flatten().find(|one| one["Version"] == oldest);
        if let Some(version) = version {
            return version["Labels"].as_array().is_some_and(|labels| !labels.is_empty());
        }
        next = found["NextToken"].take();
        if !next.is_string() {
            return false;
        }
    }
}

fn is_available(endpoint: &Endpoint, scope: &Scope, id: &str) -> bool {
    endpoint.world().image(scope, id).is_ok_and(|image| image.state() == ImageState::Available)
}
