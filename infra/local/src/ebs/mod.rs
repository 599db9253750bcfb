//! The EBS direct APIs (REST and JSON, version 2019-11-02): snapshots that are written and read by blocks of 512 KiB.

mod find;
mod life;
mod read;
mod refusal;
mod start;
pub(crate) mod store;
#[cfg(test)]
mod tests;
mod tokens;
mod write;

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hyper::Method;
use hyper::http::request::Parts;
use serde_json::{Value, json};

use crate::api::{ApiError, Scope};
use crate::dispatch::Reply;
use crate::endpoint::Endpoint;
use refusal::Refusal;

/// The actions of this service.
pub(crate) const ACTIONS: [&str; 6] = [
    "StartSnapshot",
    "PutSnapshotBlock",
    "CompleteSnapshot",
    "ListSnapshotBlocks",
    "ListChangedBlocks",
    "GetSnapshotBlock",
];
/// Beginning of the paths of this service.
const ROOT: &str = "/snapshots";
const CONTENT_TYPE: &str = "application/json";

/// An action, and the snapshot and block that it applies to.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Route {
    Start,
    Complete { snapshot: String },
    Put { snapshot: String, index: String },
    Get { snapshot: String, index: String },
    List { snapshot: String },
    ListChanged { second: String },
    Unknown,
}

/// A request without its caller.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    route: Route,
    query: BTreeMap<String, String>,
    headers: BTreeMap<String, String>,
    body: Bytes,
}

/// The answer of a successful call.
struct Success {
    status: u16,
    headers: Vec<(&'static str, String)>,
    content: Content,
}

enum Content {
    Json(Value),
    Block(Vec<u8>),
}

/// One call: endpoint, account and Region, and request.
struct Call<'a> {
    endpoint: &'a Arc<Endpoint>,
    scope: &'a Scope,
    request: &'a Request,
}

/// Returns whether a path belongs to this service.
pub(crate) fn is_path(path: &str) -> bool {
    path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

impl Request {
    pub(crate) fn read(head: &Parts, body: Bytes) -> Self {
        let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned();
        let text = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        Request {
            route: route(&head.method, head.uri.path()),
            query: query.collect(),
            headers: head.headers.iter().filter_map(text).collect(),
            body,
        }
    }

    /// Returns the name of the action.
    pub(crate) fn action(&self) -> &'static str {
        match self.route {
            Route::Start => "StartSnapshot",
            Route::Complete { .. } => "CompleteSnapshot",
            Route::Put { .. } => "PutSnapshotBlock",
            Route::Get { .. } => "GetSnapshotBlock",
            Route::List { .. } => "ListSnapshotBlocks",
            Route::ListChanged { .. } => "ListChangedBlocks",
            Route::Unknown => "",
        }
    }

    /// Returns a header, if it is present and not empty.
    fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns a query parameter, if it is present and not empty.
    fn asked(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

fn route(method: &Method, path: &str) -> Route {
    let parts: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let owned = |text: &str| text.to_owned();
    match (method.as_str(), parts.as_slice()) {
        ("POST", ["snapshots"]) => Route::Start,
        ("POST", ["snapshots", "completion", id]) => Route::Complete { snapshot: owned(id) },
        ("PUT", ["snapshots", id, "blocks", index]) => Route::Put { snapshot: owned(id), index: owned(index) },
        ("GET", ["snapshots", id, "blocks", index]) => Route::Get { snapshot: owned(id), index: owned(index) },
        ("GET", ["snapshots", id, "blocks"]) => Route::List { snapshot: owned(id) },
        ("GET", ["snapshots", id, "changedblocks"]) => Route::ListChanged { second: owned(id) },
        _ => Route::Unknown,
    }
}

/// Performs a request, on a thread that may wait for disks.
pub(crate) async fn perform(endpoint: &Arc<Endpoint>, scope: &Scope, request: &Request) -> Reply {
    let (endpoint, scope, request) = (endpoint.clone(), scope.clone(), request.clone());
    let outcome = tokio::task::spawn_blocking(move || {
        perform_now(&Call { endpoint: &endpoint, scope: &scope, request: &request })
    });
    answer(outcome.await.unwrap_or_else(|error| Err(std::io::Error::other(error).into())))
}

fn perform_now(call: &Call<'_>) -> Result<Success, Refusal> {
    match &call.request.route {
        Route::Start => start::start(call),
        Route::Complete { snapshot } => write::complete(call, snapshot),
        Route::Put { snapshot, index } => write::put(call, snapshot, index),
        Route::Get { snapshot, index } => read::get(call, snapshot, index),
        Route::List { snapshot } => read::list(call, snapshot),
        Route::ListChanged { second } => read::list_changed(call, second),
        Route::Unknown => Err(ApiError::new("UnknownOperationException", "There is no such operation.").into()),
    }
}

/// Returns the answer to a call that fails before it is processed.
pub(crate) fn refuse(error: ApiError) -> Reply {
    answer(Err(error.into()))
}

fn answer(outcome: Result<Success, Refusal>) -> Reply {
    match outcome {
        Ok(Success { status, headers, content: Content::Json(body) }) => {
            Reply { status, content_type: CONTENT_TYPE, headers, body: body.to_string().into() }
        }
        Ok(Success { status, headers, content: Content::Block(data) }) => {
            Reply { status, content_type: "application/octet-stream", headers, body: data.into() }
        }
        Err(refusal) => {
            let mut body = json!({"Message": refusal.message});
            if let Some(reason) = refusal.reason {
                body["Reason"] = reason.into();
            }
            let headers = vec![("x-amzn-errortype", refusal.exception)];
            Reply { status: refusal.status, content_type: CONTENT_TYPE, headers, body: body.to_string().into() }
        }
    }
}
