//! Tests of a file's content, where its place alone does not make it a finding.

use super::bytes::{find, lines};
use super::keys::value_of;

/// Returns whether the text is 128 bits in hex.
pub(super) fn is_id(bytes: &[u8]) -> bool {
    let text = bytes.trim_ascii();
    text.len() == 32 && text.iter().all(u8::is_ascii_hexdigit)
}

pub(super) fn has_host_id(bytes: &[u8]) -> bool {
    lines(bytes).filter_map(|line| value_of(line, b"MY_HOSTID")).any(|id| id.len() >= 32)
}

/// Returns whether there is a line that is not a comment.
pub(super) fn has_line(bytes: &[u8]) -> bool {
    lines(bytes).map(<[u8]>::trim_ascii).any(|line| !line.is_empty() && !line.starts_with(b"#"))
}

/// Returns whether a user has a password hash: the user is neither locked nor without a password.
pub(super) fn has_hash(bytes: &[u8]) -> bool {
    let fields = |line: &[u8]| line.split(|byte| *byte == b':').nth(1).is_some_and(|hash| hash.starts_with(b"$"));
    lines(bytes).any(fields)
}

pub(super) fn has_psk(bytes: &[u8]) -> bool {
    let words: [&[u8]; 4] = [b" PSK ", b" XAUTH ", b" EAP ", b" NTLM "];
    lines(bytes).any(|line| !line.trim_ascii().starts_with(b"#") && words.iter().any(|w| find(line, w).is_some()))
}

pub(super) fn has_password(bytes: &[u8]) -> bool {
    lines(bytes).any(|line| {
        let line = line.trim_ascii();
        let (Some(at), false) = (line.iter().position(|byte| *byte == b'='), line.starts_with(b"#")) else {
            return false;
        };
        let (name, value) = (line[..at].to_ascii_lowercase(), line[at + 1..].trim_ascii());
        name.trim_ascii().ends_with(b"password") && !value.is_empty() && value != b"\"\""
    })
}

pub(super) fn has_secret(bytes: &[u8]) -> bool {
    let words: [&[u8]; 4] = [b"secret_access_key", b"pass", b"token", b"client_secret"];
    lines(bytes).any(|line| words.iter().any(|word| value_of(line, word).is_some_and(|value| !value.is_empty())))
}

pub(super) fn has_passwords(bytes: &[u8]) -> bool {
    lines(bytes).any(|line| {
        let line = line.trim_ascii();
        line.iter()
            .position(|byte| *byte == b'=')
            .is_some_and(|at| line[..at].ends_with(b"PASSWD") && line.len() > at + 1)
    })
}

pub(super) fn has_db_password(bytes: &[u8]) -> bool {
    lines(bytes).filter_map(|line| value_of(line, b"dbc_dbpass")).any(|value| value.len() > 2)
}

/// Returns whether the file has a user. Debian makes the file with a user that it deletes at once, and a trace of that
/// user remains.
pub(super) fn has_sasl_user(bytes: &[u8]) -> bool {
    let count = |text: &[u8]| bytes.windows(text.len()).filter(|window| *window == text).count();
    count(b"userPassword") > count(b"no:such:user")
}

/// Returns whether there is a URL of the form `https://user:password@host/`.
pub(super) fn has_url_password(bytes: &[u8]) -> bool {
    lines(bytes).filter(|line| !line.trim_ascii().starts_with(b"#")).any(|line| {
        let Some(at) = find(line, b"://") else { return false };
        let host = line[at + 3..].split(|byte| *byte == b'/').next().unwrap_or_default();
        let user = host.iter().position(|byte| *byte == b'@').map(|end| &host[..end]);
        user.is_some_and(|user| user.contains(&b':'))
    })
}

pub(super) fn is_kubeconfig(bytes: &[u8]) -> bool {
    let words: [&[u8]; 3] = [b"client-key-data:", b"token:", b"password:"];
    words.iter().any(|word| find(bytes, word).is_some())
}
