//! Decides which requests are accepted. Any page in a browser on this machine can send requests to a port of the
//! loopback interface. Therefore every request that a browser sends for a page is rejected. A request that names a host
//! other than this server is rejected too: a page sends such requests if its own host name resolves to this machine
//! (DNS rebinding).

use std::net::{IpAddr, SocketAddr};

use hyper::header::{HOST, HeaderMap, ORIGIN};

/// The address on which a server listens, and which its callers must name.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Door(SocketAddr);

impl Door {
    pub(crate) fn at(address: SocketAddr) -> Self {
        Door(address)
    }

    /// Returns why a request is rejected; `None` if it is accepted.
    pub(crate) fn refusal(self, headers: &HeaderMap) -> Option<String> {
        let hosts: Vec<_> = headers.get_all(HOST).iter().collect();
        let is_own = match hosts[..] {
            // A browser always names a host. Small programs that call the metadata service by HTTP/1.0 do not.
            [] => true,
            [host] => host.to_str().is_ok_and(|host| self.is_own(host)),
            _ => false,
        };
        if !is_own {
            let port = self.0.port();
            return Some(format!("The request must name 127.0.0.1:{port} or localhost:{port} as its host."));
        }
        // This server serves no pages, so no page can send a request to its own origin.
        let site = headers.get("sec-fetch-site").map_or(&b"none"[..], |site| site.as_bytes());
        let of_page = headers.contains_key(ORIGIN) || matches!(site, b"cross-site" | b"same-site");
        of_page.then(|| "Requests that a browser sends for a page are refused.".to_owned())
    }

    /// Returns whether `host` names this server. A server that listens on an address of the network is reached by its
    /// addresses. Unlike a name, an address cannot be made to mean another machine.
    fn is_own(self, host: &str) -> bool {
        let Some(name) = host.strip_suffix(&format!(":{}", self.0.port())) else { return false };
        if name.eq_ignore_ascii_case("localhost") {
            return true;
        }
        let address: Option<IpAddr> = name.trim_start_matches('[').trim_end_matches(']').parse().ok();
        address.is_some_and(|address| address == self.0.ip() || !self.0.ip().is_loopback())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(address: &str, headers: &[(&'static str, &'static str)]) -> bool {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, value.parse().unwrap());
        }
        Door::at(address.parse().unwrap()).refusal(&map).is_some()
    }

    #[test]
    fn only_what_names_this_server_comes_in() {
        for host in ["127.0.0.1:4580", "localhost:4580", "LocalHost:4580"] {
            assert!(!refused("127.0.0.1:4580", &[("host", host)]), "{host}");
        }
        for host in
            ["127.0.0.1", "127.0.0.1:80", "evil.example:4580", "192.0.2.1:4580", "localhost.evil.example:4580", ""]
        {
            assert!(refused("127.0.0.1:4580", &[("host", host)]), "{host}");
        }
        assert!(!refused("127.0.0.1:4580", &[]), "no browser sends this");
        assert!(refused("127.0.0.1:4580", &[("host", "localhost:4580"), ("host", "evil.example:4580")]));
    }

    #[test]
    fn a_server_of_the_network_is_reached_by_address_and_by_no_name() {
        for host in ["192.0.2.1:4580", "[2001:db8::1]:4580", "localhost:4580"] {
            assert!(!refused("0.0.0.0:4580", &[("host", host)]), "{host}");
        }
        assert!(refused("0.0.0.0:4580", &[("host", "evil.example:4580")]));
    }

    #[test]
    fn what_a_browser_sends_for_a_page_stays_out() {
        for header in [
            ("origin", "https://page.example"),
            ("origin", "null"),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
        ] {
            assert!(refused("127.0.0.1:4580", &[("host", "127.0.0.1:4580"), header]), "{header:?}");
        }
    }
}
