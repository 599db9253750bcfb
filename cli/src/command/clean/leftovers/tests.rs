//! Tests what a deleted stack has left behind, what an existing stack knows, and what only looks like a leftover.

use goldsmith_cloud::fake::{FakeCloud, Fault, HOME, launch};
use goldsmith_cloud::{Images, Kind, LaunchPermission, Machines, NewImage, Parameter};
use jiff::SignedDuration;
use serde_json::json;

use super::*;
use crate::tags::TAG_HOME;
use crate::testing::Stack;

const AWAY: &str = "us-east-1";

/// Each stack has its name, followed by `@` and its home Region if that is not [`HOME`].
fn tags(stack: &str, build: &str) -> Tags {
    let (stack, home) = stack.split_once('@').unwrap_or((stack, HOME));
    let tags = [(TAG_STACK, stack), (TAG_HOME, home), (TAG_BUILD, build), (TAG_IMAGE, "web/1.0.0/1")];
    tags.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect()
}

/// Creates an instance, and an AMI of another instance that is terminated. Returns the id of the AMI.
async fn leave(cloud: &FakeCloud, region: &str, stack: &str, build: &str) -> String {
    let source = cloud.add_image(region, "amazon", &format!("al2023 {stack} {build}"));
    let mut ids = Vec::new();
    for token in ["1", "2"] {
        let launch = launch(format!("{build}{token}"), &source, tags(stack, build));
        ids.push(cloud.launch(region, &launch).await.unwrap().id);
    }
    cloud.settle();
    Machines::stop(cloud, region, &ids[0]).await.unwrap();
    cloud.settle();
    let image = NewImage {
        name: format!("web {stack} {build}"),
        description: String::new(),
        instance: ids[0].clone(),
        uefi_only: false,
        tags: tags(stack, build),
        block_devices: vec![],
    };
    let image = cloud.create(region, &image).await.unwrap();
    cloud.settle();
    cloud.terminate(region, &ids[0]).await.unwrap();
    cloud.settle();
    image
}

/// Records that a build has launched these two instances and made this image.
async fn note(stack: &Stack, region: &str, build: &str, image: &str) {
    stack.closed_build(json!({"status": "AVAILABLE"})).await;
    let mut record = stack.table_item("BUILD#b", "META").await;
    record["build"] = json!(build);
    record["plan"]["homeRegion"] = json!(region);
    stack.put(&format!("BUILD#{build}"), "META", record).await;
    let made = |n: u32, kind: &str, name: &str, id: Option<&str>| json!({"scope": "Launch", "n": n, "kind": kind, "region": region, "name": name, "id": id});
    let effects = [
        made(0, "instance", &format!("{build}1"), None),
        made(1, "instance", &format!("{build}2"), None),
        made(2, "image", "web", Some(image)),
        json!({"scope": "Publish", "n": 3, "kind": "parameter", "region": region, "name": "/images/web", "candidate": image}),
    ];
    for (n, effect) in effects.into_iter().enumerate() {
        stack.put(&format!("BUILD#{build}"), &format!("EFFECT#{n}"), effect).await;
    }
}

fn leftovers(cloud: &FakeCloud) -> Leftovers {
    let cloud = Arc::new(cloud.clone());
    let (stack, home) = ("one".to_owned(), HOME.to_owned());
    let templates = TemplateUses::new(cloud.clone(), cloud.clone());
    Leftovers { machines: cloud.clone(), images: cloud.clone(), parameters: cloud, templates, stack, home }
}

fn gone(stack: &Stack) -> Records {
    Records::of_gone(vec![stack.connection.store.clone()])
}

fn living(stack: &Stack) -> Records {
    Records::of_living(stack.connection.store.clone())
}

fn regions() -> BTreeSet<String> {
    [HOME.to_owned(), AWAY.to_owned()].into()
}

/// Returns what was found, and whether records prove its build.
fn told(found: &[Leftover]) -> Vec<String> {
    let told = |one: &Leftover| {
        let proven = if one.unproven_since.is_some() { "" } else { " proven" };
        format!("{} {} {}{proven}", one.kind, one.region, one.build.clone().unwrap_or_default())
    };
    found.iter().map(told).collect()
}

#[tokio::test]
async fn a_dead_stack_leaves_nothing_and_other_stacks_keep_theirs() {
    let (cloud, stack) = (FakeCloud::new(), Stack::new());
    for (region, build) in [(HOME, "a"), (AWAY, "b")] {
        let image = leave(&cloud, region, "one", build).await;
        note(&stack, region, build, &image).await;
    }
    leave(&cloud, HOME, "two", "c").await;
    let leftovers = leftovers(&cloud);
    let found = leftovers.find(gone(&stack), &regions()).await.unwrap().0;
    let expected = [
        "instance eu-west-1 a proven",
        "instance us-east-1 b proven",
        "image eu-west-1 a proven",
        "image us-east-1 b proven",
    ];
    assert_eq!(told(&found), expected);
    assert_eq!(found.iter().filter(|one| one.is_image()).count(), 2);
    for _ in 0..2 {
        let (removed, refused) = leftovers.remove(found.clone()).await;
        assert_eq!((removed.len(), refused.len()), (found.len(), 0));
    }
    cloud.settle();
    assert!(leftovers.find(gone(&stack), &regions()).await.unwrap().0.is_empty());
    let home = cloud.inventory().region(HOME);
    assert_eq!((home.instances.len(), home.images.len(), home.snapshots.len()), (1, 1, 1), "stack two's");
    assert!(cloud.inventory().region(AWAY).instances.is_empty());
}

#[tokio::test]
async fn a_refusal_of_aws_does_not_stop_the_clean_up_of_the_rest() {
    let (cloud, stack) = (FakeCloud::new(), Stack::new());
    for region in [HOME, AWAY] {
        leave(&cloud, region, "one", region).await;
    }
    cloud.fail_always("DescribeImages", AWAY, Fault::Refuse(Kind::Denied));
    let leftovers = leftovers(&cloud);
    let (found, unseen) = leftovers.find(gone(&stack), &regions()).await.unwrap();
    assert_eq!(told(&found), ["instance eu-west-1 eu-west-1", "image eu-west-1 eu-west-1"]);
    assert_eq!(unseen.iter().map(|refused| refused.what.as_str()).collect::<Vec<_>>(), [AWAY]);
    cloud.heal();
    let (found, _) = leftovers.find(gone(&stack), &regions()).await.unwrap();
    cloud.fail_always("TerminateInstances", AWAY, Fault::Refuse(Kind::Denied));
    let (removed, refused) = leftovers.remove(found).await;
    assert_eq!((removed.len(), refused.len()), (3, 1));
    assert!(refused[0].what.region == AWAY && refused[0].reason.contains("TerminateInstances"), "{refused:?}");
}

#[tokio::test]
async fn a_stack_of_the_same_name_in_another_region_keeps_its_own() {
    let (cloud, stack) = (FakeCloud::new(), Stack::new());
    leave(&cloud, HOME, "one", "a").await;
    // At home, and what it has copied here.
    leave(&cloud, AWAY, "one@us-east-1", "b").await;
    leave(&cloud, HOME, "one@us-east-1", "c").await;
    let found = leftovers(&cloud).find(gone(&stack), &regions()).await.unwrap().0;
    assert_eq!(told(&found), ["instance eu-west-1 a", "image eu-west-1 a"]);
    let there = Leftovers { home: AWAY.to_owned(), ..leftovers(&cloud) };
    let found = there.find(gone(&stack), &regions()).await.unwrap().0;
    let expected = ["instance eu-west-1 c", "instance us-east-1 b", "image eu-west-1 c", "image us-east-1 b"];
    assert_eq!(told(&found), expected);
}

#[tokio::test]
async fn what_a_living_stack_knows_is_left_to_it() {
    let (cloud, stack) = (FakeCloud::new(), Stack::new());
    for build in ["a", "b"] {
        let image = leave(&cloud, HOME, "one", build).await;
        if build == "b" {
            note(&stack, HOME, build, &image).await;
        }
    }
    let found = leftovers(&cloud).find(living(&stack), &regions()).await.unwrap().0;
    assert_eq!(told(&found), ["instance eu-west-1 a", "image eu-west-1 a"]);
}

#[tokio::test]
async fn what_only_carries_the_tags_stays_for_a_day_after_it_was_found() {
    let (cloud, stack) = (FakeCloud::new(), Stack::new());
    let image = leave(&cloud, HOME, "one", "b").await;
    note(&stack, HOME, "b", &image).await;
    let stranger = cloud.launch(HOME, &launch("somebody", &image, tags("one", "b"))).await.unwrap().id;
    cloud.add_volume(HOME, &tags("one", "b"));
    let leftovers = leftovers(&cloud);
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let find = async || leftovers.find(living(&stack), &regions()).await.unwrap().0;
    let found = find().await;
    assert_eq!(told(&found), ["instance eu-west-1 b", "volume eu-west-1 b"]);
    assert!(found.iter().all(|one| !one.may_go(now + SignedDuration::from_hours(1_000))), "not before it is marked");
    leftovers.mark(&found, now).await;
    assert_eq!(cloud.inventory().region(HOME).instances[&stranger][TAG_LEFTOVER], "2026-01-01T00:00:00.000Z");
    // EC2 does not say when the fake's instance was launched, so that its mark may be a copied one; the table has its time.
    let noted = json!({"kind": "instance", "id": stranger, "region": HOME, "since": "2026-01-01T00:00:00.000Z"});
    stack.put("LEFTOVERS", &format!("{HOME}#{stranger}"), noted).await;
    let found = find().await;
    for (hours, may_go) in [(23, false), (24, true)] {
        assert!(found.iter().all(|one| one.may_go(now + SignedDuration::from_hours(hours)) == may_go), "{found:?}");
    }
    // A new mark would restart its time.
    leftovers.mark(&found, now + SignedDuration::from_hours(5)).await;
    assert_eq!(find().await, found);
}

#[tokio::test]
async fn an_image_is_marked_even_if_no_images_are_to_be_removed() {
    let (cloud, stack) = (FakeCloud::new(), Stack::new());
    let image = leave(&cloud, HOME, "one", "b").await;
    let leftovers = leftovers(&cloud);
    let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let mut found = leftovers.find(living(&stack), &regions()).await.unwrap().0;
    let Stays { images, unproven } = leftovers.set_aside(&mut found, false, now).await;
    assert_eq!(
        (told(&images), told(&unproven), found.len()),
        (vec!["image eu-west-1 b".to_owned()], vec!["instance eu-west-1 b".to_owned()], 0)
    );
    assert_eq!(cloud.inventory().region(HOME).images[&image][TAG_LEFTOVER], "2026-01-01T00:00:00.000Z");
}

#[tokio::test]
async fn a_copy_does_not_inherit_the_mark_of_its_original() {
    let (cloud, stack) = (FakeCloud::new(), Stack::new());
    let mut copied = tags("one", "a");
    copied.insert(TAG_LEFTOVER.to_owned(), "2025-12-01T00:00:00.000Z".to_owned());
    cloud.add_volume(HOME, &copied);
    let found = leftovers(&cloud).find(gone(&stack), &regions()).await.unwrap().0;
    assert_eq!(found[0].unproven_since.as_deref(), Some(""));
}

#[tokio::test]
async fn what_uses_an_image_is_reported() {
    let (cloud, stack) = (FakeCloud::new(), Stack::new());
    let image = leave(&cloud, HOME, "one", "b").await;
    note(&stack, HOME, "b", &image).await;
    let used_by = async || {
        let found = leftovers(&cloud).find(gone(&stack), &regions()).await.unwrap().0;
        let found = found.into_iter().find(|one| one.kind == LeftoverKind::Image).unwrap();
        (found.is_used(), found.used_by)
    };
    assert_eq!(used_by().await, (false, vec![]));
    let server = cloud.launch(HOME, &launch("server", &image, Tags::new())).await.unwrap().id;
    cloud.add_launch_template(HOME, "lt-1", &image);
    let with = LaunchPermission { users: vec!["111122223333".to_owned()], ..LaunchPermission::default() };
    cloud.share(HOME, &image, &with).await.unwrap();
    let parameter = Parameter { value: image.clone(), data_type: "aws:ec2:image".to_owned() };
    Parameters::put(&cloud, HOME, "/images/web", &parameter).await.unwrap();
    let users = [
        format!("the instance {server}"),
        "the launch permission of 111122223333".to_owned(),
        "the launch template lt-1".to_owned(),
        "the parameter /images/web".to_owned(),
    ];
    assert_eq!(used_by().await, (true, users.to_vec()));
    let other = Parameter { value: "ami-2".to_owned(), ..parameter };
    Parameters::put(&cloud, HOME, "/images/web", &other).await.unwrap();
    cloud.terminate(HOME, &server).await.unwrap();
    assert_eq!(used_by().await, (true, users[1..3].to_vec()));
}

#[tokio::test]
async fn a_snapshot_without_its_image_is_found() {
    let (cloud, stack) = (FakeCloud::new(), Stack::new());
    leave(&cloud, HOME, "one", "a").await;
    let snapshots = cloud.snapshots_tagged(HOME, TAG_STACK, "one").await.unwrap();
    let json = json!({"kind": "snapshot", "region": HOME, "id": snapshots[0].id, "image": "web/1.0.0/1", "build": "a"});
    let lone = Leftover::new(HOME, &Tagged::Snapshot(snapshots[0].clone()), None);
    assert_eq!(serde_json::to_value(&lone).unwrap(), json);
    assert_eq!(lone.row(), [HOME, "snapshot", &snapshots[0].id, "web/1.0.0/1", ""]);
    let found = leftovers(&cloud).find(gone(&stack), &regions()).await.unwrap().0;
    assert!(found.iter().all(|one| one.kind != LeftoverKind::Snapshot));
}
