//! One call of this service, as the files that serve calls get it, and its success.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use hyper::http::request::Parts;
use serde_json::Value;

use super::route::Route;
use crate::api::Scope;
use crate::endpoint::Endpoint;

/// A request without its caller.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(super) route: Option<Route>,
    pub(super) query: BTreeMap<String, String>,
    pub(super) headers: BTreeMap<String, String>,
    pub(super) body: Bytes,
}

/// The answer of a successful call.
pub(super) struct Success {
    pub(super) status: u16,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) content: Content,
}

pub(super) enum Content {
    Json(Value),
    Block(Vec<u8>),
}

/// One call: endpoint, account and Region, and request.
pub(super) struct Call<'a> {
    pub(super) endpoint: &'a Arc<Endpoint>,
    pub(super) scope: &'a Scope,
    pub(super) request: &'a Request,
}

impl Request {
    pub(crate) fn read(head: &Parts, body: Bytes) -> Self {
        let query = form_urlencoded::parse(head.uri.query().unwrap_or_default().as_bytes()).into_owned();
        let text = |(name, value): (&hyper::header::HeaderName, &hyper::header::HeaderValue)| {
            Some((name.as_str().to_owned(), value.to_str().ok()?.to_owned()))
        };
        Request {
            route: Route::of(&head.method, head.uri.path()),
            query: query.collect(),
            headers: head.headers.iter().filter_map(text).collect(),
            body,
        }
    }

    /// Returns the name of the action; empty if there is no such action.
    pub(crate) fn action(&self) -> &'static str {
        self.route.as_ref().map_or("", Into::into)
    }

    /// Returns a header, if it is present and not empty.
    pub(super) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Returns a query parameter, if it is present and not empty.
    pub(super) fn asked(&self, name: &str) -> Option<&str> {
        self.query.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}
