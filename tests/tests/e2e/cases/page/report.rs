//! The pages of `goldsmith report` in a browser: they fit their width, follow light and dark, and violate no policy.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Instant;

use serde::Deserialize;
use serde_json::json;

use super::site::Site;
use super::{Browser, PATIENCE, browser};
use crate::definitions::Pipeline;
use crate::stack::Stack;

const SCRIPT: &str = include_str!("report.js");
/// Of phones, tablets and desktops, and where the layout changes.
const WIDTHS: [u32; 7] = [360, 416, 768, 769, 1024, 1280, 1600];

/// A page that is wider than any screen, that has its failure far down, and whose policy forbids its own style and an image.
/// What is found on it shows that something would be found on the others.
const BAD: &str = "<!DOCTYPE html><html><head><title>bad</title><meta http-equiv=\"Content-Security-Policy\" \
                   content=\"default-src 'none'\" /></head><body><main><h1>bad</h1><pre>WIDE</pre>\
                   <section id=\"failure\"><pre>TALL</pre><p class=\"message\">failed</p></section>\
                   <p style=\"color: red\">styled</p><img src=\"/outside.png\" alt=\"\" /></main></body></html>";

/// What the script found out about a page at a width, in a color scheme.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Seen {
    page: String,
    width: u32,
    scheme: String,
    /// How far the page can be scrolled to the side.
    overflow: i64,
    ground: String,
    /// What a person must see of a failure without scrolling: the cause, what helps, and what has changed.
    first: usize,
    /// What of it is further down.
    below: Vec<String>,
    landmarks: usize,
    violations: Vec<String>,
}

/// A good and a failed build of a pipeline, and the pages of both and of the pipeline.
fn written(stack: &Stack, name: &str, folder: &Path) -> Vec<PathBuf> {
    let steps = [("build", "Greets", "echo hello"), ("test", "Answers", "true")];
    let good = stack.build(Pipeline::new(name, &steps).write().path());
    assert_eq!(good.exit, 0, "{good:?}");
    let hostile = "printf '\\033[31m<script>alert(1)</script>\\033[0m\\n'\nexit 3";
    let text = Pipeline::new(name, &[("build", "Fails", hostile)]).text();
    // A new version of the component, which the recipe takes by its pattern.
    let text = text.replacen("semanticVersion: 1.0.0", "semanticVersion: 1.0.1", 1);
    let failed = stack.build(crate::definitions::folder(&text).path());
    assert_eq!((failed.exit, failed.json["outcome"].as_str()), (1, Some("failed")), "{failed:?}");
    let to = folder.display().to_string();
    let output = stack.goldsmith(&["report", name, "-o", &to, "--local", "--output", "json"]);
    assert!(output.status.success(), "{output:?}");
    let written: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let builds = written["builds"].as_array().unwrap().iter().map(|file| file.as_str().unwrap());
    let files: Vec<PathBuf> = builds.chain(written["report"].as_str()).map(PathBuf::from).collect();
    let names: Vec<_> = files.iter().map(|file| file.file_name().unwrap().to_str().unwrap()).collect();
    let [newest, first] = [2, 1].map(|number| format!("{name}-1.0.0-{number}.html"));
    assert_eq!(names, [newest.as_str(), first.as_str(), "index.html"]);
    files
}

/// The pages say what has happened, also through the door that a stack on AWS has.
pub(super) fn said(stack: &Stack) {
    let folder = tempfile::tempdir().unwrap();
    let files = written(stack, "reported", folder.path());
    let [failed, good, index] = [0, 1, 2].map(|at| fs::read_to_string(&files[at]).unwrap());
    let steps = ["reported › build › Greets", "reported › test › Answers"];
    for said in steps.into_iter().chain(["t3.small", "us-east-1", "ami-", "1 of 1", "packages of deb", "base-files"]) {
        assert!(good.contains(said), "no {said} in\n{good}");
    }
    let changed = "component reported: 1.0.0 → 1.0.1";
    let remedy = "Look first at component reported 1.0.1: it is the only change since reported/1.0.0/1.";
    let hostile = "&#60;script&#62;alert(1)&#60;/script&#62;";
    for said in ["Build failed", "reported › build › Fails", hostile, remedy, changed] {
        assert!(failed.contains(said), "no {said} in\n{failed}");
    }
    assert!(!failed.contains("<script"), "{failed}");
    for said in ["href=\"reported-1.0.0-2.html\"", "1 of 2", "reported/1.0.0/1: AVAILABLE"] {
        assert!(index.contains(said), "no {said} in\n{index}");
    }
    let file = folder.path().join("one.html").display().to_string();
    let output = stack.goldsmith_by_endpoint(&["report", "reported/1.0.0/1", "-o", &file]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(String::from_utf8_lossy(&output.stdout), format!("{file}\n"));
    assert!(fs::read_to_string(&file).unwrap().contains("reported › build › Greets"));
}

/// The pages on screens of any width, light and dark.
pub(super) fn fits(stack: &Stack) {
    let Some(program) = browser() else {
        println!("SKIPPED (no Chromium: on Debian, `apt-get install chromium`): reports in a browser");
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let pages = written(stack, "displayed", folder.path()).into_iter();
    let pages: Vec<_> = pages.map(|file| (file.display().to_string(), fs::read_to_string(file).unwrap())).collect();
    let (seen, log) = look(program, &pages);
    assert_eq!(seen.len(), pages.len() * WIDTHS.len() * 2, "{seen:?}");
    for one in &seen {
        assert!((one.overflow, one.landmarks) == (0, 4), "{one:?}");
        let first = if one.page == pages[0].0 { 2 } else { 0 };
        assert!(one.violations.is_empty() && one.first == first && one.below.is_empty(), "{one:?}");
    }
    for light in seen.iter().filter(|one| one.scheme == "light") {
        let is_same = |one: &&Seen| one.page == light.page && one.width == light.width && one.scheme == "dark";
        assert_ne!(seen.iter().find(is_same).unwrap().ground, light.ground, "{light:?}");
    }
    assert!(!log.contains("CONSOLE"), "{log}");
    let bad = BAD.replace("WIDE", &"wide".repeat(500)).replace("TALL", &"tall\n".repeat(100));
    let (seen, log) = look(program, &[("bad".to_owned(), bad)]);
    assert!(seen.iter().all(|one| one.overflow > 1000 && one.below == ["message"]), "{seen:?}");
    assert!(log.contains("CONSOLE") && log.contains("Content Security Policy"), "{log}");
}

/// Opens pages, and returns what the script found out, and what the browser has logged.
fn look(program: &str, pages: &[(String, String)]) -> (Vec<Seen>, String) {
    // The pages are text within a script, which `</script` would end.
    let (pages, widths) = (json!(pages).to_string().replace("</", "<\\/"), json!(WIDTHS));
    let page = format!("<!doctype html><body><script>const pages = {pages}, widths = {widths};\n{SCRIPT}</script>");
    let site = Site::open(|_| page.clone(), None);
    let folder = tempfile::tempdir().unwrap();
    let log = folder.path().join("log");
    let more = ["--enable-logging=stderr", "--v=0", "--window-size=1700,1000"];
    let stderr = Stdio::from(fs::File::create(&log).unwrap());
    let url = format!("http://127.0.0.1:{}/page", site.port);
    let _browser = Browser::start(program, &url, "MAP * ~NOTFOUND, EXCLUDE 127.0.0.1", &more, stderr);
    let began = Instant::now();
    let seen = site.reports.recv_timeout(PATIENCE.saturating_sub(began.elapsed())).expect("the page does not report");
    (serde_json::from_str(&seen).unwrap(), fs::read_to_string(log).unwrap())
}
