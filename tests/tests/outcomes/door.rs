//! Who the emulator lets in: whoever knows the stack's secret, and no page in a browser.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

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
    let date = std::process::Command::new("date").args(["-u", "+%Y%m%dT%H%M%SZ"]).output().expect("date").stdout;
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
fn nobody_drives_the_emulator_who_does_not_know_its_secret_nor_any_page() {
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
