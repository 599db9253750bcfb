//! Builds that begin where an earlier build was.

use goldsmith_model::State;
use goldsmith_store::{CheckpointRecord, ImageStatus};
use serde_json::json;
use tempfile::TempDir;

use super::Case;
use crate::definitions::{Pipeline, folder};
use crate::stack::{Built, Stack};

pub(super) const CASES: &[(&str, Case)] = &[
    ("a_build_begins_with_the_checkpoint_of_the_one_before_it", begun),
    ("a_checkpoint_outlives_a_build_that_fails_after_it", outlives),
    ("a_spot_instance_is_stopped_for_its_checkpoint_and_started_again", on_spot),
];

/// The recipe's line for the first component, without and with its checkpoint.
fn component(name: &str, more: &str) -> String {
    format!("components:\n  - {{name: {name}, version: 1.x.x{more}}}\n")
}

/// A pipeline whose recipe has a component before its checkpoint and one after it, each with this script.
fn pipeline(name: &str, version: u32, more: &str, scripts: [&str; 2], test: &str) -> String {
    let [first, second] = scripts;
    let one = Pipeline { regions: &["eu-west-1"], ..Pipeline::new(name, &[("build", "First", first)]) }.text();
    let later = Pipeline::new(&format!("{name}-later"), &[("build", "Second", second), ("test", "Look", test)]).text();
    let later = later
        .split("---\n")
        .next()
        .unwrap()
        .replace("semanticVersion: 1.0.0", &format!("semanticVersion: 1.{version}.0"));
    let both = format!("{}  - {{name: {name}-later, version: 1.{version}.x}}\n", component(name, more));
    let recipe = format!("kind: ImageRecipe\nname: {name}\nsemanticVersion: 1.0.0");
    let of_version = recipe.replace("1.0.0", &format!("1.{version}.0"));
    format!("{later}---\n{}", one.replace(&component(name, ""), &both).replace(&recipe, &of_version))
}

pub(super) fn built(stack: &Stack, folder: &TempDir) -> Built {
    let built = stack.build(folder.path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    built
}

fn checkpoint(stack: &Stack, pipeline: &str) -> CheckpointRecord {
    stack.block_on(stack.store().checkpoint(&pipeline.parse().unwrap())).unwrap().unwrap()
}

fn detail(stack: &Stack, build: &str, state: State) -> String {
    stack.block_on(stack.store().state(build, &state.into())).unwrap().unwrap().detail
}

/// Returns the AMI from which Launch has launched the instance of a build.
fn launched_from(stack: &Stack, build: &str) -> String {
    let effects = stack.block_on(stack.store().effects(build, &State::Launch.into())).unwrap();
    let id = effects.last().unwrap().id.clone().unwrap();
    let ec2 = aws_sdk_ec2::Client::new(stack.sdk());
    let described = stack.block_on(ec2.describe_instances().instance_ids(id).send()).unwrap();
    described.reservations()[0].instances()[0].image_id().unwrap().to_owned()
}

/// Prints a digest of the contents and the modes of all files that an image may have and that no instance writes.
pub(super) const TREE: &str = "cd /
tree() { find usr opt srv var/lib/dpkg etc/apt etc/passwd etc/group etc/shadow -xdev -type f; }
tree | LC_ALL=C sort | tr '\\n' '\\0' | xargs -0 sha256sum > /tmp/tree
tree | LC_ALL=C sort | tr '\\n' '\\0' | xargs -0 stat -c '%a %u %g %n' >> /tmp/tree
echo TREE $(wc -l < /tmp/tree) $(sha256sum < /tmp/tree | cut -d ' ' -f 1)";

pub(super) fn tree(stack: &Stack, image: &str) -> String {
    let said = stack.goldsmith(&["logs", image, "--local"]);
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let tree = said.lines().find_map(|line| line.split_once("TREE ").map(|(_, rest)| rest.to_owned()));
    tree.filter(|tree| tree.split(' ').next().unwrap().parse::<u32>().unwrap() > 1_000)
        .unwrap_or_else(|| panic!("{said}"))
}

fn begun(stack: &Stack) {
    let name = "begins";
    // What the first component leaves in memory is gone after its checkpoint, and what it writes is there.
    let scripts = |second| ["echo ran >> /opt/first\ntouch /run/first\nuseradd -r worker", second];
    let test = format!("test \"$(cat /opt/first)\" = ran\n{TREE}");
    let mark = ", checkpoint: true";
    let second = "test -e /opt/first && echo one > /opt/second";
    let plain = built(stack, &folder(&pipeline(name, 0, "", scripts(second), &test)));
    let files = |version, second| folder(&pipeline(name, version, mark, scripts(second), &test));
    let lost = "test ! -e /run/first && test -e /opt/first && echo one > /opt/second";
    let first = built(stack, &files(1, lost));
    let made = checkpoint(stack, name);
    assert_eq!(
        (made.build.as_str(), launched_from(stack, first.build())),
        (first.build(), source(stack, first.build()))
    );
    assert_eq!(detail(stack, first.build(), State::Build), "1 step ran");
    let told = detail(stack, first.build(), State::Checkpoint);
    assert!(told.starts_with(&format!("the checkpoint is {}; ", made.image)), "{told}");
    assert_eq!(detail(stack, first.build(), State::BuildRest), "1 step ran");
    // The image, and the checkpoint with its snapshot.
    assert_eq!(stack.left_of(first.build()).counts(), (0, 2, 2));

    let planned = stack.goldsmith(&["plan", name, "--local", "--force"]);
    let planned = String::from_utf8_lossy(&planned.stdout).into_owned();
    assert!(planned.contains(&format!("a new one after {name}")), "{planned}");

    let changed = files(2, "test ! -e /run/first && echo one > /opt/second");
    let second = built(stack, &changed);
    assert_eq!(launched_from(stack, second.build()), made.image);
    assert_eq!(detail(stack, second.build(), State::Build), "1 step ran");
    let has = |state: State| stack.block_on(stack.store().state(second.build(), &state.into())).unwrap().is_some();
    assert!(!has(State::Checkpoint) && !has(State::BuildRest));
    assert_eq!(checkpoint(stack, name), made);
    assert_eq!(stack.left_of(second.build()).counts(), (0, 1, 1));
    let shown = stack.goldsmith(&["show", second.image(), "--local"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let begins = format!("begins with {}: the disk after {name}, made by {}", made.image, first.build());
    assert!(shown.contains(&begins), "{shown}");

    // The same files, whether there was no checkpoint, or it was made, or the build began with it.
    let trees = [&plain, &first, &second].map(|built| tree(stack, built.image()));
    assert!(trees.iter().all(|tree| *tree == trees[0]), "{trees:?}");
    let diff = stack.goldsmith(&["diff", plain.image(), second.image(), "--local", "--output", "json"]);
    let diff: serde_json::Value = serde_json::from_slice(&diff.stdout).unwrap();
    for what in ["packages", "files"] {
        assert!(diff[what].as_array().is_none_or(Vec::is_empty), "{diff:#}");
    }

    // Everything again: a new checkpoint, and the old one goes with the next sweep.
    let forced = stack.goldsmith(&["build", name, "--local", "--force", "--output", "json"]);
    assert_eq!(forced.status.code(), Some(0), "{}", String::from_utf8_lossy(&forced.stderr));
    let newer = checkpoint(stack, name);
    assert_ne!(newer.image, made.image);
    stack.invoke("reap", &json!({"sweep": true}));
    assert_eq!(stack.left_of(first.build()).counts(), (0, 1, 1));
    assert_eq!(stack.left_of(&newer.build).counts(), (0, 2, 2));
    delete(stack, name);
    assert_eq!(stack.left_of(&newer.build).counts(), (0, 1, 1));
}

/// Deletes a pipeline. Without it, nothing keeps its checkpoint, whose disk is that of a build instance.
fn delete(stack: &Stack, pipeline: &str) {
    let gone = stack.goldsmith(&["delete", &format!("pipeline/{pipeline}"), "--yes", "--local"]);
    assert_eq!(gone.status.code(), Some(0), "{}", String::from_utf8_lossy(&gone.stderr));
    stack.invoke("reap", &json!({"sweep": true}));
}

/// Returns the source AMI of a build.
fn source(stack: &Stack, build: &str) -> String {
    stack.block_on(stack.store().build(build)).unwrap().unwrap().plan.source_image
}

fn outlives(stack: &Stack) {
    let name = "outlives";
    let files = |version, second| folder(&pipeline(name, version, ", checkpoint: true", ["true", second], "true"));
    let failed = stack.build(files(0, "exit 7").path());
    assert_eq!(failed.exit, 1, "{failed:?}");
    let made = checkpoint(stack, name);
    assert_eq!(stack.image(failed.image()).failure.unwrap().state, "BuildRest");
    assert_eq!(stack.left_of(failed.build()).counts(), (0, 1, 1));
    stack.invoke("reap", &json!({"sweep": true}));
    let good = built(stack, &files(1, "true"));
    assert_eq!(launched_from(stack, good.build()), made.image);
    delete(stack, name);
    assert_eq!(stack.left_of(failed.build()).counts(), (0, 0, 0));
}

fn on_spot(stack: &Stack) {
    let name = "checked-on-spot";
    let text = pipeline(name, 0, ", checkpoint: true", ["true", "true"], "true");
    let types = "instanceTypes: [t3.small]\n";
    // On AWS, the request shows the stop of its instance only later.
    stack.arm(
        &json!([{"when": {"action": "StartInstances", "nth": 1}, "do": "fail", "code": "IncorrectSpotRequestState"}]),
    );
    let good = built(stack, &folder(&text.replace(types, &format!("{types}spot: true\n"))));
    stack.disarm();
    assert_eq!(stack.image(good.image()).status, ImageStatus::Available);
    assert_eq!(detail(stack, good.build(), State::BuildRest), "1 step ran");
    assert_eq!(stack.left_of(good.build()).counts(), (0, 2, 2));
    assert!(stack.inventory().spot_requests.is_empty(), "{:?}", stack.inventory().spot_requests);
    delete(stack, name);
}
