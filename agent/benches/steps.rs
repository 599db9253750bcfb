//! Measures the cost of a step: 200 trivial `ExecuteBash` steps, a bash loop that starts `bash -c true` as often, and
//! the start of the agent. It prints the medians and their ratio. Run it with `cargo bench -p goldsmith-agent`.
#![expect(clippy::unwrap_used, reason = "what fails here is no measurement")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use goldsmith_executor::{OrderDocument, WorkOrder};

const STEPS: usize = 200;
/// The number of measurements of each kind. The median counts. The kinds alternate, so that a busy moment affects both.
const ROUNDS: usize = 11;

fn main() {
    let directory = tempfile::tempdir().unwrap();
    let (mut steps, mut processes, mut starts) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..ROUNDS {
        let order = order(directory.path(), round);
        steps.push(time(Command::new(env!("CARGO_BIN_EXE_goldsmith-agent")).arg(order)));
        let script = format!("for i in {{1..{STEPS}}}; do bash -c true; done");
        processes.push(time(Command::new("bash").arg("-c").arg(script)));
        let mut usage = Command::new(env!("CARGO_BIN_EXE_goldsmith-agent"));
        let started = Instant::now();
        assert_eq!(usage.stderr(Stdio::null()).status().unwrap().code(), Some(2));
        starts.push(started.elapsed());
    }
    let (steps, processes, start) = (median(steps), median(processes), median(starts));
    println!("{STEPS} ExecuteBash steps    {:8.1} ms", millis(steps));
    println!("{STEPS} times bash -c true   {:8.1} ms", millis(processes));
    println!("ratio                    {:8.2}", steps.as_secs_f64() / processes.as_secs_f64());
    println!("start of the agent       {:8.1} ms", millis(start));
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

fn time(command: &mut Command) -> Duration {
    let started = Instant::now();
    assert!(command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status().unwrap().success());
    started.elapsed()
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
