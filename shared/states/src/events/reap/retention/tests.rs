use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use goldsmith_cloud::fake::{Fault, HOME};
use goldsmith_cloud::{ImageState, ImageSwitches as _, Images as _, Kind, Protection, Tags};
use goldsmith_model::{ImagePipeline, Name, Retention};
use goldsmith_store::{ImageLife, ImageRecord, Revocation};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::life::TAG_KEEP;
use crate::testing::{AWAY, Stack};
use crate::{Clock, dispatch, own_events};

const DAY: SignedDuration = SignedDuration::from_hours(24);

fn web() -> Name {
    "web".parse().unwrap()
}

async fn rule(stack: &Stack, rule: Retention) {
    let pipeline = stack.store().pipeline(&web()).await.unwrap().unwrap();
    stack.put_pipeline(ImagePipeline { retention: Some(rule), ..pipeline }).await;
}

/// A stack that keeps one image, and has this many in two Regions. The last one is the newest.
async fn published(count: u32) -> Stack {
    let stack = Stack::new().await;
    stack.cloud.pace(|pace| (pace.until_image, pace.hide_new) = (0, 0));
    rule(&stack, Retention { automatic: true, ..Retention::keep(1) }).await;
    for number in 1..=count {
        let [home, away] = [HOME, AWAY].map(|region| stack.cloud.add_image(region, "self", &format!("web {number}")));
        let created = format!("2026-01-{number:02}T00:00:00.000Z");
        stack.put_image(number, &json!({"amis": {HOME: home, AWAY: away}, "createdAt": created})).await;
    }
    stack
}

async fn image(stack: &Stack, number: u32) -> ImageRecord {
    stack.store().image(&format!("web/1.0.0/{number}").parse().unwrap()).await.unwrap().unwrap()
}

async fn lives(stack: &Stack, count: u32) -> Vec<Option<ImageLife>> {
    let mut lives = Vec::new();
    for number in 1..=count {
        lives.push(image(stack, number).await.life);
    }
    lives
}

/// The states of an image's AMIs, by Region.
async fn states(stack: &Stack, number: u32) -> Vec<Option<ImageState>> {
    let mut states = Vec::new();
    for (region, ami) in &image(stack, number).await.amis {
        states.push(stack.cloud.image(region, ami).await.unwrap().map(|found| found.state));
    }
    states
}

async fn sweep(stack: &Stack) -> u64 {
    let swept = dispatch(&stack.context(), "reap", json!({"sweep": true})).await.unwrap();
    swept["surplus"].as_u64().unwrap()
}

async fn sweep_later(stack: &Stack, later: SignedDuration) -> u64 {
    stack.clock.advance(later);
    sweep(stack).await
}

/// The events so far: which image, and what became of it.
fn told(stack: &Stack) -> Vec<(String, String)> {
    let events = stack.cloud.events().into_iter().filter(|event| event.detail_type == own_events::RETENTION);
    let details = events.map(|event| serde_json::from_str::<Value>(&event.detail).unwrap());
    let text = |detail: &Value, name: &str| detail[name].as_str().unwrap().to_owned();
    details.map(|detail| (text(&detail, "image"), text(&detail, "life"))).collect()
}

fn of(number: u32, life: &str) -> (String, String) {
    (format!("web/1.0.0/{number}"), life.to_owned())
}

const DISABLED: Option<ImageLife> = Some(ImageLife::Disabled);
const DELETED: Option<ImageLife> = Some(ImageLife::Deleted);

#[tokio::test]
async fn an_image_is_disabled_and_a_week_later_deleted_and_an_event_tells_both() {
    let stack = published(2).await;
    assert_eq!(sweep(&stack).await, 1);
    assert_eq!(lives(&stack, 2).await, [DISABLED, None]);
    assert_eq!(states(&stack, 1).await, [Some(ImageState::Failed); 2]);
    let surplus = image(&stack, 1).await.surplus.unwrap();
    assert_eq!((&*surplus.at, &*surplus.why), ("2026-11-24T03:00:00.000Z", "a newer image can be used"));
    let event: Value = serde_json::from_str(&stack.cloud.events()[0].detail).unwrap();
    assert_eq!(event["deletedAfter"], "2026-12-01T03:00:00.000Z");
    let message = "the retention of web has disabled the image web/1.0.0/1, because a newer image can be used: it is deleted \
                   after 2026-12-01T03:00:00.000Z, if nothing refers to it then; `goldsmith enable web/1.0.0/1` brings it back";
    assert_eq!(event["message"], message);
    for _ in 0..6 {
        assert_eq!(sweep_later(&stack, DAY).await, 0);
    }
    assert_eq!(sweep_later(&stack, DAY).await, 1);
    assert_eq!(lives(&stack, 2).await, [DELETED, None]);
    assert_eq!(states(&stack, 1).await, [None; 2]);
    assert_eq!(sweep_later(&stack, DAY).await, 0);
    assert_eq!(told(&stack), [of(1, "DISABLED"), of(1, "DELETED")]);
}

#[tokio::test]
async fn a_round_runs_once_a_day_and_waits_while_a_build_runs() {
    let stack = published(2).await;
    stack.put("PIPELINE#web", "LEASE", json!({"build": "c", "fence": 2})).await;
    assert_eq!(sweep(&stack).await, 0);
    stack.put("PIPELINE#web", "LEASE", json!({"fence": 2})).await;
    assert_eq!(sweep(&stack).await, 1);
    // Another image is published, so the second one is too many.
    let ami = stack.cloud.add_image(HOME, "self", "web 3");
    stack.put_image(3, &json!({"amis": {HOME: ami}, "createdAt": "2026-01-03T00:00:00.000Z"})).await;
    let before = stack.cloud.effects().len();
    assert_eq!(sweep_later(&stack, SignedDuration::from_hours(23)).await, 0);
    assert_eq!(stack.cloud.effects().len(), before, "nothing is written or changed in between");
    assert_eq!(sweep_later(&stack, SignedDuration::from_hours(1)).await, 1);
    assert_eq!(lives(&stack, 3).await, [DISABLED, DISABLED, None]);
}

#[tokio::test]
async fn what_is_kept_is_neither_disabled_nor_deleted_after_it_was_disabled() {
    let stack = published(5).await;
    let amis = |image: ImageRecord| image.amis[HOME].clone();
    let protected = amis(image(&stack, 2).await);
    stack.cloud.edit_image(HOME, &protected, |image| image.protection = Protection::On { cooldown: false });
    stack.cloud.add_launch_template(HOME, "lt-1", &amis(image(&stack, 1).await));
    assert_eq!(sweep(&stack).await, 2);
    assert_eq!(lives(&stack, 5).await, [None, None, DISABLED, DISABLED, None]);
    // Somebody begins to use a disabled image, and another one gets the tag.
    stack.cloud.add_launch_template(HOME, "lt-2", &amis(image(&stack, 3).await));
    let tags = Tags::from([(TAG_KEEP.to_owned(), String::new())]);
    stack.cloud.tag(HOME, &[amis(image(&stack, 4).await)], &tags).await.unwrap();
    assert_eq!(sweep_later(&stack, DAY * 30).await, 0);
    assert_eq!(lives(&stack, 5).await, [None, None, DISABLED, DISABLED, None]);
    stack.cloud.remove_launch_template(HOME, "lt-2");
    assert_eq!(sweep_later(&stack, DAY).await, 1);
    assert_eq!(lives(&stack, 5).await, [None, None, DELETED, DISABLED, None]);
    assert!(!stack.cloud.effects().iter().any(|effect| effect.name == "DisableImageDeregistrationProtection"));
}

#[tokio::test]
async fn only_a_pipeline_that_says_so_loses_images_by_itself() {
    let stack = published(2).await;
    rule(&stack, Retention::keep(1)).await;
    assert_eq!(sweep(&stack).await, 0);
    assert_eq!(lives(&stack, 2).await, [None, None]);
    // A definition from before stacks did this by themselves says nothing.
    let stored: Retention = serde_json::from_value(json!({"keep": 1})).unwrap();
    assert_eq!(stored, Retention::keep(1));
}

#[tokio::test]
async fn each_effect_may_fail_or_end_the_process_and_the_next_rounds_finish_the_work() {
    let whole = published(2).await;
    sweep(&whole).await;
    sweep_later(&whole, DAY * 8).await;
    let effects = whole.cloud.effects().len() - published(2).await.cloud.effects().len();
    assert!(effects > 8, "{effects}");
    let faults = [
        Fault::Refuse(Kind::Throttled),
        Fault::Refuse(Kind::Denied),
        Fault::LoseAnswer,
        Fault::KillBefore,
        Fault::KillAfter,
    ];
    for (n, fault) in (1..=effects).flat_map(|n| faults.map(|fault| (n, fault))) {
        let stack = published(2).await;
        stack.cloud.fail_at(n, fault);
        for day in [0, 8, 1, 1, 8] {
            stack.clock.advance(DAY * day);
            let context = stack.context();
            // A failed call is tried again by the next tick.
            tokio::select! {
                _ = dispatch(&context, "reap", json!({"sweep": true})) => {}
                () = stack.cloud.killed() => {}
            }
        }
        assert_eq!(lives(&stack, 2).await, [DELETED, None], "{fault:?} at effect {n}");
        assert_eq!(states(&stack, 1).await, [None; 2], "{fault:?} at effect {n}");
        let told = told(&stack);
        assert!(
            [of(1, "DISABLED"), of(1, "DELETED")].iter().all(|one| told.contains(one)),
            "{fault:?} at {n}: {told:?}"
        );
    }
}

#[tokio::test]
async fn an_image_whose_region_does_not_answer_stays_and_the_others_go() {
    let stack = published(3).await;
    let home = stack.cloud.add_image(HOME, "self", "web 0");
    stack.put_image(1, &json!({"amis": {HOME: home}, "createdAt": "2026-01-01T00:00:00.000Z"})).await;
    for call in ["DescribeImageAttribute", "DisableImage"] {
        stack.cloud.fail_always(call, AWAY, Fault::Refuse(Kind::Denied));
        sweep_later(&stack, DAY).await;
        assert_eq!(lives(&stack, 3).await[0], DISABLED, "{call}");
        if call == "DescribeImageAttribute" {
            assert_eq!(lives(&stack, 3).await, [DISABLED, None, None], "nothing is known about it");
        } else {
            assert_eq!(
                states(&stack, 2).await,
                [Some(ImageState::Failed), Some(ImageState::Available)],
                "one was denied"
            );
        }
        stack.cloud.heal();
    }
    sweep_later(&stack, DAY).await;
    assert_eq!(states(&stack, 2).await, [Some(ImageState::Failed); 2], "the next round disables it as well");
    sweep_later(&stack, DAY * 6).await;
    assert_eq!(
        lives(&stack, 3).await,
        [DELETED, DISABLED, None],
        "its days have begun when all of its AMIs were disabled"
    );
    sweep_later(&stack, DAY).await;
    assert_eq!(lives(&stack, 3).await, [DELETED, DELETED, None]);
}

/// A clock that advances by ten seconds each time it is read.
struct Slow(AtomicI64);

#[async_trait]
impl Clock for Slow {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.fetch_add(10, Ordering::Relaxed)).unwrap()
    }
    async fn sleep(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_secs()).unwrap(), Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_round_without_time_left_continues_with_the_next_image() {
    const COUNT: u32 = 20;
    let stack = published(COUNT).await;
    let mut context = stack.context();
    context.clock = Arc::new(Slow(AtomicI64::new(stack.clock.now().as_second())));
    let (mut sweeps, mut surplus) = (0, 0);
    while stack.store().retention_round(&web()).await.unwrap().is_none_or(|round| round.after.is_some()) {
        let swept = dispatch(&context, "reap", json!({"sweep": true})).await.unwrap();
        surplus += swept["surplus"].as_u64().unwrap();
        sweeps += 1;
        assert!(sweeps <= COUNT, "the round never ends");
    }
    assert!(sweeps > 1, "all were judged at once: the clock does not tell");
    assert_eq!(surplus, u64::from(COUNT - 1));
    assert_eq!(told(&stack).len(), usize::try_from(COUNT - 1).unwrap(), "each image had its turn once");
}

#[tokio::test]
async fn an_image_that_somebody_enables_is_not_told_as_disabled_again() {
    let stack = published(2).await;
    sweep(&stack).await;
    let name = image(&stack, 1).await.image;
    stack.store().set_life(&name, None).await.unwrap();
    let enabled = image(&stack, 1).await;
    assert_eq!((enabled.life, enabled.surplus, enabled.told), (None, None, None));
    stack.store().note_life_told(&name, ImageLife::Disabled).await.unwrap();
    assert_eq!(image(&stack, 1).await.told, None, "it has changed in the meantime");
}

#[tokio::test]
async fn an_image_that_aws_enabled_and_somebody_uses_is_not_disabled_again() {
    let stack = published(2).await;
    sweep(&stack).await;
    let amis = image(&stack, 1).await.amis;
    let kept = Tags::from([(TAG_KEEP.to_owned(), String::new())]);
    for (region, ami) in &amis {
        stack.cloud.enable(region, ami).await.unwrap();
        stack.cloud.tag(region, std::slice::from_ref(ami), &kept).await.unwrap();
    }
    for _ in 0..9 {
        assert_eq!(sweep_later(&stack, DAY).await, 0);
        assert_eq!(states(&stack, 1).await, [Some(ImageState::Available); 2]);
    }
    assert_eq!(lives(&stack, 2).await, [None, None]);
}

#[tokio::test]
async fn an_image_that_a_person_has_disabled_is_left_to_that_person_unless_it_is_revoked() {
    let stack = published(3).await;
    for number in [1, 2] {
        stack.store().set_life(&image(&stack, number).await.image, DISABLED).await.unwrap();
    }
    let revocation = Revocation { at: String::new(), by: "arn:anna".to_owned(), reason: "a hole".to_owned() };
    stack.store().revoke(&image(&stack, 2).await.image, &revocation).await.unwrap();
    assert_eq!(sweep(&stack).await, 1);
    for _ in 0..9 {
        sweep_later(&stack, DAY).await;
    }
    assert_eq!(lives(&stack, 3).await, [DISABLED, DELETED, None]);
}
