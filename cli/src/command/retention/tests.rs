//! What the command shows, and what it does with images that cannot go. Which images go is tested where it is judged.

use goldsmith_cloud::fake::{Fault, HOME};
use goldsmith_cloud::{Images as _, Kind as CloudKind, LaunchPermission, Tags};
use goldsmith_model::{ImagePipeline, Retention};
use goldsmith_states::life::{Judge, References, TAG_KEEP};
use goldsmith_store::ImageRecord;
use serde_json::{Value, json};

use super::{Plan, plan, retire, rule};
use crate::output::Show;
use crate::tags::TAG_BUILD;
use crate::testing::{Stack, globals};

const NOW: &str = "2026-06-01T00:00:00Z";

fn key(number: u32) -> String {
    format!("V#0000000001.0000000000.0000000000#{number:010}")
}

fn record(number: u32, more: &Value) -> Value {
    let mut record = json!({"image": format!("web/1.0.0/{number}"), "build": format!("web-{number}"), "pipeline": "web",
                            "cause": {"kind": "manual", "id": "1"}, "status": "AVAILABLE", "sourceImage": "ami-0",
                            "inputDigest": "", "createdAt": ""});
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

/// Judges as the command does.
fn judge<'j>(stack: &'j Stack, references: &'j References, rule: &'j Retention, unshare: &'j [String]) -> Judge<'j> {
    let (images, now) = (&*stack.connection.cloud.images, NOW.parse().unwrap());
    Judge { images, references, rule, unshare, keeps_protected: false, now }
}

/// Returns what the retention does now.
async fn planned(stack: &Stack, rule: &Retention, unshare: &[String]) -> Plan {
    let references = stack.connection.references();
    plan(&stack.connection, &judge(stack, &references, rule, unshare), &"web".parse().unwrap()).await.unwrap()
}

#[tokio::test]
async fn a_plan_says_why_an_image_stays() {
    let stack = Stack::new();
    for (number, age_days) in [(1, 30), (2, 20), (3, 10)] {
        let ami = stack.cloud.add_image(HOME, "self", &format!("web {number}"));
        let created = format!("2026-05-{:02}T00:00:00.000Z", 31 - age_days);
        stack.put("IMAGE#web", &key(number), record(number, &json!({"amis": {HOME: ami}, "createdAt": created}))).await;
        if number == 2 {
            let with = LaunchPermission { users: vec!["111122223333".to_owned()], ..LaunchPermission::default() };
            stack.cloud.share(HOME, &ami, &with).await.unwrap();
            let tags = Tags::from([(TAG_KEEP.to_owned(), String::new())]);
            stack.cloud.tag(HOME, std::slice::from_ref(&ami), &tags).await.unwrap();
        }
    }
    stack.put("IMAGES", "web", json!({})).await;
    let found = planned(&stack, &Retention::keep(1), &[]).await;
    let expected = "\
IMAGE        BEGAN                            KEPT BY
web/1.0.0/2  2026-05-11T00:00:00.000Z  stays  the launch permission of 111122223333; the tag goldsmith:keep of ami-00000000000000002
web/1.0.0/1  2026-05-01T00:00:00.000Z  goes";
    assert_eq!(found.lines(&globals("")).join("\n"), expected);
    let consented = planned(&stack, &Retention::keep(1), &["111122223333".to_owned()]).await;
    assert_eq!(consented.images[0].stays, ["the tag goldsmith:keep of ami-00000000000000002"]);
    let none = json!({"name": "web", "imageRecipe": "web", "infrastructureConfiguration": "small"});
    let none: ImagePipeline = serde_json::from_value(none).unwrap();
    let error = rule(&none).unwrap_err().to_string();
    assert_eq!(
        error,
        "pipeline `web` has no retention: write `retention: {keep: 5, olderThan: P90D}` into its definition"
    );
}

/// A pipeline whose images have one AMI each, and their records, oldest first.
async fn images(count: u32) -> (Stack, Vec<ImageRecord>) {
    let stack = Stack::new();
    stack.cloud.pace(|pace| (pace.until_image, pace.hide_new) = (0, 0));
    stack.closed_build(json!({"status": "FAILED"})).await;
    for number in 1..=count {
        let ami = stack.cloud.add_image(HOME, "self", &format!("web {number}"));
        let snapshots = stack.cloud.image(HOME, &ami).await.unwrap().unwrap().snapshots;
        let more = json!({"amis": {HOME: ami}, "snapshots": {HOME: snapshots},
                          "createdAt": format!("2026-05-{number:02}T00:00:00.000Z")});
        stack.put("IMAGE#web", &key(number), record(number, &more)).await;
    }
    let mut images = stack.connection.store.images_of_pipeline(&"web".parse().unwrap()).await.unwrap();
    images.sort_by_key(|image| image.image.build);
    (stack, images)
}

#[tokio::test]
async fn a_failure_is_reported_and_what_somebody_has_begun_to_use_stays() {
    let (stack, images) = images(4).await;
    let (references, rule) = (stack.connection.references(), Retention::keep(1));
    let judge = judge(&stack, &references, &rule, &[]);
    stack.cloud.add_launch_template(HOME, "lt-1", &images[1].amis[HOME]);
    let tags = Tags::from([(TAG_KEEP.to_owned(), String::new())]);
    stack.cloud.tag(HOME, std::slice::from_ref(&images[2].amis[HOME]), &tags).await.unwrap();
    let snapshot = images[3].snapshots[HOME][0].clone();
    let of_build = Tags::from([(TAG_BUILD.to_owned(), images[3].build.clone())]);
    stack.cloud.tag(HOME, std::slice::from_ref(&snapshot), &of_build).await.unwrap();
    let other = stack.cloud.add_image(HOME, "self", "other");
    stack.cloud.edit_image(HOME, &other, |image| image.snapshots.push(snapshot.clone()));
    stack.cloud.fail_next("DeregisterImage", Fault::Refuse(CloudKind::Throttled));
    let mut ended = Vec::new();
    for image in &images {
        let lines = retire(&stack.connection, &judge, image).await;
        ended.push(lines.map(|lines| lines.join("\n")).map_err(|error| error.to_string()));
    }
    assert!(ended.remove(0).is_err());
    let tag = format!("web/1.0.0/3 stays: the tag {TAG_KEEP} of {}", images[2].amis[HOME]);
    let left = format!("stays    {HOME}  {snapshot}  another AMI uses this snapshot\nweb/1.0.0/4 is deleted");
    let expected = ["web/1.0.0/2 stays: the launch template lt-1", &tag, &left];
    assert_eq!(ended, expected.map(|lines| Ok(lines.to_owned())));
    let again = retire(&stack.connection, &judge, &images[0]).await.unwrap();
    assert_eq!(again, ["web/1.0.0/1 is deleted"]);
}

#[tokio::test]
async fn launch_templates_are_read_once_in_a_run() {
    let (stack, images) = images(20).await;
    for number in 0..50 {
        stack.cloud.add_launch_template(HOME, &format!("lt-{number}"), "ami-other");
    }
    let (references, rule) = (stack.connection.references(), Retention::keep(1));
    let judge = judge(&stack, &references, &rule, &[]);
    let found = plan(&stack.connection, &judge, &"web".parse().unwrap()).await.unwrap();
    assert_eq!(found.going().count(), images.len() - 1);
    for image in found.going() {
        retire(&stack.connection, &judge, image).await.unwrap();
    }
    assert_eq!(stack.cloud.template_looks(), 50);
}
