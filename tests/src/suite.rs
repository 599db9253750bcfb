//! How a suite runs that needs instances: its cases run on fixtures that are started first and ended last. Where instances cannot run, it says why and passes, unless `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, reason = "what helps a test may fail the test")]

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, LazyLock, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};

/// A case by its name: asserts, or panics.
pub type Case<T> = (&'static str, fn(&T));

/// Cases that repeat others at every effect, or with every fault of an event, and one that moves gibibytes. Together they
/// take half an hour, and the simulation does the same with thousands of seeds, so they run only if they are asked for
/// (`--ignored`).
const SLOW: [&str; 10] = [
    "blocks::a_gibibyte_is_the_same_over_copies_and_a_flipped_bit_is_named",
    "a_stop_at_any_effect_leaves_nothing",
    "a_stop_at_any_effect_whose_event_is_lost_leaves_nothing",
    "a_release_whose_event_is_doubled_rebuilds_once",
    "releases_whose_events_are_reordered_rebuild_once",
    "a_release_during_a_build_whose_event_is_lost",
    "a_release_during_a_build_whose_event_is_doubled",
    "releases_during_a_build_whose_events_are_reordered",
    "a_start_from_the_console_whose_events_are_doubled",
    "a_start_from_the_console_whose_events_are_reordered",
];

/// Runs the cases that the arguments ask for on what `up` starts and `down` ends, and prints which took longest. Returns the
/// exit code of the suite.
///
/// `up` starts as many fixtures as cases may run at the same time. Each of them runs one case after the other.
pub fn run<T>(what: &str, cases: Vec<Case<T>>, up: impl FnOnce() -> Vec<T>, down: impl FnOnce(&[T])) -> ExitCode
where
    T: Clone + Send + 'static,
{
    let mut arguments = Arguments::from_args();
    if arguments.list {
        let trials = cases.into_iter().map(|(name, _)| Trial::test(name, || Ok(()))).collect();
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    if let Err(missing) = can_run() {
        println!("SKIPPED ({missing}): {} {what} tests", cases.len());
        let required = std::env::var_os("GOLDSMITH_REQUIRE_E2E").is_some_and(|value| value == "1");
        return ExitCode::from(u8::from(required));
    }
    let fixtures = up();
    arguments.test_threads = Some(fixtures.len());
    let free = Arc::new(Mutex::new(fixtures.clone()));
    let times: Arc<Mutex<Vec<(Duration, &str)>>> = Arc::default();
    let trials = cases.into_iter().map(|(name, case)| {
        let (free, times) = (Arc::clone(&free), Arc::clone(&times));
        Trial::test(name, move || {
            let borrowed = Borrowed::from(&free);
            let began = Instant::now();
            CASE.set(name);
            case(&borrowed.fixture);
            lock(&times).push((began.elapsed(), name));
            Ok(())
        })
        .with_ignored_flag(SLOW.contains(&name))
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    down(&fixtures);
    let mut times = lock(&times);
    times.sort_by(|one, other| other.cmp(one));
    times.iter().take(20).for_each(|(time, name)| println!("{:4} s {name}", time.as_secs()));
    conclusion.exit_code()
}

thread_local! {
    /// Name of the case that runs on this thread. Empty on the threads that a case starts.
    static CASE: Cell<&'static str> = const { Cell::new("") };
}

/// The case that has each name.
static CLAIMS: LazyLock<Mutex<BTreeMap<String, &str>>> = LazyLock::new(Mutex::default);

/// Claims a name, such as a pipeline's, for the case that runs. Two cases with one name disturb each other only if they
/// come to the same fixture, so it is an error wherever they run.
///
/// # Panics
/// Another case has the name.
pub fn claim(name: &str) {
    let case = CASE.get();
    if case.is_empty() {
        return;
    }
    let owner = *lock(&CLAIMS).entry(name.to_owned()).or_insert(case);
    assert_eq!(owner, case, "both cases use the name {name}");
}

/// A fixture that a case has to itself. It is free again when the case ends, even if it panics.
struct Borrowed<'a, T: Clone> {
    fixture: T,
    free: &'a Mutex<Vec<T>>,
}

impl<'a, T: Clone> Borrowed<'a, T> {
    fn from(free: &'a Mutex<Vec<T>>) -> Self {
        let fixture = lock(free).pop().unwrap(); // no more cases run than there are fixtures
        Self { fixture, free }
    }
}

impl<T: Clone> Drop for Borrowed<'_, T> {
    fn drop(&mut self) {
        lock(self.free).push(self.fixture.clone());
    }
}

/// A case that panics leaves nothing half-done under a lock.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Why instances cannot run here, as the doctor says it.
fn can_run() -> Result<(), String> {
    let doctor = Command::new(goldsmith()).args(["local", "doctor"]).output();
    let doctor = doctor.map_err(|error| format!("goldsmith cannot be started: {error}"))?;
    let said = String::from_utf8_lossy(&doctor.stdout);
    println!("{}", said.lines().next().unwrap_or_default());
    let cause = String::from_utf8_lossy(&doctor.stderr).trim().to_owned();
    if doctor.status.success() { Ok(()) } else { Err(cause) }
}

/// The CLI, in Cargo's folder with the binaries: a test lies in its `deps`.
///
/// # Panics
/// The running program has no folder above its own.
#[must_use]
pub fn goldsmith() -> PathBuf {
    let test = std::env::current_exe().unwrap();
    test.parent().and_then(Path::parent).unwrap().join("goldsmith")
}
