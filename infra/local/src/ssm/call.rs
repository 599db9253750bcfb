//! One call of Systems Manager, as the files that serve calls get it, and its answer.

use std::sync::Arc;

use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::{Answer, ApiError, Scope};
use crate::chain::chain;
use crate::endpoint::Endpoint;
use crate::faults::CallFault;

const CONTENT_TYPE: &str = "application/x-amz-json-1.1";
/// The only document that is supported.
pub(super) const DOCUMENT: &str = "AWS-RunShellScript";

/// The name of a call and the function that serves it.
pub(super) type Row = (&'static str, fn(&Call<'_>) -> Result<Value, ApiError>);

/// One call: its caller, its scope and its content.
pub(crate) struct Call<'a> {
    pub(crate) endpoint: &'a Arc<Endpoint>,
    pub(crate) scope: &'a Scope,
    pub(crate) body: &'a [u8],
    /// The fault that the call triggered.
    pub(crate) fault: Option<&'a CallFault>,
}

/// Makes the emulator perform an action, and returns its answer.
pub(super) async fn hand_on(endpoint: &Endpoint, scope: &Scope, action: &str, body: &Bytes) -> Answer {
    let Some(emulator) = &endpoint.emulator else {
        return answer(Err(ApiError::new("UnknownOperationException", format!("Unknown operation {action}"))));
    };
    match emulator.hand_on(scope, "ssm", &format!("AmazonSSM.{action}"), body.clone()).await {
        Ok((status, body)) => Answer { status, content_type: CONTENT_TYPE, body },
        // SDKs retry this error, as they would retry a connection that fails.
        Err(error) => answer(Err(ApiError::new("InternalServerError", chain(&error)))),
    }
}

/// Returns the answer in JSON: the call's result or its error.
pub(crate) fn answer(outcome: Result<Value, ApiError>) -> Answer {
    let (status, body) = match outcome {
        Ok(result) => (200, result),
        Err(error) => (error.status(), json!({"__type": error.code, "message": error.message})),
    };
    Answer { status, content_type: CONTENT_TYPE, body: body.to_string() }
}

impl Call<'_> {
    /// Reads the input. Invalid input is a `ValidationException` that names the mistake.
    pub(super) fn input<T: DeserializeOwned>(&self) -> Result<T, ApiError> {
        serde_json::from_slice(self.body).map_err(|error| ApiError::new("ValidationException", error.to_string()))
    }
}

/// Returns a time as the protocol writes it: seconds with a fraction.
pub(super) fn epoch(time: jiff::Timestamp) -> f64 {
    time.as_duration().as_secs_f64()
}
