//! The HTTP server: tells the three protocols apart, applies faults, and ends everything when it is told to.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};

use crate::api::Scope;
use crate::emulator::Emulator;
use crate::endpoint::Endpoint;
use crate::faults::CallFault;
use crate::guest::{GuestError, Host};
use crate::{Options, admin, ec2, events, ids, ssm};

/// Why the endpoint does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}")]
    Listen {
        /// The address asked for.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// The state folder cannot be used.
    #[error("cannot prepare instances")]
    Guest {
        /// What does not work.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Signals cannot be waited for.
    #[error("cannot wait for signals")]
    Signal {
        /// What the system says.
        source: io::Error,
    },
}

impl From<GuestError> for Error {
    fn from(source: GuestError) -> Self {
        Error::Guest { source: Box::new(source) }
    }
}

/// An endpoint that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    endpoint: Arc<Endpoint>,
}

/// Runs an endpoint until SIGTERM or SIGINT; prints `listening on ADDRESS` on standard output once it answers. When
/// this returns, every process of every instance has ended and no mount is left.
pub async fn serve(options: Options) -> Result<(), Error> {
    let listen = |source| Error::Signal { source };
    let mut terminate = signal(SignalKind::terminate()).map_err(listen)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(listen)?;
    let server = Server::bind(options).await?;
    println!("listening on {}", server.address());
    let told = async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    };
    server.run(told).await;
    Ok(())
}

impl Server {
    /// Prepares the state folder and listens. Call it within a tokio runtime.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let host = Host::open(&options.state_dir, &options.base_image)?;
        tracing::info!(%address, disk = %host.disk(), isolation = %host.isolation(), "local EC2 and Systems Manager");
        let (sender, queue) = events::queue();
        let emulator = options.events_url.as_deref().map(Emulator::new);
        let endpoint = Endpoint::new(host, options.delays.into(), options.describe_lag, emulator, sender);
        let endpoint = Arc::new(endpoint);
        tokio::spawn(events::send_all(endpoint.clone(), queue));
        Ok(Server { listener, address, endpoint })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `told` is ready, then ends all instances.
    pub async fn run(self, told: impl Future<Output = ()>) {
        tokio::pin!(told);
        loop {
            tokio::select! {
                () = &mut told => break,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => serve_connection(self.endpoint.clone(), stream),
                    Err(error) => tracing::warn!(%error, "a connection is lost"),
                },
            }
        }
        self.endpoint.faults.clear();
        admin::reset(&self.endpoint).await;
    }
}

fn serve_connection(endpoint: Arc<Endpoint>, stream: tokio::net::TcpStream) {
    // Small answers on kept connections: waiting to fill a packet would cost 40 ms each.
    stream.set_nodelay(true).ok();
    tokio::spawn(async move {
        let service = service_fn(|request| handle(endpoint.clone(), request));
        let connection = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service);
        if let Err(error) = connection.await {
            tracing::debug!(%error, "a connection ended early");
        }
    });
}

/// A connection that is closed without an answer, because a fault says so or the request broke off.
#[derive(Debug, thiserror::Error)]
#[error("no answer")]
struct NoAnswer;

impl From<Infallible> for NoAnswer {
    fn from(never: Infallible) -> Self {
        match never {}
    }
}

/// An answer before it is put on the wire.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: &'static str,
    pub(crate) body: String,
}

async fn handle(endpoint: Arc<Endpoint>, request: Request<Incoming>) -> Result<Response<Full<Bytes>>, NoAnswer> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.map_err(|_| NoAnswer)?.to_bytes();
    let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(route) = head.uri.path().strip_prefix("/_local/") {
        let answer = admin::handle(&endpoint, &head.method, route, &body).await;
        return respond(answer);
    }
    let scope = Scope::of_request(header("authorization"), header("x-goldsmith-account"));
    let call = match header("x-amz-target").and_then(|target| target.strip_prefix("AmazonSSM.")) {
        Some(action) => Call::Ssm { action: action.to_owned(), body },
        None => Call::Ec2(ec2::Params::parse(head.uri.query(), &body)),
    };
    respond(answer(&endpoint, &scope, &call).await?)
}

enum Call {
    Ec2(ec2::Params),
    Ssm { action: String, body: Bytes },
}

impl Call {
    fn action(&self) -> &str {
        match self {
            Call::Ec2(params) => params.get("Action").unwrap_or_default(),
            Call::Ssm { action, .. } => action,
        }
    }

    fn perform(&self, endpoint: &Arc<Endpoint>, scope: &Scope, refusal: Option<crate::api::ApiError>) -> Answer {
        match self {
            Call::Ec2(params) => {
                ec2::answer(params, refusal.map_or_else(|| ec2::perform(endpoint, scope, params), Err))
            }
            Call::Ssm { action, body } => {
                ssm::answer(refusal.map_or_else(|| ssm::perform(endpoint, scope, action, body), Err))
            }
        }
    }

    /// The instance that a call or its answer is about.
    fn instance(&self, answer: &Answer) -> Option<String> {
        let request = match self {
            Call::Ec2(params) => params.values().collect::<Vec<_>>().join(" "),
            Call::Ssm { body, .. } => String::from_utf8_lossy(body).into_owned(),
        };
        [request.as_str(), &answer.body].into_iter().find_map(instance_id_in)
    }
}

fn instance_id_in(text: &str) -> Option<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '-');
    words.filter(|word| word.len() == 19 && word.starts_with("i-")).map(str::to_owned).next()
}

async fn answer(endpoint: &Arc<Endpoint>, scope: &Scope, call: &Call) -> Result<Answer, NoAnswer> {
    let fault = endpoint.faults.on_call(call.action(), &scope.region);
    let refusal = match &fault {
        Some(CallFault::Fail(error)) => Some(error.clone()),
        _ => None,
    };
    let mut release = endpoint.faults.next_release();
    let answer = call.perform(endpoint, scope, refusal);
    tracing::info!(action = call.action(), %scope, status = answer.status, ?fault, "call");
    match fault {
        Some(CallFault::DropAnswer) => return Err(NoAnswer),
        // The error is the end of the endpoint, which lets go too.
        Some(CallFault::Hold) => release.changed().await.unwrap_or_default(),
        Some(CallFault::EndInstance) => {
            if let Some(instance) = call.instance(&answer) {
                endpoint.clone().lose_instance(&instance);
            }
        }
        Some(CallFault::Fail(_)) | None => {}
    }
    Ok(answer)
}

fn respond(answer: Answer) -> Result<Response<Full<Bytes>>, NoAnswer> {
    Response::builder()
        .status(answer.status)
        .header("content-type", answer.content_type)
        .header("x-amzn-requestid", ids::uuid())
        .body(Full::new(Bytes::from(answer.body)))
        .map_err(|_| NoAnswer)
}
