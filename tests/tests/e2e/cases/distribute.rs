//! Images that exist already: brought to what their distribution has gained since their build.

use goldsmith_cloud::Parameters as _;
use goldsmith_cloud::aws::SsmParameters;
use goldsmith_model::State;
use goldsmith_store::{ImageLife, ImageStatus, Scope, StateStatus};
use serde_json::{Value, json};

use super::Case;
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("an_image_is_distributed_to_what_its_configuration_has_gained", an_image_is_distributed),
    ("an_image_is_published_without_a_region_that_may_fail_and_brought_there_later", a_region_is_left_out),
];

const HOME: &str = "eu-west-1";
const AWAY: &str = "us-east-1";

/// The result of `goldsmith distribute`.
fn distribute(stack: &Stack, image: &str) -> Value {
    let output = stack.goldsmith(&["distribute", image, "--yes", "--local", "--output", "json"]);
    assert!(output.status.success(), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap()
}

fn an_image_is_distributed(stack: &Stack) {
    let pipeline = Pipeline { parameters: true, ..Pipeline::quick("spread", "") };
    let built = stack.build(pipeline.write().path());
    assert_eq!(built.exit, 0, "{built:?}");
    let before = stack.image(built.image());
    let gained = Pipeline { regions: &[HOME, AWAY], ..pipeline }.text();
    let shared = "    amiDistributionConfiguration: {launchPermission: {userIds: [\"111122223333\"]}, \
                  shareSnapshots: true}\n";
    let home = format!("  - region: {HOME}\n");
    stack.apply(folder(&gained.replace(&home, &format!("{home}{shared}"))).path());

    let ended = distribute(stack, built.image());
    let after = stack.image(built.image());
    let expected = json!({"outcome": "distributed", "build": ended["build"], "image": "spread/1.0.0/2",
                          "distributed": built.image(), "amis": {AWAY: after.amis[AWAY]}});
    assert_eq!(ended, expected);
    assert_eq!((&after.amis[HOME], after.amis.len()), (&before.amis[HOME], 2));
    let run = stack.image("spread/1.0.0/2");
    assert_eq!((run.status, run.amis.len()), (ImageStatus::Distributed, 1));
    let states = stack.block_on(stack.store().states(&run.build)).unwrap();
    let mut names: Vec<&str> = states.iter().map(|state| state.state.name()).collect();
    names.sort_unstable();
    assert_eq!(names, ["DistributeRegion", "DistributeRegion", "Finish", "Plan", "Publish"]);
    assert!(states.iter().all(|state| state.status == StateStatus::Succeeded));
    let [copy] = &stack.left_of(&run.build).images[..] else { panic!("{run:?}") };
    assert_eq!((&copy.id, copy.tags["goldsmith:image"].as_str()), (&after.amis[AWAY], built.image()));
    assert_eq!(stack.left_of(built.build()).images[0].shared_with, ["111122223333"]);
    let parameters = SsmParameters::new(stack.sdk());
    for (region, ami) in &after.amis {
        let named = stack.block_on(parameters.get(region, "/images/spread")).unwrap().unwrap();
        assert_eq!(named.value, *ami);
    }

    let again = distribute(stack, built.image());
    assert_eq!((&again["image"], &again["missing"]), (&json!(built.image()), &json!({})));
    let listed = stack.goldsmith_by_endpoint(&["images", "--distributions", "spread"]);
    assert_eq!(String::from_utf8(listed.stdout).unwrap().lines().count(), 2, "one run, below the head");

    // A deletion finds what the run has made as well.
    for region in [HOME, AWAY] {
        stack.block_on(parameters.delete(region, "/images/spread")).unwrap();
    }
    let deleted = stack.goldsmith_by_endpoint(&["delete", built.image(), "--unshare", "111122223333", "--yes"]);
    assert!(deleted.status.success(), "{deleted:?}");
    assert_eq!(stack.image(built.image()).life, Some(ImageLife::Deleted));
    assert_eq!((stack.left_of(&run.build).counts(), stack.left_of(built.build()).counts()), ((0, 0, 0), (0, 0, 0)));
}

fn a_region_is_left_out(stack: &Stack) {
    let copy = json!({"action": "CopyImage", "nth": 1, "region": AWAY});
    stack.arm(&json!([{"when": copy, "do": "fail", "code": "UnauthorizedOperation"}]));
    let pipeline = Pipeline { parameters: true, ..Pipeline::new("some-regions", &[("build", "Nothing", "true")]) };
    let some = pipeline.text().replace("distributions:\n", "mustSucceed: some\ndistributions:\n");
    let built = stack.build(folder(&some).path());
    assert_eq!((built.exit, built.json["outcome"].as_str()), (0, Some("built")), "{built:?}");
    let image = stack.image(built.image());
    assert_eq!((image.status, image.amis.len()), (ImageStatus::Available, 1));
    let failed = Scope { state: State::DistributeRegion, item: Some(AWAY.to_owned()) };
    let failed = stack.block_on(stack.store().state(built.build(), &failed)).unwrap().unwrap();
    assert_eq!(failed.status, StateStatus::Failed);
    assert_eq!(failed.cause.unwrap().code.as_deref(), Some("UnauthorizedOperation"));
    assert_eq!(stack.left_of(built.build()).counts(), (0, 1, 1));
    let parameters = SsmParameters::new(stack.sdk());
    let named = |region: &str| stack.block_on(parameters.get(region, "/images/some-regions")).unwrap();
    assert_eq!((named(HOME).unwrap().value, named(AWAY)), (image.amis[HOME].clone(), None));
    // The result says which Region lacks the image, and so does `show`.
    assert_eq!(built.json["amis"], json!({HOME: image.amis[HOME]}));
    let shown = stack.goldsmith(&["show", built.image(), "--local"]);
    let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
    assert!(shown.contains(AWAY) && shown.contains("UnauthorizedOperation"), "{shown}");

    let ended = distribute(stack, built.image());
    let after = stack.image(built.image());
    assert_eq!((&after.amis[HOME], after.amis.len()), (&image.amis[HOME], 2));
    assert_eq!(ended["amis"], json!({AWAY: after.amis[AWAY]}));
    assert_eq!(named(AWAY).unwrap().value, after.amis[AWAY]);
}
