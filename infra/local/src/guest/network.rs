//! A network of its own for an instance in a user namespace, if `pasta` (of passt) can make one. Its loopback is not
//! this machine's, and it has only those ports of this machine's loopback that the instance needs.
//!
//! `slirp4netns` is not used: it gives access to all of this machine's loopback or to nothing, and the metadata service
//! is on the loopback.

use std::collections::BTreeSet;
use std::fs;
use std::net::{IpAddr, Ipv4Addr};
use std::process::Command;

use hyper::Uri;

use super::causes::{self, Obstacle};
use super::host_settings::{self, RESOLVER};
use super::isolation::Isolation;
use super::scripts;
use crate::programs;

/// Port of the resolver through which this machine's own programs look up names.
const DNS: u16 = 53;
/// Files with the servers that a resolver on the loopback asks: systemd's file and NetworkManager's.
const BEHIND: [&str; 2] = ["/run/systemd/resolve/resolv.conf", "/run/NetworkManager/no-stub-resolv.conf"];

/// Tries to make a network, with nothing in it. Leaves nothing behind.
pub(super) fn attempt(isolation: Isolation) -> Result<(), Obstacle> {
    causes::before_network().map_or(Ok(()), Err)?;
    let resolver = fs::read_to_string(RESOLVER).unwrap_or_default();
    if resolver_in(&resolver, behind).is_none() {
        return Err(causes::resolver());
    }
    let mut command = isolation.unshare();
    command.args(["sh", "-c", scripts::NETWORK.1, "sh", "none", "none", "true"]);
    programs::try_out(&mut command).map_err(|said| causes::network(&said))
}

/// The ports of this machine's loopback that an instance needs, in addition to its metadata service.
#[derive(Debug)]
pub(super) struct Reach {
    tcp: BTreeSet<u16>,
    udp: BTreeSet<u16>,
}

impl Reach {
    /// Collects the ports of these addresses, of the addresses in the environment and in apt's sources of this machine,
    /// and of its resolver.
    pub(super) fn with(urls: impl IntoIterator<Item = String>) -> Self {
        let named = urls.into_iter().chain(host_settings::proxies()).chain(host_settings::mirror());
        let tcp = named.filter_map(|url| port_on_loopback(&url)).collect();
        let mut reach = Reach { tcp, udp: BTreeSet::new() };
        let resolver = fs::read_to_string(RESOLVER).unwrap_or_default();
        if resolver_in(&resolver, behind).is_some_and(|text| servers(&text).any(is_forwarded)) {
            reach.tcp.insert(DNS);
            reach.udp.insert(DNS);
        }
        reach
    }

    /// Adds the ports, which are the first arguments of the script after its name.
    pub(super) fn add_to(&self, command: &mut Command) {
        command.args([list(&self.tcp), list(&self.udp)]);
    }
}

fn list(ports: &BTreeSet<u16>) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    if ports.is_empty() { "none".to_owned() } else { ports.join(",") }
}

/// Returns the port of an address on this machine's loopback.
fn port_on_loopback(url: &str) -> Option<u16> {
    let uri: Uri = url.trim_end_matches('/').parse().ok()?;
    let host = uri.host()?.trim_matches(['[', ']']);
    let is_here = host == "localhost" || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback());
    let usual = if uri.scheme_str() == Some("https") { 443 } else { 80 };
    is_here.then(|| uri.port_u16().unwrap_or(usual))
}

/// Returns this machine's `resolv.conf` for a network of its own. If its servers are on the loopback, it has the
/// servers behind them instead. Returns `None` if no server could be reached.
pub(super) fn resolver() -> Option<String> {
    resolver_in(&fs::read_to_string(RESOLVER).ok()?, behind)
}

fn resolver_in(text: &str, behind: impl Fn() -> Vec<String>) -> Option<String> {
    [text.to_owned()].into_iter().chain(behind()).find_map(|text| reached(&text))
}

/// Returns a `resolv.conf` without the servers that cannot be reached, since each look-up would wait for them. Returns
/// `None` if no other server is left.
fn reached(text: &str) -> Option<String> {
    let is_reached = |line: &str| {
        let address = server(line)?.parse::<IpAddr>();
        Some(address.is_ok_and(|server| server.is_ipv4() && !server.is_loopback() || is_forwarded(server)))
    };
    let is_any = text.lines().any(|line| is_reached(line) == Some(true));
    let is_none_named = text.lines().all(|line| server(line).is_none());
    let kept = text.split_inclusive('\n').filter(|line| is_reached(line) != Some(false));
    // A file without servers means 127.0.0.1 to the C library (resolv.conf(5)), so it is as good as one that can be
    // reached.
    (is_any || is_none_named).then(|| kept.collect())
}

fn behind() -> Vec<String> {
    BEHIND.iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
}

/// Returns the servers of a `resolv.conf`.
fn servers(text: &str) -> impl Iterator<Item = IpAddr> {
    text.lines().filter_map(server).filter_map(|server| server.parse().ok())
}

/// Returns the server that a line of a `resolv.conf` names.
fn server(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    (words.next()? == "nameserver").then(|| words.next().unwrap_or_default())
}

/// Returns whether `pasta` forwards ports of this address: there is only one.
fn is_forwarded(server: IpAddr) -> bool {
    server == Ipv4Addr::LOCALHOST
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::isolation::Network;

    #[test]
    fn only_ports_of_the_loopback_are_needed() {
        let found = |url| port_on_loopback(url);
        assert_eq!(found("http://127.0.0.1:4566"), Some(4566));
        assert_eq!(found("http://user:word@localhost:3128/"), Some(3128));
        assert_eq!(found("127.0.0.1:3128"), Some(3128));
        assert_eq!(found("http://[::1]:8080"), Some(8080));
        assert_eq!(found("http://localhost/debian"), Some(80));
        assert_eq!(found("https://127.0.0.1"), Some(443));
        assert_eq!(found("http://proxy.example:3128"), None);
        assert_eq!(found("http://10.1.2.3:3128"), None);
    }

    #[test]
    fn a_resolver_on_the_loopback_is_left_for_those_behind_it() {
        let plain = "search example\nnameserver 192.0.2.53\n";
        let stub = "nameserver 127.0.0.53\noptions edns0\n";
        let own = "nameserver 127.0.0.1\n";
        assert_eq!(resolver_in(plain, Vec::new).as_deref(), Some(plain));
        assert_eq!(resolver_in(own, Vec::new).as_deref(), Some(own));
        assert_eq!(resolver_in(stub, || vec![stub.to_owned(), plain.to_owned()]).as_deref(), Some(plain));
        assert_eq!(resolver_in(stub, Vec::new), None);
        assert_eq!(resolver_in("nameserver fd00::53\n", Vec::new), None);
        assert_eq!(resolver_in("# nothing\n", Vec::new).as_deref(), Some("# nothing\n"));
    }

    #[test]
    fn servers_that_are_not_reached_are_left_out() {
        let mixed = "search example\nnameserver 127.0.0.53\nnameserver fd00::53\nnameserver fe80::1%eth0\n\
                     nameserver 192.0.2.53 # the router\noptions edns0\nnameserver 127.0.0.1";
        let expected = "search example\nnameserver 192.0.2.53 # the router\noptions edns0\nnameserver 127.0.0.1";
        assert_eq!(resolver_in(mixed, Vec::new).as_deref(), Some(expected));
        let behind = || vec!["nameserver fd00::53\nnameserver 198.51.100.53\n".to_owned()];
        let found = resolver_in("nameserver 127.0.0.53\n", behind);
        assert_eq!(found.as_deref(), Some("nameserver 198.51.100.53\n"));
        assert_eq!(resolver_in("nameserver fe80::1%eth0\n", Vec::new), None);
    }

    #[test]
    fn ports_are_written_as_pasta_reads_them() {
        assert_eq!(list(&BTreeSet::from([80, 22])), "22,80");
        assert_eq!(list(&BTreeSet::new()), "none");
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for network in [Network::Own, Network::Machine] {
            assert_eq!(network.name().parse(), Ok(network));
            assert_eq!(serde_json::to_value(network).unwrap(), network.name());
        }
        assert!("host".parse::<Network>().unwrap_err().contains("own or machine"));
    }
}
