//! What only looks like a build's: what somebody has made with all its tags, and what a start has overridden.

use goldsmith_store::ImageStatus;
use serde_json::{Value, json};

use super::Case;
use crate::definitions::Pipeline;
use crate::inventory::Resource;
use crate::stack::Stack;

const HOME: &str = "eu-west-1";
const ELSEWHERE: &str = "us-east-1";

pub(super) const CASES: &[(&str, Case)] = &[(
    "a_copy_with_all_tags_of_a_published_image_stays_and_is_marked_and_an_overridden_image_is_no_source",
    strangers,
)];

fn strangers(stack: &Stack) {
    let pipeline = Pipeline {
        parameters: true,
        more: "allowOverrides: true\n",
        ..Pipeline::new("strangers", &[("build", "Nothing", "true")])
    };
    let built = stack.build(pipeline.write().path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let build = built.build();
    let made = stack.left_of(build);
    assert_eq!(made.counts(), (0, 2, 2), "{made:?}");
    let status = |one: &Resource| one.tags["goldsmith:status"].clone();
    assert!(made.images.iter().chain(&made.snapshots).all(|one| status(one) == "published"), "{made:?}");
    // As somebody does who wants the image under another name, once before the sweep and once after it.
    let first = copy(stack, &built.json["amis"], HOME);
    stack.invoke("reap", &json!({"sweep": true}));
    let second = copy(stack, &built.json["amis"], ELSEWHERE);
    let marked = |id: &str| {
        let images = stack.left_of(build).images;
        images.into_iter().find(|image| image.id == id).unwrap().tags.get("goldsmith:leftover-since").cloned()
    };
    assert!(marked(&first).is_some());
    assert_eq!(marked(&second), None);
    let shown = stack.goldsmith(&["show", built.image(), "--local"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    let stranger = format!("image {first} in {HOME} has this build's tags");
    assert!(shown.lines().any(|line| line.starts_with("not ours ") && line.contains(&stranger)), "{shown}");
    let cleaned = stack.goldsmith_by_endpoint(&["clean", "--yes", "--images", "--region", HOME, "--region", ELSEWHERE]);
    let said = String::from_utf8_lossy(&cleaned.stderr);
    assert!(cleaned.status.success(), "{said}");
    assert!(said.contains(&first) && said.contains(&second) && said.contains("stay for a day"), "{said}");
    assert!(marked(&second).is_some());
    stack.invoke("reap", &json!({"sweep": true}));
    assert_eq!(stack.left_of(build).images.len(), 4, "two of the build, and two copies");
    for (id, region) in [(first, HOME), (second, ELSEWHERE)] {
        stack.block_on(ec2(stack, region).deregister_image().image_id(id).send()).unwrap();
    }
    overridden(stack);
}

fn ec2(stack: &Stack, region: &'static str) -> aws_sdk_ec2::Client {
    let config = aws_sdk_ec2::config::Builder::from(stack.sdk()).region(aws_sdk_ec2::config::Region::new(region));
    aws_sdk_ec2::Client::from_conf(config.build())
}

/// Copies the image from its home with all its tags; answers the copy's id.
fn copy(stack: &Stack, amis: &Value, to: &'static str) -> String {
    let client = ec2(stack, to);
    let copy = client.copy_image().source_region(HOME).source_image_id(amis[HOME].as_str().unwrap());
    let copy = copy.name(format!("golden copy in {to}")).copy_image_tags(true).send();
    let id = stack.block_on(copy).unwrap().image_id.unwrap();
    stack.wait_for("the copy", || {
        let described = stack.block_on(client.describe_images().image_ids(&id).send()).ok()?;
        (described.images()[0].state()?.as_str() == "available").then_some(())
    });
    id
}

/// Builds the same pipeline from another source than its recipe's.
fn overridden(stack: &Stack) {
    let source = "ssm:/aws/service/goldsmith-local/debian-12-sda1";
    let arguments = ["build", "strangers", "--source-image", source, "--local", "--output", "json"];
    let built = stack.goldsmith(&arguments);
    assert!(built.status.success(), "{built:?}");
    let json: Value = serde_json::from_slice(&built.stdout).unwrap();
    let image = stack.image(json["image"].as_str().unwrap());
    assert_eq!((image.status, image.overridden), (ImageStatus::Available, true));
    let left = stack.left_of(&image.build);
    assert_eq!(left.counts(), (0, 1, 1), "{left:?}");
    assert_eq!(
        (left.images[0].region.as_str(), left.images[0].tags["goldsmith:status"].as_str()),
        (HOME, "overridden")
    );
    // The newest image of the account is not one to start from.
    let text = Pipeline::quick("of-the-newest", "").text();
    let by_name = "parentImage: {owners: [self], name: \"*strangers*\"}";
    let text = text.replacen("parentImage: ssm:/goldsmith/examples/source", by_name, 1);
    let next = stack.build(crate::definitions::folder(&text).path());
    assert_eq!(next.exit, 0, "{next:?}");
    let published = stack.block_on(stack.store().images("strangers")).unwrap();
    let published = published.iter().find(|image| !image.overridden).unwrap();
    assert_eq!(stack.image(next.image()).source_image, published.amis[HOME]);
}
