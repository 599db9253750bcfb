//! The builds of many pipelines in an account with room for a few.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use goldsmith_cloud::fake::{Between, Fault, HOME, OnItsWay};
use goldsmith_cloud::{Kind, Machines as _};
use goldsmith_store::{Item, Key, Table as _};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::an_instance_ends;
use crate::testing::{FakeClock, Stack, Task};
use crate::{Clock as _, Start, State};

/// Plans a build of a pipeline of its own. The build has the pipeline's name.
pub(super) async fn plan(stack: &Stack, name: &str, priority: u32) {
    let mut pipeline = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    pipeline.name = name.parse().unwrap();
    pipeline.priority = priority;
    stack.put_pipeline(pipeline).await;
    let plan = Task { input: Some(json!({"pipeline": name})), ..Task::new(State::Plan) };
    stack.run_as(name, &plan).await.unwrap();
}

/// Plans such a build on one instance type.
pub(super) async fn plan_with(stack: &Stack, name: &str, priority: u32, instance_type: &str) {
    plan(stack, name, priority).await;
    change(stack, name, |item| item["plan"]["launch"]["instanceTypes"] = json!([instance_type])).await;
}

/// Changes the record of a build.
pub(super) async fn change(stack: &Stack, build: &str, change: impl FnOnce(&mut Item)) {
    let mut item = stack.table.get(&Key::new(format!("BUILD#{build}"), "META")).await.unwrap().unwrap();
    change(&mut item);
    stack.put_item(item.into()).await;
}

/// Starts Launch of a build.
pub(super) async fn launch(stack: &Stack, build: &str) {
    let token = format!("token-{build}");
    stack.cloud.open_token(&token);
    let start = Start {
        build: build.to_owned(),
        state: State::Launch,
        item: None,
        token: Some(token),
        execution: stack.context().config.execution_arn(build),
        input: None,
        results: None,
        error: None,
    };
    stack.invoke(start).await.unwrap().unwrap();
}

/// The limit of the rate of launches that EC2 publishes: a bucket of five, which two launches fill each second (EC2
/// developer guide, "Request throttling for the Amazon EC2 API").
struct Bucket {
    clock: FakeClock,
    /// What is in the bucket, and since when.
    left: Mutex<(f64, Timestamp)>,
    /// Whether all calls are made at the same time.
    is_rush: AtomicBool,
    /// The calls of each minute.
    calls: Mutex<BTreeMap<i64, usize>>,
    throttled: AtomicUsize,
}

impl Bucket {
    const MOST: f64 = 5.0;
    const PER_SECOND: f64 = 2.0;
    /// How long a call takes.
    const CALL: SignedDuration = SignedDuration::from_millis(300);

    fn new(clock: FakeClock) -> Self {
        let left = Mutex::new((Self::MOST, clock.now()));
        let (calls, throttled) = (Mutex::default(), AtomicUsize::default());
        Self { clock, left, is_rush: AtomicBool::new(true), calls, throttled }
    }

    fn takes_one(&self) -> bool {
        let (mut left, now) = (self.left.lock().unwrap(), self.clock.now());
        let passed = now.duration_since(left.1).as_secs_f64().max(0.0);
        let filled = (left.0 + passed * Self::PER_SECOND).min(Self::MOST);
        let takes = filled >= 1.0;
        *left = (filled - f64::from(u8::from(takes)), now);
        takes
    }
}

#[async_trait]
impl Between for Bucket {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        if call.name != "RunInstances" {
            return None;
        }
        // The SDK makes three attempts.
        for pause in [0, 1, 2] {
            *self.calls.lock().unwrap().entry(self.clock.now().as_second() / 60).or_default() += 1;
            if !self.is_rush.load(Ordering::Relaxed) {
                self.clock.advance(SignedDuration::from_secs(pause) + Self::CALL);
            }
            if self.takes_one() {
                return None;
            }
        }
        self.throttled.fetch_add(1, Ordering::Relaxed);
        Some(Fault::Refuse(Kind::Throttled))
    }
}

/// How the launches of many builds went.
#[derive(Debug)]
struct Course {
    /// From the first launch to the last one.
    minutes: i64,
    /// The time for which instances existed, in per cent of the time for which there was room for them.
    used: i64,
    /// The most instances at a time.
    most: usize,
    /// Calls of RunInstances: all of them, those of the busiest minute, and those that were throttled.
    calls: usize,
    busiest: usize,
    throttled: usize,
    /// How many items all functions have read, for each launch.
    read: usize,
}

/// Starts the launches of so many builds at the same time, each of which needs its instance for so many minutes.
async fn launch_all(builds: usize, room: usize, each: i64) -> Course {
    let mut stack = Stack::new().await;
    let bucket = Arc::new(Bucket::new(stack.clock.clone()));
    for n in 0..builds {
        plan(&stack, &format!("web-{n}"), 0).await;
    }
    stack.cloud = stack.cloud.behind(Arc::clone(&bucket) as Arc<dyn Between>);
    stack.cloud.room_for(room);
    let (began, reads) = (stack.clock.now(), stack.table.reads());
    for n in 0..builds {
        launch(&stack, &format!("web-{n}")).await;
    }
    bucket.is_rush.store(false, Ordering::Relaxed);
    let mut until: BTreeMap<String, Timestamp> = BTreeMap::new();
    let (mut most, mut next) = (0, began);
    while stack.cloud.answers().len() < builds {
        next = stack.clock.now().max(next + SignedDuration::from_mins(1));
        stack.tick_after(next.duration_since(stack.clock.now())).await;
        let there = stack.inventory().region(HOME).instances;
        most = most.max(there.len());
        let (now, mut seen) = (stack.clock.now(), 0);
        for id in there.into_keys() {
            let until = *until.entry(id.clone()).or_insert(next + SignedDuration::from_mins(each));
            // The next minute serves the rest.
            if now >= until && seen < 120 {
                stack.cloud.terminate(HOME, &id).await.unwrap();
                stack.cloud.settle();
                an_instance_ends(&stack, "terminated").await;
                // The functions for these events run at the same time. Only EC2's limit keeps them apart.
                seen += 1;
                let then = now + SignedDuration::from_secs_f64(f64::from(seen) / Bucket::PER_SECOND);
                stack.clock.advance(then.duration_since(stack.clock.now()));
            }
        }
    }
    for answer in stack.cloud.answers() {
        assert!(answer.result.is_ok(), "{}: {:?}", answer.token, answer.result);
    }
    assert_eq!(stack.cloud.requests().launches.len(), builds);
    let end = stack.clock.now();
    let minutes = end.duration_since(began).as_mins();
    let lived = until.values().map(|until| each - until.duration_since(end).max(SignedDuration::ZERO).as_mins());
    let calls = bucket.calls.lock().unwrap();
    Course {
        minutes,
        used: lived.sum::<i64>() * 100 / (i64::try_from(room).unwrap() * minutes),
        most,
        calls: calls.values().sum(),
        busiest: calls.values().copied().max().unwrap(),
        throttled: bucket.throttled.load(Ordering::Relaxed),
        read: (stack.table.reads().items - reads.items) / builds,
    }
}

#[tokio::test]
async fn two_hundred_builds_with_room_for_ten_all_launch_and_use_all_room() {
    let course = launch_all(200, 10, 12).await;
    println!("{course:?}");
    assert!(course.minutes >= 228 && course.used >= 90 && course.most == 10, "{course:?}");
    // Each launch asks once, and the first one in the line asks for two types at its turn and after its pauses.
    assert!(course.calls < 2 * 200 && course.busiest < 50 && course.throttled <= 1, "{course:?}");
    assert!(course.read < 50, "{course:?}");
}

/// Takes minutes without optimization: `make many` runs it.
#[tokio::test]
#[ignore = "10,000 builds take minutes"]
async fn ten_thousand_builds_with_room_for_seven_hundred_all_launch_and_use_all_room() {
    let course = launch_all(10_000, 700, 20).await;
    println!("{course:?}");
    assert!(course.used >= 90 && course.most == 700, "{course:?}");
    assert!(course.calls < 12_000 && course.busiest <= 150, "{course:?}");
    assert!(course.read < 50, "{course:?}");
}
