//! Downloads that the stack's bucket keeps.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use goldsmith_cloud::Objects as _;
use goldsmith_cloud::aws::S3Objects;
use serde_json::Value;

use super::Case;
use super::checkpoints::{TREE, built, tree};
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("with_a_new_parent_nothing_is_downloaded_again_and_the_image_is_the_same", new_parent),
    ("the_bucket_takes_no_other_file_under_a_digest", other_file),
];

/// The file that the server has.
static FILE: [u8; 1 << 20] = [b'g'; 1 << 20];
/// Its SHA-256.
const DIGEST: &str = "7a8ae6789ec1c80d203a34dcb97028f1c2c7e2d2b07979cf7757ac6144a1b309";

/// A server of [`FILE`]; it ends with the suite.
struct Server {
    port: u16,
    /// How many bytes of files it has sent.
    sent: Arc<AtomicUsize>,
}

impl Server {
    fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let sent = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&sent);
        thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let lines = BufReader::new(&stream).lines();
                let head: Vec<String> = lines.map_while(Result::ok).take_while(|line| !line.is_empty()).collect();
                if !head.first().is_some_and(|line| line.starts_with("GET /tool ")) {
                    continue;
                }
                let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", FILE.len());
                if stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&FILE)).is_ok() {
                    counted.fetch_add(FILE.len(), Ordering::Relaxed);
                }
            }
        });
        Self { port, sent }
    }

    fn sent(&self) -> usize {
        self.sent.load(Ordering::Relaxed)
    }
}

/// A pipeline that downloads the file in its build and in its test, with this version and parent of its recipe.
fn pipeline(name: &str, server: &Server, version: u32, parent: &str, more: &'static str) -> String {
    let same = format!("cmp /opt/tool /tmp/tool\n{TREE}");
    let steps = [("build", "Fetch", "true"), ("test", "FetchAgain", "true"), ("test", "Same", &same)];
    let text = Pipeline { regions: &["eu-west-1"], more, ..Pipeline::new(name, &steps) }.text();
    let fetch = |to: &str| {
        format!(
            "action: WebDownload\n          inputs:\n            - source: http://127.0.0.1:{}/tool\n              \
             destination: {to}\n              checksum: {DIGEST}\n              algorithm: SHA256\n",
            server.port
        )
    };
    let script =
        "action: ExecuteBash\n          inputs:\n            commands:\n              - |\n                true\n";
    let text = text.replacen(script, &fetch("/opt/tool"), 1).replacen(script, &fetch("/tmp/tool"), 1);
    let recipe = format!("kind: ImageRecipe\nname: {name}\nsemanticVersion: 1.");
    let source = "parentImage: ssm:/goldsmith/examples/source";
    text.replace(&format!("{recipe}0.0"), &format!("{recipe}{version}.0"))
        .replace(source, &format!("parentImage: {parent}"))
}

/// Returns the stack's bucket.
fn bucket(stack: &Stack) -> S3Objects {
    let described = aws_sdk_cloudformation::Client::new(stack.sdk()).describe_stacks().stack_name(stack.name()).send();
    let described = stack.block_on(described).unwrap();
    let mut outputs = described.stacks()[0].outputs().iter();
    let bucket = outputs.find(|output| output.output_key() == Some("Bucket")).unwrap();
    S3Objects::new(stack.sdk(), bucket.output_value().unwrap())
}

fn new_parent(stack: &Stack) {
    const KEEP: &str = "cacheDownloads: true\n";
    let [one, other] = ["debian-12", "debian-12-sda1"].map(|name| format!("ssm:/aws/service/goldsmith-local/{name}"));
    let (name, server) = ("keeps", Server::open());
    let first = built(stack, &folder(&pipeline(name, &server, 0, &one, KEEP)));
    assert_eq!(server.sent(), FILE.len(), "the test takes it from the bucket");
    let kept = stack.block_on(bucket(stack).list("downloads/", 10)).unwrap();
    let kept: Vec<_> = kept.into_iter().map(|object| (object.key, object.bytes)).collect();
    assert!(kept.contains(&(format!("downloads/{name}/{DIGEST}"), FILE.len() as u64)), "{kept:?}");

    let second = built(stack, &folder(&pipeline(name, &server, 1, &other, KEEP)));
    assert_eq!(server.sent(), FILE.len(), "nothing of a new parent is downloaded again");
    let said = stack.goldsmith(&["logs", second.image(), "--local", "--step", "Fetch"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    assert!(said.contains("the stack's bucket") && !said.contains("X-Amz-"), "{said}");

    let without = built(stack, &folder(&pipeline(name, &server, 2, &other, "")));
    assert_eq!(server.sent(), 3 * FILE.len(), "without the setting, the build and the test download it");
    let trees = [&first, &second, &without].map(|built| tree(stack, built.image()));
    assert!(trees.iter().all(|tree| *tree == trees[0]), "{trees:?}");
}

/// Sends a PUT request, and returns the status and what S3 says.
fn put(url: &str, headers: &[(&str, &str)], body: &[u8]) -> (u16, String) {
    let agent: ureq::Agent = ureq::Agent::config_builder().http_status_as_error(false).build().into();
    let mut request = agent.put(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut answer = request.send(body).unwrap();
    (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
}

fn other_file(stack: &Stack) {
    let server = Server::open();
    let name = "guards";
    let text = pipeline(name, &server, 0, "ssm:/goldsmith/examples/source", "cacheDownloads: true\n");
    built(stack, &folder(&text));
    // What the instance has been given: whoever controls it can send these requests.
    let bucket = bucket(stack);
    let orders = stack.block_on(bucket.list("orders/", 10_000)).unwrap();
    let place = format!("/downloads/{name}/{DIGEST}");
    let kept = orders.iter().find_map(|order| {
        let order = stack.block_on(bucket.get(&order.key, 1 << 20)).unwrap()?;
        let order: Value = serde_json::from_slice(&order).unwrap();
        let kept = order["downloads"].get(DIGEST)?.clone();
        kept["put"].as_str()?.contains(&place).then_some(kept)
    });
    let kept = kept.unwrap();
    let (url, checksum) = (kept["put"].as_str().unwrap(), &kept["headers"]["x-amz-checksum-sha256"]);
    let checksum = ("x-amz-checksum-sha256", checksum.as_str().unwrap());
    let (status, said) = put(url, &[checksum], b"another file");
    assert!(status == 400 && said.contains("BadDigest"), "{status} {said}");
    let own = ("x-amz-checksum-sha256", "LXEWQrcmsEQBYnyp+6wy9chTD7GQPMTbAiWHF5IaSIE="); // of `x`
    for headers in [&[][..], &[own]] {
        let (status, said) = put(url, headers, b"x");
        assert!(status == 403 && said.contains("<Code>"), "{status} {said}");
    }
    let elsewhere = url.replace(&place, "/agent/another");
    let (status, said) = put(&elsewhere, &[checksum], &FILE);
    assert!(status == 403 && said.contains("<Code>"), "{status} {said}");
    let bytes = stack.block_on(bucket.get(place.trim_start_matches('/'), 1 << 21)).unwrap();
    assert!(bytes.is_some_and(|bytes| bytes == FILE), "the file is still the first one");
}
