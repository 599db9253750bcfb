//! Measures the cost of a step: 200 trivial `ExecuteBash` steps, a bash loop that starts `bash -c true` as often, and
//! the start of the agent. It prints the median of each and the range in which half of the measurements are, and the
//! same for the ratio of each run of the agent to the loop beside it. Run it with `cargo bench -p goldsmith-agent`.
#![expect(clippy::unwrap_used, reason = "what fails here is no measurement")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use goldsmith_executor::{OrderDocument, WorkOrder};

const STEPS: usize = 200;
/// The number of measurements of each kind. The kinds alternate, so that a busy moment affects both, and so does the
/// order of each pair.
const ROUNDS: usize = 21;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let (mut steps, mut processes, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let order = order(directory.path(), round);
        let mut agent = || steps.push(time(Command::new(env!("CARGO_BIN_EXE_goldsmith-agent")).arg(&order)));
        let script = format!("for i in {{1..{STEPS}}}; do bash -c true; done");
        let mut shell = || processes.push(time(Command::new("bash").arg("-c").arg(&script)));
        if round % 2 == 0 {
            agent();
            shell();
        } else {
            shell();
            agent();
        }
        let mut usage = Command::new(env!("CARGO_BIN_EXE_goldsmith-agent"));
        let started = Instant::now();
        assert_eq!(usage.stderr(Stdio::null()).status().unwrap().code(), Some(2));
        starts.push(millis(started.elapsed()));
    }
    let ratios = steps.iter().zip(&processes).map(|(step, process)| step / process).collect();
    print(&format!("{STEPS} ExecuteBash steps"), steps, "ms");
    print(&format!("{STEPS} times bash -c true"), processes, "ms");
    print("ratio", ratios, "");
    print("start of the agent", starts, "ms");
}

/// Prints the median of some measurements, and the range of the middle half of them.
fn print(what: &str, mut measured: Vec<f64>, unit: &str) {
    measured.sort_by(f64::total_cmp);
    let at = |quarter: usize| measured[(measured.len() - 1) * quarter / 4];
    println!("{what:<24} {:8.2} {unit:<2}  ({:.2} to {:.2})", at(2), at(1), at(3));
}

fn order(directory: &Path, round: usize) -> std::path::PathBuf {
    let step = |n| format!("      - {{name: Step-{n}, action: ExecuteBash, inputs: {{commands: ['true']}}}}\n");
    let steps: String = (0..STEPS).map(step).collect();
    let body = format!("schemaVersion: 1.0\nphases:\n  - name: build\n    steps:\n{steps}");
    let document = OrderDocument {
        name: "bench".to_owned(),
        version: "1.0.0".to_owned(),
        digest: goldsmith_document::digest(&body),
        body,
        parameters: Default::default(),
    };
    let order = WorkOrder {
        state_directory: directory.join("state"),
        log_directory: directory.join("log"),
        ..WorkOrder::documents(format!("bench/{round}"), Vec::new(), vec![document])
    };
    let path = directory.join(format!("order-{round}.json"));
    fs::write(&path, serde_json::to_vec(&order).unwrap()).unwrap();
    path
}

/// Returns how many milliseconds a command takes.
fn time(command: &mut Command) -> f64 {
    let started = Instant::now();
    assert!(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    millis(started.elapsed())
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
