//! How a suite runs that needs instances: its cases one after the other on one thing that is started first and ended
//! last. Where instances cannot run, it says why and passes, unless `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, reason = "what helps a test may fail the test")]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use libtest_mimic::{Arguments, Trial};

/// A case by its name: asserts, or panics.
pub type Case<T> = (&'static str, fn(&T));

/// Runs the cases that the arguments ask for on what `up` starts and `down` ends, and says which took longest; the exit code of
/// the suite.
pub fn run<T>(what: &str, cases: Vec<Case<T>>, up: impl FnOnce() -> T, down: impl FnOnce(&T)) -> ExitCode
where
    T: Clone + Send + 'static,
{
    let mut arguments = Arguments::from_args();
    arguments.test_threads = Some(1);
    if arguments.list {
        let trials = cases.into_iter().map(|(name, _)| Trial::test(name, || Ok(()))).collect();
        return libtest_mimic::run(&arguments, trials).exit_code();
    }
    if let Err(missing) = can_run() {
        println!("SKIPPED ({missing}): {} {what} tests", cases.len());
        let required = std::env::var_os("GOLDSMITH_REQUIRE_E2E").is_some_and(|value| value == "1");
        return ExitCode::from(u8::from(required));
    }
    let fixture = up();
    let times: Arc<Mutex<Vec<(Duration, &str)>>> = Arc::default();
    let trials = cases.into_iter().map(|(name, case)| {
        let (fixture, times) = (fixture.clone(), Arc::clone(&times));
        Trial::test(name, move || {
            let began = Instant::now();
            case(&fixture);
            times.lock().unwrap().push((began.elapsed(), name));
            Ok(())
        })
    });
    let conclusion = libtest_mimic::run(&arguments, trials.collect());
    down(&fixture);
    let mut times = times.lock().unwrap();
    times.sort_by(|one, other| other.cmp(one));
    times.iter().take(10).for_each(|(time, name)| println!("{:4} s {name}", time.as_secs()));
    conclusion.exit_code()
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
