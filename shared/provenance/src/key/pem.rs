//! The text of a public key: a block of RFC 7468 with the label `PUBLIC KEY`.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;

use super::KeyError;

const BEGIN: &str = "-----BEGIN PUBLIC KEY-----";
const END: &str = "-----END PUBLIC KEY-----";

/// The length of a line, in characters (RFC 7468, section 2).
const LINE: usize = 64;

/// Returns the text of a key, as `openssl` writes it.
pub(super) fn encode(der: &[u8]) -> String {
    let text = BASE64_STANDARD.encode(der);
    let mut pem = format!("{BEGIN}\n");
    let mut rest = text.as_str();
    while !rest.is_empty() {
        let (line, after) = rest.split_at(rest.len().min(LINE));
        pem.push_str(line);
        pem.push('\n');
        rest = after;
    }
    pem + END + "\n"
}

/// Returns the bytes of the only block of a text. Lines may end as they do on Windows, and white space around the block
/// is ignored.
pub(super) fn decode(pem: &str) -> Result<Vec<u8>, KeyError> {
    let fault = |fault: String| KeyError::Pem { fault };
    let mut lines = pem.trim().lines().map(str::trim_end);
    match lines.next() {
        Some(BEGIN) => {}
        Some(other) => {
            let label = other.strip_prefix("-----BEGIN ").and_then(|rest| rest.strip_suffix("-----"));
            return Err(fault(match label {
                Some(label) => format!("it has a block {label:?}, and not \"PUBLIC KEY\""),
                None => format!("it does not begin with {BEGIN}"),
            }));
        }
        None => return Err(fault("it is empty".to_owned())),
    }
    let mut text = String::new();
    loop {
        match lines.next() {
            Some(END) => break,
            Some(line) => text.push_str(line),
            None => return Err(fault(format!("it does not end with {END}"))),
        }
    }
    if lines.next().is_some() {
        return Err(fault("more follows after its block".to_owned()));
    }
    BASE64_STANDARD.decode(text).map_err(|error| fault(format!("it is not Base64: {error}")))
}
