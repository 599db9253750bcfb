//! Builds from source images that are not as the examples' is, and on instances that misbehave.

use goldsmith_store::ImageStatus;
use serde_json::json;

use super::{Case, fail};
use crate::definitions::Pipeline;
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("a_source_without_an_agent_is_built_and_tested_and_its_image_has_none", no_agent),
    ("noise_on_standard_error_does_not_hide_the_result", noise),
    ("a_step_that_reboots_by_itself_is_told_where_reboots_belong", own_reboot),
    ("an_update_that_reaches_no_mirror_fails_in_its_step", no_mirror),
    ("steps_wait_for_a_busy_cloud_init", busy_cloud_init),
    ("an_update_waits_for_a_lock_of_apts", held_lock),
    ("a_source_of_another_architecture_is_refused_by_plan", other_architecture),
    ("a_step_that_fills_the_disk_is_named", full_disk),
    ("an_agent_that_dies_ends_the_build_as_lost", dying_agent),
    ("an_agent_that_stays_silent_ends_the_launch_with_what_to_check", silent_agent),
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

fn own_reboot(stack: &Stack) {
    let failure = fail(stack, &Pipeline::new("own-reboot", &[("build", "Reboots", "reboot\nsleep 600")]));
    assert_eq!(
        failure.message,
        "own-reboot / build / Reboots: the machine was restarted while this step ran, but no step asked for it; to \
         reboot, use a Reboot step or end the step with exit code 194"
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

/// What the steps of an image's build said.
fn logs(stack: &Stack, image: &str) -> String {
    String::from_utf8_lossy(&stack.goldsmith(&["logs", image, "--local"]).stdout).into_owned()
}

fn busy_cloud_init(stack: &Stack) {
    let install = "printf '#!/bin/sh\\n[ \"$1 $2\" = \"status --wait\" ] && sleep 4 && touch /run/first-boot-is-over\\n' \
                   > /usr/bin/cloud-init\nchmod 755 /usr/bin/cloud-init";
    let base =
        Pipeline { regions: &["eu-west-1"], ..Pipeline::new("has-cloud-init", &[("build", "Install", install)]) };
    assert_eq!(stack.build(base.write().path()).json["outcome"], "built");
    let steps = [("build", "FirstBootIsOver", "test -e /run/first-boot-is-over")];
    let busy = Pipeline { source: "pipeline:has-cloud-init", ..Pipeline::new("busy-cloud-init", &steps) };
    let built = stack.build(busy.write().path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let said = logs(stack, built.image());
    let waits = said.find("cloud-init is still running; the steps wait for it, at most 10 minutes\n");
    let ended = said.find("cloud-init ended after ");
    let began = said.find("----- busy-cloud-init / build / FirstBootIsOver\n");
    assert!(waits.is_some() && waits < ended && ended < began, "{said}");
}

/// Holds apt's lock of its lists, which is one of fcntl, for some seconds.
const HOLD: &str = "setsid perl -e 'use Fcntl; open(my $lock, \">>\", \"/var/lib/apt/lists/lock\") or die;
my $all = pack(\"s s x4 q q i\", F_WRLCK, 0, 0, 0, 0); fcntl($lock, F_SETLK, $all) or die; open(my $mark, \">\", \"/run/held\"); sleep 8' \\
  > /dev/null 2>&1 < /dev/null &
until [ -e /run/held ]; do sleep 0.1; done";

fn held_lock(stack: &Stack) {
    let mut pipeline = Pipeline { regions: &["eu-west-1"], ..Pipeline::new("held-lock", &[("build", "Hold", HOLD)]) };
    pipeline.phases += "        - name: Update\n          action: UpdateOS\n          inputs: {include: [tzdata]}\n";
    let built = stack.build(pipeline.write().path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let said = logs(stack, built.image());
    assert!(said.contains("apt-get: another program holds its lock; trying again in 3 s\n"), "{said}");
}

fn other_architecture(stack: &Stack) {
    let base = stack.build(Pipeline::quick("for-another", "").write().path());
    let snapshots = &stack.image(base.image()).snapshots["eu-west-1"];
    let disk = aws_sdk_ec2::types::EbsBlockDevice::builder().snapshot_id(&snapshots[0]).build();
    let disk = aws_sdk_ec2::types::BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(disk).build();
    let register = aws_sdk_ec2::Client::new(stack.sdk()).register_image().name("for another architecture");
    let register = register.architecture(aws_sdk_ec2::types::ArchitectureValues::Arm64).root_device_name("/dev/xvda");
    let register = register.virtualization_type("hvm").block_device_mappings(disk);
    let image = stack.block_on(register.send()).unwrap().image_id.unwrap();
    let source = image.clone().leak();
    let built = stack.build(Pipeline { source, ..Pipeline::quick("of-another", "") }.write().path());
    assert_eq!(built.exit, 2, "{built:?}");
    let said = built.json["failure"]["message"].as_str().unwrap();
    // A package that was built for this machine only has no agent for that architecture, which is a second problem.
    let expected = format!(
        "the source image {image} is for arm64, but no instance type of infrastructure configuration `of-another` can run it: \
         t3.small is for x86_64: name a type of that architecture, or another source image (type-architecture, \
         `instanceTypes` of infrastructure configuration `of-another`)"
    );
    assert!(said.contains(&expected), "{said}");
}

fn full_disk(stack: &Stack) {
    // A file system of its own for what the agent keeps, which systemd mounts at the boot.
    let unit = "cat > /etc/systemd/system/var-lib-goldsmith.mount <<'EOF'\n[Mount]\nWhat=tmpfs\nWhere=/var/lib/goldsmith\n\
                Type=tmpfs\nOptions=size=64m,mode=700\n[Install]\nWantedBy=local-fs.target\nEOF\n\
                systemctl enable var-lib-goldsmith.mount";
    let base = Pipeline { regions: &["eu-west-1"], ..Pipeline::new("small-disk", &[("build", "Mount", unit)]) };
    assert_eq!(stack.build(base.write().path()).json["outcome"], "built");
    let fills = "findmnt /var/lib/goldsmith || exit 3\ndd if=/dev/zero of=/var/lib/goldsmith/fill bs=64k\nexit 7";
    let steps = [("build", "Fills", fills)];
    let pipeline = Pipeline { source: "pipeline:small-disk", ..Pipeline::new("full-disk", &steps) };
    let failure = fail(stack, &pipeline);
    assert_eq!(failure.message, "full-disk / build / Fills: exit status 7");
    assert_eq!((failure.step.as_deref(), failure.exit_code), (Some("Fills"), Some(7)));
    let said = failure.last_lines.join("\n");
    assert!(said.contains("No space left on device"), "{failure:?}");
}

fn dying_agent(stack: &Stack) {
    let dies = "ln -sf /dev/null /etc/systemd/system/amazon-ssm-agent.service\n\
                kill -9 $(grep -lx amazon-ssm-agen /proc/[0-9]*/comm | cut -d / -f 3)\nsleep 600";
    let folder = Pipeline::new("dying-agent", &[("build", "Dies", dies)]).write();
    let (built, ()) = stack.build_meanwhile(folder.path(), || {
        stack.wait_for("the step", || logs(stack, "dying-agent/1.0.0/1").contains("Dies").then_some(()));
        // The agent's last ping is reported as that old, so that the test need not wait a quarter of an hour.
        stack.set(&json!({"age": 900}));
    });
    stack.set(&json!({"age": 0}));
    assert_eq!((built.exit, built.json["failure"]["state"].as_str()), (1, Some("Build")), "{built:?}");
    let message = built.json["failure"]["message"].as_str().unwrap();
    assert!(message.starts_with("the connection to i-"), "{message}");
    let words = "is lost: Systems Manager last heard from its SSM agent at ";
    let causes = "; the agent has ended, or the instance hangs or has no network";
    assert!(message.contains(words) && message.ends_with(causes), "{message}");
    assert_eq!(stack.left_of(built.build()).counts(), (0, 0, 0));
}

fn silent_agent(stack: &Stack) {
    stack.arm(&json!([{"when": {"action": "RunInstances", "nth": 1}, "do": "no-agent"}]));
    stack.set(&json!({"age": 600}));
    let failure = fail(stack, &Pipeline::new("silent-agent", &[("build", "Never", "true")]));
    stack.set(&json!({"age": 0}));
    assert_eq!((failure.state.as_str(), failure.error.as_str()), ("Launch", "Goldsmith.NotOnline"));
    let (instance, rest) = failure.message.split_once(' ').unwrap();
    assert!(instance.starts_with("i-"), "{failure:?}");
    assert!(
        rest.starts_with("is running, but no SSM agent on it has registered with Systems Manager. Check that ")
            && rest.contains("that the subnet can reach the endpoints ssm, ssmmessages and ec2messages of eu-west-1. ")
            && rest.ends_with(" may register with Systems Manager"),
        "{rest}"
    );
}
