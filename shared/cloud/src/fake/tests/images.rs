//! Tests EC2's rules for AMIs and snapshots.

use super::*;
use crate::{ImageState, LaunchPermission, PUBLISHED, TAG_STATUS};

/// A fake with an available image of the stack's account.
async fn built() -> (FakeCloud, Cloud, String) {
    let (fake, cloud, instance) = online().await;
    let id = cloud.images.create(HOME, &new_image("web 1", &instance)).await.unwrap();
    fake.settle();
    (fake, cloud, id)
}

fn with(user: &str) -> LaunchPermission {
    LaunchPermission { users: vec![user.to_owned()], ..LaunchPermission::default() }
}

#[tokio::test]
async fn an_image_is_available_after_its_looks_and_has_its_tags_at_once() {
    let (_, cloud, instance) = online().await;
    let id = cloud.images.create(HOME, &new_image("web 1", &instance)).await.unwrap();
    let pending = image(&cloud, HOME, &id).await;
    assert_eq!((pending.state, pending.tags), (ImageState::Pending, tags()));
    assert_eq!(image(&cloud, HOME, &id).await.state, ImageState::Available);
    let snapshots = cloud.images.snapshots_tagged(HOME, "goldsmith:build", "web-1").await.unwrap();
    assert_eq!(snapshots.into_iter().map(|snapshot| snapshot.id).collect::<Vec<_>>(), pending.snapshots);
}

#[tokio::test]
async fn a_name_is_taken_once_per_region() {
    let (_, cloud, id) = built().await;
    let instance = cloud.machines.tagged(HOME, "goldsmith:build", "web-1").await.unwrap().remove(0).id;
    assert_eq!(kind(cloud.images.create(HOME, &new_image("web 1", &instance)).await), Kind::Duplicate);
    assert_eq!(kind(cloud.images.copy(HOME, &copy_of(&id, "c", "web 1")).await), Kind::Duplicate);
    cloud.images.copy(OTHER, &copy_of(&id, "c", "web 1")).await.unwrap();
    assert_eq!(kind(cloud.images.create(HOME, &new_image("ab", &instance)).await), Kind::Invalid);
}

#[tokio::test]
async fn only_a_running_or_stopped_instance_becomes_an_image() {
    let (fake, cloud, instance) = online().await;
    cloud.machines.stop(HOME, &instance).await.unwrap();
    assert_eq!(kind(cloud.images.create(HOME, &new_image("web 1", &instance)).await), Kind::WrongState);
    fake.settle();
    cloud.images.create(HOME, &new_image("web 1", &instance)).await.unwrap();
    cloud.machines.terminate(HOME, &instance).await.unwrap();
    assert_eq!(kind(cloud.images.create(HOME, &new_image("web 2", &instance)).await), Kind::WrongState);
    assert_eq!(kind(cloud.images.create(HOME, &new_image("web 2", "i-0")).await), Kind::NotFound);
}

#[tokio::test]
async fn a_copy_token_gives_the_same_copy_and_refuses_another_request() {
    let (fake, cloud, id) = built().await;
    let request = copy_of(&id, "c", "web 1");
    let copy = cloud.images.copy(OTHER, &request).await.unwrap();
    assert_eq!(cloud.images.copy(OTHER, &request).await.unwrap(), copy);
    assert_eq!(kind(cloud.images.copy(OTHER, &copy_of(&id, "c", "web 2")).await), Kind::Duplicate);
    assert_eq!(fake.inventory().region(OTHER).images.len(), 1);
    assert_eq!(fake.requests().copies, [(OTHER.to_owned(), request)]);
}

#[tokio::test]
async fn only_an_available_original_is_copied() {
    let (_, cloud, instance) = online().await;
    let id = cloud.images.create(HOME, &new_image("web 1", &instance)).await.unwrap();
    assert_eq!(kind(cloud.images.copy(OTHER, &copy_of(&id, "c", "web 1")).await), Kind::WrongState);
    assert_eq!(kind(cloud.images.copy(OTHER, &copy_of("ami-0", "c", "web 1")).await), Kind::NotFound);
}

#[tokio::test]
async fn copies_at_once_are_limited_per_region() {
    let (fake, cloud, id) = built().await;
    fake.pace(|pace| pace.copies_at_once = 1);
    cloud.images.copy(OTHER, &copy_of(&id, "c", "web 1")).await.unwrap();
    assert_eq!(kind(cloud.images.copy(OTHER, &copy_of(&id, "d", "web 2")).await), Kind::Throttled);
    cloud.images.copy("eu-north-1", &copy_of(&id, "d", "web 2")).await.unwrap();
    fake.settle();
    cloud.images.copy(OTHER, &copy_of(&id, "d", "web 2")).await.unwrap();
}

#[tokio::test]
async fn the_chosen_image_fails_with_its_reason_and_keeps_its_name() {
    let (fake, cloud, id) = built().await;
    fake.next_image_fails(OTHER, "Client.InvalidKey: no access to the key");
    let failed = cloud.images.copy(OTHER, &copy_of(&id, "c", "web 1")).await.unwrap();
    fake.settle();
    let seen = image(&cloud, OTHER, &failed).await;
    assert_eq!(
        (seen.state, seen.state_reason.as_str()),
        (ImageState::Failed, "Client.InvalidKey: no access to the key")
    );
    assert_eq!(kind(cloud.images.copy(OTHER, &copy_of(&id, "d", "web 1")).await), Kind::Duplicate);
    let next = cloud.images.copy(OTHER, &copy_of(&id, "d", "web 2")).await.unwrap();
    fake.settle();
    assert_eq!(image(&cloud, OTHER, &next).await.state, ImageState::Available);
}

#[tokio::test]
async fn deregistering_deletes_the_snapshots_and_is_safe_to_repeat() {
    let (fake, cloud, id) = built().await;
    let snapshot = image(&cloud, HOME, &id).await.snapshots.remove(0);
    assert_eq!(kind(cloud.images.delete_snapshot(HOME, &snapshot).await), Kind::WrongState);
    cloud.images.deregister(HOME, &id).await.unwrap();
    let home = fake.inventory().region(HOME);
    assert!(home.images.is_empty() && home.snapshots.is_empty());
    assert_eq!(cloud.images.image(HOME, &id).await.unwrap(), None);
    cloud.images.deregister(HOME, &id).await.unwrap();
    cloud.images.delete_snapshot(HOME, &snapshot).await.unwrap();
}

#[tokio::test]
async fn a_snapshot_without_an_image_can_be_found_and_deleted() {
    let (fake, cloud, _) = fake();
    let id = fake.add_snapshot(HOME, "", &tags());
    assert_eq!(cloud.images.snapshots_tagged(HOME, "goldsmith:build", "web-1").await.unwrap().len(), 1);
    cloud.images.delete_snapshot(HOME, &id).await.unwrap();
    assert!(fake.inventory().is_empty());
}

#[tokio::test]
async fn images_of_others_are_not_shared_deregistered_or_listed() {
    let (fake, cloud, source) = fake();
    assert!(fake.inventory().is_empty());
    assert_eq!(kind(cloud.images.deregister(HOME, &source).await), Kind::Denied);
    assert_eq!(kind(cloud.images.share(HOME, &source, &with("222233334444")).await), Kind::Denied);
    assert_eq!(cloud.images.named(HOME, "al2023-ami-2023.9").await.unwrap(), None);
}

#[tokio::test]
async fn sharing_adds_up_and_wants_account_ids() {
    let (fake, cloud, id) = built().await;
    for user in ["222233334444", "111122224444", "222233334444"] {
        cloud.images.share(HOME, &id, &with(user)).await.unwrap();
    }
    assert_eq!(fake.launch_permission(HOME, &id).users, ["111122224444", "222233334444"]);
    assert_eq!(kind(cloud.images.share(HOME, &id, &with("me")).await), Kind::Invalid);
    assert_eq!(kind(cloud.images.share(HOME, "ami-0", &with("222233334444")).await), Kind::NotFound);
}

#[tokio::test]
async fn tagging_adds_to_images_and_snapshots_or_to_none() {
    let (_, cloud, id) = built().await;
    let snapshot = image(&cloud, HOME, &id).await.snapshots.remove(0);
    let more = Tags::from([("goldsmith:expires".to_owned(), "2026-02-01".to_owned())]);
    let unknown = [id.clone(), "snap-0".to_owned()];
    assert_eq!(kind(cloud.images.tag(HOME, &unknown, &more).await), Kind::NotFound);
    assert_eq!(image(&cloud, HOME, &id).await.tags, tags());
    cloud.images.tag(HOME, &[id.clone(), snapshot], &more).await.unwrap();
    assert_eq!(image(&cloud, HOME, &id).await.tags.len(), 2);
    assert_eq!(cloud.images.snapshots_tagged(HOME, "goldsmith:expires", "2026-02-01").await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_newest_is_the_youngest_available_one_of_the_owner_that_matches() {
    let (fake, cloud, _) = fake();
    let newest = |owner: &'static str, name: &'static str| {
        let images = cloud.images.clone();
        async move { images.newest(HOME, &[owner.to_owned()], name).await.unwrap().map(|image| image.id) }
    };
    let younger = fake.add_image(HOME, "amazon", "al2023-ami-2023.10");
    fake.add_image(HOME, "222233334444", "al2023-ami-2023.11");
    assert_eq!(newest("amazon", "al2023-ami-*").await.as_deref(), Some(younger.as_str()));
    assert_eq!(newest("amazon", "al2023-ami-2023.?").await, Some("ami-00000000000000001".to_owned()));
    assert_eq!(newest("self", "*").await, None);
    assert_eq!(newest("amazon", "al2023").await, None);
    assert_eq!(kind(cloud.images.newest(HOME, &[], "al2023-*").await), Kind::Invalid);
    assert_eq!(kind(cloud.images.newest(HOME, &["*".to_owned()], "al2023-*").await), Kind::Invalid);
    fake.edit_image(HOME, &younger, |image| image.state = ImageState::Failed);
    assert_eq!(newest("amazon", "al2023-*").await, Some("ami-00000000000000001".to_owned()));
}

#[tokio::test]
async fn the_newest_image_is_never_one_with_a_status_other_than_published() {
    let (fake, cloud, _) = fake();
    let [plain, published, building] = ["web 1", "web 2", "web 3"].map(|name| fake.add_image(HOME, "self", name));
    let set = |id: &str, status: &str| {
        fake.edit_image(HOME, id, |image| drop(image.tags.insert(TAG_STATUS.to_owned(), status.to_owned())));
    };
    set(&published, PUBLISHED);
    set(&building, "building");
    let newest = async || cloud.images.newest(HOME, &["self".to_owned()], "web *").await.unwrap().unwrap().id;
    assert_eq!(newest().await, published);
    set(&published, "overridden");
    assert_eq!(newest().await, plain, "what has no status is somebody's own");
}

#[tokio::test]
async fn a_new_image_is_hidden_from_looks_but_its_name_is_taken() {
    let (fake, cloud, instance) = online().await;
    fake.pace(|pace| pace.hide_new = 1);
    let id = cloud.images.create(HOME, &new_image("web 1", &instance)).await.unwrap();
    assert_eq!(cloud.images.named(HOME, "web 1").await.unwrap(), None);
    assert_eq!(kind(cloud.images.create(HOME, &new_image("web 1", &instance)).await), Kind::Duplicate);
    assert_eq!(cloud.images.named(HOME, "web 1").await.unwrap().map(|image| image.id), Some(id));
    assert_eq!(cloud.images.tagged(HOME, "goldsmith:build", "web-1").await.unwrap().len(), 1);
}
