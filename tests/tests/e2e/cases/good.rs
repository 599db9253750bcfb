//! Builds that end well.

use std::fs;
use std::path::Path;

use aws_sdk_ec2::config::Region;
use aws_sdk_ec2::types::SnapshotAttributeName;
use goldsmith_store::ImageStatus;
use jiff::Timestamp;
use serde_json::json;

use super::Case;
use crate::definitions::{Pipeline, example, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("the_example_is_built_tested_and_brought_to_two_regions", web_server),
    ("the_pipeline_of_the_readme_is_built_as_it_stands", readme),
    ("a_new_folder_of_init_is_planned_and_built_as_it_is", begun),
    ("a_shared_image_can_be_copied_and_is_deprecated_later", shared),
    ("a_recipe_without_components_copies_its_source", copy),
    ("what_the_build_wrote_is_in_its_image_and_nowhere_else", file_in_the_image),
    ("a_chain_goes_from_build_to_validate", chain),
    ("a_reboot_in_the_build_phase_resumes_at_the_right_step", reboot),
    ("a_build_costs_few_transitions_however_often_it_is_woken", transitions),
];

fn web_server(stack: &Stack) {
    let built = stack.build(&example("web-server"));
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let image = stack.image(built.image());
    assert_eq!(image.status, ImageStatus::Available);
    assert_eq!(image.amis.keys().collect::<Vec<_>>(), ["eu-west-1", "us-east-1"]);
    assert_eq!(stack.left_of(built.build()).counts(), (0, 2, 2));
    for state in ["Launch", "Build", "Snapshot", "Test", "Distribute", "Publish", "Finish"] {
        assert!(built.progress.contains(state), "{state} is not in the progress:\n{}", built.progress);
    }
}

fn readme(stack: &Stack) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let (_, rest) = readme.split_once("```yaml\n").unwrap();
    let (pipeline, _) = rest.split_once("```").unwrap();
    let folder = folder(pipeline);
    let components = folder.path().join("components");
    fs::create_dir(&components).unwrap();
    fs::copy(example("web-server/components/nginx.yml"), components.join("nginx.yml")).unwrap();
    let built = stack.build(folder.path());
    assert_eq!((built.exit, built.image()), (0, "gateway/1.0.0/1"), "{built:?}");
}

fn begun(stack: &Stack) {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("starter");
    let path = folder.display().to_string();
    let output = stack.goldsmith(&["init", &path]);
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && told.contains(&format!(" build {path} --local")), "{told}");
    let planned = stack.goldsmith(&["plan", &path, "--local", "--output", "json"]);
    let plan: serde_json::Value = serde_json::from_slice(&planned.stdout).unwrap();
    assert_eq!((&plan["verdict"], &plan["findings"]), (&json!("build"), &json!([])), "{plan}");
    let built = stack.build(&folder);
    assert_eq!((built.exit, built.image()), (0, "starter/1.0.0/1"), "{built:?}");
    assert!(built.progress.contains("GreetingIsInTheImage"), "{}", built.progress);
    assert_eq!(stack.left_of(built.build()).counts(), (0, 1, 1));
    let again = stack.goldsmith(&["init", &path]);
    assert_eq!(again.status.code(), Some(2), "{again:?}");
}

fn shared(stack: &Stack) {
    let text = Pipeline::new("shared", &[("build", "Nothing", "true")]).text();
    let there = "  - region: us-east-1\n";
    let terms = "    amiDistributionConfiguration:\n      launchPermission: {userIds: [\"111122223333\"]}\n      \
                 shareSnapshots: true\n      deprecateAfter: P90D\n";
    assert!(text.contains(there));
    let built = stack.build(folder(&text.replace(there, &format!("{there}{terms}"))).path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let image = stack.image(built.image());
    let created: Timestamp = image.created_at.parse().unwrap();
    // EC2 counts whole minutes.
    let deprecated = created.as_second() + 90 * 24 * 3_600;
    for (region, users, from) in [("eu-west-1", vec![], None), ("us-east-1", vec!["111122223333"], Some(deprecated))] {
        let config = aws_sdk_ec2::config::Builder::from(stack.sdk()).region(Region::new(region)).build();
        let ec2 = aws_sdk_ec2::Client::from_conf(config);
        let described = stack.block_on(ec2.describe_images().image_ids(&image.amis[region]).send()).unwrap();
        let shown = described.images()[0].deprecation_time();
        let shown = shown.map(|time| time.parse::<Timestamp>().unwrap().as_second());
        assert_eq!(shown.map(|time| time / 60), from.map(|time| time / 60), "{region}");
        for snapshot in &image.snapshots[region] {
            let request = ec2.describe_snapshot_attribute().snapshot_id(snapshot);
            let request = request.attribute(SnapshotAttributeName::CreateVolumePermission);
            let answer = stack.block_on(request.send()).unwrap();
            let shared: Vec<_> = answer.create_volume_permissions().iter().filter_map(|one| one.user_id()).collect();
            assert_eq!(shared, users, "{region}");
        }
    }
}

/// For those who encrypt, share or resize a source and add nothing to it.
fn copy(stack: &Stack) {
    let text = Pipeline::quick("copy", "").text();
    let (_, recipe) = text.split_once("---\n").unwrap();
    let without = recipe.replace("components:\n  - {name: copy, version: 1.x.x}\n", "components: []\n");
    assert_ne!(without, recipe);
    let built = stack.build(folder(&without).path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let image = stack.image(built.image());
    assert_eq!((image.status, image.amis.len()), (ImageStatus::Available, 1));
    assert_eq!(stack.left_of(built.build()).counts(), (0, 1, 1));
}

fn file_in_the_image(stack: &Stack) {
    let pipeline = Pipeline::new(
        "marker",
        &[
            // The second build starts from the same source: what the first wrote must not be there.
            ("build", "SourceIsUntouched", "test ! -e /etc/e2e-marker"),
            (
                "build",
                "WriteMarker",
                "echo built > /etc/e2e-marker\ntouch /tmp/left-over /root/.bash_history\n\
                 echo \"builder $(cat /etc/machine-id)\" > /etc/e2e-builder",
            ),
            ("test", "MarkerIsThere", "grep -x built /etc/e2e-marker"),
            (
                "test",
                "NothingIsLeft",
                // Where an init runs it has made a new id by now; the builder's own must be gone.
                "set -e\ntest ! -e /tmp/left-over\ntest ! -e /root/.bash_history\n\
                 test ! -s /etc/machine-id || ! grep -qxF \"builder $(cat /etc/machine-id)\" /etc/e2e-builder",
            ),
        ],
    );
    let folder = pipeline.write();
    for number in 1..=2 {
        let built = stack.build(folder.path());
        assert_eq!(built.json["outcome"], "built", "{built:?}");
        assert_eq!(built.image(), format!("marker/1.0.0/{number}"));
        assert_eq!(stack.left_of(built.build()).counts(), (0, 2, 2));
    }
}

fn chain(stack: &Stack) {
    let pipeline = Pipeline::new(
        "chain",
        &[
            ("build", "Say", "echo forty-two"),
            ("validate", "Hear", "test '{{ build.Say.outputs.stdout }}' = forty-two"),
        ],
    );
    let built = stack.build(pipeline.write().path());
    assert_eq!(built.json["outcome"], "built", "{built:?}");
}

fn reboot(stack: &Stack) {
    let pipeline = Pipeline::new(
        "reboot",
        &[
            ("build", "Before", "echo before >> /var/steps"),
            // Exit 194 asks for a reboot and for this step again.
            ("build", "Twice", "echo twice >> /var/steps\n[ \"$(grep -c twice /var/steps)\" = 2 ] || exit 194"),
            ("build", "After", "echo after >> /var/steps"),
            ("test", "EachRanAsOften", "test \"$(tr '\\n' ' ' < /var/steps)\" = 'before twice twice after '"),
        ],
    );
    let built = stack.build(pipeline.write().path());
    assert_eq!(built.json["outcome"], "built", "{built:?}");
    // The nonce comes back with the order: an event line without its seal would be shown as it is.
    let said = stack.goldsmith(&["logs", built.image(), "--local"]).stdout;
    let said = String::from_utf8_lossy(&said);
    for step in ["Before", "After"] {
        assert!(said.contains(&format!("----- reboot / build / {step}: success")), "{said}");
    }
    assert!(!said.contains("goldsmith {"), "{said}");
}

fn transitions(stack: &Stack) {
    let pipeline = Pipeline::new("counted", &[("build", "Nothing", "true"), ("test", "Nothing", "true")]);
    let folder = pipeline.write();
    let (built, woken) = stack.build_meanwhile(folder.path(), || {
        let image = stack.wait_for("the pending AMI", || {
            let images = stack.inventory().images;
            images.into_iter().find(|image| {
                image.state == "pending"
                    && image.tags.get("goldsmith:image").is_some_and(|tag| tag.starts_with("counted/"))
            })
        });
        let event = json!({
            "version": "0", "id": "e2e", "detail-type": "EC2 AMI State Change", "source": "aws.ec2",
            "account": "000000000000", "time": "2026-01-01T00:00:00Z", "region": image.region, "resources": [],
            "detail": {"ImageId": image.id, "State": "available"},
        });
        for _ in 0..10 {
            stack.signal(&event);
        }
        10
    });
    assert_eq!((built.json["outcome"].as_str(), woken), (Some("built"), 10), "{built:?}");
    let transitions = stack.transitions(&stack.execution_arn(built.build()));
    assert!(transitions <= 30, "{transitions} transitions");
}
