//! Failed builds as people meet them, each with the last good build before it: what `goldsmith show` and `goldsmith report`
//! say about each must be enough to find the cause.

use goldsmith_contents::{
    CONTENTS_VERSION, Contents, OsRelease, Package, PackageType, Socket, Unit, UnitState, UnownedFile, pack,
};
use serde_json::{Value, json};

use super::Stack;
use crate::digest;

/// The names of all of them.
pub(crate) const FAILURES: [&str; 10] =
    ["lock", "not-enabled", "checksum", "disk", "key", "memory", "network", "time-out", "audit", "name"];

const BASE: &str = "\
schemaVersion: 1.0
phases:
  - name: build
    steps:
      - name: Settings
        action: ExecuteBash
        inputs:
          commands:
            - set -euo pipefail
            - echo 'umask 027' > /etc/profile.d/acme.sh
";
const SETUP: &str = "\
schemaVersion: 1.0
phases:
  - name: build
    steps:
      - name: Download
        action: WebDownload
        inputs:
          - source: http://127.0.0.1:18650/app-2.4.tar.gz
            destination: /tmp/app/app-2.4.tar.gz
      - name: Unpack
        action: ExecuteBash
        inputs:
          commands:
            - tar -C /tmp/app -xzf /tmp/app/app-2.4.tar.gz
";
const SVC: &str = "\
schemaVersion: 1.0
phases:
  - name: build
    steps:
      - name: Enable
        action: ExecuteBash
        inputs:
          commands:
            - set -euo pipefail
            - systemctl enable app.service
";

/// What differs between a good build and a failed one.
struct Failure {
    /// The document of the component that has a version 1.0.1 in the failed build.
    changed: Vec<(&'static str, String)>,
    /// Changes of the plan's launch.
    launch: Value,
    cause: Value,
    /// Whether the test instance was up, so that there are contents.
    contents: Option<Contents>,
    /// Attributes of the image.
    image: Value,
}

fn step(step: [&str; 3], action: &str, message: &str, exit_code: Option<i32>, lines: &[&str]) -> Value {
    let [document, phase, name] = step;
    let mut cause = json!({"state": "Build", "error": "Goldsmith.CommandFailed", "document": document, "phase": phase, "step": name,
                           "action": action, "message": format!("{document} / {phase} / {name}: {message}"), "lastLines": lines});
    if let Some(code) = exit_code {
        cause["exitCode"] = json!(code);
    }
    cause
}

/// The contents of the good image.
fn contents() -> Contents {
    let package = |name: &str, version: &str| Package::new(PackageType::Deb, name, version, "/var/lib/dpkg/status");
    let unit = Unit { name: "app.service".to_owned(), state: UnitState::Enabled };
    let socket = Socket {
        protocol: "tcp".to_owned(),
        port: 18088,
        address: "127.0.0.1".to_owned(),
        program: "server".to_owned(),
    };
    Contents {
        version: CONTENTS_VERSION,
        os: OsRelease { pretty_name: "Debian GNU/Linux 12 (bookworm)".to_owned(), ..OsRelease::default() },
        packages: vec![package("acme-agent", "3.2-1"), package("base-files", "12.4")],
        units: vec![unit],
        sockets: vec![socket],
        ..Contents::default()
    }
}

fn failure(name: &str) -> Failure {
    let none = Failure { changed: Vec::new(), launch: json!({}), cause: json!({}), contents: None, image: json!({}) };
    let bash = "ExecuteBash";
    match name {
        "lock" => {
            let lines = [
                "E: Could not get lock /var/lib/dpkg/lock-frontend. It is held by process 174 (unattended-upgr)",
                "E: Unable to acquire the dpkg frontend lock (/var/lib/dpkg/lock-frontend), is another process using it?",
            ];
            let mut cause = step(["setup", "build", "Agent"], bash, "exit status 100", Some(100), &lines);
            let held = "Another process held the lock /var/lib/dpkg/lock-frontend: 174 (unattended-upgr)";
            cause["evidence"] = json!([held, "apt-daily.timer is active"]);
            Failure { cause, ..none }
        }
        "not-enabled" => {
            let line = "curl: (7) Failed to connect to 127.0.0.1 port 18088 after 0 ms: Couldn't connect to server";
            let mut cause = step(["svc-check", "test", "Healthy"], bash, "exit status 7", Some(7), &[line; 9]);
            (cause["state"], cause["item"], cause["error"]) =
                (json!("ExecuteTest"), json!("t3.small"), json!("Goldsmith.TestFailed"));
            let svc = SVC.replace("name: Enable", "name: Load").replace("enable", "start");
            let contents = Contents { units: Vec::new(), sockets: Vec::new(), ..contents() };
            Failure { changed: vec![("svc", svc)], cause, contents: Some(contents), ..none }
        }
        "checksum" => {
            let (new, old) = ("897b2d0608b123da", "22b16b00bbd47c38");
            let said = format!("http://127.0.0.1:18650/app-2.4.tar.gz has the SHA256 {new}, not {old}");
            Failure { cause: step(["setup", "build", "Download"], "WebDownload", &said, None, &[]), ..none }
        }
        "disk" => {
            let mut lines = vec!["tar: app/data/shard-07.bin: Wrote only 4608 of 10240 bytes".to_owned()];
            lines.extend(
                (8..20).map(|n| format!("tar: app/data/shard-{n:02}.bin: Cannot write: No space left on device")),
            );
            lines.push("tar: Exiting with failure status due to previous errors".to_owned());
            lines.extend((1..25).map(|n| match n % 3 {
                0 => format!("shard-{n:02}: ok"),
                _ => format!("shard-{n:02}: missing or incomplete"),
            }));
            let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
            let cause = step(["setup", "build", "Unpack"], bash, "exit status 1", Some(1), &lines);
            let base = format!("{BASE}            - mount -o remount,size=64m /tmp\n");
            Failure { changed: vec![("base", base)], cause, ..none }
        }
        "key" => {
            let message = "the copy ami-0c failed: Client.InvalidKMSKey: Given key ID is not accessible. You must have DescribeKey \
                           permissions on the default CMK. A possible cause is that EC2 is not allowed to use the account's \
                           default KMS key for EBS in this Region: check that the key exists and is enabled, and that its policy \
                           lets this account use it";
            let cause = json!({"state": "DistributeRegion", "item": "us-east-1", "error": "Goldsmith.CopyFailed",
                               "message": message, "region": "us-east-1", "resource": "ami-0c"});
            let image = json!({"amis": {"eu-west-1": "ami-0e"}});
            Failure { cause, contents: Some(contents()), image, ..none }
        }
        "memory" => {
            let lines =
                ["index: reading 24 shards", "input.sh: line 2:   275 Killed                  /srv/app/bin/index"];
            let cause = step(["setup", "build", "Index"], bash, "exit status 137", Some(137), &lines);
            Failure { launch: json!({"instanceTypes": ["t3.nano"]}), cause, ..none }
        }
        "network" => {
            let message = "i-0a is running, but no SSM agent on it has registered with Systems Manager. Check that the image has \
                           an SSM agent, or a cloud-init that could install one: the console says what was tried. Check that the \
                           subnet can reach the endpoints ssm, ssmmessages and ec2messages of eu-west-1. Check that the role of \
                           the instance profile may register with Systems Manager";
            let cause = json!({"state": "Launch", "error": "Goldsmith.NotOnline", "message": message, "region": "eu-west-1",
                               "resource": "i-0a", "lastLines": ["goldsmith: the SSM agent is installed"]});
            let launch = json!({"subnets": ["subnet-0b7c41d9e83f52a60"], "securityGroups": ["sg-0f1e6c3a9d7b25840"]});
            Failure { launch, cause, ..none }
        }
        "time-out" => {
            let mut lines = vec!["acme-agent: activating at http://127.0.0.1:18650"];
            lines.extend(["acme-agent: no answer, trying again"; 4]);
            Failure { cause: step(["setup", "build", "Activate"], bash, "timed out", None, &lines), ..none }
        }
        "audit" => {
            let line = "/var/lib/acme-agent/client.pem: private key (PEM); remove it in a component's last step";
            let message =
                "the audit of the image has found 1 thing that every instance would share; 772 files were examined";
            let cause = json!({"state": "ExecuteTest", "item": "t3.small", "error": "Goldsmith.AuditFailed", "message": message,
                               "lastLines": [line]});
            let mut contents = contents();
            contents.packages[0] = Package::new(PackageType::Deb, "acme-agent", "3.2-2", "/var/lib/dpkg/status");
            let path = "/var/lib/acme-agent/client.pem".to_owned();
            contents.files = vec![UnownedFile { path, size: 1704, mode: "0600".to_owned(), sha256: None }];
            Failure { cause, contents: Some(contents), ..none }
        }
        _ => {
            let said = "http://artifacts.eu.acme.internal/app-2.4.tar.gz cannot be fetched: io: failed to lookup address \
                        information: Name or service not known";
            let base = format!("{BASE}            - echo hosts=files > /etc/nsswitch.conf\n");
            let setup = SETUP.replace("127.0.0.1:18650", "artifacts.eu.acme.internal");
            let cause = step(["setup", "build", "Download"], "WebDownload", said, None, &[]);
            Failure { changed: vec![("base", base), ("setup", setup)], cause, ..none }
        }
    }
}

impl Stack {
    /// A stack with a good build `web/1.0.0/1` and a failed one, `web/1.0.0/2`.
    pub(crate) async fn with_failure(name: &str) -> Self {
        let stack = Self::new();
        let failure = failure(name);
        let mut text = String::new();
        let mut component = |name: &str, version: &str, document: &str| {
            let lines: String = document.lines().map(|line| format!("  {line}\n")).collect();
            text += &format!("---\nkind: Component\nname: {name}\nsemanticVersion: {version}\ndata: |\n{lines}");
        };
        for (name, document) in [("base", BASE), ("setup", SETUP), ("svc", SVC)] {
            component(name, "1.0.0", document);
        }
        for (name, document) in &failure.changed {
            component(name, "1.0.1", document);
        }
        stack.apply(&text).await;
        let version = |name: &str, number: u32| {
            let is_changed = failure.changed.iter().any(|(changed, _)| *changed == name);
            if number == 2 && is_changed { "1.0.1" } else { "1.0.0" }
        };
        for number in [1, 2] {
            let documents: Vec<Value> = ["base", "setup", "svc"]
                .map(|name| json!({"name": name, "version": version(name, number), "digest": version(name, number), "testOnly": false, "parameters": {}}))
                .into();
            let mut launch = json!({"instanceTypes": ["t3.small", "t3a.small"], "subnets": [], "securityGroups": [],
                                    "metadataHopLimit": 1, "tags": {}, "blockDevices": [], "keepOnFailureSeconds": 0});
            if number == 2 {
                launch.as_object_mut().unwrap().extend(failure.launch.as_object().unwrap().clone());
            }
            let region = |region: &str| json!({"region": region, "name": "web", "description": "", "tags": {}, "parameters": [], "launchPermission": {}});
            let plan = json!({"homeRegion": "eu-west-1", "source": "ssm:/source", "sourceImage": "ami-0source",
                              "sourceOwner": "136693071363", "sourceOwnerAlias": "amazon", "architecture": "x86_64",
                              "documents": documents, "launch": launch, "regions": [region("eu-west-1"), region("us-east-1")],
                              "someRegionsSuffice": false, "tests": ["t3.small"], "testTimeoutMinutes": 15, "inputDigest": ""});
            let reference = format!("web/1.0.0/{number}");
            let (id, began) = (format!("web-{number}"), format!("2026-01-0{number}T10:00:00.000Z"));
            let cause = json!({"kind": "manual", "id": "1"});
            let mut build = json!({"build": id, "execution": "arn", "pipeline": "web", "image": reference, "cause": cause,
                                   "status": "closed", "fence": 1, "createdAt": began, "plan": plan});
            let mut image = json!({"image": reference, "build": id, "pipeline": "web", "cause": cause, "status": "AVAILABLE",
                                   "sourceImage": "ami-0source", "inputDigest": "", "createdAt": began,
                                   "endedAt": format!("2026-01-0{number}T10:02:00.000Z")});
            let mut inside = Some(contents());
            if number == 2 {
                (image["status"], image["failure"], inside) =
                    (json!("FAILED"), failure.cause.clone(), failure.contents.clone());
                image.as_object_mut().unwrap().extend(failure.image.as_object().unwrap().clone());
                if image["amis"].is_object() {
                    let keep = json!({"kind": "images", "until": "2026-01-09T10:00:00.000Z"});
                    build["ending"] = json!({"status": "FAILED", "keep": keep});
                }
            }
            if let Some(inside) = inside {
                let bytes = pack(&inside).unwrap();
                let key = format!("contents/{id}.json.gz");
                image["contents"] =
                    json!({"key": key, "sha256": digest::of_bytes(&bytes), "packages": 2, "files": inside.files.len()});
                stack.connection.cloud.objects.put(&key, bytes).await.unwrap();
            }
            stack.put(&format!("BUILD#{id}"), "META", build).await;
            stack.put("IMAGE#web", &format!("V#0000000001.0000000000.0000000000#{number:010}"), image).await;
        }
        stack.put("IMAGES", "web", json!({})).await;
        stack.failed_states(&failure).await;
        stack
    }

    /// Stores the states of the failed build, up to the one that failed.
    async fn failed_states(&self, failure: &Failure) {
        let cause = &failure.cause;
        let (failed, message) = (cause["state"].as_str().unwrap(), cause["message"].as_str().unwrap());
        let states = [
            "Plan",
            "Launch",
            "Build",
            "Snapshot",
            "LaunchTest",
            "ExecuteTest",
            "JudgeTests",
            "DistributeRegion",
            "Publish",
        ];
        let last = states.iter().position(|one| *one == failed).unwrap();
        // The state after the Map fails with the same message.
        let last = if last > 4 { last + 1 } else { last };
        for (at, state) in states.iter().enumerate().take(last + 1) {
            let item = match *state {
                "LaunchTest" | "ExecuteTest" => Some("t3.small"),
                "DistributeRegion" => Some("us-east-1"),
                _ => None,
            };
            let is_failed = *state == failed || at == last && at > 4;
            let mut record = json!({"state": state, "status": if is_failed { "FAILED" } else { "SUCCEEDED" },
                                    "startedAt": format!("2026-01-02T10:00:{at:02}.000Z"),
                                    "endedAt": format!("2026-01-02T10:00:{:02}.000Z", at + 1),
                                    "detail": if is_failed { message } else { "" }, "log": {"group": "g", "stream": state}});
            let mut key = format!("STATE#{state}");
            if let Some(item) = item {
                record["item"] = json!(item);
                key = format!("{key}#{item}");
            }
            if *state == "ExecuteTest" && cause["error"] == "Goldsmith.AuditFailed" {
                let finding = json!({"path": "/var/lib/acme-agent/client.pem", "kind": "private-key", "what": "private key (PEM)",
                                     "remedy": "remove it in a component's last step, and let each instance make or fetch its own"});
                record["audit"] = json!({"findings": [finding], "files": 772});
            }
            self.put("BUILD#web-2", &key, record).await;
        }
        let instance = json!({"scope": "Launch", "n": 1, "kind": "instance", "region": "eu-west-1", "name": "token",
                              "candidate": "t3.small", "id": "i-0a"});
        self.put("BUILD#web-2", "EFFECT#Launch#001", instance).await;
        let end = json!({"state": "Finish", "status": "SUCCEEDED", "startedAt": "2026-01-02T10:02:00.000Z",
                         "endedAt": "2026-01-02T10:02:01.000Z", "detail": "nothing of the build is left"});
        self.put("BUILD#web-2", "STATE#Finish", end).await;
    }
}
