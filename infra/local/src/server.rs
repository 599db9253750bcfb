//! The HTTP server: it listens, and ends everything when it is told to end.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::api::DEFAULT_REGION;
use crate::door::Door;
use crate::emulator::Emulator;
use crate::endpoint::{Endpoint, Parts};
use crate::guest::{GuestError, Host};
use crate::options::Options;
use crate::request_limits::RequestLimits;
use crate::settings::Settings;
use crate::world::source::Variant;
use crate::world::{Journal, JournalError};
use crate::{dispatch, postman, resume};

/// How long sending the last events may take when the endpoint ends: the emulator may have ended before.
const FAREWELL: Duration = Duration::from_secs(2);

/// Why the endpoint does not start.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is in use or does not belong to this machine.
    #[error("cannot listen on {address}")]
    Listen {
        /// The requested address.
        address: SocketAddr,
        /// The system's error.
        source: io::Error,
    },
    /// The state folder cannot be used.
    #[error("cannot prepare instances")]
    Guest {
        /// The underlying error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The state of an earlier endpoint cannot be read.
    #[error("cannot continue where an earlier endpoint ended")]
    State {
        /// The underlying error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The process cannot wait for signals.
    #[error("cannot wait for signals")]
    Signal {
        /// The system's error.
        source: io::Error,
    },
}

impl From<GuestError> for Error {
    fn from(source: GuestError) -> Self {
        Error::Guest { source: Box::new(source) }
    }
}

impl From<JournalError> for Error {
    fn from(source: JournalError) -> Self {
        Error::State { source: Box::new(source) }
    }
}

/// An endpoint that listens.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
    endpoint: Arc<Endpoint>,
    limits: RequestLimits,
    /// Sends the events until it is told to end.
    postman: (oneshot::Sender<()>, JoinHandle<()>),
}

/// Runs an endpoint until SIGTERM or SIGINT. As soon as it answers, it prints on standard output
/// `listening on ADDRESS`, its URL, the secret key, how instances run, and the source images. When this function
/// returns, every process of every instance has ended and no mount is left; disks and images stay.
pub async fn serve(options: Options) -> Result<(), Error> {
    let listen = |source| Error::Signal { source };
    let mut terminate = signal(SignalKind::terminate()).map_err(listen)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(listen)?;
    let server = Server::bind(options).await?;
    println!("{}", server.greeting());
    let told = async move {
        tokio::select! { _ = terminate.recv() => {}, _ = interrupt.recv() => {} }
    };
    server.run(told).await;
    Ok(())
}

impl Server {
    /// Prepares the state folder and listens. It must be called within a tokio runtime.
    pub async fn bind(options: Options) -> Result<Self, Error> {
        let failed = |source| Error::Listen { address: options.listen, source };
        let listener = TcpListener::bind(options.listen).await.map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let host = Host::open(&options.state_dir, &options.base_image, options.isolation, options.network)?;
        tracing::info!(%address, instances = %host.abilities(), "local EC2 and Systems Manager");
        let (journal, world) = Journal::open(&options.state_dir)?;
        let (events, queue) = postman::queue();
        let endpoint = Arc::new(Endpoint::new(Parts {
            host,
            journal,
            world,
            base_size: std::fs::metadata(&options.base_image).map_or(0, |facts| facts.len()),
            settings: Settings::from(&options),
            emulator: options.events_url.as_deref().map(|url| Emulator::new(url, &options.secret)),
            secret: options.secret,
            events,
        }));
        resume::tidy(&endpoint)?;
        let (tell, told) = oneshot::channel();
        let postman = (tell, tokio::spawn(postman::send_all(endpoint.clone(), queue, told)));
        resume::resume(&endpoint).await;
        Ok(Server { listener, address, endpoint, limits: RequestLimits::default(), postman })
    }

    /// Returns the server with other limits for its requests.
    pub fn with_limits(self, limits: RequestLimits) -> Self {
        Server { limits, ..self }
    }

    /// Returns what people need to know to use the server.
    fn greeting(&self) -> String {
        let region = std::env::var("AWS_REGION").unwrap_or_else(|_| DEFAULT_REGION.to_owned());
        let mut world = self.endpoint.world();
        format!(
            "listening on {address}\nURL: http://{address}\nSecret access key: {}\nInstances: {}\nSource image in {region}: {}\nThe same without the SSM \
             agent: {}",
            self.endpoint.secret.reveal(),
            self.endpoint.host.abilities(),
            world.newest_variant(&region, Variant::Agent),
            world.newest_variant(&region, Variant::NoAgent),
            address = self.address,
        )
    }

    /// Returns the address that the server listens on.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until `told` is ready, then ends all processes. The state stays on disk for the next endpoint.
    pub async fn run(self, told: impl Future<Output = ()>) {
        tokio::pin!(told);
        let door = Door::at(self.address);
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                () = &mut told => break,
                Some(_) = connections.join_next() => {}
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => {
                        connections.spawn(serve_connection(self.endpoint.clone(), door, self.limits, stream));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "a connection is lost");
                        // For example, there are too many open files: the next call would fail at once.
                        tokio::time::sleep(Duration::from_millis(100)).await;
                    }
                },
            }
        }
        // Held answers are released first: their connections would otherwise stay open until they time out.
        self.endpoint.faults.clear();
        self.endpoint.rest().await;
        let (tell, mut postman) = self.postman;
        tell.send(()).ok();
        if timeout(FAREWELL, &mut postman).await.is_err() {
            postman.abort();
            // Aborted or not, the task is over and has released the state folder.
            postman.await.unwrap_or_default();
        }
        // After this, open connections have released it too.
        connections.shutdown().await;
    }
}

async fn serve_connection(endpoint: Arc<Endpoint>, door: Door, limits: RequestLimits, stream: tokio::net::TcpStream) {
    // Answers are small and connections are kept: waiting to fill a packet would cost 40 ms each time.
    stream.set_nodelay(true).ok();
    let service = service_fn(|request| dispatch::handle(endpoint.clone(), door, limits, request));
    let mut http = hyper::server::conn::http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(limits.head);
    if let Err(error) = http.serve_connection(TokioIo::new(stream), service).await {
        tracing::debug!(%error, "a connection ended early");
    }
}
