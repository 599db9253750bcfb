//! Recognizes tokens and shared secrets in texts, wherever they are. Only unmistakable forms are recognized.

use super::FindingKind::{self, Credential, PackageSecret};
use super::bytes::{find, lines};

/// The beginning of a token, the minimum number of characters that follow, and what the token is.
const TOKENS: &[(&str, usize, &str)] = &[
    ("ghp_", 36, "GitHub token"),
    ("gho_", 36, "GitHub token"),
    ("ghs_", 36, "GitHub token"),
    ("github_pat_", 60, "GitHub token"),
    ("glpat-", 20, "GitLab token"),
    ("xoxb-", 40, "Slack token"),
    ("xoxp-", 40, "Slack token"),
    ("pypi-AgE", 60, "PyPI token"),
    ("npm_", 36, "npm token"),
    ("dckr_pat_", 27, "Docker Hub token"),
    ("hvs.", 90, "Vault token"),
    ("tskey-auth-", 30, "Tailscale key"),
];

/// Returns which secret a text holds.
pub(super) fn secret(bytes: &[u8]) -> Option<(FindingKind, &'static str)> {
    let token = TOKENS.iter().find(|(start, length, _)| has_token(bytes, start.as_bytes(), *length));
    if let Some((_, _, what)) = token {
        return Some((Credential, what));
    }
    if lines(bytes).any(is_aws_secret) {
        return Some((Credential, "AWS secret access key"));
    }
    is_tsig(bytes).then_some((PackageSecret, "name server shared key (TSIG)"))
}

fn has_token(bytes: &[u8], start: &[u8], length: usize) -> bool {
    let mut from = 0;
    while let Some(at) = find(&bytes[from..], start) {
        let before = bytes[..from + at].last();
        let rest = &bytes[from + at + start.len()..];
        let run =
            rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')).count();
        let text = &rest[..run];
        let mut seen = text.to_vec();
        seen.sort_unstable();
        seen.dedup();
        // Placeholders repeat one character, such as x.
        if run >= length && seen.len() > 10 && before.is_none_or(|byte| !byte.is_ascii_alphanumeric()) {
            return true;
        }
        from += at + start.len();
    }
    false
}

/// Returns whether a line is `aws_secret_access_key = …`, in the form of an ini file, an environment or JSON.
fn is_aws_secret(line: &[u8]) -> bool {
    let lower = line.to_ascii_lowercase();
    let names: [&[u8]; 2] = [b"aws_secret_access_key", b"secretaccesskey"];
    let Some(end) = names.iter().find_map(|name| Some(find(&lower, name)? + name.len())) else { return false };
    let rest = line[end..].trim_ascii_start();
    let value: Vec<u8> =
        rest.iter().copied().skip_while(|byte| matches!(byte, b'"' | b'\'' | b' ' | b'=' | b':')).collect();
    let is_secret = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/');
    let run = value.iter().take_while(|byte| is_secret(byte)).count();
    // Excludes AWS's own example and other placeholders.
    run == 40 && find(&value, b"EXAMPLE").is_none()
}

/// Returns whether a text holds `key "name" { algorithm hmac-sha256; secret "…"; }`.
fn is_tsig(bytes: &[u8]) -> bool {
    let Some(at) = find(bytes, b"algorithm") else { return false };
    let block = &bytes[at..bytes.len().min(at + 400)];
    let Some(secret) = find(block, b"secret") else { return false };
    let value = block[secret + 6..].trim_ascii_start();
    let value = value.strip_prefix(b":").unwrap_or(value).trim_ascii_start();
    let value = value.strip_prefix(b"\"").unwrap_or(value);
    let run =
        value.iter().take_while(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=')).count();
    find(&block[..secret], b"hmac-").is_some() && run >= 20
}
