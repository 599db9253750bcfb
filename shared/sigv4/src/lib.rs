//! AWS Signature Version 4: which headers make a request one of ours. For programs that carry no AWS SDK: the agent on an
//! instance, and the local EC2.

use std::fmt::Write;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Whose request it is.
#[derive(Clone, Copy)]
pub struct Keys<'k> {
    /// Access key id.
    pub id: &'k str,
    /// Secret access key.
    pub secret: &'k str,
    /// Of temporary keys.
    pub session_token: Option<&'k str>,
}

/// A request as far as the signature covers it.
pub struct Signable<'s> {
    /// `GET`, `POST`, …
    pub method: &'s str,
    /// The URL's path, already encoded.
    pub path: &'s str,
    /// The URL's query, encoded and sorted.
    pub query: &'s str,
    /// Names in lower case, `host` among them.
    pub headers: Vec<(String, String)>,
    /// SHA-256 of the body in hex.
    pub payload: &'s str,
}

/// The headers of a request with those that sign it.
#[must_use]
pub fn sign(
    mut request: Signable<'_>,
    keys: Keys<'_>,
    (region, service): (&str, &str),
    now: Timestamp,
) -> Vec<(String, String)> {
    let time = now.strftime("%Y%m%dT%H%M%SZ").to_string();
    let date = &time[..8];
    request.headers.push(("x-amz-date".to_owned(), time.clone()));
    request.headers.push(("x-amz-content-sha256".to_owned(), request.payload.to_owned()));
    if let Some(token) = keys.session_token {
        request.headers.push(("x-amz-security-token".to_owned(), token.to_owned()));
    }
    request.headers.sort();
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let scope = format!("{date}/{region}/{service}/aws4_request");
    let signature = hex::encode(signature(&canonical(&request, &names), &time, &scope, keys.secret));
    let id = keys.id;
    let authorization = format!("{ALGORITHM} Credential={id}/{scope}, SignedHeaders={names}, Signature={signature}");
    request.headers.push(("authorization".to_owned(), authorization));
    request.headers
}

/// Whether a request is signed with a secret key, whatever access key id stands beside it. Its headers are all that it came with,
/// the values of one name joined by commas and without superfluous spaces. How long ago it was signed does not count: clocks
/// of programs under test stand still.
#[must_use]
pub fn is_signed_with(request: &Signable<'_>, secret: &str) -> bool {
    let header = |name: &str| request.headers.iter().find(|(known, _)| known == name);
    let signed_as = || {
        let (_, authorization) = header("authorization")?;
        let fields = authorization.strip_prefix(ALGORITHM)?.split(',').map(str::trim);
        let field = |name: &str| fields.clone().find_map(|field| field.strip_prefix(name)?.strip_prefix('='));
        let (id, scope) = field("Credential")?.split_once('/')?;
        let parts: Vec<&str> = scope.split('/').collect();
        let [date, _, _, "aws4_request"] = parts[..] else { return None };
        let (_, time) = header("x-amz-date").filter(|(_, time)| !id.is_empty() && time.starts_with(date))?;
        let names = field("SignedHeaders")?;
        let headers: Option<Vec<_>> = names.split(';').map(|name| header(name).cloned()).collect();
        let headers = headers.filter(|headers| headers.iter().any(|(name, _)| name == "host"))?;
        let canonical = canonical(&Signable { headers, ..*request }, names);
        Some((signature(&canonical, time, scope, secret), field("Signature")?))
    };
    signed_as().is_some_and(|(own, given)| {
        // All of it is compared, so that how long that takes tells nothing.
        let own = hex::encode(own);
        own.len() == given.len() && own.bytes().zip(given.bytes()).fold(0, |found, (a, b)| found | (a ^ b)) == 0
    })
}

/// The signature of a canonical request; `scope` is `DATE/REGION/SERVICE/aws4_request`.
fn signature(canonical: &str, time: &str, scope: &str, secret: &str) -> Vec<u8> {
    let text = format!("{ALGORITHM}\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let secret = format!("AWS4{secret}").into_bytes();
    let key = scope.split('/').fold(secret, |key, part| mac(&key, part.as_bytes()));
    mac(&key, text.as_bytes())
}

fn canonical(request: &Signable<'_>, names: &str) -> String {
    let headers: String = request.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    format!("{}\n{}\n{}\n{headers}\n{names}\n{}", request.method, request.path, request.query, request.payload)
}

/// A text as it stands in a signed path or query: all but unreserved characters in percent form.
#[must_use]
pub fn encode(text: &str, keep_slashes: bool) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) || (keep_slashes && byte == b'/') {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}"); // writing to a text does not fail
        }
        encoded
    })
}

/// SHA-256 in lower-case hex.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

fn mac(key: &[u8], bytes: &[u8]) -> Vec<u8> {
    // HMAC takes keys of any length; an error cannot come.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(bytes);
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::{Keys, Signable, encode, is_signed_with, sha256, sign};

    /// The published example of a signed GET of an S3 object.
    #[test]
    fn the_published_example_has_the_published_signature() {
        let empty = sha256(b"");
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let request = Signable {
            method: "GET",
            path: "/test.txt",
            query: "",
            headers: vec![header("host", "examplebucket.s3.amazonaws.com"), header("range", "bytes=0-9")],
            payload: &empty,
        };
        let keys = Keys {
            id: "AKIAIOSFODNN7EXAMPLE",
            secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            session_token: None,
        };
        let headers = sign(request, keys, ("us-east-1", "s3"), "2013-05-24T00:00:00Z".parse().unwrap());
        let expected = "AWS4-HMAC-SHA256 Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request, \
                        SignedHeaders=host;range;x-amz-content-sha256;x-amz-date, \
                        Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41";
        assert_eq!(headers.last().unwrap().1, expected);
    }

    #[test]
    fn only_what_is_signed_with_the_secret_is_taken_for_it() {
        let header = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let payload = sha256(b"Action=DescribeVpcs");
        let request = |headers| Signable { method: "POST", path: "/", query: "a=b", headers, payload: &payload };
        let unsigned = vec![header("host", "127.0.0.1:4580")];
        let keys = Keys { id: "000000000000", secret: "right", session_token: None };
        let signed =
            sign(request(unsigned.clone()), keys, ("eu-west-1", "ec2"), "2026-11-28T08:00:00Z".parse().unwrap());
        assert!(is_signed_with(&request(signed.clone()), "right"));
        assert!(!is_signed_with(&request(signed.clone()), "wrong"));
        assert!(!is_signed_with(&request(unsigned), "right"));
        let others = [
            Signable { method: "PUT", ..request(signed.clone()) },
            Signable { path: "/other", ..request(signed.clone()) },
            Signable { query: "a=c", ..request(signed.clone()) },
            Signable { payload: "other", ..request(signed.clone()) },
        ];
        assert!(others.iter().all(|other| !is_signed_with(other, "right")));
        for (name, from, to) in [
            ("host", "127.0.0.1", "192.0.2.1"),
            ("x-amz-date", "2026", "2025"),
            ("authorization", "host;", ""),
            ("authorization", "/ec2/", "/ssm/"),
            ("authorization", "AWS4-HMAC-SHA256", "AWS"),
            ("authorization", "000000000000/", "/"),
        ] {
            let mut changed = signed.clone();
            let value = &mut changed.iter_mut().find(|(known, _)| known == name).unwrap().1;
            assert!(value.contains(from), "{value}");
            *value = value.replace(from, to);
            assert!(!is_signed_with(&request(changed), "right"), "{name}: {from}");
        }
    }

    #[test]
    fn a_key_keeps_its_slashes_and_a_query_does_not() {
        assert_eq!(encode("a b/ü+~", true), "a%20b/%C3%BC%2B~");
        assert_eq!(encode("a/b", false), "a%2Fb");
    }
}
