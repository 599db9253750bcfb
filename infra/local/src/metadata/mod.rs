//! The metadata service of instances: each instance has a listener of its own on the loopback.
//!
//! AWS serves it at 169.254.169.254. An instance here usually shares this machine's network, where that address may
//! belong to another service. Programs in the instance find the listener by `AWS_EC2_METADATA_SERVICE_ENDPOINT` in
//! their environment, as every SDK does. Each instance has a port and not a path, since some SDKs take only the host
//! and the port from that address.

mod reply;
mod role;
pub(crate) mod service;
mod tokens;
mod tree;

use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::CONTENT_TYPE;
use hyper::http::request;
use hyper::service::service_fn;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use crate::door::Door;
use crate::endpoint::Endpoint;
use crate::guest::GuestError;
use crate::world::{Instance, InstanceState, Network, profile_name};
use reply::Reply;
use role::Role;
use service::Service;
use tokens::Tokens;

const TOKEN: &str = "x-aws-ec2-metadata-token";
const TOKEN_SECONDS: &str = "x-aws-ec2-metadata-token-ttl-seconds";
/// Longest lifetime of a token: six hours.
const LONGEST_TOKEN: u64 = 21_600;
/// How long one request may take, including its answer.
const LONGEST_CALL: Duration = Duration::from_secs(60);

/// The service's own knowledge of its instance; everything else is in the world.
struct State {
    endpoint: Arc<Endpoint>,
    instance: String,
    door: Door,
    tokens: Tokens,
    role: Role,
}

/// Starts the service for an instance.
pub(crate) async fn open(endpoint: &Arc<Endpoint>, id: &str) -> Result<Service, GuestError> {
    let failed = |source| GuestError::Metadata { id: id.to_owned(), source };
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (open, mut closed) = oneshot::channel();
    let state = Arc::new(State {
        endpoint: endpoint.clone(),
        instance: id.to_owned(),
        door: Door::at(address),
        tokens: Tokens::default(),
        role: Role::default(),
    });
    endpoint.spawn(async move {
        loop {
            tokio::select! {
                _ = &mut closed => break,
                accepted = listener.accept() => match accepted {
                    Ok((stream, _)) => connect(&state, stream),
                    Err(error) => {
                        tracing::warn!(%error, "a connection to the metadata is lost");
                        // For example, there are too many open files: the next call would fail at once.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
    });
    let emulator = endpoint.emulator.as_ref().map(|emulator| emulator.url());
    Ok(Service { address, emulator, open: Mutex::new(Some(open)) })
}

fn connect(state: &Arc<State>, stream: TcpStream) {
    stream.set_nodelay(true).ok();
    let answering = state.clone();
    state.endpoint.spawn(async move {
        let service = service_fn(|request: Request<Incoming>| respond(&answering, request));
        // Each connection gets one answer, so no connection outlives its instance.
        let mut http = hyper::server::conn::http1::Builder::new();
        let served = http.keep_alive(false).serve_connection(TokioIo::new(stream), service);
        match tokio::time::timeout(LONGEST_CALL, served).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::debug!(%error, "a connection to the metadata ended early"),
            Err(_) => tracing::debug!("a connection to the metadata sent no request"),
        }
    });
}

async fn respond(state: &State, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, hyper::http::Error> {
    let (head, _) = request.into_parts();
    let reply = answer(state, &head).await;
    tracing::debug!(instance = state.instance, path = head.uri.path(), status = reply.status, "metadata");
    let mut response = Response::builder().status(reply.status).header(CONTENT_TYPE, reply.content_type);
    if let Some(seconds) = reply.token_seconds {
        response = response.header(TOKEN_SECONDS, seconds);
    }
    response.body(Full::new(Bytes::from(reply.body)))
}

async fn answer(state: &State, head: &request::Parts) -> Reply {
    if state.door.refusal(&head.headers).is_some() {
        return Reply::refusal(403, "Forbidden");
    }
    let known = state.endpoint.world().instances.get(&state.instance).cloned();
    let Some(instance) = known.filter(|instance| instance.state() != InstanceState::Terminated) else {
        return Reply::refusal(404, "Not Found");
    };
    if instance.metadata.http_endpoint != "enabled" {
        return Reply::refusal(403, "Forbidden");
    }
    match head.method {
        Method::PUT if head.uri.path() == "/latest/api/token" => token(state, head),
        Method::PUT => Reply::refusal(403, "Forbidden"),
        Method::GET | Method::HEAD => match token_left(state, &instance, head) {
            Some(token_seconds) => Reply { token_seconds, ..read(state, &instance, head.uri.path()).await },
            None => Reply::refusal(401, "Unauthorized"),
        },
        _ => Reply::refusal(405, "Not Allowed"),
    }
}

fn header<'h>(head: &'h request::Parts, name: &str) -> Option<&'h str> {
    head.headers.get(name).and_then(|value| value.to_str().ok())
}

/// Issues a token. A request that comes through a proxy gets none.
fn token(state: &State, head: &request::Parts) -> Reply {
    // So nobody gets a token through an open proxy (EC2 user guide, "Use IMDSv2").
    if head.headers.contains_key("x-forwarded-for") {
        return Reply::refusal(403, "Forbidden");
    }
    match header(head, TOKEN_SECONDS).and_then(|seconds| seconds.trim().parse().ok()) {
        Some(seconds @ 1..=LONGEST_TOKEN) => {
            let token = state.tokens.issue(Duration::from_secs(seconds));
            Reply { token_seconds: Some(seconds), ..Reply::text(token) }
        }
        _ => Reply::refusal(400, "Bad Request"),
    }
}

/// Returns for how long the request's token is valid, if it has one. Returns `None` for a wrong token, and for a
/// missing token if one is required.
fn token_left(state: &State, instance: &Instance, head: &request::Parts) -> Option<Option<u64>> {
    match header(head, TOKEN) {
        Some(token) => state.tokens.left(token).map(|left| Some(left.as_secs())),
        // A wrong token is an error even where no token is needed.
        None => (instance.metadata.http_tokens != "required").then_some(None),
    }
}

async fn read(state: &State, instance: &Instance, path: &str) -> Reply {
    let Some(path) = path.strip_prefix("/latest").filter(|rest| rest.is_empty() || rest.starts_with('/')) else {
        return if path == "/" { Reply::text("latest") } else { Reply::refusal(404, "Not Found") };
    };
    // botocore requests values with a slash at the end.
    let path = path.trim_matches('/');
    if path == "user-data" {
        let data = instance.user_data.as_ref().and_then(|data| STANDARD.decode(data).ok());
        return data.map_or_else(
            || Reply::refusal(404, "Not Found"),
            |data| Reply { content_type: "application/octet-stream", ..Reply::text(data) },
        );
    }
    let network = state.endpoint.world().network(&instance.scope);
    let role = usable_role(&state.endpoint, instance, &network);
    let name = role.map(profile_name);
    if let Some(role) = role
        && path.strip_prefix(tree::CREDENTIALS) == name
    {
        return state.role.credentials(&state.endpoint, instance, role).await;
    }
    tree::look(&tree::of(instance, &network, name), path).map_or_else(|| Reply::refusal(404, "Not Found"), Reply::text)
}

/// Returns the ARN of the instance's role if it has credentials by now. They are available some time after each boot,
/// if there is an emulator that has the role.
fn usable_role<'n>(endpoint: &Endpoint, instance: &Instance, network: &'n Network) -> Option<&'n str> {
    let up_for = endpoint.guest(&instance.id)?.up_for().unwrap_or_default();
    let is_there = endpoint.emulator.is_some() && up_for >= endpoint.settings().credentials_after;
    network.role_of(instance.profile.as_deref()?).filter(|_| is_there)
}
