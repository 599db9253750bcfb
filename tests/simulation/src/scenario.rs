//! What people, vendors, schedules and ticks do in a run.

use std::sync::Arc;

use goldsmith_cloud::fake::{AMAZON, HOME};
use goldsmith_model::{Cause, Name, execution_name};
use serde_json::{Value, json};

use crate::account::{PIPELINES, gain_a_region};
use crate::engine::Slot;
use crate::simulation::Simulation;

/// Milliseconds of a minute.
pub const MINUTE: i64 = 60_000;

/// Begins what happens by itself; the slot is filled when no more builds are asked for.
pub fn begin(sim: &Arc<Simulation>) -> Slot<()> {
    let done = Slot::default();
    let (all, over) = (Arc::clone(sim), done.clone());
    sim.engine.spawn(async move {
        asks(&all).await;
        over.fill(());
    });
    let all = Arc::clone(sim);
    sim.engine.spawn(async move { ticks(&all).await });
    done
}

/// Asks for one to four builds.
async fn asks(sim: &Arc<Simulation>) {
    let mut fired = Vec::new();
    for n in 0..sim.random(|rng| [1, 1, 2, 2, 3, 4][usize::try_from(rng.below(6)).unwrap_or(0)]) {
        let pause = sim.random(|rng| match rng.below(3) {
            0 => rng.below(3),
            1 => rng.below(30),
            _ => rng.below(240),
        });
        if n > 0 {
            sim.engine.sleep(i64::try_from(pause).unwrap_or(0) * MINUTE).await;
        }
        match sim.random(|rng| rng.below(7)) {
            1 if n > 0 => distribute(sim, n),
            2 if n > 0 => verify(sim, n),
            0..=2 => by_hand(sim, n),
            3 if n > 0 => release(sim, n).await,
            4 if !fired.is_empty() => {
                let again: Value = sim.random(|rng| rng.pick(&fired).cloned()).unwrap_or_default();
                sim.send("trigger", again);
            }
            _ => {
                // The first is one that there is in each shape of the stack.
                let pipeline = if n == 0 { PIPELINES[0] } else { pipeline(sim) };
                let at = sim.engine.time(0);
                let event = json!({"schedule": {"pipeline": pipeline, "scheduledTime": at.to_string()}});
                fired.push(event.clone());
                sim.send("trigger", event);
            }
        }
    }
}

fn pipeline(sim: &Simulation) -> &'static str {
    if sim.random(|rng| rng.percent(25)) { PIPELINES[1] } else { PIPELINES[0] }
}

fn by_hand(sim: &Arc<Simulation>, n: u64) {
    let cause = Cause::Manual { id: n.to_string() };
    let Ok(name) = PIPELINES[0].parse::<Name>() else { return };
    let execution = execution_name(&name, &cause, 1);
    sim.start(&execution, &json!({"pipeline": PIPELINES[0], "cause": cause}));
}

/// Tests the newest image of a pipeline once more, or its source if it has none yet.
fn verify(sim: &Arc<Simulation>, n: u64) {
    let cause = Cause::Manual { id: n.to_string() };
    let Ok(name) = PIPELINES[0].parse::<Name>() else { return };
    let named = sim.cloud.inventory().region(HOME).parameters;
    let Some(ami) = named.get("/images/web").or_else(|| named.get("/source")) else { return };
    let from = json!({"at": "test", "image": ami});
    let execution = execution_name(&name, &cause, 1);
    sim.start(&execution, &json!({"pipeline": PIPELINES[0], "cause": cause, "from": from}));
}

/// Distributes the first image of a pipeline once more, to a Region that the distribution has gained by then.
fn distribute(sim: &Arc<Simulation>, n: u64) {
    let cause = Cause::Manual { id: n.to_string() };
    let Ok(name) = PIPELINES[0].parse::<Name>() else { return };
    gain_a_region(sim);
    let from = json!({"at": "distribute", "image": "web/1.0.0/1"});
    let execution = execution_name(&name, &cause, 1);
    sim.start(&execution, &json!({"pipeline": PIPELINES[0], "cause": cause, "from": from}));
}

async fn release(sim: &Arc<Simulation>, n: u64) {
    let image = sim.cloud.add_image(HOME, AMAZON, &format!("debian-12.{n}"));
    sim.release(&image);
    if sim.random(|rng| rng.percent(50)) {
        sim.send("trigger", event("Parameter Store Change", &format!("release-{n}"), json!({"name": "/source"})));
    }
}

/// An event as AWS sends it.
fn event(kind: &str, id: &str, detail: Value) -> Value {
    json!({
        "version": "0", "id": id, "detail-type": kind, "source": "aws.ec2", "account": "111122223333",
        "time": "2026-11-24T03:00:00Z", "region": HOME, "resources": [], "detail": detail,
    })
}

/// The tick of `signal` and `reap`, the check of sources, and AWS's events, which are hints. Where nothing has happened for
/// long the ticks come less often: they are only late.
async fn ticks(sim: &Arc<Simulation>) {
    let (mut n, mut last) = (0_u64, sim.engine.now());
    loop {
        sim.engine.sleep(MINUTE).await;
        let now = sim.engine.now();
        let quiet = now - sim.book(|book| book.active_at);
        let pause = match quiet / MINUTE {
            0..15 => 1,
            15..60 => 5,
            60..240 => 20,
            _ => 180,
        };
        // No tick is so late that a wait misses its deadline, after which its state has five minutes.
        let misses_deadline = || (last + 1..=now).contains(&earliest_deadline(sim));
        if now - last < pause * MINUTE && !misses_deadline() {
            continue;
        }
        (n, last) = (n + 1, now);
        sim.send("signal", json!({}));
        sim.send("reap", if n % 10 == 0 || pause > 1 { json!({"sweep": true}) } else { json!({}) });
        if n % 15 == 0 || pause > 5 {
            sim.send("trigger", event("Scheduled Event", &format!("check-{n}"), json!({})));
        }
        hint(sim);
    }
}

/// When the next wait ends.
fn earliest_deadline(sim: &Simulation) -> i64 {
    // Times are written with the same length, so the least text is the earliest time.
    let earliest: Option<jiff::Timestamp> = sim.table.look(|items| {
        items.values().filter_map(|item| item.get("deadline")?.as_str()).min().and_then(|text| text.parse().ok())
    });
    earliest.map_or(i64::MAX / 2, |at| at.as_millisecond())
}

/// An event of AWS about a resource that somebody waits for.
fn hint(sim: &Arc<Simulation>) {
    if !sim.random(|rng| rng.percent(60)) {
        return;
    }
    let of_wait = |pk: &str| pk.strip_prefix("WAIT#").map(str::to_owned);
    let waits: Vec<String> = sim.table.look(|items| items.keys().filter_map(|key| of_wait(&key.pk)).collect());
    let Some(resource) = sim.random(|rng| rng.pick(&waits).cloned()) else { return };
    let (kind, field) = match resource.split('-').next() {
        Some("ami") => ("EC2 AMI State Change", "ImageId"),
        Some("i") => ("EC2 Instance State-change Notification", "instance-id"),
        _ => ("EC2 Command Invocation Status-change Notification", "command-id"),
    };
    sim.send("signal", event(kind, "1", json!({field: resource})));
}
