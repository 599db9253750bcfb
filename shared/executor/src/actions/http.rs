//! One GET request.
//!
//! Servers are trusted that the machine trusts, so that a company's own authority works; a machine that has no
//! certificates at all gets those that this program brings.

use std::io::Read;
use std::time::{Duration, Instant};

use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::download::DownloadError;

/// How long a server may take to accept a connection.
const CONNECT: Duration = Duration::from_secs(30);

/// The body of a URL's answer, which must have status 200. Redirects are followed; the environment's proxy is used.
pub(super) fn get(
    url: &str,
    any_certificate: bool,
    deadline: Option<Instant>,
) -> Result<impl Read + use<>, DownloadError> {
    let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
    if left.is_some_and(|left| left.is_zero()) {
        return Err(DownloadError::TimedOut { url: url.to_owned() });
    }
    let agent: ureq::Agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_connect(Some(CONNECT))
        .timeout_global(left)
        .tls_config(TlsConfig::builder().disable_verification(any_certificate).root_certs(roots()).build())
        .build()
        .into();
    let response = agent.get(url).call().map_err(|error| match error {
        ureq::Error::Timeout(ureq::Timeout::Global) => DownloadError::TimedOut { url: url.to_owned() },
        error => DownloadError::Transport { url: url.to_owned(), source: Box::new(error) },
    })?;
    match response.status().as_u16() {
        200 => Ok(response.into_body().into_reader()),
        status => Err(DownloadError::Status { url: url.to_owned(), status }),
    }
}

fn roots() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return RootCerts::WebPki;
    }
    RootCerts::from(found.iter().map(|certificate| Certificate::from_der(certificate).to_owned()))
}
