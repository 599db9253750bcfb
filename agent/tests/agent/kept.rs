//! `WebDownload` of files that the stack's bucket keeps.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::download::{SHA256_OF_HELLO, serve_encrypted};
use crate::machine::{Machine, Run, agent};
use goldsmith_executor::{KeptDownload, Nonce};

/// A part of the signature of each URL. It must be in no text.
const MARKER: &str = "SECRET-SIGNATURE";
/// A header that the PUT request must have.
const CHECKSUM: &str = "x-amz-checksum-sha256";

/// What a server does with a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Does {
    /// What S3 does: a GET returns the object or 404, and a PUT stores it.
    Right,
    Status(u16),
    /// Returns these bytes with status 200.
    Other(&'static str),
    /// Reads the request and never answers.
    Hangs,
    /// Ends the answer in its middle.
    BreaksOff,
    /// Begins a long answer and is silent from then on.
    Stalls,
    /// Closes the connection before it has read anything.
    Closes,
}

struct Content {
    get: Vec<Does>,
    put: Vec<Does>,
    object: Option<Vec<u8>>,
    requests: Vec<String>,
    headers: Vec<String>,
}

/// A server of one object: the bucket, or the source.
struct Server {
    url: String,
    content: Arc<Mutex<Content>>,
}

impl Server {
    /// Starts a server. The last behaviour of a list is that of all later requests, too.
    fn start(object: Option<&[u8]>, get: &[Does], put: &[Does]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let content = Arc::new(Mutex::new(Content {
            get: get.to_vec(),
            put: put.to_vec(),
            object: object.map(<[u8]>::to_vec),
            requests: Vec::new(),
            headers: Vec::new(),
        }));
        thread::spawn({
            let content = Arc::clone(&content);
            move || {
                for stream in listener.incoming() {
                    let content = Arc::clone(&content);
                    thread::spawn(move || answer(stream.unwrap(), &content));
                }
            }
        });
        Self { url, content }
    }

    /// A server that behaves as it should.
    fn with(object: Option<&[u8]>) -> Self {
        Self::start(object, &[Does::Right], &[Does::Right])
    }

    /// The methods of the requests so far.
    fn requests(&self) -> Vec<String> {
        self.content.lock().unwrap().requests.clone()
    }

    fn object(&self) -> Option<Vec<u8>> {
        self.content.lock().unwrap().object.clone()
    }
}

fn next(list: &mut Vec<Does>) -> Does {
    if list.len() > 1 { list.remove(0) } else { list[0] }
}

fn answer(mut stream: TcpStream, content: &Mutex<Content>) {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        if !stream.read(&mut byte).is_ok_and(|length| length == 1) {
            return;
        }
        head.extend(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let (method, _) = head.split_once(' ').unwrap();
    let does = {
        let mut content = content.lock().unwrap();
        content.requests.push(method.to_owned());
        content.headers.push(head.to_lowercase());
        let list = if method == "GET" { &mut content.get } else { &mut content.put };
        next(list)
    };
    if does == Does::Closes {
        return;
    }
    let length = head.to_lowercase().lines().find_map(|line| line.strip_prefix("content-length: ")?.parse().ok());
    let mut body = vec![0; length.unwrap_or(0)];
    if stream.read_exact(&mut body).is_err() {
        return;
    }
    let (status, bytes) = match does {
        Does::Right if method == "PUT" => {
            content.lock().unwrap().object = Some(body);
            (200, Vec::new())
        }
        Does::Right => content.lock().unwrap().object.clone().map_or((404, b"NoSuchKey".to_vec()), |file| (200, file)),
        Does::Status(status) => (status, format!("<Error>{MARKER}</Error>").into_bytes()),
        Does::Other(text) => (200, text.into()),
        Does::BreaksOff | Does::Stalls => (200, b"hel".to_vec()),
        Does::Hangs | Does::Closes => return thread::sleep(Duration::from_secs(120)),
    };
    let length = if matches!(does, Does::BreaksOff | Does::Stalls) { 100 } else { bytes.len() };
    let more = if status == 307 { format!("location: http://127.0.0.1:1/{MARKER}\r\n") } else { String::new() };
    let head = format!("HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n{more}\r\n");
    let _ = stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&bytes));
    if does == Does::Stalls {
        thread::sleep(Duration::from_secs(120));
    }
}

/// The entry of an order for a bucket with this address.
fn entry(bucket: &str) -> KeptDownload {
    let url = |name: &str| format!("{bucket}/downloads/f?X-Amz-Expires=60&X-Amz-Signature={MARKER}-{name}");
    KeptDownload {
        get: url("get"),
        put: url("put"),
        headers: BTreeMap::from([(CHECKSUM.to_owned(), "LPJNul-in-base64".to_owned())]),
    }
}

/// A machine that downloads `hello` from the source, with these further inputs, and may use the bucket.
fn machine(source: &str, bucket: &str, more: &str) -> Machine {
    keeping(steps(&format!("{{source: '{source}/f', destination: got/a, {more}}}")), SHA256_OF_HELLO, bucket)
}

fn steps(input: &str) -> Machine {
    Machine::with_steps(&format!(
        "      - {{name: Get, action: WebDownload, inputs: [{input}]}}\n      \
         - {{name: Show, action: ExecuteBash, inputs: {{commands: ['echo {{{{ build.Get.outputs.destination }}}}']}}}}\n"
    ))
}

fn keeping(mut machine: Machine, digest: &str, bucket: &str) -> Machine {
    machine.order.downloads.insert(digest.to_owned(), entry(bucket));
    machine
}

fn with_digest(more: &str) -> String {
    format!("checksum: {SHA256_OF_HELLO}, algorithm: SHA256{more}")
}

/// Runs the machine. Afterwards, no signature is in the output, the result, the logs or the state.
fn run(machine: &Machine) -> Run {
    let run = machine.run();
    reveals_nothing(machine, &run);
    run
}

fn reveals_nothing(machine: &Machine, run: &Run) {
    assert!(!run.stdout.contains(MARKER) && !run.stderr.contains(MARKER), "{}\n{}", run.stdout, run.stderr);
    for folder in ["../log", "../state", "../work"] {
        let found = Path::new(&machine.path(folder)).is_dir().then(|| revealing(&machine.path(folder)));
        assert_eq!(found.unwrap_or_default(), Vec::<String>::new());
    }
}

/// The files below a folder that contain a signature.
fn revealing(folder: &Path) -> Vec<String> {
    let paths = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut found = Vec::new();
    for path in paths {
        if path.is_dir() {
            found.extend(revealing(&path));
        } else if String::from_utf8_lossy(&fs::read(&path).unwrap()).contains(MARKER) {
            found.push(path.display().to_string());
        }
    }
    found
}

/// The names, modes and contents in the folder of the destination.
fn tree(machine: &Machine) -> Vec<(String, u32, Vec<u8>)> {
    let entries = fs::read_dir(machine.path("got")).unwrap().map(Result::unwrap);
    let mut files: Vec<_> = entries
        .map(|entry| {
            let mode = entry.metadata().unwrap().permissions().mode();
            (entry.file_name().into_string().unwrap(), mode, fs::read(entry.path()).unwrap())
        })
        .collect();
    files.sort();
    files
}

/// The lines of a run without the last one, which is the step's output.
fn remarks(machine: &Machine, run: &Run) -> String {
    assert_eq!(run.status, Some(0), "{}\n{}", run.stdout, run.stderr);
    let (last, lines) = run.said().split_last().map(|(last, lines)| (*last, lines.join("\n"))).unwrap();
    assert_eq!(last, machine.path("got/a").to_str().unwrap());
    let path = machine.path("got/a").display().to_string();
    lines.replace(&path, "PATH")
}

const HIT: &str = "PATH comes from the stack's bucket, which has kept it by its SHA-256";

#[test]
fn a_miss_is_kept_whole_and_the_next_machine_gets_it_without_the_source() {
    let file: Vec<u8> = (0..3_000_000_u32).map(|byte| byte.to_le_bytes()[1]).collect();
    let digest = hex::encode(Sha256::digest(&file));
    let (source, bucket) = (Server::with(Some(&file)), Server::with(None));
    let input = |source: &str| {
        steps(&format!("{{source: '{source}/f', destination: got/a, checksum: {digest}, algorithm: SHA256}}"))
    };
    let without = input(&source.url);
    assert_eq!(remarks(&without, &run(&without)), "");
    let miss = keeping(input(&source.url), &digest, &bucket.url);
    assert_eq!(remarks(&miss, &run(&miss)), "", "a miss is normal");
    assert_eq!((bucket.requests(), bucket.object()), (vec!["GET".to_owned(), "PUT".to_owned()], Some(file)));
    let head = bucket.content.lock().unwrap().headers[1].clone();
    assert!(head.contains(&format!("\r\n{CHECKSUM}: lpjnul-in-base64\r\n")), "{head}");
    assert!(head.contains("\r\ncontent-length: 3000000\r\n") && !head.contains("transfer-encoding"), "{head}");
    assert_eq!(source.requests().len(), 2);
    // The source of this machine does not exist.
    let hit = keeping(input("http://127.0.0.1:1"), &digest, &bucket.url);
    assert_eq!(remarks(&hit, &run(&hit)), HIT);
    assert_eq!(bucket.requests(), ["GET", "PUT", "GET"]);
    assert_eq!((tree(&miss), tree(&hit)), (tree(&without), tree(&without)));
    assert_eq!(tree(&hit).len(), 1);
}

#[test]
fn a_checksum_may_be_in_upper_case_and_have_spaces_around_it() {
    let bucket = Server::with(Some(b"hello"));
    let more = format!("checksum: ' {}  ', algorithm: sha256", SHA256_OF_HELLO.to_uppercase());
    let machine = machine("http://127.0.0.1:1", &bucket.url, &more);
    assert_eq!(remarks(&machine, &run(&machine)), HIT);
}

#[test]
fn other_algorithms_digests_and_files_without_a_checksum_never_ask_the_bucket() {
    let (source, bucket) = (Server::with(Some(b"hello")), Server::with(Some(b"hello")));
    let sha1 = "aaf4c61ddcc5e8a2dabede0f3b482cd9aea9434d";
    for more in ["overwrite: true".to_owned(), format!("checksum: {sha1}, algorithm: SHA1")] {
        let mut machine = machine(&source.url, &bucket.url, &more);
        machine.order.downloads.insert(sha1.to_owned(), entry(&bucket.url));
        assert_eq!(remarks(&machine, &run(&machine)), "");
    }
    let other = keeping(
        steps(&format!("{{source: '{}/f', destination: got/a, {}}}", source.url, with_digest(""))),
        &SHA256_OF_HELLO.replace('2', "3"),
        &bucket.url,
    );
    assert_eq!(remarks(&other, &run(&other)), "");
    assert_eq!((bucket.requests().len(), source.requests().len()), (0, 3));
}

#[test]
fn a_bucket_that_does_not_have_the_right_file_ready_is_no_failure_and_gets_nothing() {
    let cases = [
        (Does::Other("hullo"), "the bucket's file has the SHA-256 "),
        (Does::Other(""), "the bucket's file has the SHA-256 e3b0c442"),
        (Does::Status(500), "the bucket returned status 500"),
        (Does::Status(503), "the bucket returned status 503"),
        (Does::Status(206), "the bucket returned status 206"),
        (Does::Status(307), "the bucket returned status 307"),
        (Does::Status(403), "the bucket rejected the request with status 403, which it also does when the URL has"),
        (Does::BreaksOff, "http://BUCKET/downloads/f ended early: "),
        (Does::Closes, "http://BUCKET/downloads/f cannot be fetched: "),
    ];
    for (does, why) in cases {
        let (source, bucket) = (Server::with(Some(b"hello")), Server::start(None, &[does], &[Does::Right]));
        let machine = machine(&source.url, &bucket.url, &with_digest(""));
        let began = Instant::now();
        let told = remarks(&machine, &run(&machine)).replace(&bucket.url, "http://BUCKET");
        let told = told.replace("the response of ", "");
        let start = format!("PATH does not come from the stack's bucket: {why}");
        assert!(told.starts_with(&start) && told.lines().count() == 1, "{told}\n{start}");
        assert_eq!((bucket.requests(), source.requests()), (vec!["GET".to_owned()], vec!["GET".to_owned()]));
        assert_eq!(machine.read("got/a"), "hello");
        assert_eq!(tree(&machine).len(), 1, "no part of the bucket's file");
        assert!(began.elapsed() < Duration::from_secs(5), "it is not tried again");
    }
}

#[test]
fn a_bucket_that_is_not_there_or_no_url_is_no_failure() {
    for bucket in ["http://127.0.0.1:1", "http://127.0.0.1:1:1", "http://no-such-host.invalid", "ftp://x", "x", ""] {
        let source = Server::with(Some(b"hello"));
        let machine = machine(&source.url, bucket, &with_digest(""));
        let told = remarks(&machine, &run(&machine));
        assert!(told.starts_with("PATH does not come from the stack's bucket: "), "{told}");
        assert_eq!(source.requests(), ["GET"]);
    }
}

#[test]
fn a_silent_bucket_delays_a_step_only_shortly() {
    thread::scope(|scope| {
        for does in [Does::Hangs, Does::Stalls] {
            scope.spawn(move || {
                let (source, bucket) = (Server::with(Some(b"hello")), Server::start(None, &[does], &[Does::Right]));
                let machine = machine(&source.url, &bucket.url, &with_digest(""));
                let began = Instant::now();
                let told = remarks(&machine, &run(&machine));
                assert!(told.starts_with("PATH does not come from the stack's bucket: "), "{told}");
                assert!(told.ends_with("in time") || told.ends_with("timed out"), "{told}");
                assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
                assert_eq!((bucket.requests(), tree(&machine).len()), (vec!["GET".to_owned()], 1));
            });
        }
    });
}

#[test]
fn a_file_that_cannot_be_kept_is_no_failure() {
    let cases = [
        (Does::Status(400), 1, "the bucket returned status 400"),
        (Does::Status(404), 1, "the bucket returned status 404"),
        (Does::Status(307), 1, "the bucket returned status 307"),
        (Does::Status(403), 1, "the bucket rejected the request with status 403, which"),
        (Does::Status(503), 2, "the bucket returned status 503"),
        (Does::Closes, 2, "http://BUCKET/downloads/f cannot be fetched: "),
        (Does::Hangs, 1, "it would have taken more than half of the time that the step had left"),
    ];
    for (does, tries, why) in cases {
        let (source, bucket) = (Server::with(Some(b"hello")), Server::start(None, &[Does::Right], &[does]));
        let machine = machine(&source.url, &bucket.url, &with_digest(""));
        // Half of this time is left for the file, so there is time for at most two tries.
        let body = machine.order.documents[0].body.replace("WebDownload,", "WebDownload, timeoutSeconds: 5,");
        let machine = machine.with_body(&body);
        let told = remarks(&machine, &run(&machine)).replace(&bucket.url, "http://BUCKET");
        let start = format!("the stack's bucket does not keep PATH: {why}");
        assert!(told.starts_with(&start) && told.lines().count() == 1, "{told}\n{start}");
        assert_eq!(bucket.requests()[1..], vec!["PUT".to_owned(); tries]);
        assert_eq!((machine.read("got/a").as_str(), source.requests().len()), ("hello", 1));
    }
}

#[test]
fn a_file_that_cannot_be_kept_leaves_time_for_the_next_one() {
    let (source, bucket) = (Server::with(Some(b"hello")), Server::start(None, &[Does::Right], &[Does::Hangs]));
    let get = |name: &str| format!("{{source: '{}/f', destination: got/{name}, {}}}", source.url, with_digest(""));
    let step = format!("{{name: Get, action: WebDownload, timeoutSeconds: 3, inputs: [{}, {}]}}", get("a"), get("b"));
    let machine = keeping(Machine::with_steps(&format!("      - {step}\n")), SHA256_OF_HELLO, &bucket.url);
    assert_eq!(run(&machine).status, Some(0));
    assert_eq!((tree(&machine).len(), bucket.requests().len()), (2, 4));
}

#[test]
fn a_busy_bucket_is_asked_again_to_keep_a_file() {
    let source = Server::with(Some(b"hello"));
    let bucket = Server::start(None, &[Does::Right], &[Does::Status(503), Does::Right]);
    let machine = machine(&source.url, &bucket.url, &with_digest(""));
    assert_eq!(remarks(&machine, &run(&machine)), "");
    assert_eq!((bucket.requests().len(), bucket.object()), (3, Some(b"hello".to_vec())));
}

#[test]
fn a_file_that_the_source_does_not_have_is_the_same_failure_as_without_a_bucket() {
    for does in [Does::Status(404), Does::Other("hullo")] {
        let (source, bucket) = (Server::start(None, &[does], &[]), Server::with(None));
        let machine = machine(&source.url, &bucket.url, &with_digest(""));
        let kept = run(&machine);
        let without = Machine::new(&[&machine.order.documents[0].body]);
        let plain = without.run();
        assert_eq!((kept.message(), kept.evidence()), (plain.message(), plain.evidence()));
        assert_eq!((bucket.requests().len(), bucket.object()), (1, None));
    }
}

#[test]
fn an_existing_file_is_replaced_kept_or_used_as_without_a_bucket() {
    let bucket = Server::with(Some(b"hello"));
    let start = |there: &str, more: &str| {
        let machine = machine("http://127.0.0.1:1", &bucket.url, &with_digest(more));
        fs::create_dir_all(machine.path("got")).unwrap();
        fs::write(machine.path("got/a"), there).unwrap();
        machine
    };
    let replaced = start("old", "");
    assert_eq!((remarks(&replaced, &run(&replaced)).as_str(), replaced.read("got/a").as_str()), (HIT, "hello"));
    let kept = start("old", ", overwrite: false");
    assert!(run(&kept).message().ends_with("/got/a exists, and `overwrite` is false"));
    assert_eq!((kept.read("got/a").as_str(), bucket.requests().len()), ("old", 1));
    let used = start("hello", "");
    assert_eq!((remarks(&used, &run(&used)).as_str(), bucket.requests().len()), ("", 1));
}

#[test]
fn a_destination_that_cannot_be_written_is_the_same_failure_as_without_a_bucket() {
    let (source, bucket) = (Server::with(Some(b"hello")), Server::with(Some(b"hello")));
    let machine = machine(&source.url, &bucket.url, &with_digest(""));
    fs::create_dir_all(machine.path("got/a/full")).unwrap();
    let message = run(&machine).message();
    assert!(message.starts_with(&format!("{} cannot be written: ", machine.path("got/a").display())), "{message}");
    assert_eq!((source.requests().len(), bucket.requests().len()), (1, 1));
}

#[test]
fn ignored_certificate_errors_are_those_of_the_source_only() {
    let untrusted =
        || serve_encrypted("HTTP/1.1 200 X\r\ncontent-length: 5\r\nconnection: close\r\n\r\nhello".to_owned());
    let machine = machine(&untrusted(), &untrusted(), &with_digest(", ignoreCertificateErrors: true"));
    let told = remarks(&machine, &run(&machine));
    assert!(told.contains("ertificate") && told.lines().count() == 1, "{told}");
    assert_eq!(machine.read("got/a"), "hello");
}

#[test]
fn muted_steps_say_nothing_of_the_bucket() {
    let bucket = Server::with(Some(b"hello"));
    let machine = machine("http://127.0.0.1:1", &bucket.url, &with_digest(""));
    let body = machine.order.documents[0].body.replace("WebDownload,", "WebDownload, disableLogging: true,");
    let machine = machine.with_body(&body);
    assert_eq!(remarks(&machine, &run(&machine)), "");
    assert_eq!((machine.read("got/a").as_str(), bucket.requests().len()), ("hello", 1));
}

#[test]
fn each_iteration_of_a_loop_and_each_document_in_a_document_uses_the_bucket() {
    let (source, bucket) = (Server::with(Some(b"hello")), Server::with(None));
    let get = |name: &str, more: &str, destination: &str| {
        let input = format!("{{source: '{}/f', destination: {destination}, {}}}", source.url, with_digest(""));
        format!("      - {{name: {name}, action: WebDownload, {more}inputs: [{input}]}}\n")
    };
    let nested = "      - {name: Nested, action: ExecuteDocument, inputs: {document: inner.yml}}\n";
    let looped = get("Get", "loop: {forEach: [a, b]}, ", "'got/{{ loop.value }}'");
    let machine = keeping(Machine::with_steps(&(looped + nested)), SHA256_OF_HELLO, &bucket.url);
    fs::create_dir_all(machine.path("")).unwrap();
    let inner = format!("schemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n{}", get("Inner", "", "got/c"));
    fs::write(machine.path("inner.yml"), inner).unwrap();
    let done = run(&machine);
    assert_eq!((done.status, done.said().len()), (Some(0), 2), "{}\n{}", done.stdout, done.stderr);
    assert_eq!(
        (source.requests().len(), bucket.requests()),
        (1, ["GET", "PUT", "GET", "GET"].map(str::to_owned).into())
    );
    assert_eq!(tree(&machine).iter().map(|file| file.0.as_str()).collect::<Vec<_>>(), ["a", "b", "c"]);
}

#[test]
fn the_table_survives_a_reboot_in_the_order_and_in_no_other_file() {
    let bucket = Server::with(Some(b"hello"));
    let inner = format!(
        "schemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n      - {{name: Restart, action: Reboot}}\n      \
         - {{name: Get, action: WebDownload, inputs: [{{source: 'http://127.0.0.1:1/f', destination: got/b, {}}}]}}\n",
        with_digest("")
    );
    let mut machine = machine("http://127.0.0.1:1", &bucket.url, &with_digest(""));
    let nested = "      - {name: Nested, action: ExecuteDocument, inputs: {document: inner.yml}}\n";
    let body = machine.order.documents[0].body.replace("steps:\n", &format!("steps:\n{nested}"));
    machine = machine.with_body(&body);
    machine.order.event_nonce = Some(Nonce::random().unwrap());
    fs::create_dir_all(machine.path("")).unwrap();
    fs::write(machine.path("inner.yml"), inner).unwrap();
    let first = run(&machine);
    assert_eq!((first.status, first.stderr.as_str()), (Some(194), ""));
    // This start reads the order that the first one has left.
    let second = Run::of(agent().arg(machine.path("../order.json")).output().unwrap());
    reveals_nothing(&machine, &second);
    assert_eq!(second.status, Some(0), "{}", second.stderr);
    assert_eq!((machine.read("got/a"), machine.read("got/b")), ("hello".to_owned(), "hello".to_owned()));
    assert_eq!(bucket.requests(), ["GET", "GET"]);
}

#[test]
fn a_finished_run_asks_the_bucket_no_more() {
    let (source, bucket) = (Server::with(Some(b"hello")), Server::with(None));
    let machine = machine(&source.url, &bucket.url, &with_digest(""));
    let (first, second) = (run(&machine), run(&machine));
    assert_eq!((second.status, &second.stderr), (Some(0), &first.stderr));
    assert_eq!((bucket.requests().len(), source.requests().len()), (2, 1));
}
