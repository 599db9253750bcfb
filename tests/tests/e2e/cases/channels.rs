//! Channels that point to images, and images that are revoked with what was built on them.

use aws_sdk_ec2::types::{ImageAttributeName, SnapshotAttributeName};
use goldsmith_cloud::Parameters as _;
use goldsmith_cloud::aws::SsmParameters;
use goldsmith_store::{ChannelMove, ImageLife};
use serde_json::{Value, json};

use super::Case;
use super::image_life::{good, said};
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("a_channel_moves_with_its_parameters_in_every_region_and_keeps_its_image", moved),
    ("a_revoked_image_takes_its_children_and_channels_along", revoked),
    ("nobody_gets_an_image_before_its_promotion_to_the_approving_channel", approved),
];

fn stable(stack: &Stack, pipeline: &str) -> Option<ChannelMove> {
    stack.block_on(stack.store().channel(&pipeline.parse().unwrap(), &"stable".parse().unwrap())).unwrap()
}

/// Calls the CLI as who deploys, which must fail with this exit code, and returns what it says.
fn bad(stack: &Stack, exit: i32, arguments: &[&str]) -> String {
    let output = stack.goldsmith_by_endpoint(arguments);
    assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {}", said(&output));
    said(&output)
}

fn moved(stack: &Stack) {
    let pipeline = Pipeline::new("channeled", &[("build", "Nothing", "true")]);
    let pipeline = Pipeline { more: "channel: candidate\n", parameters: true, ..pipeline };
    let own = "{parameterName: /images/channeled}";
    let follows = |channel: &str| format!("{{parameterName: /images/channeled/{channel}, channel: {channel}}}");
    let all = format!("{own}, {}, {}", follows("candidate"), follows("stable"));
    let folder = folder(&pipeline.text().replace(own, &all));
    let built = [(); 2].map(|()| stack.build(folder.path()));
    let [old, new] = [built[0].image(), built[1].image()];
    let ssm = SsmParameters::new(stack.sdk());
    let held = |name: &str| -> [Option<String>; 2] {
        let value = |region| stack.block_on(ssm.get(region, name)).unwrap().map(|parameter| parameter.value);
        ["eu-west-1", "us-east-1"].map(value)
    };
    let amis = |image: &str| ["eu-west-1", "us-east-1"].map(|region| Some(stack.image(image).amis[region].clone()));
    assert_eq!((held("/images/channeled/candidate"), held("/images/channeled")), (amis(new), amis(new)));
    assert_eq!(held("/images/channeled/stable"), [None, None], "only a person promotes to it");
    let listed = good(stack, &["channels", "channeled"]);
    assert!(listed.contains("candidate") && listed.contains(&format!("build {}", built[1].build())), "{listed}");
    let promote = ["promote", old, "--to", "stable", "--reason", "a week as candidate", "--yes"];
    let there = json!({"action": "PutParameter", "nth": 1, "region": "us-east-1"});
    stack.arm(&json!([{"when": there, "do": "fail", "code": "AccessDeniedException"}]));
    let told = bad(stack, 4, &promote);
    assert!(told.contains("the parameters were not changed"), "{told}");
    assert_eq!((held("/images/channeled/stable"), stable(stack, "channeled").unwrap().to), ([None, None], None));
    good(stack, &promote);
    assert_eq!(held("/images/channeled/stable"), amis(old));
    let now = stable(stack, "channeled").unwrap();
    assert_eq!((now.to.unwrap().to_string().as_str(), now.reason.as_deref()), (old, Some("a week as candidate")));
    assert!(now.by.starts_with("arn:"), "{}", now.by);
    good(stack, &["promote", new, "--to", "stable", "--yes"]);
    assert_eq!(held("/images/channeled/stable"), amis(new));
    let back = ["rollback", "channeled", "--channel", "stable", "--reason", "it does not boot", "--yes"];
    let told = good(stack, &back);
    assert!(told.contains(&format!("The channel stable of channeled points to {old}.")), "{told}");
    assert_eq!((held("/images/channeled/stable"), held("/images/channeled/candidate")), (amis(old), amis(new)));
    let listed = good(stack, &["channels", "channeled"]);
    assert!(listed.contains("back to") && listed.contains("it does not boot"), "{listed}");
    good(stack, &["delete", "channel/channeled/candidate", "--yes"]);
    let listed: Value = serde_json::from_str(&good(stack, &["channels", "--output", "json"])).unwrap();
    let channels: Vec<&Value> =
        listed["channels"].as_array().unwrap().iter().filter(|one| one["pipeline"] == "channeled").collect();
    assert_eq!((channels.len(), &channels[0]["image"]), (1, &json!(old)));
    let told = bad(stack, 1, &["delete", old, "--yes"]);
    assert!(told.contains("the channel stable, which points to it"), "{told}");
    assert_eq!(stack.image(old).life, None);
}

fn revoked(stack: &Stack) {
    let base = Pipeline::quick("revoking", "channel: stable\n").write();
    let child = Pipeline { source: "pipeline:revoking", ..Pipeline::quick("revoked-child", "") }.write();
    let built = [stack.build(base.path()), stack.build(base.path()), stack.build(child.path())];
    let [old, new, below] = [0, 1, 2].map(|at: usize| built[at].image());
    let ami = |image: &str| stack.image(image).amis["eu-west-1"].clone();
    assert_eq!(stack.image(below).source_image, ami(new));
    let told = bad(stack, 2, &["revoke", new, "--reason", "a hole"]);
    assert!(told.contains(&format!("{below}  AVAILABLE  revoked-child")), "{told}");
    assert!(told.contains("nothing was revoked"), "there is no terminal to ask on: {told}");
    let revoke = ["revoke", new, "--reason", "a hole", "--cascade", "--move-channels", "--yes", "--output", "json"];
    let told: Value = serde_json::from_str(&good(stack, &revoke)).unwrap();
    assert_eq!(told["revoked"], json!([new, below]));
    assert_eq!(told["rebuild"], json!(["revoking", "revoked-child"]));
    let ec2 = aws_sdk_ec2::Client::new(stack.sdk());
    for image in [new, below] {
        let record = stack.image(image);
        assert_eq!((record.life, record.revoked.is_some()), (Some(ImageLife::Disabled), true), "{image}");
        let find = || ec2.describe_images().image_ids(ami(image)).include_disabled(true).send();
        stack.wait_for("the AMI's state", || {
            let found = stack.block_on(find()).unwrap();
            (found.images()[0].state().unwrap().as_str() == "disabled").then_some(())
        });
    }
    assert_eq!(stable(stack, "revoking").unwrap().to.unwrap().to_string(), old);
    let shown = good(stack, &["show", below]);
    assert!(shown.contains(&format!("{new}, which was revoked: a hole")) && shown.contains("REVOKED"), "{shown}");
    let told = bad(stack, 2, &["enable", new]);
    assert!(told.contains("a hole") && told.contains(&format!("`goldsmith revoke {new} --undo`")), "{told}");
    let next = stack.build(child.path());
    assert_eq!(stack.image(next.image()).source_image, ami(old), "no build starts from a revoked image");
    good(stack, &["revoke", new, "--undo"]);
    let record = stack.image(new);
    assert_eq!((record.life, record.revoked), (None, None));
    assert_eq!(stack.left_of(built[1].build()).counts(), (0, 1, 1), "nothing of a revoked image is deleted");
}

fn approved(stack: &Stack) {
    let pipeline = Pipeline { parameters: true, ..Pipeline::quick("approved", "channel: candidate\n") };
    let there = "distributions:\n  - region: eu-west-1\n";
    let terms = "    amiDistributionConfiguration:\n      launchPermission: {userIds: [\"111122223333\"]}\n      \
                 shareSnapshots: true\n";
    assert!(pipeline.text().contains(there));
    let text = pipeline.text().replace(there, &format!("approval: {{channel: stable}}\n{there}{terms}"));
    let built = stack.build(folder(&text).path());
    let image = built.image();
    let record = stack.image(image);
    let (ami, snapshot) = (&record.amis["eu-west-1"], &record.snapshots["eu-west-1"][0]);
    let (ec2, ssm) = (aws_sdk_ec2::Client::new(stack.sdk()), SsmParameters::new(stack.sdk()));
    // How many accounts may launch the AMI and copy its snapshot, and what the parameter holds.
    let given = || {
        let request = ec2.describe_image_attribute().image_id(ami).attribute(ImageAttributeName::LaunchPermission);
        let launches = stack.block_on(request.send()).unwrap().launch_permissions().len();
        let request = ec2.describe_snapshot_attribute().snapshot_id(snapshot);
        let request = request.attribute(SnapshotAttributeName::CreateVolumePermission);
        let copies = stack.block_on(request.send()).unwrap().create_volume_permissions().len();
        let held = stack.block_on(ssm.get("eu-west-1", "/images/approved")).unwrap().map(|parameter| parameter.value);
        (launches, copies, held)
    };
    assert_eq!(given(), (0, 0, None));
    let shown = good(stack, &["show", image]);
    assert!(shown.contains(&format!("promote {image} --to stable` publishes the image")), "{shown}");
    let planned = good(stack, &["plan", "approved"]);
    assert!(planned.contains("a promotion to stable publishes it"), "{planned}");
    let listed = good(stack, &["channels", "approved"]);
    assert!(listed.contains("candidate") && listed.contains("AVAILABLE (needs approval)"), "{listed}");
    // Whoever may build, and no more, may not approve.
    let promote = ["promote", image, "--to", "stable", "--reason", "looked at it", "--yes"];
    let output = stack.goldsmith(&[&promote[..], &["--local"]].concat());
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert_eq!((given(), stack.image(image).approved), ((0, 0, None), None));
    good(stack, &promote);
    assert_eq!(given(), (1, 1, Some(ami.clone())));
    let approved = stack.image(image).approved.unwrap();
    assert!(approved.by.ends_with("deployer") && approved.reason.as_deref() == Some("looked at it"), "{approved:?}");
    assert_eq!(stable(stack, "approved").unwrap().to.unwrap().to_string(), image);
}
