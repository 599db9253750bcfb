//! What must hold, at any moment and at rest.

mod causes;
mod checkpoints;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use goldsmith_cloud::Tags;
use goldsmith_cloud::fake::Inventory;
use goldsmith_states::{TAG_BUILD, TAG_EXPIRES};
use goldsmith_store::{BuildRecord, BuildStatus, CheckpointRecord, ImageRecord, ImageStatus, Item, Key, LeftBehind};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::faults::Refused;
use crate::simulation::Simulation;

/// Milliseconds that putting a parameter back may take where a function that is ending still puts it.
const LATE: i64 = 300_000;

fn records<T: DeserializeOwned>(sim: &Simulation, wanted: impl Fn(&Key) -> bool) -> Vec<T> {
    let read = |item: &Item| serde_json::from_value(Value::Object(item.clone())).ok();
    sim.table.look(|items| items.iter().filter(|(key, _)| wanted(key)).filter_map(|(_, item)| read(item)).collect())
}

fn builds(sim: &Simulation) -> Vec<BuildRecord> {
    records(sim, |key| key.pk.starts_with("BUILD#") && key.sk == "META")
}

fn images(sim: &Simulation) -> Vec<ImageRecord> {
    records(sim, |key| key.pk.starts_with("IMAGE#") && key.sk.starts_with("V#"))
}

fn state_succeeded(sim: &Simulation, build: &str, state: &str) -> bool {
    let key = Key::new(format!("BUILD#{build}"), format!("STATE#{state}"));
    sim.table.look(|items| items.get(&key).is_some_and(|item| item.get("status") == Some(&"SUCCEEDED".into())))
}

/// No two builds of a pipeline are open at once, and none is ended while its execution goes on.
pub fn check_overlap(sim: &Arc<Simulation>) {
    let mut open: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let builds = builds(sim);
    for build in builds.iter().filter(|build| build.status != BuildStatus::Open) {
        if sim.goes_on(&build.build) {
            sim.violate(format!("{} is {} while its execution goes on", build.build, build.status.as_str()));
        }
    }
    for build in builds.into_iter().filter(|build| build.status != BuildStatus::Closed) {
        open.entry(build.pipeline.to_string()).or_default().push(build.build);
    }
    for (pipeline, builds) in open {
        if builds.len() > 1 {
            sim.violate(format!("two builds of {pipeline} at once: {}", builds.join(", ")));
        }
    }
}

/// No parameter and no record of an available image names an AMI that is gone, untested, unsigned where the plan has a key,
/// or of a build that failed. Nobody else may launch an AMI that is untested.
pub fn check_pointers(sim: &Arc<Simulation>) {
    let there = sim.cloud.inventory();
    let builds = builds(sim);
    for (region, found) in &there.regions {
        for (name, ami) in found.parameters.iter().filter(|(name, _)| name.starts_with("/images/")) {
            let Some(tags) = found.images.get(ami) else {
                sim.violate(format!("the parameter {name} in {region} names {ami}, which is gone"));
                continue;
            };
            let build = tags.get(TAG_BUILD).and_then(|id| builds.iter().find(|build| build.build == *id));
            let Some(build) = build else {
                sim.violate(format!("the parameter {name} in {region} names {ami}, which is of no build"));
                continue;
            };
            if !build.plan.tests.is_empty() && !state_succeeded(sim, &build.build, "JudgeTests") {
                sim.violate(format!("the parameter {name} in {region} names {ami}, which is untested"));
            }
            if build.plan.signing_key.is_some() && !state_succeeded(sim, &build.build, "Attest") {
                sim.violate(format!("the parameter {name} in {region} names {ami}, which is unsigned"));
            }
            let is_written_down = || build.after.left.iter().any(|left| left.what == *name && left.region == *region);
            let ended = build.ending.as_ref().and_then(|ending| ending.at.as_ref()?.parse().ok());
            let ended = ended.map_or(i64::MAX, |at: jiff::Timestamp| at.as_millisecond());
            let is_late = sim.engine.now() > ended.saturating_add(LATE);
            if build.status == BuildStatus::Closed && !build.published && is_late && !is_written_down() {
                sim.violate(format!("the parameter {name} in {region} names {ami}, whose build has failed"));
            }
        }
    }
    for build in builds.iter().filter(|build| !build.plan.tests.is_empty()) {
        let is_of = |tags: &Tags| tags.get(TAG_BUILD) == Some(&build.build);
        for (region, found) in &there.regions {
            for ami in found.images.iter().filter(|(_, tags)| is_of(tags)).map(|(ami, _)| ami) {
                let is_shared = !sim.cloud.launch_permission(region, ami).is_empty();
                if is_shared && !state_succeeded(sim, &build.build, "JudgeTests") {
                    sim.violate(format!("{ami} in {region} is shared, and untested"));
                }
            }
        }
    }
    for image in images(sim).iter().filter(|image| image.status == ImageStatus::Available) {
        for (region, ami) in &image.amis {
            if !there.regions.get(region).is_some_and(|found| found.images.contains_key(ami)) {
                sim.violate(format!("the image {} is available, and its {ami} in {region} is gone", image.image));
            }
        }
    }
}

/// Whether something still goes on by itself: items that are looked at, or resources whose time is not over.
#[must_use]
pub fn is_at_rest(sim: &Simulation) -> bool {
    let is_open =
        sim.table.look(|items| items.iter().any(|(key, item)| item.contains_key("open") || key.pk == "LEFTOVERS"));
    !sim.is_running() && !is_open && !has_kept(&sim.cloud.inventory()) && !checkpoints::has_old(sim)
}

fn has_kept(inventory: &Inventory) -> bool {
    let of = |found: &goldsmith_cloud::fake::RegionInventory| {
        let mut all = found.instances.values().chain(found.images.values()).chain(found.snapshots.values());
        all.any(|tags| tags.contains_key(TAG_EXPIRES))
    };
    inventory.regions.values().any(of)
}

/// What must hold when everything has come to rest.
pub fn check_rest(sim: &Arc<Simulation>) {
    let builds = builds(sim);
    if sim.is_running() {
        sim.violate("an execution still runs".to_owned());
    }
    for build in &builds {
        if build.status != BuildStatus::Closed {
            sim.violate(format!("{} is {} at rest", build.build, build.status.as_str()));
        }
        check_owed(sim, build);
    }
    let (leases, waits) = sim.table.look(|items| {
        let held = items.iter().filter(|(key, item)| key.sk == "LEASE" && item.contains_key("build"));
        let held: Vec<String> = held.map(|(key, item)| format!("{} by {}", key.pk, item["build"])).collect();
        let waits = items.keys().filter(|key| key.pk.starts_with("WAIT#"));
        (held, waits.map(|key| format!("{} of {}", key.pk, key.sk)).collect::<Vec<_>>())
    });
    leases.iter().for_each(|lease| sim.violate(format!("a lease is held at rest: {lease}")));
    // A wait whose owner can never be woken stays.
    let is_asleep = lasts(sim, |refused| refused.name == Some("Invoke"));
    waits.iter().filter(|_| !is_asleep).for_each(|wait| sim.violate(format!("a wait is left at rest: {wait}")));
    let unanswered = sim.book(|book| std::mem::take(&mut book.unanswered));
    for token in unanswered {
        sim.violate(format!("{token} was answered by nobody"));
    }
    check_inventory(sim, &builds);
    causes::check_served(sim, &builds);
    check_told(sim, &builds);
    check_notified(sim, &builds);
    check_once(sim);
    check_pointers(sim);
    checkpoints::check_documents(sim);
}

/// What a closed build owes is what AWS refuses for ever.
fn check_owed(sim: &Arc<Simulation>, build: &BuildRecord) {
    let after = &build.after;
    let names_nothing = |refused: &Refused| refused.name.is_none();
    let is_left = |left: &LeftBehind| lasts(sim, |refused| refused.region == left.region);
    let is_right = (!after.is_untold || lasts(sim, |refused| refused.name == Some("PutEvents")))
        && (!after.is_unnotified || lasts(sim, |refused| refused.name == Some("Publish")))
        && (!after.is_untagged
            || lasts(sim, |refused| {
                names_nothing(refused) || ["CreateTags", "DescribeImages"].map(Some).contains(&refused.name)
            }))
        && after.left.iter().all(is_left);
    if !is_right {
        sim.violate(format!("{} still owes {after:?}", build.build));
    }
}

/// Whether something is refused for ever that is so.
fn lasts(sim: &Simulation, is_so: impl Fn(&Refused) -> bool) -> bool {
    sim.plan(|plan| plan.refused.iter().any(is_so))
}

/// Whether nobody may look any more what there is of a kind in a Region.
fn is_blind(sim: &Simulation, region: &str, kind: &str) -> bool {
    let needed: &[&str] = match kind {
        "images" => &["DescribeImages"],
        "snapshots" => &["DescribeImages", "DescribeSnapshots"],
        "instances" => &["DescribeInstances"],
        "spot requests" => &["DescribeSpotInstanceRequests"],
        _ => &["DescribeVolumes"],
    };
    let hides = |refused: &Refused| refused.region == region && refused.name.is_none_or(|name| needed.contains(&name));
    lasts(sim, hides)
}

/// AWS has what the records say, and nothing else.
fn check_inventory(sim: &Arc<Simulation>, builds: &[BuildRecord]) {
    let there = sim.cloud.inventory();
    let (images, checkpoints) = (images(sim), checkpoints::kept(sim));
    let mut wanted: BTreeSet<(String, String)> = BTreeSet::new();
    for image in images.iter().filter(|image| image.status == ImageStatus::Available) {
        for (region, ami) in &image.amis {
            wanted.insert((region.clone(), ami.clone()));
        }
        for (region, snapshots) in &image.snapshots {
            wanted.extend(snapshots.iter().map(|id| (region.clone(), id.clone())));
        }
        if image.amis.is_empty() {
            sim.violate(format!("the image {} is available in no Region", image.image));
        }
    }
    for build in builds {
        let image = images.iter().find(|image| image.image == build.image);
        let good = if build.plan.distributes.is_some() { ImageStatus::Distributed } else { ImageStatus::Available };
        let is_available = image.is_some_and(|image| image.status == good);
        if build.status == BuildStatus::Closed && build.published != is_available {
            sim.violate(format!(
                "{} is published: {}, its image available: {is_available}",
                build.build, build.published
            ));
        }
    }
    // What could not be removed is written down by its id, or where not even a look was allowed, by its kind.
    let is_written_down = |region: &str, id: &str, kind: &str, of: Option<&String>| {
        let mut left = builds.iter().filter(|build| of.is_none_or(|of| build.build == *of));
        let found = Key::new("LEFTOVERS", format!("{region}#{id}"));
        let is_refused_there = lasts(sim, |refused| refused.region == region);
        (is_refused_there && sim.table.look(|items| items.contains_key(&found)))
            || left.any(|build| {
                build.after.left.iter().any(|left| left.region == region && (left.what == id || left.what == kind))
            })
    };
    for (region, found) in &there.regions {
        let all = found.images.iter().map(|(id, tags)| ("images", id, tags));
        let all = all.chain(found.snapshots.iter().map(|(id, tags)| ("snapshots", id, tags)));
        let all = all.chain(found.instances.iter().map(|(id, tags)| ("instances", id, tags)));
        let all = all.chain(found.spot_requests.iter().map(|(id, tags)| ("spot requests", id, tags)));
        let all = all.chain(found.volumes.iter().map(|(id, tags)| ("volumes", id, tags)));
        for (kind, id, tags) in all {
            let of = tags.get(TAG_BUILD);
            let is_of_left_image = kind == "snapshots"
                && found
                    .images
                    .iter()
                    .any(|(ami, tags)| tags.get(TAG_BUILD) == of && is_written_down(region, ami, "images", of));
            // What was kept for a while and may not be looked at is asked for by each sweep: nobody knows whether it is there.
            let until = tags.get(TAG_EXPIRES).and_then(|until| until.parse::<jiff::Timestamp>().ok());
            let is_kept_still = until.is_some_and(|until| sim.engine.now() < until.as_millisecond());
            let is_of_kept = |one: &CheckpointRecord| match kind {
                "images" => one.image == *id,
                _ => kind == "snapshots" && checkpoints::is_of(tags, &one.build),
            };
            let is_right = is_kept_still
                || checkpoints.iter().any(is_of_kept)
                || (tags.contains_key(TAG_EXPIRES) && is_blind(sim, region, kind))
                || wanted.contains(&(region.clone(), id.clone()))
                || is_of_left_image
                || is_written_down(region, id, kind, of);
            if !is_right {
                let of = of.map_or("nobody", String::as_str);
                sim.violate(format!("{id} of {of} is left in {region}, and nothing says so"));
            }
        }
    }
}

/// An order is carried out at most once on its instance. SendCommand has no client token, so that one which is held may arrive
/// beside that of the next attempt. The agent waits for a run of the same order, and only tells the result of one that is over
/// (`agent/tests/agent/resume.rs`); it knows both by the order itself, and for as long as the clean-up has not begun.
fn check_once(sim: &Arc<Simulation>) {
    let requests = sim.cloud.requests();
    // Of each instance: what was sent there, in order.
    let mut sent: BTreeMap<String, Vec<(String, String)>> = BTreeMap::new();
    for (_, command) in requests.commands {
        let order =
            command.script.split("/order-").nth(1).map(|rest| rest.chars().take(64).collect()).unwrap_or_default();
        let sent = sent.entry(command.instance.clone()).or_default();
        let before = sent.iter().rposition(|(comment, _)| *comment == command.comment);
        if let Some(before) = before {
            if sent[before].1 != order {
                sim.violate(format!("two orders as {} on {}", command.comment, command.instance));
            }
            if before + 1 != sent.len() {
                sim.violate(format!("{} came to {} again after what follows it", command.comment, command.instance));
            }
        }
        sent.push((command.comment, order));
    }
}

/// The end of each build was told to the topic that its plan names.
fn check_notified(sim: &Arc<Simulation>, builds: &[BuildRecord]) {
    if lasts(sim, |refused| refused.name == Some("Publish")) {
        return;
    }
    let messages = sim.cloud.messages();
    for build in builds {
        let Some(topic) = &build.plan.topic else { continue };
        let image = build.image.to_string();
        let told = |one: &goldsmith_cloud::fake::PublishedMessage| {
            one.topic == *topic && one.message.attributes.get("image") == Some(&image)
        };
        if !messages.iter().any(told) {
            sim.violate(format!("the topic was not told of the end of {}", build.build));
        }
    }
}

/// The end of each build was told.
fn check_told(sim: &Arc<Simulation>, builds: &[BuildRecord]) {
    if lasts(sim, |refused| refused.name == Some("PutEvents")) {
        return;
    }
    let events = sim.cloud.events();
    for build in builds {
        let image = build.image.to_string();
        let kind = match &build.plan {
            plan if plan.verifies.is_some() => "Verification",
            plan if plan.distributes.is_some() => "Distribution",
            _ => "Image",
        };
        let detail_type = format!("Goldsmith {kind} State Change");
        let told = |event: &goldsmith_cloud::fake::EmittedEvent| {
            event.detail_type == detail_type && event.resources.contains(&image)
        };
        if !events.iter().any(told) {
            sim.violate(format!("nobody was told of the end of {}", build.build));
        }
    }
}
