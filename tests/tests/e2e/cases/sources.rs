//! Builds from source images that are not as the examples' is, and on instances that misbehave.

use goldsmith_store::{FailureCause, ImageStatus};

use super::Case;
use crate::definitions::Pipeline;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("a_source_without_an_agent_is_built_and_tested_and_its_image_has_none", no_agent),
    ("noise_on_standard_error_does_not_hide_the_result", noise),
    ("a_step_that_reboots_by_itself_is_told_where_reboots_belong", own_reboot),
    ("an_update_that_reaches_no_mirror_fails_in_its_step", no_mirror),
];

fn no_agent(stack: &Stack) {
    let there = "test -x /usr/bin/amazon-ssm-agent && grep -x deb /var/lib/goldsmith/ssm-agent-installed";
    // Only where the image has neither package nor mark does the test instance get them anew, after the build's step.
    let anew = "test /var/lib/goldsmith/ssm-agent-installed -nt /etc/e2e-agentless";
    let steps = [
        ("build", "AgentIsThere", there),
        ("build", "Date", "touch /etc/e2e-agentless"),
        ("test", "AgentIsThere", there),
        ("test", "ImageHadNone", anew),
    ];
    let source = "ssm:/aws/service/goldsmith-local/debian-12-no-agent";
    let built = stack.build(Pipeline { source, ..Pipeline::new("agentless", &steps) }.write().path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    assert_eq!(stack.image(built.image()).status, ImageStatus::Available);
    assert_eq!(stack.left_of(built.build()).counts(), (0, 2, 2));
}

fn noise(stack: &Stack) {
    let preload = "echo /usr/lib/no-such-library.so > /etc/ld.so.preload";
    let steps = [("build", "Preload", preload), ("test", "IsThere", "test -s /etc/ld.so.preload")];
    let built = stack.build(Pipeline::new("noise", &steps).write().path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
}

/// Why a pipeline failed that leaves nothing.
fn fail(stack: &Stack, pipeline: &Pipeline) -> FailureCause {
    let built = stack.build(pipeline.write().path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (1, Some("failed")), "{built:?}");
    let left = stack.left_of(built.build());
    assert_eq!(left.counts(), (0, 0, 0), "{left:?}");
    stack.image(built.image()).failure.unwrap()
}

fn own_reboot(stack: &Stack) {
    let failure = fail(stack, &Pipeline::new("own-reboot", &[("build", "Reboots", "reboot\nsleep 600")]));
    assert_eq!(
        failure.message,
        "own-reboot / build / Reboots: the machine was restarted while this step ran, and nobody had asked for it; a \
         reboot belongs into a Reboot step, or the step ends with exit code 194"
    );
    assert_eq!((failure.state.as_str(), failure.error.as_str()), ("Build", "Goldsmith.CommandFailed"));
}

fn no_mirror(stack: &Stack) {
    let nowhere = "rm -rf /etc/apt/sources.list.d /var/lib/apt/lists/*\n\
                   echo 'deb http://127.0.0.1:9/debian bookworm main' > /etc/apt/sources.list";
    let mut pipeline = Pipeline::new("no-mirror", &[("build", "Nowhere", nowhere)]);
    pipeline.phases += "        - name: Update\n          action: UpdateOS\n";
    let failure = fail(stack, &pipeline);
    let place = (failure.phase.as_deref(), failure.step.as_deref(), failure.action.as_deref());
    assert_eq!(place, (Some("build"), Some("Update"), Some("UpdateOS")));
    let said = failure.last_lines.join("\n");
    assert!(said.contains("Failed to fetch http://127.0.0.1:9/debian"), "{failure:?}");
}
