//! Recognizes private keys by the content of a file, whatever its place and name.

use super::bytes::{find, lines};
use super::der;

/// The minimum number of Base64 characters after a header. The shortest key has more, and programs that only name the
/// header have none.
const BODY: usize = 40;
/// The minimum number of different characters among them. A placeholder for a key in an example has fewer.
const VARIETY: usize = 8;
/// How far after its header a body is searched: some lines between them say how the key is encrypted.
const REACH: usize = 4096;

const BEGIN: &[u8] = b"-----BEGIN ";

/// Returns, in a few words, which private key a file holds.
pub(super) fn private_key(bytes: &[u8]) -> Option<String> {
    pem(bytes).or_else(|| line_of_a_key(bytes)).or_else(|| binary(bytes))
}

/// Returns the first private key in a text form with a header, and where it begins. The key may be in the middle of
/// other bytes, such as those of a disk.
pub(super) fn header(bytes: &[u8]) -> Option<(usize, String)> {
    let mut from = 0;
    while let Some(found) = find(&bytes[from..], BEGIN) {
        let at = from + found;
        if let Some(what) = pem_at(&bytes[at..]) {
            return Some((at, what));
        }
        from = at + BEGIN.len();
    }
    None
}

fn pem(bytes: &[u8]) -> Option<String> {
    header(bytes).map(|(_, what)| what)
}

/// Returns the key whose header is at the beginning.
fn pem_at(bytes: &[u8]) -> Option<String> {
    let bytes = &bytes[..bytes.len().min(REACH)];
    let label = bytes.get(BEGIN.len()..)?;
    let label = &label[..find(&label[..label.len().min(48)], b"-----")?];
    let label = std::str::from_utf8(label).ok()?;
    let is_key = label.ends_with("PRIVATE KEY") || label.ends_with("PRIVATE KEY BLOCK");
    let is_static = label == "OpenVPN Static key V1";
    if !is_key && !is_static {
        return None;
    }
    let rest = &bytes[BEGIN.len() + label.len() + 5..];
    // In JSON, and in the source of a program, the line ends of a key are escapes.
    let text: String = String::from_utf8_lossy(rest).replace("\\r", "\r").replace("\\n", "\n");
    let end = text.find("-----END").unwrap_or(text.len());
    let mut lines =
        text[..end].lines().map(|line| line.trim_matches(|c: char| c.is_whitespace() || "\"',\\+".contains(c)));
    // If the header's line continues after the header, it belongs to the text of a program.
    if !lines.next().unwrap_or_default().is_empty() {
        return None;
    }
    let mut is_encrypted = label.contains("ENCRYPTED");
    let mut body = String::new();
    for line in lines {
        is_encrypted |= line.contains("ENCRYPTED");
        // Older PEM forms and OpenPGP have headers such as `DEK-Info: …` before the body.
        if line.is_empty() || line.contains(": ") {
            continue;
        }
        if !line.bytes().all(is_base64) {
            break;
        }
        body.push_str(line);
    }
    if body.len() < BODY || variety(&body) < VARIETY {
        return None;
    }
    let encrypted = if is_encrypted { ", encrypted" } else { "" };
    Some(match label {
        _ if is_static => "OpenVPN static key".to_owned(),
        "PRIVATE KEY" | "ENCRYPTED PRIVATE KEY" => format!("private key (PEM{encrypted})"),
        "PGP PRIVATE KEY BLOCK" => "private key (OpenPGP)".to_owned(),
        _ => format!("private key ({}{encrypted})", label.trim_end_matches("PRIVATE KEY").trim_end()),
    })
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'=' | b'-' | b'_')
}

fn variety(text: &str) -> usize {
    let mut seen = [false; 256];
    text.bytes().for_each(|byte| seen[usize::from(byte)] = true);
    seen.iter().filter(|seen| **seen).count()
}

/// Returns the key if the bytes are a text in which a key is a line.
fn line_of_a_key(bytes: &[u8]) -> Option<String> {
    let what = match bytes {
        _ if bytes.starts_with(b"PuTTY-User-Key-File-") => "private key (PuTTY)",
        _ if bytes.starts_with(b"SSH PRIVATE KEY FILE FORMAT 1.1\n") => "private key (SSH 1)",
        _ if bytes.starts_with(b"== ed25519v1-secret") => "private key (Tor)",
        _ if is_gpg_agent(bytes) => "private key (GnuPG)",
        _ => return lines(bytes).find_map(key_line).map(str::to_owned),
    };
    Some(what.to_owned())
}

fn key_line(line: &[u8]) -> Option<&'static str> {
    let line = line.trim_ascii();
    if line.starts_with(b"Private-key-format: v1.") {
        return Some("private key (DNSSEC)");
    }
    if let Some(rest) = line.strip_prefix(b"AGE-SECRET-KEY-1") {
        return (rest.len() >= 58 && rest[..58].iter().all(u8::is_ascii_alphanumeric)).then_some("private key (age)");
    }
    let value = value_of(line, b"PrivateKey").or_else(|| value_of(line, b"PresharedKey"));
    value.is_some_and(is_wireguard).then_some("private key (WireGuard)")
}

/// Returns whether a text is 32 bytes in Base64, as the keys of WireGuard are.
pub(super) fn is_wireguard(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    text.len() == 44
        && text.ends_with(b"=")
        && text[..43].iter().all(|byte| is_base64(*byte) && *byte != b'=')
        && variety(&String::from_utf8_lossy(text)) >= VARIETY
}

/// Returns the value of `key = value`.
pub(super) fn value_of<'l>(line: &'l [u8], key: &[u8]) -> Option<&'l [u8]> {
    let rest = line.strip_prefix(key)?.trim_ascii_start();
    Some(rest.strip_prefix(b"=")?.trim_ascii())
}

/// Returns whether the bytes are a secret key of `gpg-agent`: an S-expression, or the newer form with lines.
fn is_gpg_agent(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(512)];
    let words: [&[u8]; 2] = [b"11:private-key", b"21:protected-private-key"];
    let lines: [&[u8]; 2] = [b"Key: (private-key", b"Key: (protected-private-key"];
    (head.starts_with(b"(") && words.iter().any(|word| find(&head[..head.len().min(32)], word).is_some()))
        || lines.iter().any(|word| find(head, word).is_some())
}

fn binary(bytes: &[u8]) -> Option<String> {
    let what = match bytes {
        _ if is_dropbear(bytes) => "private key (dropbear)",
        _ if is_secret_keyring(bytes) => "private key (OpenPGP)",
        _ => return key_store(bytes).or_else(|| der::private_key(bytes)).map(str::to_owned),
    };
    Some(what.to_owned())
}

/// Returns whether the bytes are a key of dropbear. Dropbear writes the public part as SSH sends it, and the private
/// part directly after it.
fn is_dropbear(bytes: &[u8]) -> bool {
    let Some((name, rest)) = ssh_string(bytes) else { return false };
    match name {
        b"ssh-rsa" | b"ssh-dss" => {
            // e and n are the public part of RSA, and d is the third number.
            let numbers = std::iter::successors(ssh_string(rest), |(_, rest)| ssh_string(rest)).count();
            numbers >= 3
        }
        // The private part comes together with the public part. The public part alone has 32 bytes.
        b"ssh-ed25519" => ssh_string(rest).is_some_and(|(key, _)| key.len() == 64),
        _ if name.starts_with(b"ecdsa-sha2-nistp") => {
            let curve = ssh_string(rest);
            let point = curve.and_then(|(_, rest)| ssh_string(rest));
            point.is_some_and(|(_, rest)| ssh_string(rest).is_some())
        }
        _ => false,
    }
}

fn ssh_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    (length > 0 && length <= rest.len()).then(|| rest.split_at(length))
}

/// Returns whether the bytes begin with the packet of a secret key of OpenPGP (RFC 9580, 5.5.3).
fn is_secret_keyring(bytes: &[u8]) -> bool {
    let body = match bytes {
        // These are the old and the new form of the packet's header, with lengths of one, two and four bytes.
        [0x94, _, body @ ..] | [0x95, _, _, body @ ..] | [0x96, _, _, _, _, body @ ..] => body,
        [0xc5, first, body @ ..] if *first < 192 => body,
        [0xc5, first, _, body @ ..] if *first < 224 => body,
        _ => return false,
    };
    let [version, time @ ..] = body else { return false };
    let Some((time, rest)) = time.split_first_chunk::<4>() else { return false };
    // The time is from 1997 to 2100, and the algorithm is one that has secret parts.
    let is_time = (852_076_800..4_102_444_800).contains(&u64::from(u32::from_be_bytes(*time)));
    let is_algorithm = rest.first().is_some_and(|algorithm| matches!(algorithm, 1..=3 | 16..=19 | 22 | 25..=28));
    (4..=6).contains(version) && is_time && is_algorithm && bytes.len() > 64
}

/// Recognizes Java's own key stores. A store that holds only trusted certificates, which every Java has, is not secret.
fn key_store(bytes: &[u8]) -> Option<&'static str> {
    let (magic, rest) = bytes.split_first_chunk::<4>()?;
    let what = match magic {
        [0xfe, 0xed, 0xfe, 0xed] => "private key (Java key store)",
        [0xce, 0xce, 0xce, 0xce] => "private key (Java key store, JCEKS)",
        _ => return None,
    };
    // The version and the number of entries, then the type of each entry: 2 is a certificate.
    let mut rest = rest.get(8..)?;
    while let Some((sort, entry)) = rest.split_first_chunk::<4>() {
        match u32::from_be_bytes(*sort) {
            1 | 3 => return Some(what),
            2 => rest = after_certificate(entry).unwrap_or_default(),
            _ => return None,
        }
    }
    None
}

fn after_certificate(entry: &[u8]) -> Option<&[u8]> {
    let short = |bytes: &[u8]| Some(usize::from(u16::from_be_bytes(*bytes.first_chunk::<2>()?)));
    // An entry is an alias, a date of 8 bytes, the name of the certificate's type, and the certificate.
    let entry = entry.get(2 + short(entry)? + 8..)?;
    let entry = entry.get(2 + short(entry)?..)?;
    let length = usize::try_from(u32::from_be_bytes(*entry.first_chunk::<4>()?)).ok()?;
    entry.get(4 + length..)
}
