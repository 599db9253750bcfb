//! `GetParameter` of Systems Manager.

use std::time::Instant;

use serde::{Deserialize, Serialize};

use super::{Aws, AwsError, Call, origin};
use crate::http::Content;
use crate::retry::retry;

/// The value of a parameter.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Parameter {
    pub(crate) value: String,
    r#type: String,
}

#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Wish<'w> {
    name: &'w str,
    with_decryption: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Found {
    parameter: Parameter,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Refusal {
    __type: String,
    #[serde(alias = "Message")]
    message: String,
}

impl Parameter {
    /// Returns whether the value must not be shown. This is so for a `SecureString`, including one that stands for a
    /// secret of Secrets Manager.
    pub(crate) fn is_secret(&self) -> bool {
        self.r#type == "SecureString"
    }
}

impl Aws {
    /// Returns the value of a parameter that was read before and is needed again.
    pub(crate) fn secret(&self, name: &str) -> Result<String, AwsError> {
        retry(None, &mut |_| (), AwsError::may_pass, || self.parameter(name, None)).map(|parameter| parameter.value)
    }

    /// Returns a parameter by its name, decrypted. The value of a list is its elements separated by commas.
    pub(crate) fn parameter(&self, name: &str, deadline: Option<Instant>) -> Result<Parameter, AwsError> {
        let region = self.region(deadline)?;
        let what = format!("GetParameter {name}");
        let unreadable = |source| AwsError::Answer { what: what.clone(), source };
        let body = serde_json::to_string(&Wish { name, with_decryption: true }).map_err(unreadable)?;
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let call = Call {
            service: "ssm",
            region: &region,
            method: "POST",
            origin: origin("ssm", &region),
            path: "/",
            query: Vec::new(),
            headers: vec![
                header("content-type", "application/x-amz-json-1.1"),
                header("x-amz-target", "AmazonSSM.GetParameter"),
            ],
            content: Content::Text(&body),
            payload: None,
        };
        let answer = self.call(call, deadline)?;
        let status = answer.status;
        let json = answer.into_text(&what)?;
        if status == 200 {
            return Ok(serde_json::from_str::<Found>(&json).map_err(unreadable)?.parameter);
        }
        let refusal: Refusal = serde_json::from_str(&json).unwrap_or_default(); // a proxy, for example, may send any text
        // The type may have the service's namespace before the name, as in `com.amazonaws.ssm#ParameterNotFound`.
        let code = refusal.__type.rsplit('#').next().unwrap_or_default().to_owned();
        Err(AwsError::Refused { what, status, code, message: refusal.message })
    }
}
