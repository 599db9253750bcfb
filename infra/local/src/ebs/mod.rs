//! The EBS direct APIs (REST and JSON, version 2019-11-02): snapshots that are written and read by blocks of 512 KiB.

mod call;
pub(crate) mod disks;
mod find;
mod flip;
mod life;
mod making;
mod read;
mod refusal;
pub(crate) mod route;
mod source;
mod start;
pub(crate) mod store;
#[cfg(test)]
mod tests;
mod tokens;
mod write;

use std::sync::Arc;

use serde_json::json;

use crate::api::{ApiError, Reply, Scope};
use crate::endpoint::Endpoint;
pub(crate) use call::Request;
use call::{Call, Content, Success};
pub(crate) use flip::Flip;
use refusal::Refusal;
use route::Route;

/// Beginning of the paths of this service.
const ROOT: &str = "/snapshots";
const CONTENT_TYPE: &str = "application/json";

/// Returns whether a path belongs to this service.
pub(crate) fn is_path(path: &str) -> bool {
    path.strip_prefix(ROOT).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Performs a request, on a thread that may wait for disks.
pub(crate) async fn perform(endpoint: &Arc<Endpoint>, scope: &Scope, request: &Request) -> Reply {
    if let Err(refusal) = making::prepare(endpoint, scope, request).await {
        return answer(Err(refusal));
    }
    let (endpoint, scope, request) = (endpoint.clone(), scope.clone(), request.clone());
    // Reading, hashing or writing a block of 512 KiB would stop all other tasks of this thread.
    let outcome = tokio::task::spawn_blocking(move || {
        perform_now(&Call { endpoint: &endpoint, scope: &scope, request: &request })
    });
    answer(outcome.await.unwrap_or_else(|error| Err(std::io::Error::other(error).into())))
}

fn perform_now(call: &Call<'_>) -> Result<Success, Refusal> {
    let unknown = || ApiError::new("UnknownOperationException", "There is no such operation.");
    match call.request.route.as_ref().ok_or_else(unknown)? {
        Route::StartSnapshot => start::start(call),
        Route::CompleteSnapshot { snapshot } => write::complete(call, snapshot),
        Route::PutSnapshotBlock { snapshot, index } => write::put(call, snapshot, index),
        Route::GetSnapshotBlock { snapshot, index } => read::get(call, snapshot, index),
        Route::ListSnapshotBlocks { snapshot } => read::list(call, snapshot),
        Route::ListChangedBlocks { second } => read::list_changed(call, second),
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
