//! The first thousand seeds, and what they have to meet; `make simulate` runs a hundred thousand.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use goldsmith_simulation::faults::Kind;
use goldsmith_simulation::{Report, Setting};

/// How many seeds are run.
const SEEDS: u64 = 1_000;

#[test]
fn a_thousand_seeds_break_no_rule_and_meet_every_fault_and_state() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path()).unwrap();
    let (next, reports) = (AtomicU64::new(1), Mutex::new(Vec::<(u64, Report)>::new()));
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed > SEEDS {
                        return;
                    }
                    let report = setting.run(seed, &[], false);
                    reports.lock().unwrap().push((seed, report));
                }
            });
        }
    });
    let mut reports = reports.into_inner().unwrap();
    reports.sort_by_key(|(seed, _)| *seed);
    if let Some((seed, report)) = reports.iter().find(|(_, report)| !report.violations.is_empty()) {
        let (left_out, least) = setting.shrink(*seed);
        let history = least.history.join("\n");
        panic!(
            "seed {seed}: {:?}\n{history}\nAgain: {}",
            report.violations,
            goldsmith_simulation::again(*seed, &left_out)
        );
    }
    let mut hits: BTreeMap<Kind, u64> = BTreeMap::new();
    let (mut reached, mut endings) = (BTreeSet::new(), BTreeSet::new());
    for (seed, report) in reports {
        let met: u64 = report.hits.values().sum();
        assert!(met >= 2, "seed {seed} has met {met} faults");
        report.hits.into_iter().for_each(|(kind, count)| *hits.entry(kind).or_default() += count);
        reached.extend(report.reached);
        endings.extend(report.endings.into_keys());
    }
    let met: Vec<Kind> = hits.into_keys().collect();
    assert_eq!(met, Kind::ALL, "kinds of faults that were met");
    let known: BTreeSet<String> = setting.states().into_iter().collect();
    assert_eq!(reached, known, "states that were entered");
    assert_eq!(endings, BTreeSet::from(["ABORTED", "FAILED", "SUCCEEDED"]));
}

#[test]
fn a_seed_gives_the_same_history_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let setting = Setting::new(folder.path()).unwrap();
    for seed in 1..20 {
        let [first, second] = [(); 2].map(|()| setting.run(seed, &[], true).history);
        assert!(first == second, "seed {seed}");
        assert!(first.len() > 10);
    }
}

/// `make simulate-planted` demands that each of these mistakes is found; this, that each still can be made.
#[test]
fn each_planted_mistake_can_still_be_made() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut patches = 0;
    for entry in std::fs::read_dir(here.join("planted")).unwrap() {
        let path = entry.unwrap().path();
        let root = here.join("../..");
        let mut patch = Command::new("patch");
        // Without fuzz: a patch whose surroundings have changed may land in a wrong place.
        patch.args(["--dry-run", "--batch", "--forward", "--fuzz=0", "--strip=1", "--directory"]).arg(root);
        let input = std::fs::File::open(&path).unwrap();
        let said = match patch.stdin(input).stdout(Stdio::piped()).stderr(Stdio::piped()).output() {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                println!("SKIPPED (needs patch): {}", path.display());
                return;
            }
            said => said.unwrap(),
        };
        assert!(said.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&said.stdout));
        patches += 1;
    }
    assert!(patches >= 10, "{patches}");
}
