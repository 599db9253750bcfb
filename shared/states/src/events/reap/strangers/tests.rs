//! Tests with resources that are not a build's but carry all of a build's tags.

use goldsmith_cloud::fake::{self, Fault, HOME, Inventory};
use goldsmith_cloud::{ImageCopy, Kind, Tags};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::events::reap;
use crate::testing::{AWAY, BUILD, Stack, Task, reach, whole_build};
use crate::{Outcome, State, TAG_EXPIRES, TAG_HOME, TAG_LEFTOVER};

async fn reap(stack: &Stack) {
    stack.clock.advance(SignedDuration::from_mins(10));
    reap::handle(&stack.context(), json!({"sweep": true})).await.unwrap();
}

async fn published() -> Stack {
    let stack = Stack::new().await;
    for task in whole_build() {
        stack.run(&task).await.unwrap();
    }
    stack
}

/// The tags of everything that the build has made, and the status of its image.
async fn tags(stack: &Stack) -> Tags {
    let image = stack.image().await.amis[HOME].clone();
    stack.cloud.cloud().images.image(HOME, &image).await.unwrap().unwrap().tags
}

/// Copies the image as `aws ec2 copy-image --copy-image-tags` does.
async fn copy(stack: &Stack, to: &str, name: &str, tags: Tags) -> String {
    let copy = ImageCopy {
        token: format!("somebody {name}"),
        source_region: HOME.to_owned(),
        source_image: stack.image().await.amis[HOME].clone(),
        name: name.to_owned(),
        description: String::new(),
        kms_key_id: None,
        tags,
    };
    let id = stack.cloud.cloud().images.copy(to, &copy).await.unwrap();
    stack.cloud.settle();
    id
}

/// Launches an instance as "launch more like this" does.
async fn launch(stack: &Stack, tags: Tags) -> String {
    let launch = fake::launch("somebody", stack.source().await, tags);
    let id = stack.cloud.cloud().machines.launch(HOME, &launch).await.unwrap().id;
    stack.cloud.settle();
    id
}

/// The resources that were reported, in the order of the reports.
fn told(stack: &Stack) -> Vec<Value> {
    let events = stack.cloud.events().into_iter().filter(|event| event.detail_type == "Goldsmith Leftover Found");
    let told: Vec<Value> = events.map(|event| serde_json::from_str(&event.detail).unwrap()).collect();
    assert!(told.iter().all(|detail| !detail["message"].as_str().unwrap().contains("  ")), "{told:?}");
    told
}

fn ids(told: &[Value]) -> Vec<&str> {
    let mut ids: Vec<&str> = told.iter().map(|detail| detail["id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

/// All resources that exist, without the mark of a stranger.
fn unmarked(stack: &Stack) -> Inventory {
    let mut inventory = stack.inventory();
    for region in inventory.regions.values_mut() {
        let of_images = region.images.values_mut().chain(region.snapshots.values_mut());
        let all = of_images.chain(region.instances.values_mut()).chain(region.volumes.values_mut());
        all.for_each(|tags| drop(tags.remove(TAG_LEFTOVER)));
    }
    inventory
}

#[tokio::test]
async fn a_resource_with_forged_build_tags_stays_marked_and_reported() {
    let stack = published().await;
    stack.clock.advance(SignedDuration::from_hours(3));
    let tags = tags(&stack).await;
    let copied = copy(&stack, HOME, "golden copy", tags.clone()).await;
    let launched = launch(&stack, tags.clone()).await;
    let volume = stack.cloud.add_volume(HOME, &tags);
    let snapshot = stack.cloud.add_snapshot(AWAY, "nightly", &tags);
    let before = unmarked(&stack);
    for _ in 0..3 {
        reap(&stack).await;
    }
    assert_eq!(unmarked(&stack), before);
    let first = told(&stack);
    assert_eq!(ids(&first), [copied.as_str(), &launched, &snapshot, &volume]);
    let of_copy = first.iter().find(|detail| detail["id"] == json!(copied)).unwrap();
    let [image, since] = ["image", "since"].map(|field| of_copy[field].as_str().unwrap());
    assert_eq!((image, of_copy["kind"].as_str()), ("web/1.0.0/1", Some("image")));
    let home = stack.inventory().region(HOME);
    let marked = [&home.images[&copied], &home.instances[&launched], &home.volumes[&volume]];
    assert!(marked.iter().all(|tags| tags[TAG_LEFTOVER] == since), "{marked:?}");
    let is_marked = |tags: &&Tags| tags.contains_key(TAG_LEFTOVER);
    assert_eq!(home.snapshots.values().filter(is_marked).count(), 1, "the copy's, and it is not told of by itself");
    assert_eq!(home.images.values().filter(is_marked).count(), 1);

    // It stays however old it grows, and is told of again as long as it costs money.
    stack.clock.advance(SignedDuration::from_hours(24));
    for _ in 0..3 {
        reap(&stack).await;
    }
    assert_eq!((unmarked(&stack), told(&stack).len()), (before.clone(), 8));
    stack.clock.advance(SignedDuration::from_hours(6 * 24));
    reap(&stack).await;
    assert_eq!(told(&stack).len(), 8);
    stack.clock.advance(SignedDuration::from_hours(24));
    reap(&stack).await;
    assert_eq!((unmarked(&stack), told(&stack).len()), (before, 12));

    // What is gone is forgotten.
    stack.cloud.cloud().images.deregister(HOME, &copied).await.unwrap();
    reap(&stack).await;
    assert_eq!(stack.store().leftovers().await.unwrap().len(), 3);
}

#[tokio::test]
async fn finish_leaves_an_instance_that_only_looks_like_the_builds() {
    let stack = reach(&Task::new(State::Finish)).await;
    let tags = stack.context().tags(&stack.record().await);
    let launched = launch(&stack, tags).await;
    stack.run(&Task::new(State::Finish)).await.unwrap();
    let left = stack.inventory().region(HOME).instances;
    assert_eq!(left.keys().collect::<Vec<_>>(), [&launched]);
}

#[tokio::test]
async fn a_copy_by_hand_under_the_name_of_one_that_failed_stays() {
    let stack = reach(&Task::item(State::DistributeRegion, AWAY)).await;
    stack.cloud.fail_next("CopyImage", Fault::KillBefore);
    stack.run_until_killed(&[Task::item(State::DistributeRegion, AWAY)]).await;
    let outcome =
        |item: &str, outcome: &str| Outcome { item: item.to_owned(), outcome: outcome.to_owned(), cause: None };
    let results = vec![outcome(HOME, "succeeded"), outcome(AWAY, "failed")];
    let error = stack.run(&Task { results: Some(results), ..Task::new(State::Publish) }).await.unwrap_err();
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    // The build has asked for a copy of this name, and does not know what came of it.
    let name = stack.record().await.plan.region(AWAY).unwrap().name.clone();
    stack.clock.advance(SignedDuration::from_hours(1));
    let copied = copy(&stack, AWAY, &name, tags(&stack).await).await;
    reap(&stack).await;
    assert_eq!(ids(&told(&stack)), [copied.as_str()]);
    assert_eq!(stack.inventory().region(AWAY).images.keys().collect::<Vec<_>>(), [&copied]);
}

#[tokio::test]
async fn a_resource_of_an_unknown_build_is_reported_unless_of_another_stack() {
    let stack = published().await;
    let mut tags = tags(&stack).await;
    tags.insert("goldsmith:build".to_owned(), "web-lost-1".to_owned());
    let unknown = copy(&stack, HOME, "of a lost table", tags.clone()).await;
    tags.insert(TAG_HOME.to_owned(), AWAY.to_owned());
    copy(&stack, HOME, "of the stack of the same name", tags).await;
    reap(&stack).await;
    assert_eq!(ids(&told(&stack)), [unknown.as_str()]);
    assert_eq!(stack.inventory().region(HOME).images.len(), 3);
}

#[tokio::test]
async fn a_published_image_does_not_expire_by_its_tag() {
    let stack = published().await;
    let amis = stack.image().await.amis;
    let past = Tags::from([(TAG_EXPIRES.to_owned(), "2020-01-01T00:00:00.000Z".to_owned())]);
    stack.cloud.edit_image(HOME, &amis[HOME], |image| image.tags.extend(past.clone()));
    let before = stack.inventory();
    reap(&stack).await;
    assert_eq!(stack.inventory(), before);
}

#[tokio::test]
async fn unmarkable_resources_are_reported_and_failed_reports_are_retried() {
    for (name, tags_after) in [("CreateTags", 0), ("PutEvents", 1)] {
        let stack = published().await;
        let copied = copy(&stack, HOME, "golden copy", tags(&stack).await).await;
        stack.cloud.fail_next(name, Fault::Refuse(Kind::Denied));
        for _ in 0..2 {
            reap(&stack).await;
        }
        assert_eq!(ids(&told(&stack)), [copied.as_str()], "{name}");
        let images = stack.inventory().region(HOME).images;
        assert_eq!(images.values().filter(|tags| tags.contains_key(TAG_LEFTOVER)).count(), tags_after, "{name}");
    }
}

#[tokio::test]
async fn a_stranger_that_proves_to_be_of_its_build_is_removed() {
    let stack = published().await;
    let stranger = launch(&stack, tags(&stack).await).await;
    reap(&stack).await;
    assert_eq!(ids(&told(&stack)), [stranger.as_str()]);
    // As with a table that was taken back from a backup.
    let effects = stack.store().all_effects(BUILD).await.unwrap();
    let mut effect = effects.into_iter().find(|effect| effect.kind.is_instance()).unwrap();
    effect.id = Some(stranger.clone());
    effect.n = 77;
    let mut item = serde_json::to_value(&effect).unwrap();
    (item["pk"], item["sk"]) = (json!(format!("BUILD#{BUILD}")), json!(format!("EFFECT#{}#077", effect.scope)));
    stack.put_item(item).await;
    stack.clock.advance(SignedDuration::from_hours(24));
    reap(&stack).await;
    assert!(stack.inventory().region(HOME).instances.is_empty());
    assert_eq!(told(&stack).len(), 1);
}
