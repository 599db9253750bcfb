//! Kills a function's process in the middle of a call.

use rustix::process::{Pid, Signal, kill_process};

use crate::stack::Stack;

/// Ids of the processes that run this handler of this stack now. Another stack may have the same name.
fn running(stack: &Stack, handler: &str) -> Vec<i32> {
    let wanted = [
        format!("_HANDLER={handler}"),
        format!("GOLDSMITH_STACK={}", stack.name()),
        format!("AWS_ENDPOINT_URL={}", stack.endpoint()),
    ];
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
        let has = |wanted: &String| environment.split(|byte| *byte == 0).any(|one| one == wanted.as_bytes());
        if wanted.iter().all(has) {
            found.push(pid);
        }
    }
    found
}

/// Kills every process of a function, as a crash would.
pub(crate) fn kill(stack: &Stack, handler: &str) {
    let processes = running(stack, handler);
    assert!(!processes.is_empty(), "no process runs {handler}");
    for pid in processes {
        let _ = kill_process(Pid::from_raw(pid).unwrap(), Signal::KILL);
    }
}
