//! Tests with random references: an image to which something refers is never deleted, and every other image that
//! exceeds its retention is.

use std::collections::BTreeSet;

use goldsmith_cloud::fake::{Fault, HOME};
use goldsmith_cloud::{
    Images as _, Kind as CloudKind, Launch, LaunchPermission, Machines as _, Market, MetadataOptions, Parameter,
    Parameters as _, Tags,
};
use goldsmith_model::{ImagePipeline, Retention};
use goldsmith_store::{ImageLife, ImageRecord};
use serde_json::{Value, json};

use super::{Plan, TAG_KEEP, retire};
use crate::output::Show;
use crate::tags::TAG_BUILD;
use crate::testing::{Stack, globals};

const WORLDS: u64 = 10_000;
const ELSEWHERE: &str = "us-east-1";
const NOW: &str = "2026-06-01T00:00:00Z";

/// Every kind of reference to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Running,
    Stopped,
    LaunchTemplate,
    Parameter,
    Child,
    BuildingChild,
    OtherAccount,
    Tag,
    Channel,
    Nothing,
}

const KINDS: [Kind; 10] = [
    Kind::Running,
    Kind::Stopped,
    Kind::LaunchTemplate,
    Kind::Parameter,
    Kind::Child,
    Kind::BuildingChild,
    Kind::OtherAccount,
    Kind::Tag,
    Kind::Channel,
    Kind::Nothing,
];

/// Pseudo-random numbers that depend only on the seed (an LCG with Knuth's constants, whose high bits are good).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// An image of the test, and what the test knows about it.
struct Made {
    number: u32,
    age_days: u32,
    amis: Vec<(&'static str, String)>,
    kinds: BTreeSet<Kind>,
    overridden: bool,
    life: Option<ImageLife>,
}

fn launch(image: &str, number: u32) -> Launch {
    Launch {
        token: format!("{image}-{number}"),
        image: image.to_owned(),
        instance_type: "t3.small".to_owned(),
        subnet: None,
        security_groups: vec![],
        instance_profile: None,
        zone: None,
        is_dedicated: false,
        market: Market::OnDemand,
        key_pair: None,
        metadata: MetadataOptions { tokens_required: true, hop_limit: 1 },
        tags: Tags::new(),
        block_devices: vec![],
        user_data: None,
    }
}

fn key(number: u32) -> String {
    format!("V#0000000001.0000000000.0000000000#{number:010}")
}

fn record(name: &str, number: u32, more: &Value) -> Value {
    let mut record = json!({"image": format!("{name}/1.0.0/{number}"), "build": format!("{name}-{number}"), "pipeline": name,
                            "cause": {"kind": "manual", "id": "1"}, "status": "AVAILABLE", "sourceImage": "ami-0",
                            "inputDigest": "", "createdAt": ""});
    record.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    record
}

/// Makes a reference of this kind to one of the image's AMIs.
async fn refer(stack: &Stack, kind: Kind, made: &Made, dice: &mut Dice) {
    let (region, ami) = &made.amis[usize::try_from(dice.below(made.amis.len() as u64)).unwrap()];
    let number = made.number;
    match kind {
        Kind::Running | Kind::Stopped => {
            let number = number + 100 * u32::from(kind == Kind::Stopped);
            let instance = stack.cloud.launch(region, &launch(ami, number)).await.unwrap();
            stack.cloud.settle();
            if kind == Kind::Stopped {
                stack.cloud.stop(region, &instance.id).await.unwrap();
            }
        }
        Kind::LaunchTemplate => stack.cloud.add_launch_template(region, &format!("lt-{number}"), ami),
        Kind::Parameter => {
            let parameter = Parameter { value: ami.clone(), data_type: "text".to_owned() };
            stack.cloud.put(region, &format!("/images/web-{number}"), &parameter).await.unwrap();
        }
        Kind::Child | Kind::BuildingChild => {
            let status = if kind == Kind::Child { "AVAILABLE" } else { "BUILDING" };
            let child = number + 100 * u32::from(kind == Kind::Child);
            stack
                .put("IMAGE#app", &key(child), record("app", child, &json!({"sourceImage": ami, "status": status})))
                .await;
            stack.put("IMAGES", "app", json!({})).await;
        }
        Kind::OtherAccount => {
            let with = LaunchPermission { users: vec!["111122223333".to_owned()], ..LaunchPermission::default() };
            stack.cloud.share(region, ami, &with).await.unwrap();
        }
        Kind::Tag => {
            let tags = Tags::from([(TAG_KEEP.to_owned(), String::new())]);
            stack.cloud.tag(region, std::slice::from_ref(ami), &tags).await.unwrap();
        }
        Kind::Channel => {
            let (channel, image) = (format!("channel-{number}"), format!("web/1.0.0/{number}"));
            let item = json!({"channel": channel, "number": 1, "to": image, "at": "", "by": ""});
            stack.put("PIPELINE#web", &format!("CHANNEL#{channel}"), item).await;
        }
        Kind::Nothing => {}
    }
}

/// Makes an image with AMIs in one or two Regions, and with random references.
async fn image(stack: &Stack, number: u32, dice: &mut Dice) -> Made {
    let regions: &[&str] = if dice.below(2) == 0 { &[HOME] } else { &[HOME, ELSEWHERE] };
    let amis = regions.iter().map(|region| (*region, stack.cloud.add_image(region, "self", &format!("web {number}"))));
    let amis: Vec<(&'static str, String)> = amis.collect();
    let life = (dice.below(6) == 0).then_some(ImageLife::Disabled);
    let kinds = (0..dice.below(3)).map(|_| KINDS[usize::try_from(dice.below(10)).unwrap()]).collect();
    let overridden = dice.below(5) == 0;
    let age_days = u32::try_from(dice.below(100)).unwrap();
    let made = Made { number, age_days, amis, kinds, overridden, life };
    let now: jiff::Timestamp = NOW.parse().unwrap();
    let created = now - jiff::SignedDuration::from_hours(24 * i64::from(made.age_days));
    let by_region: std::collections::BTreeMap<&str, &String> =
        made.amis.iter().map(|(region, ami)| (*region, ami)).collect();
    let mut more = json!({"amis": by_region, "overridden": overridden, "createdAt": goldsmith_store::stamp(created)});
    if life.is_some() {
        more["life"] = json!(life);
    }
    let planned = |region: &str| {
        json!({"region": region, "name": "", "description": "", "tags": {}, "kmsKeyId": null, "launchPermission": {},
               "parameters": [{"parameterName": format!("/images/web-{number}")}]})
    };
    let planned: Vec<Value> = made.amis.iter().map(|(region, _)| planned(region)).collect();
    stack.planned_build(&format!("web-{number}"), &json!(planned)).await;
    stack.put("IMAGE#web", &key(number), record("web", number, &more)).await;
    for kind in made.kinds.clone() {
        refer(stack, kind, &made, dice).await;
    }
    made
}

/// Returns whether an image must be deleted according to the manual.
fn must_go(all: &[Made], one: &Made, rule: &Retention) -> bool {
    let newer = |other: &&Made| {
        (other.age_days, std::cmp::Reverse(other.number)) < (one.age_days, std::cmp::Reverse(one.number))
    };
    let usable = all.iter().filter(newer).filter(|other| other.overridden == one.overridden && other.life.is_none());
    let is_beyond =
        usable.count() >= rule.keep as usize && rule.older_than_days.is_none_or(|days| one.age_days >= days);
    let is_referred_to = one.kinds.iter().any(|kind| *kind != Kind::Nothing);
    is_beyond && !is_referred_to
}

/// Returns what `retention` does now.
async fn plan(stack: &Stack, pipeline: &ImagePipeline, unshare: &[String]) -> anyhow::Result<Plan> {
    let references = stack.connection.references();
    super::plan(&stack.connection, &references, pipeline, unshare, NOW.parse().unwrap()).await
}

fn pipeline(rule: Retention) -> ImagePipeline {
    let json = json!({"name": "web", "imageRecipe": "web", "infrastructureConfiguration": "small", "retention": rule});
    serde_json::from_value(json).unwrap()
}

#[tokio::test]
async fn in_random_worlds_nothing_that_is_referred_to_goes_and_everything_else_beyond_does() {
    let (mut gone, mut held) = (0_u64, 0_u64);
    for seed in 0..WORLDS {
        let (stack, mut dice) = (Stack::new(), Dice(seed));
        stack.cloud.pace(|pace| (pace.until_image, pace.hide_new) = (0, 0));
        // The build that the others are like. Its image is replaced by the first one of this world.
        stack.closed_build(json!({"status": "FAILED"})).await;
        let mut all = Vec::new();
        for number in 1..=u32::try_from(1 + dice.below(6)).unwrap() {
            all.push(image(&stack, number, &mut dice).await);
        }
        let keep = u32::try_from(1 + dice.below(3)).unwrap();
        let older_than_days = (dice.below(2) == 0).then_some(u32::try_from(1 + dice.below(90)).unwrap());
        let rule = Retention { keep, older_than_days };
        let plan = plan(&stack, &pipeline(rule), &[]).await.unwrap();
        let references = stack.connection.references();
        for record in plan.going() {
            retire(&stack.connection, &references, record, &[]).await.unwrap();
        }
        let left = stack.cloud.inventory();
        for one in &all {
            let goes = must_go(&all, one, &rule);
            for (region, ami) in &one.amis {
                let is_there = left.region(region).images.contains_key(ami);
                assert_eq!(is_there, !goes, "seed {seed}: image {} with {:?}, {rule:?}", one.number, one.kinds);
            }
            gone += u64::from(goes);
            held += u64::from(!goes && !one.kinds.is_empty());
        }
    }
    assert!(gone > WORLDS / 5 && held > WORLDS / 5, "{gone} {held}");
}

#[tokio::test]
async fn a_plan_says_why_an_image_stays() {
    let (stack, mut dice) = (Stack::new(), Dice(0));
    for (number, age_days) in [(1, 30), (2, 20), (3, 10)] {
        let ami = stack.cloud.add_image(HOME, "self", &format!("web {number}"));
        let made = Made {
            number,
            age_days,
            amis: vec![(HOME, ami.clone())],
            kinds: BTreeSet::new(),
            overridden: false,
            life: None,
        };
        let created = format!("2026-05-{:02}T00:00:00.000Z", 31 - age_days);
        stack
            .put("IMAGE#web", &key(number), record("web", number, &json!({"amis": {HOME: ami}, "createdAt": created})))
            .await;
        if number == 2 {
            refer(&stack, Kind::OtherAccount, &made, &mut dice).await;
            refer(&stack, Kind::Tag, &made, &mut dice).await;
        }
    }
    stack.put("IMAGES", "web", json!({})).await;
    let rule = Retention { keep: 1, older_than_days: None };
    let found = plan(&stack, &pipeline(rule), &[]).await.unwrap();
    let expected = "\
IMAGE        BEGAN                            REFERRED TO BY
web/1.0.0/2  2026-05-11T00:00:00.000Z  stays  the launch permission of 111122223333; the tag goldsmith:keep of ami-00000000000000002
web/1.0.0/1  2026-05-01T00:00:00.000Z  goes";
    assert_eq!(found.lines(&globals("")).join("\n"), expected);
    let consented = plan(&stack, &pipeline(rule), &["111122223333".to_owned()]).await.unwrap();
    assert_eq!(consented.images[0].stays, ["the tag goldsmith:keep of ami-00000000000000002"]);
    let none = ImagePipeline { retention: None, ..pipeline(rule) };
    let error = plan(&stack, &none, &[]).await.unwrap_err().to_string();
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
        stack.put("IMAGE#web", &key(number), record("web", number, &more)).await;
    }
    let mut images = stack.connection.store.images_of_pipeline(&"web".parse().unwrap()).await.unwrap();
    images.sort_by_key(|image| image.image.build);
    (stack, images)
}

#[tokio::test]
async fn a_failure_is_reported_and_what_somebody_has_begun_to_use_stays() {
    let (stack, images) = images(4).await;
    let references = stack.connection.references();
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
        let lines = retire(&stack.connection, &references, image, &[]).await;
        ended.push(lines.map(|lines| lines.join("\n")).map_err(|error| error.to_string()));
    }
    assert!(ended.remove(0).is_err());
    let tag = format!("web/1.0.0/3 stays: the tag {TAG_KEEP} of {}", images[2].amis[HOME]);
    let left = format!("stays    {HOME}  {snapshot}  another AMI uses this snapshot\nweb/1.0.0/4 is deleted");
    let expected = ["web/1.0.0/2 stays: the launch template lt-1", &tag, &left];
    assert_eq!(ended, expected.map(|lines| Ok(lines.to_owned())));
    let again = retire(&stack.connection, &references, &images[0], &[]).await.unwrap();
    assert_eq!(again, ["web/1.0.0/1 is deleted"]);
}

#[tokio::test]
async fn launch_templates_are_read_once_in_a_run() {
    let (stack, images) = images(20).await;
    for number in 0..50 {
        stack.cloud.add_launch_template(HOME, &format!("lt-{number}"), "ami-other");
    }
    let references = stack.connection.references();
    let rule = pipeline(Retention { keep: 1, older_than_days: None });
    let now = NOW.parse().unwrap();
    let found = super::plan(&stack.connection, &references, &rule, &[], now).await.unwrap();
    assert_eq!(found.going().count(), images.len() - 1);
    for image in found.going() {
        retire(&stack.connection, &references, image, &[]).await.unwrap();
    }
    assert_eq!(stack.cloud.template_looks(), 50);
}
