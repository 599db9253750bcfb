//! Tests of Snapshot.

use goldsmith_cloud::fake::{Fault, HOME};
use goldsmith_cloud::{Kind, UefiData};
use goldsmith_model::BootMode;

use crate::State;
use crate::testing::{Stack, Task, check_state, check_state_on, reach, reach_on};

#[tokio::test]
async fn an_image_waits_until_its_snapshots_may_be_made_and_is_made_once() {
    let task = Task::new(State::Snapshot);
    let stack = reach(&task).await;
    // More than one function looks for.
    for _ in 0..100 {
        stack.cloud.fail_next("CreateImage", Fault::Refuse(Kind::Throttled));
    }
    stack.run(&task).await.unwrap();
    let tried = stack.cloud.effects().iter().filter(|effect| effect.name == "CreateImage").count();
    assert_eq!((tried, stack.inventory().region(HOME).images.len()), (101, 1));
}

#[tokio::test]
async fn an_image_with_only_the_builds_name_and_tags_is_not_taken_as_its_own() {
    let task = Task::new(State::Snapshot);
    let stack = reach(&task).await;
    let record = stack.record().await;
    let name = record.plan.region(HOME).unwrap().name.clone();
    let planted = stack.cloud.add_image(HOME, "self", &name);
    let tags = stack.context().tags(&record);
    stack.cloud.edit_image(HOME, &planted, |image| image.tags = tags);
    let error = stack.run(&task).await.unwrap_err();
    assert_eq!(error.error, "Goldsmith.ImageFailed");
    assert!(error.cause.contains(&format!("is taken by {planted}")), "{}", error.cause);
}

#[tokio::test]
async fn an_image_boots_as_its_source_unless_the_recipe_wants_uefi_only() {
    for boot_mode in [None, Some(BootMode::Uefi), Some(BootMode::UefiPreferred)] {
        let stack = Stack::with_recipe(|recipe| recipe.boot_mode = boot_mode).await;
        let stack = reach_on(stack, &Task::new(State::Snapshot)).await;
        stack.run(&Task::new(State::Snapshot)).await.unwrap();
        let made = stack.cloud.requests();
        let only = made.images.iter().map(|(_, image)| image.uefi_only).collect::<Vec<_>>();
        assert_eq!(only, [boot_mode == Some(BootMode::Uefi)], "{boot_mode:?}");
        assert_eq!(made.registrations, [], "CreateImage can do that");
    }
}

#[tokio::test]
async fn a_boot_mode_that_the_source_does_not_have_is_registered() {
    for (source, wanted) in [(None, BootMode::Uefi), (Some("uefi"), BootMode::LegacyBios)] {
        let stack = Stack::with_recipe(|recipe| recipe.boot_mode = Some(wanted)).await;
        let mode = source.map(str::to_owned);
        stack.cloud.edit_image(HOME, &stack.source().await, |image| image.boot_mode = mode);
        let stack = reach_on(stack, &Task::new(State::Snapshot)).await;
        stack.run(&Task::new(State::Snapshot)).await.unwrap();
        let registered = stack.cloud.requests().registrations;
        let modes: Vec<_> = registered.iter().map(|(_, one)| one.boot_mode.as_deref()).collect();
        assert_eq!(modes, [Some(wanted.name())]);
        assert_eq!(registered[0].1.tpm_support, None);
    }
}

#[tokio::test]
async fn an_image_with_a_firmware_of_its_own_is_registered_and_leaves_no_draft() {
    let stack = reach_on(Stack::with_firmware().await, &Task::new(State::Snapshot)).await;
    stack.run(&Task::new(State::Snapshot)).await.unwrap();
    let (requests, record) = (stack.cloud.requests(), stack.record().await);
    let (_, registered) = &requests.registrations[0];
    assert_eq!((requests.images.len(), requests.registrations.len()), (1, 1));
    let draft = &requests.images[0].1;
    assert_eq!(draft.name, format!("goldsmith draft {}", record.build));
    assert_eq!(registered.name, record.plan.region(HOME).unwrap().name);
    assert_eq!(registered.tags, draft.tags);
    assert_eq!((registered.boot_mode.as_deref(), registered.tpm_support.as_deref()), (Some("uefi"), Some("v2.0")));
    assert_eq!(registered.uefi_data, Some(UefiData("QU1aTlVFRkk=".to_owned())));
    let there = stack.inventory().region(HOME);
    let made = |tags: &goldsmith_cloud::Tags| tags.get(crate::TAG_BUILD) == Some(&record.build);
    assert_eq!(there.images.values().filter(|tags| made(tags)).count(), 1, "the draft is gone");
    assert_eq!(there.snapshots.values().filter(|tags| made(tags)).count(), 1, "and its snapshot stays");
}

#[tokio::test]
async fn an_image_that_would_be_billed_as_another_is_not_published() {
    let stack = Stack::with_firmware().await;
    let source = stack.source().await;
    // The platform is billed; a product code would end the build in Plan.
    stack.cloud.edit_image(HOME, &source, |image| image.usage_operation = "RunInstances:0010".to_owned());
    let stack = reach_on(stack, &Task::new(State::Snapshot)).await;
    let error = stack.run(&Task::new(State::Snapshot)).await.unwrap_err();
    assert_eq!(error.error, "Goldsmith.ImageFailed");
    assert!(error.cause.contains("build from a source without licenses"), "{}", error.cause);
}

#[tokio::test]
async fn the_uefi_data_of_the_recipe_must_still_be_there() {
    let stack = reach_on(Stack::with_firmware().await, &Task::new(State::Snapshot)).await;
    let recipe = "recipe/web/1.0.1".parse().unwrap();
    stack.store().delete_definition(&recipe).await.unwrap();
    let error = stack.run(&Task::new(State::Snapshot)).await.unwrap_err();
    assert!(error.cause.contains("the recipe web/1.0.1 no longer has the UEFI data of this build"), "{}", error.cause);
}

#[tokio::test]
async fn a_registered_image_with_only_the_builds_name_and_tags_is_not_taken_as_its_own() {
    let stack = reach_on(Stack::with_firmware().await, &Task::new(State::Snapshot)).await;
    let record = stack.record().await;
    let planted = stack.cloud.add_image(HOME, "self", &record.plan.region(HOME).unwrap().name);
    let tags = stack.context().tags(&record);
    stack.cloud.edit_image(HOME, &planted, |image| image.tags = tags);
    let error = stack.run(&Task::new(State::Snapshot)).await.unwrap_err();
    assert!(error.cause.contains(&format!("is taken by {planted}")), "{}", error.cause);
}

#[tokio::test]
async fn a_registration_survives_every_fault() {
    check_state_on(
        Stack::with_firmware,
        Task::new(State::Snapshot),
        &[
            "PutObject",
            "SendCommand",
            "StopInstances",
            "CreateImage",
            "RegisterImage",
            "DeregisterImage",
            "TerminateInstances",
            "SendTaskSuccess",
        ],
    )
    .await;
}

#[tokio::test]
async fn snapshot_survives_every_fault() {
    check_state(
        Task::new(State::Snapshot),
        &["PutObject", "SendCommand", "StopInstances", "CreateImage", "TerminateInstances", "SendTaskSuccess"],
    )
    .await;
}
