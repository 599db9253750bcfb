//! Kills a function's process in the middle of a call.

use rustix::process::{Pid, Signal, kill_process};

/// Ids of the processes that run this handler of this stack now.
fn running(stack: &str, handler: &str) -> Vec<i32> {
    let has =
        |environment: &[u8], wanted: String| environment.split(|byte| *byte == 0).any(|one| one == wanted.as_bytes());
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        if has(&environment, format!("_HANDLER={handler}")) && has(&environment, format!("GOLDSMITH_STACK={stack}")) {
            found.push(pid);
        }
    }
    found
}

/// Kills every process of a function, as a crash would.
pub(crate) fn kill(stack: &str, handler: &str) {
    let processes = running(stack, handler);
    assert!(!processes.is_empty(), "no process runs {handler}");
    for pid in processes {
        let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
    }
}
