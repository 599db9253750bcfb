//! Canned answers instead of AWS, to test which requests adapters send and how they read the answers.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_smithy_runtime_api::client::http::{HttpConnector, HttpConnectorFuture, SharedHttpConnector, http_client_fn};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_runtime_api::client::result::ConnectorError;
use aws_smithy_runtime_api::http::StatusCode;
use aws_smithy_types::body::SdkBody;

use super::with_keys;

/// One answer.
#[derive(Debug, Clone)]
pub enum Canned {
    /// An HTTP status and a body.
    Answer(u16, String),
    /// Status 200 with these headers and a body.
    WithHeaders(Vec<(&'static str, String)>, String),
    /// The connection breaks.
    Lost,
}

impl Canned {
    /// Returns status 200 with this body.
    pub fn ok(body: impl Into<String>) -> Self {
        Self::Answer(200, body.into())
    }
    /// Returns an error as the services with a JSON protocol report it.
    #[must_use]
    pub fn json_error(status: u16, code: &str) -> Self {
        Self::Answer(status, format!(r#"{{"__type":"{code}","message":"because"}}"#))
    }
    /// Returns an error as EC2 reports it.
    #[must_use]
    pub fn ec2_error(status: u16, code: &str) -> Self {
        let error = format!("<Error><Code>{code}</Code><Message>because</Message></Error>");
        Self::Answer(status, format!("<Response><Errors>{error}</Errors><RequestID>r</RequestID></Response>"))
    }
}

/// A request as it was sent.
#[derive(Debug, Clone)]
pub struct Sent {
    /// HTTP method.
    pub method: String,
    /// The whole URI.
    pub uri: String,
    /// Header names, in lower case, and values.
    pub headers: Vec<(String, String)>,
    /// The body, as text.
    pub body: String,
}

impl Sent {
    /// Returns the value of the header with this name, given in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str())
    }
}

/// The answers in order, and the requests that received them. The clones of a replay share both.
#[derive(Debug, Clone, Default)]
pub struct Replay {
    answers: Arc<Mutex<VecDeque<Canned>>>,
    sent: Arc<Mutex<Vec<Sent>>>,
}

impl Replay {
    /// Creates a replay of these answers, one per request. A further request gets no answer.
    #[must_use]
    pub fn new(answers: impl IntoIterator<Item = Canned>) -> Self {
        Self { answers: Arc::new(Mutex::new(answers.into_iter().collect())), sent: Arc::default() }
    }

    /// Returns a configuration for `eu-west-1` whose calls all go to this replay, with the SDK's retries but without
    /// their pauses.
    #[must_use]
    pub fn config(&self) -> SdkConfig {
        let replay = SharedHttpConnector::new(self.clone());
        let config = SdkConfig::builder()
            .behavior_version(BehaviorVersion::v2026_01_12())
            .region(Region::new("eu-west-1"))
            .retry_config(RetryConfig::standard().with_initial_backoff(Duration::from_millis(1)))
            .http_client(http_client_fn(move |_, _| replay.clone()))
            .build();
        with_keys(&config, "key", "secret")
    }

    /// Returns the requests so far.
    #[must_use]
    pub fn sent(&self) -> Vec<Sent> {
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn response(status: u16, headers: Vec<(&'static str, String)>, body: String) -> Result<HttpResponse, ConnectorError> {
    let status = StatusCode::try_from(status).map_err(|error| ConnectorError::other(error.into(), None))?;
    let length = ("content-length", body.len().to_string());
    let mut response = HttpResponse::new(status, SdkBody::from(body));
    for (name, value) in headers.into_iter().chain([length]) {
        response.headers_mut().insert(name, value);
    }
    Ok(response)
}

impl HttpConnector for Replay {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let body = String::from_utf8_lossy(request.body().bytes().unwrap_or_default()).into_owned();
        let headers = request.headers().iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let sent = Sent { method: request.method().to_owned(), uri: request.uri().to_owned(), headers, body };
        self.sent.lock().unwrap_or_else(PoisonError::into_inner).push(sent);
        let answer = self.answers.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
        HttpConnectorFuture::ready(match answer {
            Some(Canned::Answer(status, body)) => response(status, Vec::new(), body),
            Some(Canned::WithHeaders(headers, body)) => response(200, headers, body),
            Some(Canned::Lost) => Err(ConnectorError::io("the connection broke".into())),
            None => Err(ConnectorError::other("no more canned answers".into(), None)),
        })
    }
}
