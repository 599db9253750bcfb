//! A small AWS on this machine: objects, parameters and an instance's metadata. It refuses what is not signed rightly.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::sync::{Arc, Mutex};

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

const KEY: &str = "AKIDEXAMPLE";
const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const TOKEN: &str = "session-token";

/// The service's content, and what it was asked.
#[derive(Default)]
pub(crate) struct Content {
    /// By `bucket/key`.
    pub(crate) objects: BTreeMap<String, Vec<u8>>,
    /// Type and value by name.
    pub(crate) parameters: BTreeMap<String, (&'static str, &'static str)>,
    /// Statuses with which the next requests are refused.
    pub(crate) refusals: Vec<u16>,
    /// How often the instance's role is said not to be there.
    pub(crate) no_role: u32,
    /// Whether the role does not let EC2 in.
    pub(crate) untrusting: bool,
    /// `METHOD path?query` of each signed request.
    pub(crate) requests: Vec<String>,
}

/// The service; it ends with the test's process.
pub(crate) struct Cloud {
    url: String,
    pub(crate) content: Arc<Mutex<Content>>,
}

struct Request {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Cloud {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let content = Arc::new(Mutex::new(Content::default()));
        let shared = Arc::clone(&content);
        std::thread::spawn(move || listener.incoming().for_each(|stream| answer(&stream.unwrap(), &shared)));
        Self { url, content }
    }

    pub(crate) fn object(&self, name: &str, body: &str) {
        self.content.lock().unwrap().objects.insert(name.to_owned(), body.into());
    }

    pub(crate) fn parameter(&self, name: &str, kind: &'static str, value: &'static str) {
        self.content.lock().unwrap().parameters.insert(name.to_owned(), (kind, value));
    }

    pub(crate) fn requests(&self) -> Vec<String> {
        self.content.lock().unwrap().requests.clone()
    }

    pub(crate) fn text(&self, name: &str) -> String {
        String::from_utf8(self.content.lock().unwrap().objects[name].clone()).unwrap()
    }

    /// Lets a command use this service with credentials in its environment.
    pub(crate) fn serve(&self, command: &mut Command) {
        self.serve_metadata(command);
        command.env("AWS_ACCESS_KEY_ID", KEY).env("AWS_SECRET_ACCESS_KEY", SECRET).env("AWS_SESSION_TOKEN", TOKEN);
        command.env("AWS_REGION", "eu-west-1");
    }

    /// Lets a command use this service with nothing but the instance's metadata.
    pub(crate) fn serve_metadata(&self, command: &mut Command) {
        command.env_clear().env("PATH", std::env::var_os("PATH").unwrap()).env("NO_PROXY", "127.0.0.1");
        command.env("AWS_ENDPOINT_URL", &self.url).env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &self.url);
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }
}

fn answer(stream: &TcpStream, content: &Mutex<Content>) {
    let request = read(stream);
    let content = &mut *content.lock().unwrap();
    let (status, body) = if request.path.starts_with("/latest/") || request.path == "/role" {
        if request.path.contains("security-credentials") && content.no_role > 0 {
            content.no_role -= 1;
            (404, Vec::new())
        } else if request.path.ends_with("/build-role") && content.untrusting {
            (200, br#"{"Code": "AssumeRoleUnauthorizedAccess", "Message": "EC2 cannot assume the role"}"#.to_vec())
        } else {
            metadata(&request)
        }
    } else if request.path.starts_with("/far/") && !request.headers["authorization"].contains("/us-west-2/s3/") {
        (301, Vec::new())
    } else {
        content.requests.push(format!("{} {}?{}", request.method, request.path, request.query));
        if let Err(why) = verify(&request) {
            (403, xml_error("SignatureDoesNotMatch", &why))
        } else if !content.refusals.is_empty() {
            (content.refusals.remove(0), xml_error("SlowDown", "later"))
        } else if request.headers.contains_key("x-amz-target") {
            parameter(&request, content)
        } else {
            object(&request, content)
        }
    };
    let place = if status == 301 { "x-amz-bucket-region: us-west-2\r\n" } else { "" };
    let head = format!("HTTP/1.1 {status} X\r\n{place}content-length: {}\r\nconnection: close\r\n\r\n", body.len());
    let mut stream = stream;
    let _ = stream.write_all(&[head.as_bytes(), &body].concat());
}

fn read(stream: &TcpStream) -> Request {
    let mut reader = BufReader::new(stream);
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let mut words = lines[0].split(' ');
    let (method, target) = (words.next().unwrap().to_owned(), words.next().unwrap());
    let (path, query) = target.split_once('?').unwrap_or((target, ""));
    let header = |line: &String| line.split_once(": ").map(|(name, value)| (name.to_lowercase(), value.to_owned()));
    let headers: BTreeMap<String, String> = lines[1..].iter().filter_map(header).collect();
    let length = headers.get("content-length").map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    Request { method, path: path.to_owned(), query: query.to_owned(), headers, body }
}

fn metadata(request: &Request) -> (u16, Vec<u8>) {
    let header = |name: &str| request.headers.get(name).map(String::as_str);
    let text = match (request.method.as_str(), request.path.as_str()) {
        ("PUT", "/latest/api/token") if header("x-aws-ec2-metadata-token-ttl-seconds").is_some() => "imds-token",
        ("GET", "/role") if header("authorization") == Some("container-token") => CREDENTIALS,
        ("GET", _) if header("x-aws-ec2-metadata-token") != Some("imds-token") => return (401, Vec::new()),
        ("GET", "/latest/meta-data/iam/security-credentials/") => "build-role",
        ("GET", "/latest/meta-data/iam/security-credentials/build-role") => CREDENTIALS,
        ("GET", "/latest/meta-data/instance-type") => "t3.small",
        ("GET", "/latest/dynamic/instance-identity/document") => {
            r#"{"accountId": "012345678901", "region": "eu-west-1", "instanceId": "i-1"}"#
        }
        _ => return (404, Vec::new()),
    };
    (200, text.into())
}

const CREDENTIALS: &str = r#"{"Code": "Success", "AccessKeyId": "AKIDEXAMPLE",
    "SecretAccessKey": "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", "Token": "session-token", "Expiration": "2100-01-01T00:00:00Z"}"#;

fn parameter(request: &Request, content: &Content) -> (u16, Vec<u8>) {
    let wish: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(
        (&wish["WithDecryption"], request.headers["x-amz-target"].as_str()),
        (&true.into(), "AmazonSSM.GetParameter")
    );
    match content.parameters.get(wish["Name"].as_str().unwrap()) {
        Some((kind, value)) => {
            (200, serde_json::json!({"Parameter": {"Type": kind, "Value": value}}).to_string().into_bytes())
        }
        None => (400, br#"{"__type":"com.amazonaws#ParameterNotFound","message":"no such parameter"}"#.to_vec()),
    }
}

fn object(request: &Request, content: &mut Content) -> (u16, Vec<u8>) {
    if request.headers.get("x-amz-expected-bucket-owner").is_some_and(|owner| owner != "012345678901") {
        return (403, xml_error("AccessDenied", "another owner"));
    }
    let name = decoded(request.path.trim_start_matches('/'));
    match (request.method.as_str(), request.query.as_str()) {
        ("PUT", "") => {
            content.objects.insert(name, request.body.clone());
            (200, Vec::new())
        }
        ("GET", "") => match content.objects.get(&name) {
            Some(body) => (200, body.clone()),
            None => (404, xml_error("NoSuchKey", "The specified key does not exist.")),
        },
        ("GET", query) => (200, list(&name, query, content)),
        _ => (405, Vec::new()),
    }
}

/// Two keys on each page.
fn list(bucket: &str, query: &str, content: &Content) -> Vec<u8> {
    let value = |name: &str| {
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        decoded(pair.unwrap_or_default())
    };
    assert_eq!((value("list-type"), value("encoding-type")), ("2".to_owned(), "url".to_owned()));
    let (prefix, after) = (format!("{bucket}{}", value("prefix")), value("continuation-token"));
    let mut keys = content.objects.keys().filter(|key| key.starts_with(&prefix) && **key > after).peekable();
    let mut xml = "<ListBucketResult>".to_owned();
    let mut last = String::new();
    for key in keys.by_ref().take(2) {
        let encoded: String = key[bucket.len()..]
            .bytes()
            .map(|byte| match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'/' | b'.' => char::from(byte).to_string(),
                b' ' => "+".to_owned(),
                _ => format!("%{byte:02X}"),
            })
            .collect();
        xml += &format!("<Contents><Key>{encoded}</Key></Contents>");
        last.clone_from(key);
    }
    if keys.peek().is_some() {
        xml += &format!("<NextContinuationToken>{last}</NextContinuationToken>");
    }
    (xml + "</ListBucketResult>").into_bytes()
}

fn xml_error(code: &str, message: &str) -> Vec<u8> {
    format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>").into_bytes()
}

fn decoded(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        let digits = if byte == b'%' { rest.by_ref().take(2).collect() } else { Vec::new() };
        let read = || u8::from_str_radix(str::from_utf8(&digits).unwrap(), 16).unwrap();
        bytes.push(if digits.is_empty() { byte } else { read() });
    }
    String::from_utf8(bytes).unwrap()
}

/// Signature Version 4, written down a second time, from the service's side.
fn verify(request: &Request) -> Result<(), String> {
    let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
    let authorization = header("authorization");
    let part = |name: &str| -> String {
        let start = authorization.split_once(&format!("{name}=")).map_or("", |(_, rest)| rest);
        start.split(',').next().unwrap_or_default().to_owned()
    };
    let (credential, signed) = (part("Credential"), part("SignedHeaders"));
    let scope: Vec<&str> = credential.split('/').collect();
    let service = if header("x-amz-target").is_empty() { "s3" } else { "ssm" };
    let region = if request.path.starts_with("/far/") { "us-west-2" } else { "eu-west-1" };
    if scope.len() != 5 || scope[0] != KEY || scope[2..4] != [region, service] {
        return Err(format!("scope {credential}"));
    }
    if !["host", "x-amz-date", "x-amz-content-sha256"].iter().all(|name| signed.split(';').any(|other| other == *name))
    {
        return Err(format!("not signed: {signed}"));
    }
    let payload = hex::encode(Sha256::digest(&request.body));
    if header("x-amz-content-sha256") != payload || header("x-amz-security-token") != TOKEN {
        return Err("payload or token".to_owned());
    }
    let headers: String = signed.split(';').map(|name| format!("{name}:{}\n", header(name))).collect();
    let canonical =
        [&request.method, &request.path, &request.query, &headers, &signed, &payload].map(String::as_str).join("\n");
    let day = &header("x-amz-date")[..8];
    let scope = scope[1..].join("/");
    let text =
        format!("AWS4-HMAC-SHA256\n{}\n{scope}\n{}", header("x-amz-date"), hex::encode(Sha256::digest(canonical)));
    let mut key = format!("AWS4{SECRET}").into_bytes();
    for part in [day, region, service, "aws4_request"] {
        key = mac(&key, part);
    }
    if hex::encode(mac(&key, &text)) == part("Signature") { Ok(()) } else { Err("signature".to_owned()) }
}

fn mac(key: &[u8], text: &str) -> Vec<u8> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).unwrap();
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}
