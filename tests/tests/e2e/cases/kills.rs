//! A function's process is killed between an effect and its entry in the journal: the endpoint has made the effect and
//! holds the answer meanwhile. The build goes on, and makes nothing twice.

use serde_json::json;

use super::Case;
use crate::definitions::Pipeline;
use crate::process::kill;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("launch_killed_after_run_instances", launch),
    ("execute_phase_killed_after_send_command", execute_phase),
    ("distribute_killed_after_copy_image", distribute),
];

/// Holds the answer of an action, kills the function that made the call once `happened`, lets the answer go, and
/// expects the build to end well with nothing left but its two images.
fn kill_between(stack: &Stack, name: &'static str, action: &str, handler: &str, happened: impl Fn(&Stack) -> bool) {
    let script = "echo ran >> /var/runs\ntest \"$(wc -l < /var/runs)\" = 1";
    let folder =
        Pipeline::new(name, &[("build", "RunsOnce", script), ("test", "RanOnce", "test \"$(wc -l < /var/runs)\" = 1")]);
    let folder = folder.write();
    stack.arm(&json!([{"when": {"action": action, "nth": 1}, "do": "hold"}]));
    let (built, ()) = stack.build_meanwhile(folder.path(), || {
        stack.wait_for("the held effect", || happened(stack).then_some(()));
        kill(stack, handler);
        stack.disarm();
    });
    assert_eq!(built.json["outcome"], "built", "{built:?}");
    assert_eq!(stack.left_of(built.build()).counts(), (0, 2, 2));
}

fn launch(stack: &Stack) {
    kill_between(stack, "killed-launch", "RunInstances", "launch", |stack| {
        stack.inventory().instances.iter().any(|one| one.tags["goldsmith:image"].starts_with("killed-launch/"))
    });
}

fn execute_phase(stack: &Stack) {
    kill_between(stack, "killed-phase", "SendCommand", "execute-phase", |stack| {
        // The command is sent as soon as the intent is in the journal; give its effect a moment to happen.
        let open = stack.block_on(stack.store().images("killed-phase")).unwrap();
        let Some(image) = open.last() else { return false };
        let effects = stack.block_on(stack.store().all_effects(&image.build)).unwrap();
        let intended = effects.iter().any(|effect| effect.scope == "Build" && effect.id.is_none());
        if intended {
            std::thread::sleep(std::time::Duration::from_millis(500));
        }
        intended
    });
}

fn distribute(stack: &Stack) {
    kill_between(stack, "killed-copy", "CopyImage", "distribute", |stack| {
        stack.inventory().images.iter().any(|one| {
            one.region == "us-east-1"
                && one.tags.get("goldsmith:image").is_some_and(|tag| tag.starts_with("killed-copy/"))
        })
    });
}
