//! One HTTP request.
//!
//! This program trusts the servers that the machine trusts, so that a company's own certificate authority works. If the
//! machine has no certificates, the program uses its own.

mod reason;

use std::fs::File;
use std::io::{self, Read, Seek};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use ureq::http;
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::unversioned::transport::DefaultConnector;
use ureq::{AsSendBody, Body, ResponseExt};

use crate::explain::explain;
use reason::Names;
pub(crate) use reason::Reason;

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(30);
/// Longest response that is read into memory, in bytes.
const TEXT_LIMIT: u64 = 8 * 1024 * 1024;

/// The end of the message of a request that took too long. The run replaces it by the limit.
pub(crate) const PAST_LIMIT: &str = "took longer than the time limit of the step";

/// A request to be made.
#[derive(Debug)]
pub(crate) struct Request<'r> {
    pub(crate) method: &'r str,
    pub(crate) url: &'r str,
    pub(crate) headers: &'r [(String, String)],
    pub(crate) content: Content<'r>,
    /// Whether every TLS certificate is accepted.
    pub(crate) any_certificate: bool,
    /// Whether the environment's proxy is used. It is not used for addresses of the machine itself.
    pub(crate) proxied: bool,
    /// Whether redirects are followed.
    pub(crate) redirected: bool,
    pub(crate) connect: Duration,
    /// How long the server may send and accept nothing. `None` means until the deadline.
    pub(crate) silence: Option<Duration>,
    pub(crate) deadline: Option<Instant>,
}

/// The content of a request.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Content<'r> {
    Nothing,
    Text(&'r str),
    Bytes(&'r [u8]),
    File(&'r File),
}

/// A response with any status.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    response: http::Response<Body>,
}

/// Why there is no response.
#[derive(Debug, thiserror::Error)]
pub(crate) enum HttpError {
    #[error("{url} cannot be fetched")]
    Transport { url: String, source: Box<Reason> },
    #[error("{url} redirects to {to}, which is not encrypted; the redirect is not followed")]
    Downgrade { url: String, to: String },
    #[error("{url} is not a URL")]
    Url { url: String, source: http::Error },
    #[error("the response of {url} has more than {} MiB", TEXT_LIMIT / 1024 / 1024)]
    TooLong { url: String },
    #[error("the response of {url} ended early")]
    Body { url: String, source: io::Error },
    #[error("the file for {url} is not readable")]
    File { url: String, source: io::Error },
    #[error("{url} {PAST_LIMIT}")]
    TimedOut { url: String },
}

impl<'r> Request<'r> {
    /// Returns a GET request with default settings.
    pub(crate) fn get(url: &'r str, deadline: Option<Instant>) -> Self {
        Self {
            method: "GET",
            url,
            headers: &[],
            content: Content::Nothing,
            any_certificate: false,
            proxied: true,
            redirected: true,
            connect: CONNECT,
            silence: None,
            deadline,
        }
    }

    /// Makes the request.
    pub(crate) fn send(&self) -> Result<Answer, HttpError> {
        let left = self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
        if left.is_some_and(|left| left.is_zero()) {
            return Err(HttpError::TimedOut { url: self.url.to_owned() });
        }
        match self.content {
            Content::Nothing => self.run((), left),
            Content::Text(text) => self.run(text, left),
            Content::Bytes(bytes) => self.run(bytes, left),
            Content::File(mut file) => {
                // An earlier request has left the file at its end: S3 rejects the first one if the bucket is in another
                // Region.
                file.rewind().map_err(|source| HttpError::File { url: self.url.to_owned(), source })?;
                self.run(file, left)
            }
        }
    }

    fn run(&self, content: impl AsSendBody, left: Option<Duration>) -> Result<Answer, HttpError> {
        let mut config = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_connect(Some(self.connect))
            .timeout_resolve(self.silence)
            .timeout_per_read(self.silence)
            .timeout_per_write(self.silence)
            .timeout_global(left)
            // A redirect must not turn an encrypted request into an unencrypted one.
            .https_only(is_https(self.url))
            .tls_config(TlsConfig::builder().disable_verification(self.any_certificate).root_certs(roots()).build());
        if !self.redirected {
            // The caller needs the redirect itself as the response: S3 names the right Region in it.
            config = config.max_redirects(0).max_redirects_will_error(false);
        }
        if !self.proxied {
            // Without this call, ureq takes the proxy from the environment.
            config = config.proxy(None);
        }
        let mut request = http::Request::builder().method(self.method).uri(self.url);
        for (name, value) in self.headers {
            request = request.header(name, value);
        }
        let request = request.body(content).map_err(|source| HttpError::Url { url: self.url.to_owned(), source })?;
        let agent = ureq::Agent::with_parts(config.build(), DefaultConnector::default(), Names::default());
        let response = agent.run(request).map_err(|error| match error {
            ureq::Error::Timeout(ureq::Timeout::Global) => HttpError::TimedOut { url: self.url.to_owned() },
            ureq::Error::RequireHttpsOnly(to) => HttpError::Downgrade { url: self.url.to_owned(), to },
            error => {
                HttpError::Transport { url: self.url.to_owned(), source: Box::new(Reason::of(error, self.connect)) }
            }
        })?;
        Ok(Answer { status: response.status().as_u16(), response })
    }
}

impl Answer {
    /// Returns the value of a header if it exists and is text.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.response.headers().get(name)?.to_str().ok()
    }

    /// Returns the URL that has answered, without its query, which may be a signature. After redirects, it is the last.
    pub(crate) fn sender(&self) -> String {
        let url = self.response.get_uri().to_string();
        url.split(['?', '#']).next().unwrap_or_default().to_owned()
    }

    /// Returns a reader of the body.
    pub(crate) fn into_reader(self) -> impl Read {
        self.response.into_body().into_reader()
    }

    /// Returns the whole body as text.
    pub(crate) fn into_text(self, url: &str) -> Result<String, HttpError> {
        let mut bytes = Vec::new();
        let mut reader = self.into_reader().take(TEXT_LIMIT + 1);
        reader.read_to_end(&mut bytes).map_err(|source| HttpError::broken(url, source))?;
        // A cut body would look complete: a listing would lose keys.
        if u64::try_from(bytes.len()).is_ok_and(|length| length > TEXT_LIMIT) {
            return Err(HttpError::TooLong { url: url.to_owned() });
        }
        String::from_utf8(bytes)
            .map_err(|source| HttpError::broken(url, io::Error::new(io::ErrorKind::InvalidData, source)))
    }
}

impl HttpError {
    /// Returns the error for a body that ended early.
    pub(crate) fn broken(url: &str, source: io::Error) -> Self {
        let url = url.to_owned();
        // The library puts its own errors into those of the standard library, without a kind.
        match source.get_ref().and_then(|inner| inner.downcast_ref()) {
            Some(ureq::Error::Timeout(ureq::Timeout::Global)) => Self::TimedOut { url },
            Some(ureq::Error::Timeout(_)) => Self::Body { url, source: io::ErrorKind::TimedOut.into() },
            _ => Self::Body { url, source },
        }
    }

    /// Returns the error in words, with the URL only up to its query: a signature there is a secret.
    pub(crate) fn unsigned(&self, url: &str) -> String {
        let (place, query) = url.split_once('?').unwrap_or((url, ""));
        let told = explain(self).replace(url, place);
        // A part of the library's own message may be another spelling of the URL.
        if query.is_empty() { told } else { told.replace(query, "") }
    }

    /// Returns whether another try may succeed.
    pub(crate) fn may_pass(&self) -> bool {
        match self {
            Self::Transport { source, .. } => source.may_pass(),
            Self::Body { .. } => true,
            Self::Url { .. }
            | Self::File { .. }
            | Self::TimedOut { .. }
            | Self::Downgrade { .. }
            | Self::TooLong { .. } => false,
        }
    }
}

fn is_https(url: &str) -> bool {
    url.split_once("://").is_some_and(|(scheme, _)| scheme.eq_ignore_ascii_case("https"))
}

/// Returns whether another try after this status may succeed.
pub(crate) fn may_pass(status: u16) -> bool {
    matches!(status, 408 | 429 | 500..)
}

/// Returns the trusted certificates. They are read only once, because parsing them takes longer than many requests.
fn roots() -> RootCerts {
    static ROOTS: OnceLock<RootCerts> = OnceLock::new();
    let read = || {
        let found = rustls_native_certs::load_native_certs().certs;
        if found.is_empty() {
            return RootCerts::WebPki;
        }
        RootCerts::from(found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()))
    };
    ROOTS.get_or_init(read).clone()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;
    use std::time::{Duration, Instant};

    use super::{HttpError, Request, TEXT_LIMIT};
    use crate::explain::explain;

    /// Answers one request with this many bytes. Returns the URL.
    fn serve(length: u64) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4_096]).unwrap();
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n").unwrap();
            // A client that has read enough closes the connection.
            let _ = stream.write_all(&vec![b'x'; usize::try_from(length).unwrap()]);
        });
        url
    }

    #[test]
    fn an_answer_is_read_whole_or_not_at_all() {
        let text = |length| {
            let url = serve(length);
            let request = Request { proxied: false, ..Request::get(&url, None) };
            request.send().unwrap().into_text(&url)
        };
        assert_eq!(text(TEXT_LIMIT).unwrap().len() as u64, TEXT_LIMIT);
        let error = text(TEXT_LIMIT + 1).unwrap_err();
        assert!(matches!(error, HttpError::TooLong { .. }) && !error.may_pass(), "{error}");
        assert!(error.to_string().ends_with(" has more than 8 MiB"), "{error}");
    }

    /// Sends a body byte by byte with this pause before each.
    fn trickle(pause: Duration) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}/f?X-Amz-Signature=secret", listener.local_addr().unwrap());
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4_096]).unwrap();
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: 8\r\n\r\n").unwrap();
            for _ in 0..8 {
                std::thread::sleep(pause);
                // A client that no longer waits closes the connection.
                let _ = stream.write_all(b"x");
            }
        });
        url
    }

    fn trickled(pause: u64, silence: Option<u64>, limit: Option<u64>) -> Result<String, HttpError> {
        let url = trickle(Duration::from_millis(pause));
        let silence = silence.map(Duration::from_millis);
        let deadline = limit.map(|limit| Instant::now() + Duration::from_millis(limit));
        let answer = Request { proxied: false, silence, ..Request::get(&url, deadline) }.send()?;
        answer.into_text(&url).inspect_err(|error| {
            let told = error.unsigned(&url);
            assert!(!told.contains("secret") && told.contains("/f ") && explain(error).contains("secret"), "{told}");
        })
    }

    #[test]
    fn a_server_may_be_slow_but_not_silent_for_longer_than_allowed() {
        assert_eq!(trickled(100, Some(500), None).unwrap(), "xxxxxxxx", "longer in total than the silence");
        let error = trickled(5_000, Some(200), None).unwrap_err();
        assert!(matches!(error, HttpError::Body { .. }) && error.may_pass(), "{error}");
        assert!(explain(&error).ends_with(" ended early: timed out"), "{}", explain(&error));
    }

    #[test]
    fn a_body_that_is_not_complete_at_the_deadline_is_past_the_limit() {
        let error = trickled(5_000, None, Some(300)).unwrap_err();
        assert!(matches!(error, HttpError::TimedOut { .. }) && !error.may_pass(), "{error}");
    }
}
