//! Tests of a run that only distributes an image, from Plan to Finish.

use goldsmith_cloud::fake::{Fault, HOME, place};
use goldsmith_cloud::{Images as _, Kind, TAG_STATUS};
use goldsmith_model::{MustSucceed, PublishedTemplate};
use goldsmith_store::{BuildStatus, ImageLife, ImageRecord, ImageStatus, Pointed};
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::preview::{DistributionPreview, preview_distribution};
use crate::events::reap;
use crate::testing::{AWAY, FAR, Stack, TARGET, Task, built, check_state_of, good, whole_distribution};
use crate::{State, TAG_BUILD, TAG_HOME, TAG_IMAGE, TAG_STACK};

/// The account that the definition has gained.
const GAINED: &str = "444455556666";

async fn image(stack: &Stack, number: u32) -> ImageRecord {
    stack.store().image(&format!("web/1.0.0/{number}").parse().unwrap()).await.unwrap().unwrap()
}

async fn distribute(stack: &Stack, name: &str, image: &str) -> Value {
    let input = json!({"pipeline": "web", "from": {"at": "distribute", "image": image}});
    stack.start_and_execute(name, input).await.unwrap()
}

async fn preview(stack: &Stack) -> DistributionPreview {
    preview_distribution(&stack.context(), &"web/1.0.0/1".parse().unwrap()).await.unwrap()
}

/// Runs the sweep twice, a day apart.
async fn sweep(stack: &Stack) {
    for _ in 0..2 {
        stack.clock.advance(SignedDuration::from_hours(24));
        reap::handle(&stack.context(), json!({"sweep": true})).await.unwrap();
    }
}

#[tokio::test]
async fn each_state_of_a_distribution_survives_every_fault() {
    const SHARE: [&str; 2] = ["ModifyImageAttribute", "ModifySnapshotAttribute"];
    let copy = ["CopyImage", "ModifyImageAttribute"];
    let away = [&SHARE[..], &copy, &["EnableImageDeprecation"], &SHARE].concat();
    let names = ["PutParameter", "PutParameter"];
    let effects: [(State, Option<&str>, Vec<&str>); 6] = [
        (State::Plan, None, vec![]),
        (State::DistributeRegion, Some(HOME), vec!["PutEvents", "SendTaskSuccess"]),
        (State::DistributeRegion, Some(AWAY), [&away[..], &["SendTaskSuccess"]].concat()),
        (State::DistributeRegion, Some(FAR), [&copy[..], &["SendTaskSuccess"]].concat()),
        (State::Publish, None, [&names[..], &SHARE, &["CreateTags", "CreateTags"]].concat()),
        (State::Finish, None, vec!["PutEvents"]),
    ];
    let run = whole_distribution();
    for (state, item, effects) in effects {
        let task = run.iter().find(|task| task.state == state && task.item.as_deref() == item).unwrap().clone();
        check_state_of(built, &run, task, &effects).await;
    }
}

#[tokio::test]
async fn an_image_gets_what_its_configuration_has_gained() {
    let stack = built().await;
    let before = image(&stack, 1).await;
    let ended = distribute(&stack, "run-1", "web/1.0.0/1").await;
    let after = image(&stack, 1).await;
    let far = after.amis[FAR].clone();
    let expected =
        json!({"outcome": "distributed", "image": "web/1.0.0/2", "distributed": "web/1.0.0/1", "amis": {FAR: far}});
    assert_eq!(ended, expected);
    assert_eq!((&after.amis[HOME], &after.amis[AWAY]), (&before.amis[HOME], &before.amis[AWAY]));
    let accounts: Vec<&str> = after.copies.iter().map(|copy| copy.account.as_str()).collect();
    assert_eq!((accounts, after.snapshots[FAR].len()), (vec![TARGET, GAINED], 1));
    let inventory = stack.inventory();
    let tags = &inventory.region(FAR).images[&far];
    assert_eq!((tags["Name"].as_str(), tags[TAG_IMAGE].as_str()), ("web 1.0.0-1", "web/1.0.0/1"));
    assert_eq!((tags[TAG_BUILD].as_str(), tags[TAG_STATUS].as_str()), ("run-1", "published"));
    assert_eq!(stack.cloud.launch_permission(AWAY, &after.amis[AWAY]).users, ["111122223333", "333344445555"]);
    assert_eq!(inventory.region(HOME).parameters["/images/also"], after.amis[HOME]);
    assert_eq!(inventory.region(FAR).parameters["/images/web"], far);
    let run = image(&stack, 2).await;
    assert_eq!((run.status, run.is_image(), run.amis.len()), (ImageStatus::Distributed, false, 1));
    let told = stack.cloud.events().pop().unwrap();
    let detail: Value = serde_json::from_str(&told.detail).unwrap();
    assert_eq!(told.detail_type, "Goldsmith Distribution State Change");
    assert_eq!((&detail["status"], &detail["distributed"]), (&json!("DISTRIBUTED"), &json!("web/1.0.0/1")));
    // No sweep takes any of it for left behind, and a second call finds nothing to do.
    sweep(&stack).await;
    let again = distribute(&stack, "run-2", "web/1.0.0/1").await;
    assert_eq!(again, json!({"outcome": "skipped", "reason": "nothing of web/1.0.0/1 is missing"}));
    assert_eq!(stack.inventory(), inventory);
    let built = stack.start_and_execute("build-2", json!({"pipeline": "web"})).await.unwrap();
    assert_eq!(built["image"], "web/1.0.0/3");
}

#[tokio::test]
async fn a_region_that_a_build_has_left_out_is_brought_later() {
    let stack = Stack::new().await;
    stack.edit_distribution(|to| to.must_succeed = MustSucceed::Some).await;
    stack.cloud.next_image_fails(AWAY, "it failed");
    stack.start_and_execute("build-1", json!({"pipeline": "web"})).await.unwrap();
    assert_eq!(image(&stack, 1).await.amis.len(), 1);
    let preview = preview(&stack).await;
    assert_eq!(preview.missing.keys().collect::<Vec<_>>(), [AWAY]);
    assert_eq!(preview.missing[AWAY].target_accounts, [TARGET]);
    distribute(&stack, "run-1", "web/1.0.0/1").await;
    let image = image(&stack, 1).await;
    assert_eq!((image.amis.len(), image.copies.len()), (2, 1));
}

#[tokio::test]
async fn an_ami_that_is_gone_is_copied_again() {
    let stack = built().await;
    distribute(&stack, "run-1", "web/1.0.0/1").await;
    let lost = image(&stack, 1).await.amis[FAR].clone();
    stack.cloud.deregister(FAR, &lost).await.unwrap();
    distribute(&stack, "run-2", "web/1.0.0/1").await;
    let found = image(&stack, 1).await.amis[FAR].clone();
    assert_ne!(found, lost);
    assert_eq!(stack.inventory().region(FAR).parameters["/images/web"], found);
}

#[tokio::test]
async fn a_failed_distribution_leaves_the_image_as_it_was() {
    let stack = built().await;
    let (before, there) = (image(&stack, 1).await, stack.inventory());
    stack.cloud.next_image_fails(&place(AWAY, GAINED), "it failed");
    let failed = distribute(&stack, "run-1", "web/1.0.0/1").await;
    assert_eq!(failed["error"], "Goldsmith.CopyFailed");
    sweep(&stack).await;
    assert_eq!((image(&stack, 1).await, stack.inventory()), (before, there));
    let run = image(&stack, 2).await;
    assert_eq!((run.status, run.amis.len()), (ImageStatus::Failed, 0));
    let away = image(&stack, 1).await.amis[AWAY].clone();
    assert_eq!(stack.cloud.launch_permission(AWAY, &away).users, ["111122223333"]);
    // The next call does what is still missing.
    distribute(&stack, "run-2", "web/1.0.0/1").await;
    assert_eq!(image(&stack, 1).await.amis.len(), 3);
}

#[tokio::test]
async fn an_unanswered_copy_of_a_failed_distribution_is_found_and_removed() {
    let run = whole_distribution();
    let copy = run.iter().find(|task| task.item.as_deref() == Some(FAR)).unwrap();
    let stack = reach_in_built(&run, copy).await;
    let there = stack.inventory();
    stack.cloud.fail_next("CopyImage", Fault::LoseAnswer);
    stack.cloud.fail_next("CopyImage", Fault::Refuse(Kind::Denied));
    let error = stack.run(copy).await.unwrap_err();
    assert_eq!(stack.inventory().region(FAR).images.len(), 1);
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    assert!(stack.inventory().region(FAR).images.is_empty());
    assert_eq!(stack.inventory().region(HOME), there.region(HOME));
}

async fn reach_in_built(run: &[Task], task: &Task) -> Stack {
    let stack = built().await;
    for before in run.iter().take_while(|before| before.scope() != task.scope()) {
        stack.run(before).await.unwrap();
    }
    stack
}

#[tokio::test]
async fn an_image_that_is_disabled_in_the_meantime_gets_nothing() {
    let run = whole_distribution();
    let publish = run.iter().find(|task| task.state == State::Publish).unwrap();
    let stack = reach_in_built(&run, publish).await;
    let name = "web/1.0.0/1".parse().unwrap();
    stack.store().set_life(&name, Some(ImageLife::Disabled)).await.unwrap();
    let error = stack.run(publish).await.unwrap_err();
    assert!(error.cause.contains("web/1.0.0/1 was disabled or deleted while it was distributed"), "{}", error.cause);
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    let left = stack.inventory();
    assert!(left.region(FAR).images.is_empty() && left.region(&place(AWAY, GAINED)).images.is_empty(), "{left:?}");
    assert_eq!(left.region(HOME).parameters.len(), 1);
    assert_eq!(stack.record().await.status, BuildStatus::Closed);
}

#[tokio::test]
async fn names_stay_with_a_newer_image_and_with_the_image_of_a_rollback() {
    let stack = built().await;
    stack.start_and_execute("build-2", json!({"pipeline": "web"})).await.unwrap();
    stack.edit_distribution(|to| to.distributions[2].region = "eu-west-2".to_owned()).await;
    let preview = preview(&stack).await;
    assert_eq!(preview.names_stay.as_deref(), Some("web/1.0.0/2 is newer"));
    assert!(preview.missing["eu-west-2"].parameters.is_empty(), "{:?}", preview.missing);
    let named = stack.inventory().region(HOME).parameters;
    distribute(&stack, "run-1", "web/1.0.0/1").await;
    assert_eq!(stack.inventory().region(HOME).parameters, named);
    assert!(stack.inventory().region("eu-west-2").parameters.is_empty());
    let rolled_back = Pointed {
        at: "2026-12-24T03:00:00.000Z".to_owned(),
        image: "web/1.0.0/1".parse().unwrap(),
        parameters: vec![],
    };
    let mut item = json!(rolled_back);
    (item["pk"], item["sk"]) = (json!("PIPELINE#web"), json!("POINTED#2026-12-24T03:00:00.000Z"));
    stack.put_item(item).await;
    let newest = preview_distribution(&stack.context(), &"web/1.0.0/2".parse().unwrap()).await.unwrap();
    assert_eq!(newest.names_stay.as_deref(), Some("the pipeline was rolled back to web/1.0.0/1"));
}

#[tokio::test]
async fn a_template_that_was_added_later_gets_one_version() {
    let stack = built().await;
    let tags = [(TAG_STACK, "goldsmith"), (TAG_HOME, HOME)].map(|(key, value)| (key.to_owned(), value.to_owned()));
    stack.cloud.add_tagged_launch_template(AWAY, "lt-1", "ami-old", &tags.into());
    let template = PublishedTemplate { template: "lt-1".to_owned(), set_default_version: true };
    stack.edit_distribution(|to| to.distributions[1].launch_template_configurations.push(template)).await;
    for run in ["run-1", "run-2"] {
        distribute(&stack, run, "web/1.0.0/1").await;
    }
    let (default, versions) = stack.cloud.template_versions(AWAY, "lt-1").unwrap();
    assert_eq!((default, versions.len(), &versions[&2]), (2, 2, &image(&stack, 1).await.amis[AWAY]));
}

#[tokio::test]
async fn what_cannot_be_distributed_is_rejected_with_the_reason() {
    let refused = async |stack: &Stack, pipeline: &str, image: &str| {
        let input = json!({"pipeline": pipeline, "from": {"at": "distribute", "image": image}});
        let ended = stack.start_and_execute(&format!("run-{}", stack.cloud.executions().len()), input).await.unwrap();
        assert_eq!(ended["error"], "Goldsmith.Refused", "{ended}");
        ended["cause"].as_str().unwrap().to_owned()
    };
    let stack = built().await;
    assert_eq!(refused(&stack, "web", "web/1.0.0/9").await, "Plan: there is no image web/1.0.0/9");
    distribute(&stack, "run-a", "web/1.0.0/1").await;
    let why = refused(&stack, "web", "web/1.0.0/2").await;
    assert_eq!(why, "Plan: web/1.0.0/2 is no image, but a run that has made none");
    let other = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    stack.put_pipeline(goldsmith_model::ImagePipeline { name: "other".parse().unwrap(), ..other }).await;
    let why = refused(&stack, "other", "web/1.0.0/1").await;
    assert_eq!(why, "Plan: web/1.0.0/1 is an image of the pipeline `web`, not of `other`");
    let input = json!({"pipeline": "web", "parameters": {"nginx": {"port": "8080"}}});
    stack.start_and_execute("overridden", input).await.unwrap();
    let why = refused(&stack, "web", "web/1.0.0/3").await;
    assert!(why.ends_with("because its start has overridden something"), "{why}");
    let name = "web/1.0.0/1".parse().unwrap();
    stack.store().set_life(&name, Some(ImageLife::Disabled)).await.unwrap();
    assert_eq!(refused(&stack, "web", "web/1.0.0/1").await, "Plan: web/1.0.0/1 is disabled: enable it first");
    stack.store().set_life(&name, None).await.unwrap();
    let ami = image(&stack, 1).await.amis[HOME].clone();
    stack.cloud.deregister(HOME, &ami).await.unwrap();
    let why = refused(&stack, "web", "web/1.0.0/1").await;
    assert!(why.contains("is not available, and copies are made from it"), "{why}");
}

#[tokio::test]
async fn a_problem_of_a_new_region_is_found_before_anything_is_made() {
    let stack = built().await;
    stack.edit_distribution(|to| to.distributions[2].region = "eu-nowhere-1".to_owned()).await;
    let there = stack.inventory();
    let ended = distribute(&stack, "run-1", "web/1.0.0/1").await;
    assert_eq!(ended["error"], "Goldsmith.Refused", "{ended}");
    assert!(ended["cause"].as_str().unwrap().contains("eu-nowhere-1"), "{ended}");
    assert_eq!(stack.inventory(), there);
}

#[tokio::test]
async fn a_distribution_that_has_not_published_is_not_ended_as_good() {
    let run = whole_distribution();
    let publish = run.iter().find(|task| task.state == State::Publish).unwrap();
    let stack = reach_in_built(&run, publish).await;
    for call in [good(State::Publish), Task::new(State::Finish)] {
        let error = stack.run(&call).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.Internal", "{error:?}");
    }
    assert!(!stack.record().await.published);
}

#[tokio::test]
async fn an_image_that_lacks_its_export_is_exported_once() {
    let stack = Stack::new().await;
    stack.start_and_execute("build-1", json!({"pipeline": "web"})).await.unwrap();
    stack.export_images().await;
    let missing = preview(&stack).await.missing;
    assert!(missing.values().all(|missing| missing.export.is_some()) && missing.len() == 2, "{missing:?}");
    distribute(&stack, "run-1", "web/1.0.0/1").await;
    let image = image(&stack, 1).await;
    let regions: Vec<&str> = image.exports.iter().map(|object| object.region.as_str()).collect();
    assert_eq!(regions, [HOME, AWAY]);
    assert!(preview(&stack).await.missing.is_empty());
    assert_eq!((stack.cloud.exports(HOME).len(), stack.cloud.exports(AWAY).len()), (1, 1));
}
