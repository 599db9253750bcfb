//! Builds as the functions store them: a good one, a failed one, and one that runs.

use goldsmith_cloud::fake::HOME;
use goldsmith_contents::{CONTENTS_VERSION, Contents, OsRelease, Package, PackageType, pack};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::digest;
use crate::testing::{Stack, WEB};

/// The sort key of an image's record.
fn image_key(number: u32) -> String {
    format!("V#0000000001.0000000002.0000000000#{number:010}")
}

/// Returns a time of the morning on which a build ran.
fn at(day: u32, minute: u32, second: u32) -> String {
    format!("2026-11-{day:02}T03:{minute:02}:{second:02}.000Z")
}

fn plan(nginx: &str) -> Value {
    let document = |name: &str, version: &str, test: bool, parameters: Value| {
        json!({"name": name, "version": version, "digest": "8f3ac1d09b7e4c5522aa", "testOnly": test,
               "parameters": parameters})
    };
    let parameter = json!({"parameterName": "/images/web", "dataType": "aws:ec2:image"});
    let eu = json!({"region": "eu-west-1", "name": "web 2026-11", "description": "The web server", "tags": {"team": "web"},
                    "launchPermission": {"userIds": ["222233334444"]}, "parameters": [parameter],
                    "launchTemplates": [{"template": "web-fleet", "setDefaultVersion": true}]});
    let us = json!({"region": "us-east-1", "name": "web 2026-11", "description": "", "tags": {},
                    "launchPermission": {"userGroups": ["all"]}, "parameters": [parameter], "kmsKeyId": "alias/images",
                    "protection": "withCooldown", "deprecateAt": "2027-02-27T03:00:00Z"});
    json!({"homeRegion": HOME, "source": "ssm:/aws/debian/12", "sourceImage": "ami-0source", "sourceOwner": "136693071363",
           "sourceOwnerAlias": "amazon", "architecture": "x86_64",
           "documents": [document("updates", "1.0.0", false, json!({})),
                         document("nginx", nginx, false, json!({"channel": "stable", "token": "s3cret-value"})),
                         document("answers", "2.1.0", true, json!({}))],
           "launch": {"instanceTypes": ["c7a.large", "m6i.large"], "subnets": ["subnet-1"], "securityGroups": [],
                      "metadataHopLimit": 1, "tags": {}, "blockDevices": [], "keepOnFailureSeconds": 14400},
           "regions": [eu, us], "someRegionsSuffice": false, "tests": ["t3.small", "m6i.large"],
           "testTimeoutMinutes": 60, "inputDigest": "41d0c3"})
}

impl Stack {
    /// Stores a build of the pipeline `web`: its plan, and attributes of its image.
    async fn sample(&self, number: u32, day: u32, nginx: &str, image: Value) {
        let (id, reference) = (format!("web-{number}"), format!("web/1.2.0/{number}"));
        let cause = match number {
            1 => json!({"kind": "schedule", "scheduledTime": "2026-11-24T03:00:00Z"}),
            2 => json!({"kind": "source-update", "source": "ssm:/aws/debian/12", "imageId": "ami-0source"}),
            _ => json!({"kind": "manual", "id": "1"}),
        };
        let mut build = json!({"build": id, "execution": "arn", "pipeline": "web", "image": reference, "cause": cause,
                               "status": "closed", "fence": 1, "createdAt": at(day, 0, 0), "plan": plan(nginx)});
        if number == 3 {
            build["reason"] = json!("the new page of the shop");
            build["status"] = json!("open");
        }
        if image["status"] == "FAILED" {
            let until = "2999-01-01T00:00:00.000Z"; // the time of the test is compared with it
            build["ending"] = json!({"status": "FAILED", "keep": {"kind": "instance", "until": until}});
            let reason = "DeleteSnapshot in us-east-1 failed: UnauthorizedOperation: no";
            build["after"] = json!({"left": [{"what": "snap-0a1", "region": "us-east-1", "reason": reason}]});
        }
        self.put(&format!("BUILD#{id}"), "META", build).await;
        let mut record = json!({"image": reference, "build": id, "pipeline": "web", "cause": cause, "createdAt": at(day, 0, 0),
                                "sourceImage": "ami-0source", "inputDigest": "41d0c3"});
        record.as_object_mut().unwrap().extend(image.as_object().unwrap().clone());
        self.put("IMAGE#web", &image_key(number), record).await;
        self.put("IMAGES", "web", json!({})).await;
    }

    async fn sample_state(&self, number: u32, state: &str, item: Option<&str>, times: [String; 2], more: Value) {
        let [from, to] = times;
        let stream = format!("{number}-{state}{}", item.unwrap_or_default());
        let mut record = json!({"state": state, "status": "SUCCEEDED", "startedAt": from, "detail": "",
                                "log": {"group": "g", "stream": stream}});
        if let Some(item) = item {
            record["item"] = json!(item);
        }
        if !to.is_empty() {
            record["endedAt"] = json!(to);
        }
        record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let key = item.map(|item| format!("#{item}")).unwrap_or_default();
        self.put(&format!("BUILD#web-{number}"), &format!("STATE#{state}{key}"), record).await;
    }

    async fn sample_instance(&self, number: u32, scope: &str, n: u32, more: Value) {
        let mut effect = json!({"scope": scope, "n": n, "kind": "instance", "region": "eu-west-1", "name": "token"});
        effect.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.put(&format!("BUILD#web-{number}"), &format!("EFFECT#{scope}#{n:03}"), effect).await;
    }

    /// Writes the events of a step into the log of a state. Without an end, the step runs.
    pub(super) fn sample_step(&self, stream: &str, step: [&str; 3], from: &str, end: Option<(&str, &str, i32)>) {
        // The time of an event counts only if the log has received it on the same day.
        let now: Timestamp = from.parse().unwrap();
        self.cloud.tell_time(move || now);
        let [document, phase, step] = step;
        let event = |t: &str, kind: &str, more: Value| {
            let mut event = json!({"t": t, "kind": kind, "document": document, "phase": phase, "step": step,
                                   "action": "ExecuteBash", "attempt": 1});
            event.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            format!("\u{1e}goldsmith {event}")
        };
        let mut lines = vec![event(from, "step-started", json!({}))];
        lines.extend(end.map(|(to, status, code)| {
            event(to, "step-ended", json!({"status": status, "seconds": 1.0, "exitCode": code}))
        }));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        self.cloud.append_log(HOME, "g", stream, &lines);
    }

    /// Stores the contents of a build's image: packages with their versions.
    pub(super) async fn sample_contents(&self, number: u32, packages: &[(&str, &str)]) {
        let package = |(name, version): &(&str, &str)| Package {
            license: Some("MIT".to_owned()),
            ..Package::new(PackageType::Deb, *name, *version, "/var/lib/dpkg/status")
        };
        let os = OsRelease { pretty_name: "Debian GNU/Linux 12 (bookworm)".to_owned(), ..OsRelease::default() };
        let packages = packages.iter().map(package).collect();
        let bytes = pack(&Contents { version: CONTENTS_VERSION, os, packages, ..Contents::default() }).unwrap();
        let key = format!("contents/web-{number}.json.gz");
        let mut record = self.table_item("IMAGE#web", &image_key(number)).await;
        record["contents"] = json!({"key": key, "sha256": digest::of_bytes(&bytes)});
        self.connection.cloud.objects.put(&key, bytes).await.unwrap();
        self.put("IMAGE#web", &image_key(number), record).await;
    }

    /// A stack with the three builds.
    pub(super) async fn with_samples() -> Self {
        let stack = Self::new();
        stack.apply(WEB).await;
        stack.good().await;
        stack.failed().await;
        stack.running().await;
        let channel = json!({"channel": "stable", "number": 1, "to": "web/1.2.0/1", "at": "2026-11-24T08:00:00.000Z",
                             "by": "arn:aws:sts::111122223333:assumed-role/platform/anna", "reason": "it has run for a day"});
        stack.put("PIPELINE#web", "CHANNEL#stable", channel).await;
        stack
    }

    async fn good(&self) {
        let image = json!({"status": "AVAILABLE", "endedAt": at(24, 9, 30),
                           "amis": {"eu-west-1": "ami-0e1", "us-east-1": "ami-0u1"},
                           "copies": [{"account": "333344445555", "region": "us-east-1", "ami": "ami-0c1"}]});
        self.sample(1, 24, "1.4.0", image).await;
        self.sample_contents(1, &[("base-files", "12.4"), ("nginx", "1.22.1-9")]).await;
        let times = |a: (u32, u32), b: (u32, u32)| [at(24, a.0, a.1), at(24, b.0, b.1)];
        let none = || json!({});
        self.sample_state(1, "Plan", None, times((0, 0), (0, 2)), none()).await;
        self.sample_state(
            1,
            "Launch",
            None,
            times((0, 3), (0, 45)),
            json!({"detail": "i-01 runs: m6i.large in subnet-1", "waitedForRoom": 12}),
        )
        .await;
        self.sample_state(1, "Build", None, times((0, 46), (3, 10)), none()).await;
        self.sample_state(1, "Snapshot", None, times((3, 11), (5, 40)), json!({"detail": "ami-0e1"})).await;
        for (item, to) in [("t3.small", (6, 30)), ("m6i.large", (6, 22))] {
            self.sample_state(1, "LaunchTest", Some(item), times((5, 41), to), none()).await;
            self.sample_state(1, "ExecuteTest", Some(item), times(to, (7, 10)), audit(item)).await;
            self.sample_state(1, "EndTest", Some(item), times((7, 10), (7, 14)), none()).await;
            let stream = format!("1-ExecuteTest{item}");
            let (from, to) = ("2026-11-24T03:06:36Z", "2026-11-24T03:06:58Z");
            self.sample_step(&stream, ["answers", "test", "Answers"], from, Some((to, "success", 0)));
        }
        self.sample_state(1, "JudgeTests", None, times((7, 15), (7, 16)), none()).await;
        self.sample_state(1, "DistributeRegion", Some("eu-west-1"), times((7, 17), (7, 20)), none()).await;
        self.sample_state(1, "DistributeRegion", Some("us-east-1"), times((7, 17), (9, 24)), none()).await;
        self.sample_state(1, "Publish", None, times((9, 25), (9, 28)), none()).await;
        let refused = json!({"candidate": "c7a.large in subnet-1", "refused": "InsufficientInstanceCapacity"});
        self.sample_instance(1, "Launch", 1, refused).await;
        self.sample_instance(1, "Launch", 2, json!({"candidate": "m6i.large in subnet-1", "id": "i-01"})).await;
        let step = |step, from, end| self.sample_step("1-Build", step, from, Some(end));
        let reboots = ("2026-11-24T03:01:40Z", "rebooting", 194);
        step(["updates", "build", "Update"], "2026-11-24T03:00:55Z", reboots);
        let updated = ("2026-11-24T03:02:31Z", "success", 0);
        step(["updates", "build", "Update"], "2026-11-24T03:02:20Z", updated);
        step(["nginx", "build", "Install"], "2026-11-24T03:02:31Z", ("2026-11-24T03:02:59Z", "success", 0));
        step(["nginx", "validate", "Configured"], "2026-11-24T03:03:00Z", ("2026-11-24T03:03:04Z", "success", 0));
    }

    async fn failed(&self) {
        let last_lines = ["Reading package lists...", "\u{1b}[31mE: Unable to locate package nginx-extra\u{1b}[0m"];
        let failure = json!({"state": "Build", "error": "Goldsmith.CommandFailed", "message": "step Install failed",
                             "document": "nginx", "phase": "build", "step": "Install", "action": "ExecuteBash",
                             "exitCode": 100, "lastLines": last_lines});
        let image = json!({"status": "FAILED", "endedAt": at(26, 2, 12), "failure": failure});
        self.sample(2, 26, "1.5.0", image).await;
        let times = |a: (u32, u32), b: (u32, u32)| [at(26, a.0, a.1), at(26, b.0, b.1)];
        self.sample_state(2, "Plan", None, times((0, 0), (0, 2)), json!({})).await;
        self.sample_state(2, "Launch", None, times((0, 3), (0, 41)), json!({})).await;
        let build = json!({"status": "FAILED", "detail": "step Install failed"});
        self.sample_state(2, "Build", None, times((0, 42), (2, 10)), build).await;
        self.sample_state(2, "FinishFailed", None, times((2, 11), (2, 20)), json!({})).await;
        self.sample_instance(2, "Launch", 1, json!({"candidate": "c7a.large in subnet-1", "id": "i-02"})).await;
        let updated = ("2026-11-26T03:01:50Z", "success", 0);
        self.sample_step("2-Build", ["updates", "build", "Update"], "2026-11-26T03:00:52Z", Some(updated));
        let installed = ("2026-11-26T03:02:06Z", "failed", 100);
        self.sample_step("2-Build", ["nginx", "build", "Install"], "2026-11-26T03:01:50Z", Some(installed));
    }

    async fn running(&self) {
        self.sample(3, 26, "1.5.1", json!({"status": "BUILDING", "createdAt": at(26, 30, 0)})).await;
        let open = |from: (u32, u32)| [at(26, from.0, from.1), String::new()];
        let [plan, launch] = [[(30, 0), (30, 2)], [(30, 3), (30, 47)]]
            .map(|[from, to]: [(u32, u32); 2]| [at(26, from.0, from.1), at(26, to.0, to.1)]);
        self.sample_state(3, "Plan", None, plan, json!({})).await;
        self.sample_state(3, "Launch", None, launch, json!({})).await;
        let build = json!({"status": "RUNNING", "detail": "command c-1 runs"});
        self.sample_state(3, "Build", None, open((30, 48)), build).await;
        self.sample_instance(3, "Launch", 1, json!({"candidate": "c7a.large in subnet-1", "id": "i-03"})).await;
        self.sample_step("3-Build", ["updates", "build", "Update"], "2026-11-26T03:30:56Z", None);
    }
}

fn audit(item: &str) -> Value {
    if item != "t3.small" {
        return json!({});
    }
    let finding = json!({"path": "/etc/bind/rndc.key", "kind": "package-secret", "what": "control key of BIND",
                         "package": "bind9", "remedy": "remove it, and let a unit make it at the first boot"});
    json!({"audit": {"findings": [finding], "files": 31244, "notes": ["other file systems were not examined: /data"]}})
}
