//! Pages in a real browser on this machine: nothing that one of them can send drives or reads the local AWS.
//!
//! `make door-chromium` runs these alone. Where no Chromium is installed, they say so and pass.

mod report;
mod site;

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::json;

use super::Case;
use crate::stack::Stack;
use site::Site;

pub(super) const CASES: &[(&str, Case)] = &[
    ("no_page_in_chromium_drives_or_reads_the_local_aws", pages),
    ("reports_in_chromium_fit_any_width_and_load_nothing", report::fits),
    ("a_build_and_its_pipeline_have_reports", report::said),
];

const SCRIPT: &str = include_str!("page.js");
/// Names that Debian and others install it under.
const BROWSERS: [&str; 3] = ["chromium", "chromium-browser", "google-chrome"];
/// All that a page tries takes about ten seconds.
const PATIENCE: Duration = Duration::from_secs(600);

/// What a page found: where, by which way, and what came of it.
type Found = Vec<(String, String, String)>;

/// A browser with a profile of its own; ends with its value.
struct Browser(Child, #[expect(dead_code, reason = "is removed with it")] tempfile::TempDir);

impl Browser {
    /// Opens a page. `rules` say what names mean, as a name server would.
    fn open(program: &str, url: &str, rules: &str) -> Self {
        Self::start(program, url, rules, &[], Stdio::null())
    }

    /// Opens a page with more options. The browser logs to `stderr`.
    fn start(program: &str, url: &str, rules: &str, more: &[&str], stderr: Stdio) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let mut command = Command::new(program);
        // Its own sandbox does not work for root, nor in most containers; the page is the suite's.
        command.args(["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
        command.args(["--disable-background-networking", "--disable-component-update", "--no-proxy-server"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.arg(format!("--host-resolver-rules={rules}")).args(more).arg(url);
        command.env("HOME", profile.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(stderr);
        Browser(command.spawn().unwrap(), profile)
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn browser() -> Option<&'static str> {
    BROWSERS.into_iter().find(|name| {
        let version = Command::new(name).arg("--version").stderr(Stdio::null()).output();
        version.is_ok_and(|output| output.status.success())
    })
}

/// Where processes of the stack listen: `127.0.0.1:PORT`, all of them.
fn doors(stack: &Stack) -> Vec<String> {
    let sockets: Vec<u64> = stack.processes().into_iter().flat_map(sockets_of).collect();
    let table = fs::read_to_string("/proc/net/tcp").unwrap();
    let listening = table.lines().skip(1).filter_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_own = fields[3] == "0A" && sockets.contains(&fields[9].parse().unwrap());
        is_own.then(|| u16::from_str_radix(fields[1].split_once(':').unwrap().1, 16).unwrap())
    });
    listening.map(|port| format!("127.0.0.1:{port}")).collect()
}

/// Inodes of the sockets that a process has open.
fn sockets_of(process: u32) -> Vec<u64> {
    let open = fs::read_dir(format!("/proc/{process}/fd")).unwrap().flatten();
    let open = open
        .filter(|file| fs::read_link(file.path()).is_ok_and(|target| target.to_string_lossy().starts_with("socket:")));
    open.filter_map(|file| fs::metadata(file.path()).ok()).map(|facts| facts.ino()).collect()
}

fn page(image: &str, doors: &[String]) -> String {
    let doors = json!(doors);
    format!("<!doctype html><body><script>const doors = {doors}, image = '{image}';\n{SCRIPT}</script>")
}

fn pages(stack: &Stack) {
    let Some(program) = browser() else {
        println!("SKIPPED (no Chromium: on Debian, `apt-get install chromium`): pages in a browser");
        return;
    };
    let (instance, image) = stack.launch_one();
    // So that it runs, and fetches its events somewhere.
    let before = (stack.inventory(), stack.invoke("reap", &json!({})));
    let doors = doors(stack);
    // The two servers, the instance's metadata, and the function's events.
    assert!(doors.len() >= 4, "{doors:?}");
    for host in ["127.0.0.1", "page.example"] {
        from_another_origin(stack, program, host, &image, &doors);
    }
    for door in &doors {
        from_a_name_that_has_come_to_mean_it(stack, program, &image, door);
    }
    assert_eq!((stack.inventory(), stack.invoke("reap", &json!({}))), before);
    stack.terminate_one(&instance);
}

/// What a page can do with a server that is open to all. What it cannot do there shows nothing elsewhere.
const OPEN_TO_ALL: [(&str, &str); 5] = [
    ("fetch GET /_local/inventory", "read 200"),
    ("fetch signed POST /", "read 200"),
    ("fetch PUT /", "read 200"),
    ("fetch no-cors POST /", "opaque"),
    ("script /_local/inventory", "loaded"),
];
/// How often a page is opened. On a busy machine, an answer may come after the page has given it up.
const OPENINGS: u32 = 3;

fn from_another_origin(stack: &Stack, program: &str, host: &str, image: &str, doors: &[String]) {
    let open = Site::open(|_| String::new(), None);
    let all = [doors, &[format!("127.0.0.1:{}", open.port)]].concat();
    let is_open = |door: &str| door.ends_with(&format!(":{}", open.port));
    for opening in 1..=OPENINGS {
        let site = Site::open(|_| page(image, &all), None);
        let url = format!("http://{host}:{}/page", site.port);
        let _browser = Browser::open(program, &url, "MAP page.example 127.0.0.1");
        let found = meanwhile(stack, &site);
        let (open_to_all, ours): (Found, Found) = found.into_iter().partition(|(door, ..)| is_open(door));
        assert_eq!(ours.len(), open_to_all.len() * doors.len(), "not all ways were tried");
        let read = |outcome: &str| !matches!(outcome, "refused" | "opaque" | "silent" | "sent");
        let got: Vec<_> = ours.iter().filter(|(_, _, outcome)| read(outcome)).collect();
        assert!(got.is_empty(), "from {host}: {got:?}");
        let works = |(way, what): &(&str, &str)| {
            open_to_all.iter().any(|(_, tried, outcome)| tried == way && outcome.starts_with(what))
        };
        if OPEN_TO_ALL.iter().all(works) {
            break;
        }
        assert!(opening < OPENINGS, "of an open server: {open_to_all:?}");
    }
    let heard = open.heard.lock().unwrap().join("\n");
    for request in ["POST / Action=RunInstances", "POST /_ministack/reset", "OPTIONS / ", "GET /_local/inventory "] {
        assert!(heard.contains(request), "{request} has not come: {heard}");
    }
}

/// DNS rebinding: the page's name and port are the server's, so that it reads all that it is answered.
fn from_a_name_that_has_come_to_mean_it(stack: &Stack, program: &str, image: &str, door: &str) {
    let port = door.rsplit(':').next().unwrap();
    let name = format!("rebound.example:{port}");
    let site = Site::open(|_| page(image, std::slice::from_ref(&name)), Some(door.to_owned()));
    let rules = format!("MAP {name} 127.0.0.1:{}", site.port);
    let _browser = Browser::open(program, &format!("http://{name}/page"), &rules);
    let found = meanwhile(stack, &site);
    assert!(!found.is_empty());
    for (_, way, outcome) in found {
        // The metadata says no more than its status, as on AWS.
        let is_refusal = outcome.contains("must name 127.0.0.1") || outcome.ends_with("403 - Forbidden");
        let is_refusal = is_refusal && !outcome.starts_with("read 2");
        assert!(is_refusal || matches!(&*outcome, "refused" | "silent" | "sent" | "opaque"), "{door} {way}: {outcome}");
    }
}

/// What the page finds, while the function is invoked all the time and answers for itself.
fn meanwhile(stack: &Stack, site: &Site) -> Found {
    let began = Instant::now();
    loop {
        stack.invoke("reap", &json!({}));
        if let Ok(report) = site.reports.try_recv() {
            return serde_json::from_str(&report).unwrap();
        }
        assert!(began.elapsed() < PATIENCE, "the page does not report");
    }
}

impl Stack {
    /// An instance that takes part in nothing, and its image.
    fn launch_one(&self) -> (String, String) {
        let ec2 = aws_sdk_ec2::Client::new(self.sdk());
        let images = self.block_on(ec2.describe_images().owners("amazon").send()).unwrap();
        let image = images.images()[0].image_id().unwrap().to_owned();
        let run = ec2.run_instances().image_id(&image).min_count(1).max_count(1);
        let run = self.block_on(run.instance_type(aws_sdk_ec2::types::InstanceType::T3Small).send()).unwrap();
        let instance = run.instances()[0].instance_id().unwrap().to_owned();
        self.wait_for("the instance", || self.is_in(&instance, "running"));
        (instance, image)
    }

    fn terminate_one(&self, instance: &str) {
        let ec2 = aws_sdk_ec2::Client::new(self.sdk());
        self.block_on(ec2.terminate_instances().instance_ids(instance).send()).unwrap();
        self.wait_for("the instance's end", || self.inventory().instances.is_empty().then_some(()));
    }

    fn is_in(&self, instance: &str, state: &str) -> Option<()> {
        self.inventory().instances.iter().any(|one| one.id == instance && one.state == state).then_some(())
    }

    /// The emulator and the EC2 endpoint.
    fn processes(&self) -> [u32; 2] {
        ["emulator", "ec2"].map(|name| {
            let pid = &self.description()[name]["pid"];
            u32::try_from(pid.as_u64().unwrap()).unwrap()
        })
    }
}
