//! Runs seeds: `simulate [--from N] [--seeds N] [--threads N]`, or one with its history: `simulate --seed N [--without N,N]`.

use std::collections::{BTreeMap, BTreeSet};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use goldsmith_simulation::faults::Kind;
use goldsmith_simulation::{Report, Setting};

/// A third of the time would go into the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Default)]
struct Sums {
    seeds: u64,
    calls: u64,
    hits: BTreeMap<Kind, u64>,
    reached: BTreeSet<String>,
    endings: BTreeMap<&'static str, u64>,
    /// Seeds by how many faults have happened in them.
    with: BTreeMap<u64, u64>,
    failed: Vec<(u64, Vec<String>)>,
}

impl Sums {
    fn add(&mut self, seed: u64, report: Report) {
        self.seeds += 1;
        self.calls += report.calls;
        *self.with.entry(report.hits.values().sum()).or_default() += 1;
        for (kind, count) in report.hits {
            *self.hits.entry(kind).or_default() += count;
        }
        for (ending, count) in report.endings {
            *self.endings.entry(ending).or_default() += count;
        }
        self.reached.extend(report.reached);
        if !report.violations.is_empty() {
            self.failed.push((seed, report.violations));
        }
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::from(2)
        }
    }
}

fn option(name: &str) -> Option<String> {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1)
}

fn number(name: &str, otherwise: u64) -> Result<u64, String> {
    match option(name) {
        None => Ok(otherwise),
        Some(text) => text.parse().map_err(|_| format!("{name} is no number: {text}")),
    }
}

fn run() -> Result<bool, String> {
    let folder = std::env::temp_dir().join(format!("goldsmith-simulation-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    let setting = Setting::new(&folder)?;
    let done = match option("--seed") {
        Some(seed) => one(&setting, seed.parse().map_err(|_| format!("--seed is no number: {seed}"))?),
        None => many(&setting)?,
    };
    let _ = std::fs::remove_dir_all(&folder);
    Ok(done)
}

/// One seed with its history.
fn one(setting: &Setting, seed: u64) -> bool {
    let left_out = option("--without").unwrap_or_default();
    let left_out: Vec<usize> = left_out.split(',').filter_map(|number| number.parse().ok()).collect();
    let report = setting.run(seed, &left_out, true);
    report.history.iter().for_each(|line| println!("{line}"));
    report.violations.is_empty()
}

fn many(setting: &Setting) -> Result<bool, String> {
    let (from, seeds) = (number("--from", 1)?, number("--seeds", 2_000)?);
    let threads = number("--threads", 2)?;
    let (next, sums, began) = (AtomicU64::new(from), Mutex::new(Sums::default()), Instant::now());
    let stop_at = number("--failures", 10)?;
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= from + seeds {
                        return;
                    }
                    let report = setting.run(seed, &[], false);
                    let Ok(mut sums) = sums.lock() else { return };
                    sums.add(seed, report);
                    if sums.failed.len() as u64 >= stop_at {
                        return;
                    }
                }
            });
        }
    });
    let mut sums = sums.into_inner().map_err(|error| error.to_string())?;
    sums.failed.sort();
    let time = began.elapsed().as_secs_f64();
    println!("{} seeds in {time:.1} s, {} calls a seed", sums.seeds, sums.calls / sums.seeds.max(1));
    println!("seeds by faults that happened: {:?}", sums.with);
    println!("faults: {:?}", sums.hits);
    println!("states: {}", sums.reached.iter().cloned().collect::<Vec<_>>().join(" "));
    println!("executions: {:?}", sums.endings);
    for (seed, violations) in &sums.failed {
        println!("seed {seed}: {}", violations.join("; "));
    }
    if let Some((seed, _)) = sums.failed.first() {
        let (left_out, report) = setting.shrink(*seed);
        println!("\nThe first of them, with as few faults as it needs:\n");
        report.history.iter().for_each(|line| println!("{line}"));
        println!("\nAgain: {}", goldsmith_simulation::again(*seed, &left_out));
    }
    let idle: u64 = sums.with.range(..2).map(|(_, seeds)| seeds).sum();
    if idle > 0 {
        println!("{idle} seeds have met fewer than two faults");
    }
    Ok(sums.failed.is_empty() && idle == 0)
}
