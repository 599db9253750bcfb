//! A seeded simulation of the whole of Goldsmith: the real states, store, trigger, signal and reap, driven through the
//! definition that is deployed, on a virtual clock, with faults.
//!
//! Why a scheduler of its own: turmoil and madsim simulate hosts and the network below sockets, and we have none, since all
//! that Goldsmith sees of the world are the traits of `goldsmith-cloud` and the table; at those traits a fault has a name
//! (refused, not known yet, answered too late), which on a socket it has not. shuttle and loom explore the orders of threads
//! and locks, while our races are between processes that share one table, and stateright checks a model, not the code. What
//! is left to be done, tasks on one thread and a clock that jumps, are two hundred lines in [`engine`], and each call to AWS or the
//! table is a point at which another invocation may run, or this one end.

pub mod account;
pub mod definition;
pub mod engine;
pub mod execution;
pub mod faults;
pub mod invariants;
pub mod jsonata;
pub mod lambda;
pub mod rng;
pub mod scenario;
pub mod simulation;
pub mod wire;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use account::Shapes;
use definition::Machine;
use engine::Runner;
use faults::{Kind, Plan};
use scenario::MINUTE;
use simulation::{Simulation, let_builds_vary};

/// Milliseconds of a day.
const DAY: i64 = 24 * 60 * MINUTE;
/// How long executions may go on: one waits for a week at most.
const LONGEST: i64 = 9 * DAY;
/// How long it is waited for rest after the faults: what is kept stays for three days, and reaping has pauses of one.
const REST: i64 = 9 * DAY;

/// More calls than any run needs.
const MOST_CALLS: u64 = 100_000;

/// What all seeds share.
pub struct Setting {
    machine: Arc<Machine>,
    shapes: Shapes,
    agents: PathBuf,
}

/// What came of a seed.
#[derive(Debug, Default)]
pub struct Report {
    /// What must not be, and was.
    pub violations: Vec<String>,
    /// How often each kind of fault has happened.
    pub hits: BTreeMap<Kind, u64>,
    /// States that were entered.
    pub reached: BTreeSet<String>,
    /// How executions have ended.
    pub endings: BTreeMap<&'static str, u64>,
    /// Calls to AWS and the table.
    pub calls: u64,
    /// The history, if it was requested.
    pub history: Vec<String>,
    /// How many faults were planned.
    pub planned: usize,
}

impl Setting {
    /// Reads the definition, and applies the pipelines. `agents` is a folder that it puts two small files into.
    ///
    /// # Errors
    /// What cannot be read.
    pub fn new(agents: &Path) -> Result<Self, String> {
        let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../statemachine/image-build.asl.json");
        let text = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        for machine in ["x86_64", "aarch64"] {
            std::fs::write(agents.join(format!("agent-{machine}")), b"agent").map_err(|error| error.to_string())?;
        }
        Ok(Self { machine: Arc::new(Machine::read(&text)?), shapes: Shapes::new()?, agents: agents.to_owned() })
    }

    /// Runs one seed, without the faults that are left out by their number.
    #[must_use]
    pub fn run(&self, seed: u64, left_out: &[usize], is_told: bool) -> Report {
        let plan = Plan::of(seed, left_out);
        let planned = plan.faults.len();
        let sim = Simulation::new(seed, plan, Arc::clone(&self.machine), self.agents.clone(), is_told);
        let sim = Arc::new(sim);
        self.shapes.set_up(&sim);
        let_builds_vary(&sim);
        let mut runner = Runner::default();
        let asked = scenario::begin(&sim);
        let over = Arc::new(std::sync::atomic::AtomicBool::new(false));
        let noted = Arc::clone(&over);
        sim.engine.spawn(async move {
            asked.await;
            noted.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        let is_over = || over.load(std::sync::atomic::Ordering::Relaxed);
        let begin = sim.engine.now();
        while sim.engine.now() < begin + LONGEST && !is_too_much(&sim) {
            step(&mut runner, &sim, 10 * MINUTE);
            let is_waiting = sim.plan(|plan| plan.is_waiting());
            if is_over() && !is_waiting && !sim.is_running() {
                break;
            }
        }
        sim.plan(Plan::heal);
        sim.cloud.restore_capacity();
        sim.note(|| "nothing goes wrong any more".to_owned());
        let now = sim.engine.now();
        sim.book(|book| book.active_at = now);
        while sim.engine.now() < now + REST && !is_too_much(&sim) {
            step(&mut runner, &sim, 30 * MINUTE);
            if !invariants::is_at_rest(&sim) {
                continue;
            }
            // What is still on its way may begin something.
            step(&mut runner, &sim, 10 * MINUTE);
            if invariants::is_at_rest(&sim) {
                break;
            }
        }
        // A cause that is tried again and again may just be at it.
        let now = sim.engine.now();
        while sim.engine.now() < now + REST && sim.is_running() && !is_too_much(&sim) {
            step(&mut runner, &sim, 10 * MINUTE);
        }
        invariants::check_rest(&sim);
        let hits = sim.plan(|plan| std::mem::take(&mut plan.hits));
        sim.book(|book| Report {
            violations: std::mem::take(&mut book.violations),
            hits,
            reached: std::mem::take(&mut book.reached),
            endings: std::mem::take(&mut book.endings),
            calls: book.calls,
            history: book.history.take().unwrap_or_default(),
            planned,
        })
    }

    /// Names of all states of the definition.
    #[must_use]
    pub fn states(&self) -> Vec<String> {
        fn names(machine: &Machine) -> Vec<String> {
            let below = |state: &definition::State| match &state.does {
                definition::Does::Map { machine, .. } => names(machine),
                _ => Vec::new(),
            };
            let all = machine.states.iter();
            all.flat_map(|(name, state)| std::iter::once(name.clone()).chain(below(state))).collect()
        }
        names(&self.machine)
    }

    /// The faults of a failing seed that it needs to fail, and what comes of those alone.
    #[must_use]
    pub fn shrink(&self, seed: u64) -> (Vec<usize>, Report) {
        let first = self.run(seed, &[], true);
        let (mut left_out, mut least) = (Vec::new(), first);
        for number in 0..least.planned {
            let fewer: Vec<usize> = left_out.iter().copied().chain([number]).collect();
            let report = self.run(seed, &fewer, true);
            if !report.violations.is_empty() {
                (left_out, least) = (fewer, report);
            }
        }
        (left_out, least)
    }
}

/// The command that shows a seed again.
#[must_use]
pub fn again(seed: u64, left_out: &[usize]) -> String {
    let without: Vec<String> = left_out.iter().map(usize::to_string).collect();
    let without = if without.is_empty() { String::new() } else { format!(" --without {}", without.join(",")) };
    format!("cargo run --profile simulation -p goldsmith-simulation -- --seed {seed}{without}")
}

fn is_too_much(sim: &Simulation) -> bool {
    sim.book(|book| book.calls >= MOST_CALLS)
}

fn step(runner: &mut Runner, sim: &Arc<Simulation>, time: i64) {
    let until = sim.engine.now() + time;
    runner.run(&sim.engine, until, || {
        sim.after_step();
        let calls = sim.book(|book| book.calls);
        if calls == MOST_CALLS {
            sim.violate(format!("it goes on and on: {MOST_CALLS} calls"));
        }
        calls <= MOST_CALLS
    });
}
