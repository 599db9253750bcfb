//! Client of the emulator, which gets the endpoint's events and logs, and the calls that the endpoint forwards. This is
//! the endpoint's only outgoing traffic.

use bytes::Bytes;
use goldsmith_sigv4::{Keys, Signable, sha256, sign};
use http_body_util::{BodyExt, Full};
use hyper::Request;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::Value;
use tokio::net::TcpStream;

use crate::api::{DEFAULT_ACCOUNT, Scope};
use crate::secret::{self, Secret};
use crate::sessions::{self, Credentials};

/// Access key id of the emulator's root user. For an account, it is the account's id. The secret of all of them is the
/// endpoint's own.
const ROOT_KEY: &str = "test";

/// The emulator's address and the secret that it knows the endpoint by.
#[derive(Debug, Clone)]
pub(crate) struct Emulator {
    host: String,
    secret: Secret,
}

/// Header with the principal of the service for which the endpoint assumes a role.
const SERVICE: &str = "x-goldsmith-service";

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// The bucket's Region, if S3 names it.
    pub(crate) region: Option<String>,
    pub(crate) body: String,
}

/// A call that got no answer, or an error as its answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum EmulatorError {
    #[error("cannot reach the emulator at {host}")]
    Connect { host: String, source: std::io::Error },
    #[error("the emulator at {host} closed the connection")]
    Http { host: String, source: hyper::Error },
    #[error("cannot make a request for {target}")]
    Request { target: String, source: hyper::http::Error },
    #[error("the emulator refused {target} ({status}): {body}")]
    Refused { target: String, status: u16, body: String },
}

impl EmulatorError {
    /// Returns whether the emulator returned an error of this type.
    pub(crate) fn is(&self, error: &str) -> bool {
        matches!(self, EmulatorError::Refused { body, .. } if body.contains(error))
    }
}

impl Emulator {
    /// Creates a client for an address such as `http://127.0.0.1:4566`.
    pub(crate) fn new(url: &str, secret: &Secret) -> Self {
        let host = url.trim_start_matches("http://").trim_end_matches('/').to_owned();
        Emulator { host, secret: secret.clone() }
    }

    /// Returns the emulator's address.
    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.host)
    }

    /// Makes one JSON call. `target` is the service's `X-Amz-Target`; `service` is the name that the call is signed
    /// for.
    pub(crate) async fn call(
        &self,
        scope: &Scope,
        service: &str,
        target: &str,
        body: &Value,
    ) -> Result<(), EmulatorError> {
        let (status, text) = self.hand_on(scope, service, target, Bytes::from(body.to_string())).await?;
        // PutEvents returns 200 and counts the events that it rejected.
        if (200..300).contains(&status) && !text.contains("\"ErrorCode\"") {
            return Ok(());
        }
        Err(EmulatorError::Refused { target: target.to_owned(), status, body: text })
    }

    /// Makes the same call, but returns status and body of the answer, whatever they are.
    pub(crate) async fn hand_on(
        &self,
        scope: &Scope,
        service: &str,
        target: &str,
        body: Bytes,
    ) -> Result<(u16, String), EmulatorError> {
        self.hand_on_as(scope, service, target, body, sessions::EC2.principal).await
    }

    /// Makes the same call as a service of AWS, such as `vmie.amazonaws.com`.
    pub(crate) async fn hand_on_as(
        &self,
        scope: &Scope,
        service: &str,
        target: &str,
        body: Bytes,
        principal: &str,
    ) -> Result<(u16, String), EmulatorError> {
        let request = self
            .request(scope, service, target, body, principal)
            .map_err(|source| EmulatorError::Request { target: target.to_owned(), source })?;
        let answer = self.send(request).await?;
        Ok((answer.status, answer.body))
    }

    /// Makes a call to S3 with the keys of a session. The path and the query are encoded. The query is sorted.
    pub(crate) async fn s3(
        &self,
        keys: &Credentials,
        region: &str,
        (method, path, query): (&str, &str, &str),
        body: Bytes,
    ) -> Result<Answer, EmulatorError> {
        let headers = vec![("host".to_owned(), self.host.clone())];
        let signable = Signable { method, path, query, headers, payload: "UNSIGNED-PAYLOAD" };
        let keys =
            Keys { id: &keys.access_key_id, secret: &keys.secret_access_key, session_token: Some(&keys.session_token) };
        let signed = sign(signable, keys, (region, "s3"), Timestamp::now());
        let target = if query.is_empty() { path.to_owned() } else { format!("{path}?{query}") };
        let request = Request::builder().method(method).uri(&target);
        let request = signed.iter().fold(request, |request, (name, value)| request.header(name, value));
        let request = request
            .body(Full::new(body))
            .map_err(|source| EmulatorError::Request { target: target.clone(), source })?;
        self.send(request).await
    }

    async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer, EmulatorError> {
        let http = |source| EmulatorError::Http { host: self.host.clone(), source };
        let connect = |source| EmulatorError::Connect { host: self.host.clone(), source };
        let stream = TcpStream::connect(&self.host).await.map_err(connect)?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(http)?;
        let driver = tokio::spawn(connection);
        let answer = sender.send_request(request).await.map_err(http)?;
        let status = answer.status().as_u16();
        let region = answer.headers().get("x-amz-bucket-region").and_then(|value| value.to_str().ok());
        let region = region.map(str::to_owned);
        let body = answer.into_body().collect().await.map_err(http)?.to_bytes();
        // The connection is not kept. The emulator may be restarted between two calls, and a kept connection would fail
        // then.
        driver.abort();
        Ok(Answer { status, region, body: String::from_utf8_lossy(&body).into_owned() })
    }

    fn request(
        &self,
        scope: &Scope,
        service: &str,
        target: &str,
        body: Bytes,
        principal: &str,
    ) -> Result<Request<Full<Bytes>>, hyper::http::Error> {
        let account = if scope.account == DEFAULT_ACCOUNT { ROOT_KEY } else { &scope.account };
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let headers = vec![
            header("content-type", "application/x-amz-json-1.1"),
            header("host", &self.host),
            header("x-amz-target", target),
        ];
        let signable = Signable { method: "POST", path: "/", query: "", headers, payload: &sha256(&body) };
        let keys = Keys { id: account, secret: self.secret.reveal(), session_token: None };
        let signed = sign(signable, keys, (&scope.region, service), Timestamp::now());
        // This lets the launcher distinguish the endpoint's calls from all others: events from AWS's own sources, and
        // forwarded calls.
        let request = Request::post("/").header(secret::SHOWN, self.secret.reveal()).header(SERVICE, principal);
        let request = signed.iter().fold(request, |request, (name, value)| request.header(name, value));
        request.body(Full::new(body))
    }
}
