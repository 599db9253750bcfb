//! Random worlds of references: nothing that something refers to goes, and everything else that is beyond its retention
//! does. This holds for a person who deletes, and for the rounds of the stack, which disable first.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_cloud::fake::{HOME, launch};
use goldsmith_cloud::{ImageState, Images as _, LaunchPermission, Machines as _, Parameter, Parameters as _, Tags};
use goldsmith_model::Retention;
use goldsmith_model::definitions::Definitions;
use goldsmith_store::ImageLife;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{Judge, TAG_KEEP};
use crate::life::{Deletion, delete};
use crate::testing::{Stack, image_record, sort_key};
use crate::{Clock as _, dispatch};

const WORLDS: u64 = 10_000;
const ELSEWHERE: &str = "us-east-1";

/// Everything that can refer to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Running,
    Stopped,
    LaunchTemplate,
    Parameter,
    /// A recipe that names the AMI by its id.
    Recipe,
    /// A parameter that a person has set, and by which a recipe names its source.
    SourceParameter,
    /// A parameter that only the distribution configuration of another pipeline names.
    OtherParameter,
    Child,
    BuildingChild,
    OtherAccount,
    Tag,
    Launch,
    Channel,
    Nothing,
}

const KINDS: [Kind; 14] = [
    Kind::Running,
    Kind::Stopped,
    Kind::LaunchTemplate,
    Kind::Parameter,
    Kind::Recipe,
    Kind::SourceParameter,
    Kind::OtherParameter,
    Kind::Child,
    Kind::BuildingChild,
    Kind::OtherAccount,
    Kind::Tag,
    Kind::Launch,
    Kind::Channel,
    Kind::Nothing,
];

/// Numbers that are the same for the same seed (an LCG with Knuth's constants; its high bits are good).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % end
    }
}

/// An image of the world, and what the test knows about it.
struct Made {
    number: u32,
    age_days: u32,
    amis: Vec<(&'static str, String)>,
    kinds: BTreeSet<Kind>,
    overridden: bool,
    life: Option<ImageLife>,
}

/// Stores another version of a recipe with this source, or a distribution configuration with this parameter.
async fn define(stack: &Stack, source: Option<&str>, parameter: Option<(&str, &str)>) {
    let patch = stack.store().recipes().await.unwrap().len();
    let recipe = |source: &str| json!({"name": "app", "version": format!("1.0.{patch}"), "parentImage": source, "components": []});
    let distribution = |(region, name): (&str, &str)| {
        let parameters = json!([{"parameterName": name}]);
        json!({"name": name.replace('/', "-").trim_start_matches('-'),
               "distributions": [{"region": region, "ssmParameterConfigurations": parameters}]})
    };
    let definitions = Definitions {
        recipes: source.map(|source| serde_json::from_value(recipe(source)).unwrap()).into_iter().collect(),
        distributions: parameter.map(|one| serde_json::from_value(distribution(one)).unwrap()).into_iter().collect(),
        ..Definitions::default()
    };
    stack.store().apply(&definitions).await.unwrap();
}

/// Lets something of this kind refer to one of the image's AMIs.
async fn refer(stack: &Stack, kind: Kind, made: &Made, dice: &mut Dice) {
    let (region, ami) = &made.amis[usize::try_from(dice.below(made.amis.len() as u64)).unwrap()];
    let number = made.number;
    match kind {
        Kind::Running | Kind::Stopped => {
            let number = number + 100 * u32::from(kind == Kind::Stopped);
            let instance =
                stack.cloud.launch(region, &launch(format!("{ami}-{number}"), ami, Tags::new())).await.unwrap();
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
        Kind::Recipe => define(stack, Some(ami), None).await,
        Kind::SourceParameter => {
            // Recipes look for their sources in the home Region, in which every image has an AMI.
            let name = format!("/images/base-{number}");
            let parameter = Parameter { value: made.amis[0].1.clone(), data_type: "text".to_owned() };
            stack.cloud.put(HOME, &name, &parameter).await.unwrap();
            define(stack, Some(&format!("ssm:{name}")), None).await;
        }
        Kind::OtherParameter => {
            let name = format!("/images/other-{number}");
            let parameter = Parameter { value: ami.clone(), data_type: "text".to_owned() };
            stack.cloud.put(region, &name, &parameter).await.unwrap();
            define(stack, None, Some((region, &name))).await;
        }
        Kind::Child | Kind::BuildingChild => {
            let status = if kind == Kind::Child { "AVAILABLE" } else { "BUILDING" };
            let child = number + 100 * u32::from(kind == Kind::Child);
            stack
                .put(
                    "IMAGE#app",
                    &sort_key(child),
                    image_record("app", child, &json!({"sourceImage": ami, "status": status})),
                )
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
        Kind::Launch => {
            let at = (stack.clock.now() - SignedDuration::from_hours(24 * 20)).to_string();
            stack.cloud.edit_image(region, ami, |image| image.last_launched = Some(at));
        }
        Kind::Channel => {
            let (channel, image) = (format!("channel-{number}"), format!("web/1.0.0/{number}"));
            let item = json!({"channel": channel, "number": 1, "to": image, "at": "", "by": ""});
            stack.put("PIPELINE#web", &format!("CHANNEL#{channel}"), item).await;
        }
        Kind::Nothing => {}
    }
}

/// Makes an image with AMIs in one or two Regions and random references.
async fn image(stack: &Stack, number: u32, dice: &mut Dice) -> Made {
    let regions: &[&str] = if dice.below(2) == 0 { &[HOME] } else { &[HOME, ELSEWHERE] };
    let amis = regions.iter().map(|region| (*region, stack.cloud.add_image(region, "self", &format!("web {number}"))));
    let amis: Vec<(&'static str, String)> = amis.collect();
    let life = (dice.below(6) == 0).then_some(ImageLife::Disabled);
    let kinds = (0..dice.below(3)).map(|_| KINDS[usize::try_from(dice.below(KINDS.len() as u64)).unwrap()]).collect();
    let overridden = dice.below(5) == 0;
    let age_days = u32::try_from(dice.below(100)).unwrap();
    let made = Made { number, age_days, amis, kinds, overridden, life };
    let created = stack.clock.now() - SignedDuration::from_hours(24 * i64::from(made.age_days));
    let by_region: BTreeMap<&str, &String> = made.amis.iter().map(|(region, ami)| (*region, ami)).collect();
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
    stack.put_image(number, &more).await;
    for kind in made.kinds.clone() {
        refer(stack, kind, &made, dice).await;
    }
    made
}

/// Whether an image must go, by the words of the manual.
fn must_go(all: &[Made], one: &Made, rule: &Retention) -> bool {
    let newer = |other: &&Made| {
        (other.age_days, std::cmp::Reverse(other.number)) < (one.age_days, std::cmp::Reverse(one.number))
    };
    let usable = all.iter().filter(newer).filter(|other| other.overridden == one.overridden && other.life.is_none());
    let is_beyond =
        usable.count() >= rule.keep as usize && rule.older_than_days.is_none_or(|days| one.age_days >= days);
    let keeps = |kind: &Kind| match kind {
        Kind::Nothing => false,
        Kind::Launch => rule.not_launched_for_days.is_some_and(|days| days > 20),
        _ => true,
    };
    let is_referred_to = one.kinds.iter().any(keeps);
    is_beyond && !is_referred_to
}

/// A world of random images, and a random rule.
async fn world(seed: u64) -> (Stack, Vec<Made>, Retention) {
    let (stack, mut dice) = (Stack::without_definitions(), Dice(seed));
    stack.cloud.pace(|pace| (pace.until_image, pace.hide_new) = (0, 0));
    // The build that the others are like. Its image is replaced by the first one of this world.
    stack.closed_build(json!({"status": "FAILED"})).await;
    let mut all = Vec::new();
    for number in 1..=u32::try_from(1 + dice.below(6)).unwrap() {
        all.push(image(&stack, number, &mut dice).await);
    }
    let mut days =
        |least: u64, most: u64| (dice.below(2) == 0).then(|| u32::try_from(least + dice.below(most)).unwrap());
    let (older_than_days, not_launched_for_days) = (days(1, 90), days(2, 40));
    let keep = u32::try_from(1 + dice.below(3)).unwrap();
    let rule = Retention { older_than_days, not_launched_for_days, automatic: true, ..Retention::keep(keep) };
    (stack, all, rule)
}

/// Checks which images of a world are gone. Returns how many are gone, and how many are held.
fn check(seed: u64, stack: &Stack, all: &[Made], rule: &Retention, goes: impl Fn(&Made) -> bool) -> (u64, u64) {
    let left = stack.cloud.inventory();
    let (mut gone, mut held) = (0, 0);
    for one in all {
        let goes = goes(one);
        for (region, ami) in &one.amis {
            let is_there = left.region(region).images.contains_key(ami);
            assert_eq!(is_there, !goes, "seed {seed}: image {} with {:?}, {rule:?}", one.number, one.kinds);
        }
        gone += u64::from(goes);
        held += u64::from(!goes && !one.kinds.is_empty());
    }
    (gone, held)
}

#[tokio::test]
async fn in_random_worlds_nothing_that_is_referred_to_goes_and_everything_else_beyond_does() {
    let (mut gone, mut held) = (0, 0);
    for seed in 0..WORLDS {
        let (stack, all, rule) = world(seed).await;
        let (cloud, store, references) = (stack.cloud.cloud(), stack.store(), stack.references());
        let images = store.images_of_pipeline(&"web".parse().unwrap()).await.unwrap();
        let now = stack.clock.now();
        let judge = Judge {
            images: &stack.cloud,
            references: &references,
            rule: &rule,
            unshare: &[],
            keeps_protected: false,
            now,
        };
        for image in judge.beyond(&images) {
            if judge.why_it_stays(image).await.unwrap().is_empty() {
                let ended = delete(&cloud, &store, &references, image, &[]).await.unwrap();
                assert!(matches!(ended, Deletion::Done(_)), "seed {seed}: {ended:?}");
            }
        }
        let counted = check(seed, &stack, &all, &rule, |one| must_go(&all, one, &rule));
        (gone, held) = (gone + counted.0, held + counted.1);
    }
    assert!(gone > WORLDS / 5 && held > WORLDS / 5, "{gone} {held}");
}

#[tokio::test]
async fn in_random_worlds_the_rounds_take_the_same_images_and_disable_them_first() {
    let (mut gone, mut held) = (0, 0);
    for seed in 0..WORLDS / 10 {
        let (stack, all, rule) = world(seed).await;
        let json =
            json!({"name": "web", "imageRecipe": "web", "infrastructureConfiguration": "small", "retention": rule});
        stack.put_pipeline(serde_json::from_value(json).unwrap()).await;
        let sweep = async || dispatch(&stack.context(), "reap", json!({"sweep": true})).await.unwrap();
        sweep().await;
        // An image that a person has disabled is left to that person.
        let goes = |one: &Made| must_go(&all, one, &rule) && one.life.is_none();
        for one in &all {
            for (region, ami) in &one.amis {
                let state = stack.cloud.image(region, ami).await.unwrap().unwrap().state;
                assert_eq!(state == ImageState::Failed, goes(one), "seed {seed}: image {}, {rule:?}", one.number);
            }
        }
        stack.clock.advance(SignedDuration::from_hours(24 * 7));
        sweep().await;
        let counted = check(seed, &stack, &all, &rule, goes);
        (gone, held) = (gone + counted.0, held + counted.1);
    }
    assert!(gone > WORLDS / 50 && held > WORLDS / 50, "{gone} {held}");
}
