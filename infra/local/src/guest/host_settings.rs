//! What this machine has set and its instances need too: resolvers, proxies and the Debian mirror.

use std::fs;
use std::path::PathBuf;

/// File in which a machine names its resolvers.
pub(super) const RESOLVER: &str = "/etc/resolv.conf";

/// Variables that name a proxy. They are passed on if the host has them.
pub(super) const PROXY_VARIABLES: [&str; 4] = ["http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"];

/// Returns the proxies that the environment names.
pub(super) fn proxies() -> impl Iterator<Item = String> {
    PROXY_VARIABLES.into_iter().filter_map(variable)
}

/// Returns a variable of the environment that is set and not empty.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Returns the Debian mirror of the host's apt, from either form of its sources.
pub(crate) fn mirror() -> Option<String> {
    let parts = fs::read_dir("/etc/apt/sources.list.d").into_iter().flatten().flatten().map(|entry| entry.path());
    let mut paths: Vec<PathBuf> = parts.collect();
    paths.sort();
    paths.push("/etc/apt/sources.list".into());
    paths.iter().filter_map(|path| fs::read_to_string(path).ok()).find_map(|text| mirror_in(&text))
}

/// Returns the first address in an apt source that ends in `/debian`.
fn mirror_in(text: &str) -> Option<String> {
    let words = text.lines().filter(|line| !line.trim_start().starts_with('#')).flat_map(str::split_whitespace);
    let mut mirrors = words
        .map(|word| word.trim_end_matches('/'))
        .filter(|word| (word.starts_with("http://") || word.starts_with("https://")) && word.ends_with("/debian"));
    mirrors.next().map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_mirror_in_both_forms_of_sources() {
        let one_line = "# deb http://old.example/debian stable main\ndeb http://mirror.example/debian/ bookworm main";
        let stanza = "Types: deb\nURIs: https://mirror.example/debian\nSuites: bookworm";
        assert_eq!(mirror_in(one_line).as_deref(), Some("http://mirror.example/debian"));
        assert_eq!(mirror_in(stanza).as_deref(), Some("https://mirror.example/debian"));
        assert_eq!(mirror_in("deb https://mirror.example/ubuntu noble main"), None);
    }
}
