//! Takes the place of the emulator: writes down what it is sent and answers like CloudWatch Logs and EventBridge.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

/// A parameter with 120 versions, the oldest of which that AWS would keep has a label.
pub(crate) const LABELLED: &str = "/images/labelled";
/// The same, but only an older version has a label.
pub(crate) const UNLABELLED: &str = "/images/unlabelled";

/// One call that it got.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) target: String,
    pub(crate) region: String,
    /// By the access key; the default account's is `test`.
    pub(crate) account: String,
    pub(crate) body: Value,
}

/// A listening stand-in; it ends with the test process.
pub(crate) struct FakeEmulator {
    pub(crate) url: String,
    received: Arc<Mutex<Vec<Received>>>,
}

impl FakeEmulator {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let received = Arc::new(Mutex::new(Vec::new()));
        let log = received.clone();
        std::thread::spawn(move || {
            let mut groups = BTreeSet::new();
            for stream in listener.incoming() {
                answer(stream.unwrap(), &log, &mut groups);
            }
        });
        FakeEmulator { url, received }
    }

    /// All lines of a log stream so far.
    pub(crate) fn lines(&self, stream: &str) -> Vec<String> {
        self.events_of(stream).iter().flat_map(|event| event.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    }

    /// All messages of a log stream so far.
    pub(crate) fn events_of(&self, stream: &str) -> Vec<String> {
        let received = self.received.lock().unwrap();
        let puts = received.iter().filter(|call| call.target == "Logs_20140328.PutLogEvents");
        let events = puts.filter(|call| call.body["logStreamName"] == stream).flat_map(|call| {
            call.body["logEvents"].as_array().unwrap().iter().map(|event| event["message"].as_str().unwrap().to_owned())
        });
        events.collect()
    }

    /// All calls of a target so far.
    pub(crate) fn calls(&self, target: &str) -> Vec<Received> {
        let received = self.received.lock().unwrap();
        received.iter().filter(|call| call.target == target).cloned().collect()
    }

    /// Account and Region of every event so far.
    pub(crate) fn scopes(&self) -> Vec<String> {
        let received = self.received.lock().unwrap();
        let puts = received.iter().filter(|call| call.target == "AWSEvents.PutEvents");
        puts.map(|call| format!("{}/{}", call.account, call.region)).collect()
    }

    /// Region, detail type and state of all events so far. Some events have no state.
    pub(crate) fn events(&self) -> Vec<(String, String, String)> {
        let received = self.received.lock().unwrap();
        let puts = received.iter().filter(|call| call.target == "AWSEvents.PutEvents");
        puts.map(|call| {
            let entry = &call.body["Entries"][0];
            let detail: Value = serde_json::from_str(entry["Detail"].as_str().unwrap()).unwrap();
            let states = ["state", "State", "status", "instance-action"];
            let state = states.iter().find_map(|name| detail[name].as_str()).unwrap_or_default();
            (call.region.clone(), entry["DetailType"].as_str().unwrap().to_owned(), state.to_owned())
        })
        .collect()
    }
}

fn answer(mut stream: TcpStream, log: &Mutex<Vec<Received>>, groups: &mut BTreeSet<String>) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    let (mut length, mut target, mut region, mut account) = (0, String::new(), String::new(), String::new());
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        let Some((name, value)) = line.trim().split_once(": ") else {
            if line.trim().is_empty() {
                break;
            }
            continue;
        };
        match name {
            "content-length" => length = value.parse().unwrap(),
            "x-amz-target" => target = value.to_owned(),
            "authorization" => {
                let scope = value.split_once("Credential=").unwrap().1;
                account = scope.split('/').next().unwrap().to_owned();
                region = scope.split('/').nth(2).unwrap().to_owned();
            }
            _ => {}
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let body: Value = serde_json::from_slice(&body).unwrap();
    let (status, answer) = match (target.as_str(), body["logGroupName"].as_str()) {
        ("Logs_20140328.CreateLogGroup", Some(group)) => {
            groups.insert(group.to_owned());
            ("200 OK", json!({}))
        }
        ("AWSSecurityTokenServiceV20110615.AssumeRole", _) => session_of(&body),
        ("AmazonSSM.GetParameter", _) if body["Name"] == LABELLED || body["Name"] == UNLABELLED => {
            ("200 OK", json!({"Parameter": {"DataType": "aws:ec2:image", "Version": 120}}))
        }
        ("AmazonSSM.GetParameterHistory", _) => ("200 OK", history_of(&body)),
        ("AmazonSSM.DeleteParameter", _) => ("400 Bad", json!({"__type": "ParameterNotFound"})),
        (_, Some(group)) if !groups.contains(group) => ("400 Bad", json!({"__type": "ResourceNotFoundException"})),
        _ => ("200 OK", json!({"FailedEntryCount": 0})),
    };
    if status == "200 OK" || target.starts_with("AmazonSSM") {
        log.lock().unwrap().push(Received { target, region, account, body });
    }
    let text = answer.to_string();
    write!(stream, "HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{text}", text.len()).unwrap();
}

/// Pages of 50 versions.
fn history_of(body: &Value) -> Value {
    let begin = body["NextToken"].as_str().map_or(0, |next| next.parse::<u64>().unwrap());
    let labelled = if body["Name"] == LABELLED { 21 } else { 20 };
    let labels = |version: u64| if version == labelled { vec!["stable"] } else { vec![] };
    let page = (begin + 1..=120).take(50).map(|version| json!({"Version": version, "Labels": labels(version)}));
    let mut answer = json!({"Parameters": page.collect::<Vec<_>>()});
    if begin + 50 < 120 {
        answer["NextToken"] = json!((begin + 50).to_string());
    }
    answer
}

/// A session of the role that is asked for; a role of this name trusts nobody.
fn session_of(body: &Value) -> (&'static str, Value) {
    if body["RoleArn"].as_str().unwrap().ends_with("/untrusting") {
        return (
            "403 Forbidden",
            json!({"__type": "AccessDenied", "message": "not authorized to perform: sts:AssumeRole"}),
        );
    }
    let keys = json!({"AccessKeyId": "ASIAEXAMPLE", "SecretAccessKey": "secret", "SessionToken": "session",
        "Expiration": 1_900_000_000});
    ("200 OK", json!({"Credentials": keys}))
}
