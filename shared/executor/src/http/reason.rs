//! Why a request has no response, in words that do not depend on the library.

use std::fmt;
use std::io;
use std::time::Duration;

use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{DefaultResolver, ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::NextTimeout;
use ureq::{Error, Timeout};

/// What the standard library writes before the reason for which the C library does not resolve a name.
const LOOKUP: &str = "failed to lookup address information: ";

/// Why a request has no response.
#[derive(Debug)]
pub(crate) struct Reason {
    error: Error,
    /// How long the server had to accept the connection.
    connect: Duration,
}

/// Resolves names through the C library, as the programs of the machine do: `/etc/nsswitch.conf` says how. It exists to
/// name the name: after a redirect, or with a proxy, it is not that of the URL.
#[derive(Debug, Default)]
pub(super) struct Names(DefaultResolver);

/// A name without an address.
#[derive(Debug, thiserror::Error)]
#[error("the name {name} cannot be resolved: {why}")]
struct NoAddress {
    name: String,
    why: String,
}

impl Resolver for Names {
    fn resolve(&self, uri: &Uri, config: &Config, timeout: NextTimeout) -> Result<ResolvedSocketAddrs, Error> {
        let name = || uri.host().unwrap_or_default().to_owned();
        self.0.resolve(uri, config, timeout).map_err(|error| match error {
            Error::Io(error) => match error.to_string().strip_prefix(LOOKUP) {
                Some(why) => Error::Other(Box::new(NoAddress { name: name(), why: why.to_owned() })),
                None => Error::Io(error),
            },
            Error::HostNotFound => {
                Error::Other(Box::new(NoAddress { name: name(), why: "it has no address".to_owned() }))
            }
            Error::Timeout(Timeout::Resolve) => {
                Error::Other(Box::new(NoAddress { name: name(), why: "no nameserver has answered in time".to_owned() }))
            }
            error => error,
        })
    }
}

impl Reason {
    pub(super) fn of(error: Error, connect: Duration) -> Self {
        Self { error, connect }
    }

    /// Returns whether another try may succeed.
    pub(super) fn may_pass(&self) -> bool {
        match &self.error {
            Error::BadUri(_) | Error::Rustls(_) | Error::Tls(_) | Error::TooManyRedirects => false,
            Error::Io(error) => error.kind() != io::ErrorKind::InvalidData, // a certificate that is not trusted
            _ => true,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            Error::Io(error) => write!(out, "{error}"),
            Error::Other(error) => write!(out, "{error}"),
            Error::Rustls(error) => write!(out, "the encrypted connection has failed: {error}"),
            Error::Tls(error) => write!(out, "the encrypted connection has failed: {error}"),
            Error::Timeout(Timeout::Connect) => {
                write!(out, "there was no connection after {} s", self.connect.as_secs())
            }
            Error::Timeout(_) => write!(out, "the server has not answered in time"),
            Error::BadUri(error) => write!(out, "the URL is wrong: {error}"),
            Error::Protocol(error) => write!(out, "the server does not speak HTTP as it must: {error}"),
            Error::ConnectProxyFailed(error) => write!(out, "the proxy has refused the connection: {error}"),
            Error::TooManyRedirects => write!(out, "the server redirects too often"),
            Error::ConnectionFailed => write!(out, "there is no connection"),
            Error::InvalidProxyUrl => write!(out, "the proxy of the environment is not a URL"),
            error => write!(out, "{error}"),
        }
    }
}

impl std::error::Error for Reason {}

#[cfg(test)]
mod tests {
    use std::io;
    use std::time::Duration;

    use ureq::{Error, Timeout};

    use super::Reason;
    use crate::explain::explain;
    use crate::http::Request;

    #[test]
    fn a_name_without_an_address_is_named() {
        let url = "http://no-such-host.invalid/f";
        let error = Request { proxied: false, ..Request::get(url, None) }.send().unwrap_err();
        let told = explain(&error);
        let start =
            "http://no-such-host.invalid/f cannot be fetched: the name no-such-host.invalid cannot be resolved: ";
        assert!(told.starts_with(start) && !told.contains("lookup") && !told.contains("io: "), "{told}");
        assert!(error.may_pass());
    }

    #[test]
    fn no_prefix_of_a_library_is_shown() {
        let of = |error| Reason::of(error, Duration::from_secs(2)).to_string();
        let refused = io::Error::from_raw_os_error(111);
        assert_eq!(of(Error::Io(refused)), "Connection refused (os error 111)");
        assert_eq!(of(Error::Timeout(Timeout::Connect)), "there was no connection after 2 s");
        assert_eq!(of(Error::Timeout(Timeout::RecvResponse)), "the server has not answered in time");
        assert_eq!(of(Error::Tls("no certificate")), "the encrypted connection has failed: no certificate");
    }
}
