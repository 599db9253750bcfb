//! Who the emulator lets in: whoever knows the stack's secret, and no page in a browser.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::stack::{SECRET, Stack};

/// Calls of AWS's: service, and what stands for it in the head.
const CALLS: [(&str, &str); 9] = [
    ("dynamodb", "x-amz-target: DynamoDB_20120810.ListTables\r\n"),
    ("states", "x-amz-target: AWSStepFunctions.ListStateMachines\r\n"),
    ("ssm", "x-amz-target: AmazonSSM.DescribeParameters\r\n"),
    ("logs", "x-amz-target: Logs_20140328.DescribeLogGroups\r\n"),
    ("events", "x-amz-target: AWSEvents.PutEvents\r\n"),
    ("sts", "content-type: application/x-www-form-urlencoded\r\n"),
    ("iam", "content-type: application/x-www-form-urlencoded\r\n"),
    ("cloudformation", "content-type: application/x-www-form-urlencoded\r\n"),
    ("ec2", "content-type: application/x-www-form-urlencoded\r\n"),
];

/// Status and head of the answer to a request.
fn ask(host: &str, method: &str, path: &str, head: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(host).expect("it listens");
    let own = if head.starts_with("host:") { String::new() } else { format!("host: {host}\r\n") };
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\n{own}{head}connection: close\r\ncontent-length: {length}\r\n\r\n{body}"
    )
    .expect("it reads");
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).expect("it answers");
    let answer = String::from_utf8_lossy(&answer).into_owned();
    (answer[9..12].parse().expect("a status"), answer.to_ascii_lowercase())
}

/// What somebody sends who knows all but the secret: the root's id, and a signature that is none.
fn guessed(service: &str, id: &str) -> String {
    let date = Command::new("date").args(["-u", "+%Y%m%dT%H%M%SZ"]).output().expect("date").stdout;
    let time = String::from_utf8_lossy(&date).trim().to_owned();
    let scope = format!("{id}/{}/eu-west-1/{service}/aws4_request", &time[..8]);
    let signature = "0".repeat(64);
    format!(
        "x-amz-date: {time}\r\nauthorization: AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host;x-amz-date, \
         Signature={signature}\r\n"
    )
}

fn body(service: &str) -> &'static str {
    match service {
        "sts" => "Action=GetCallerIdentity&Version=2011-06-15",
        "iam" => "Action=ListUsers&Version=2010-05-08",
        "cloudformation" => "Action=ListStacks&Version=2010-05-15",
        "ec2" => "Action=DescribeInstances&Version=2016-11-15",
        _ => "{}",
    }
}

#[test]
fn neither_a_page_nor_a_caller_without_the_secret_drives_the_emulator() {
    let stack = Stack::start();
    let host = stack.host();
    let shown = format!("x-goldsmith-local: {SECRET}\r\n");
    assert_eq!(ask(host, "GET", "/_ministack/health", &shown, "").0, 200);
    for head in ["", "x-goldsmith-local: 1\r\n"] {
        for (method, path) in [("GET", "/_ministack/health"), ("POST", "/_ministack/reset"), ("GET", "/health")] {
            assert_eq!(ask(host, method, path, head, "").0, 403, "{path} {head}");
        }
    }
    for (service, call) in CALLS {
        for id in ["test", "000000000000", "AKIAUNKNOWN", ""] {
            let (status, answer) = ask(host, "POST", "/", &format!("{call}{}", guessed(service, id)), body(service));
            assert!((400..500).contains(&status), "{service} as {id}: {answer}");
            assert!(!answer.contains("access-control-"), "{answer}");
        }
        for head in ["", "authorization: Bearer x\r\n", "authorization: AWS test:x\r\n"] {
            assert_eq!(ask(host, "POST", "/", &format!("{call}{head}"), body(service)).0, 403, "{service} {head}");
        }
    }
    let upload = guessed("s3", "test");
    assert_eq!(ask(host, "PUT", "/bucket", &upload, "").0, 403);
    assert_eq!(ask(host, "PUT", "/amazon-ssm-eu-west-1", "", "").0, 403);
    assert_eq!(ask(host, "GET", "/", &upload, "").0, 403);
    for head in [
        "origin: https://page.example\r\n",
        "origin: null\r\n",
        "sec-fetch-site: cross-site\r\n",
        "sec-fetch-site: same-site\r\n",
        "host: page.example\r\n",
    ] {
        let known = format!("{head}{shown}");
        for (method, path) in
            [("GET", "/_ministack/health"), ("OPTIONS", "/"), ("OPTIONS", "/bucket/key"), ("POST", "/")]
        {
            let (status, answer) = ask(host, method, path, &known, "");
            assert_eq!(status, 403, "{method} {path} {head}");
            assert!(!answer.contains("access-control-"), "{answer}");
        }
    }
    assert!(!ask(host, "OPTIONS", "/", &shown, "").1.contains("access-control-"));
    let large = format!("{shown}{}", guessed("ec2", "test"));
    assert_eq!(ask(host, "POST", "/", &large, &"a".repeat(1024 * 1024 + 1)).0, 413);
}

/// What who has found a function's port sends: method, path and body.
const FORGERIES: [(&str, &str, &str); 4] = [
    ("GET", "/2018-06-01/runtime/invocation/next", ""),
    ("POST", "/2018-06-01/runtime/init/error", r#"{"errorType": "Forged"}"#),
    ("POST", "/2018-06-01/runtime/invocation/x/response", r#"{"forged": true}"#),
    ("OPTIONS", "/", ""),
];
/// A user whom this machine does not know.
const STRANGER: [&str; 3] = ["--reuid=64321", "--regid=64321", "--clear-groups"];
const INVOCATIONS: usize = 20;

/// Where the functions that run fetch their events: what the emulator's processes were given.
fn runtimes(emulator: u32) -> Vec<String> {
    let processes = fs::read_dir("/proc").expect("there are processes").flatten().map(|entry| entry.path());
    let own = processes.filter(|process| {
        let stat = fs::read_to_string(process.join("stat")).unwrap_or_default();
        let parent = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1));
        parent == Some(&emulator.to_string())
    });
    let environments = own.map(|process| fs::read(process.join("environ")).unwrap_or_default());
    let variables = environments.flat_map(|all| all.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect::<Vec<_>>());
    let variables = variables.filter_map(|variable| String::from_utf8(variable).ok());
    variables.filter_map(|variable| variable.strip_prefix("AWS_LAMBDA_RUNTIME_API=").map(str::to_owned)).collect()
}

/// All that comes back, if anything does before the other end closes.
fn told(host: &str, method: &str, path: &str, body: &str) -> String {
    let Ok(mut stream) = TcpStream::connect(host) else { return String::new() };
    let head = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\nconnection: close\r\n");
    // It may be closed before it has been sent.
    let _ = write!(stream, "{head}content-length: {}\r\n\r\n{body}", body.len());
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The same as another user. Returns `None` if this user may not become another, or if there is no curl.
fn told_to_a_stranger(host: &str, method: &str, path: &str, body: &str) -> Option<String> {
    if !rustix::process::geteuid().is_root() || Command::new("curl").arg("--version").output().is_err() {
        return None;
    }
    let mut curl = Command::new("setpriv");
    curl.args(STRANGER).args([
        "curl",
        "--silent",
        "--include",
        "--max-time",
        "10",
        "--request",
        method,
        "--data",
        body,
    ]);
    let output = curl.arg(format!("http://{host}{path}")).output().expect("setpriv starts");
    // Nothing came, or the connection was reset.
    assert!(matches!(output.status.code(), Some(52 | 56)), "{output:?}");
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_function_itself_is_told_its_events_and_answers_them() {
    let stack = Stack::up();
    let lambda = aws_sdk_lambda::Client::new(&stack.sdk().await);
    let invoke = || async {
        let answer = lambda.invoke().function_name("outcomes-signal").payload(b"{}".to_vec().into()).send().await;
        let answer = answer.expect("it is invoked");
        let payload = answer.payload.map(aws_sdk_lambda::primitives::Blob::into_inner).unwrap_or_default();
        (answer.function_error, String::from_utf8_lossy(&payload).into_owned())
    };
    let its_own = (None, "{}".to_owned());
    assert_eq!(invoke().await, its_own);
    let runtimes = runtimes(stack.emulator());
    assert!(!runtimes.is_empty(), "no function runs");
    for host in &runtimes {
        for (method, path, body) in FORGERIES {
            assert_eq!(told(host, method, path, body), "", "{method} {path}");
            assert_eq!(told_to_a_stranger(host, method, path, body).unwrap_or_default(), "", "{method} {path}");
        }
    }
    // Nor does whoever asks all the time get in between.
    let done = AtomicBool::new(false);
    let asked = |host: &str| {
        let (method, path, _) = FORGERIES[0];
        let mut heard = String::new();
        while !done.load(Ordering::Relaxed) {
            heard += &told(host, method, path, "");
        }
        heard
    };
    let mut answers = Vec::new();
    let heard = thread::scope(|scope| {
        let asking: Vec<_> = runtimes.iter().map(|host| scope.spawn(|| asked(host))).collect();
        let runtime = tokio::runtime::Handle::current();
        tokio::task::block_in_place(|| {
            answers.extend((0..INVOCATIONS).map(|_| runtime.block_on(invoke())));
        });
        done.store(true, Ordering::Relaxed);
        asking.into_iter().map(|asking| asking.join().expect("it has asked")).collect::<String>()
    });
    assert_eq!(heard, "");
    assert_eq!(answers, vec![its_own; INVOCATIONS]);
}
