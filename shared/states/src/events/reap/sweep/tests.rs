//! Tests what the sweep of many builds costs, and that no build waits forever behind others.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use goldsmith_cloud::fake::{ACCOUNT, Fault, HOME};
use goldsmith_cloud::{Kind, Tags};
use goldsmith_store::{BuildRecord, ImageRecord, Round};
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use serde_json::{Value, json};

use crate::events::reap;
use crate::testing::{AWAY, BUILD, Stack, whole_build};
use crate::{Clock, TAG_BUILD};

/// A stack with one published build, and its records.
async fn published() -> (Stack, BuildRecord, ImageRecord) {
    let stack = Stack::new().await;
    for task in whole_build() {
        stack.run(&task).await.unwrap();
    }
    let (build, image) = (stack.record().await, stack.image().await);
    (stack, build, image)
}

async fn put(stack: &Stack, pk: &str, sk: &str, record: &impl Serialize) {
    let mut item = json!(record);
    item.as_object_mut().unwrap().extend([("pk".to_owned(), json!(pk)), ("sk".to_owned(), json!(sk))]);
    stack.put_item(item).await;
}

/// Puts the records of another published build, whose image exists in the home Region. Returns the build's tags.
async fn copy(stack: &Stack, number: u32, build: &BuildRecord, image: &ImageRecord) -> Tags {
    let mut image = image.clone();
    image.build = format!("build-{number:05}");
    image.image.build = number;
    let tags = Tags::from([(TAG_BUILD.to_owned(), image.build.clone())]);
    let tags: Tags = stack.context().tags(build).into_iter().chain(tags).collect();
    let id = stack.cloud.add_image(HOME, ACCOUNT, &format!("copy {number}"));
    stack.cloud.edit_image(HOME, &id, |image| image.tags = tags.clone());
    image.amis = [(HOME.to_owned(), id)].into();
    image.snapshots.clear();
    let build = BuildRecord { build: image.build.clone(), image: image.image.clone(), ..build.clone() };
    put(stack, &format!("BUILD#{}", build.build), "META", &build).await;
    let sk = format!("V#{}#{number:010}", image.image.version.padded());
    put(stack, &format!("IMAGE#{}", image.image.name), &sk, &image).await;
    tags
}

async fn sweep(stack: &Stack, clock: Arc<dyn Clock>) -> Value {
    let mut context = stack.context();
    context.clock = clock;
    reap::handle(&context, json!({"sweep": true})).await.unwrap()
}

#[tokio::test]
async fn ten_thousand_published_builds_cost_two_reads_each_and_no_search() {
    const BUILDS: u32 = 10_000;
    let (stack, build, image) = published().await;
    for number in 0..BUILDS {
        copy(&stack, number + 10, &build, &image).await;
    }
    let (effects, before) = (stack.cloud.effects().len(), stack.table.reads());
    sweep(&stack, Arc::new(stack.clock.clone())).await;
    let after = stack.table.reads();
    let builds = usize::try_from(BUILDS).unwrap() + 1;
    // The lists of Regions, strangers, open builds and causes, and the cursor.
    assert!(after.calls - before.calls <= 2 * builds + 10, "{before:?} {after:?}");
    assert!(after.items - before.items <= 2 * builds + 10, "{before:?} {after:?}");
    assert_eq!(stack.cloud.effects().len(), effects, "nothing is written or removed");
}

/// A clock that advances by a second each time it is read.
struct Slow(AtomicI64);

#[async_trait]
impl Clock for Slow {
    fn now(&self) -> Timestamp {
        Timestamp::from_second(self.0.fetch_add(1, Ordering::Relaxed)).unwrap()
    }
    async fn sleep(&self, time: Duration) {
        self.0.fetch_add(i64::try_from(time.as_secs()).unwrap(), Ordering::Relaxed);
    }
}

#[tokio::test]
async fn a_sweep_that_runs_out_of_time_resumes_until_each_build_had_a_turn() {
    const BUILDS: u32 = 300;
    let (stack, build, image) = published().await;
    let mut last = Tags::new();
    for number in 0..BUILDS {
        last = copy(&stack, number + 10, &build, &image).await;
    }
    // The build that sorts last has left a volume that nobody knows: a stranger, which is told of.
    let volume = stack.cloud.add_volume(HOME, &last);
    let clock = Arc::new(Slow(AtomicI64::new((stack.clock.now() + SignedDuration::from_hours(1)).as_second())));
    let mut sweeps = 0;
    while stack.store().leftovers().await.unwrap().is_empty() {
        sweep(&stack, clock.clone()).await;
        sweeps += 1;
        assert!(sweeps < 20, "the last build never has its turn");
    }
    assert!(sweeps > 1, "all were swept at once: the clock does not tell");
    assert_eq!(stack.store().leftovers().await.unwrap()[0].id, volume);
    // Once it is at its end, it begins anew, and also what it had begun with comes again.
    let cursor = || async { stack.store().cursor(Round::Sweep).await.unwrap() };
    let mut seen = Vec::new();
    for _ in 0..10 {
        sweep(&stack, clock.clone()).await;
        seen.push(cursor().await);
    }
    assert!(seen.iter().flatten().any(|build| build.as_str() < BUILD), "{seen:?}");
    assert!(seen.windows(2).any(|pair| pair[1] < pair[0]), "it never comes round: {seen:?}");
}

#[tokio::test]
async fn a_sweep_without_time_left_still_records_strangers_and_looks_at_one_build() {
    let (stack, build, image) = published().await;
    let mut tags = Tags::new();
    for number in 10..14 {
        tags = copy(&stack, number, &build, &image).await;
    }
    let of_last = stack.cloud.add_volume(HOME, &tags);
    tags.remove(TAG_BUILD);
    let of_none = stack.cloud.add_volume(HOME, &tags);
    let cursor = || async { stack.store().cursor(Round::Sweep).await.unwrap() };
    let known = || async {
        let all = stack.store().leftovers().await.unwrap();
        all.into_iter().map(|one| one.id).collect::<BTreeSet<String>>()
    };
    let late = async || super::sweep(&stack.context(), Timestamp::MIN).await.unwrap();
    for number in 10..14 {
        late().await;
        assert_eq!(cursor().await, Some(format!("build-{number:05}")));
        assert!(known().await.contains(&of_none));
    }
    assert_eq!(known().await, BTreeSet::from([of_last, of_none]));
    late().await;
    assert_eq!(cursor().await.as_deref(), Some(BUILD));
    // A sweep that sees no build, since nothing can be listed, forgets nothing.
    for call in ["DescribeInstances", "DescribeVolumes", "DescribeImages", "DescribeSnapshots"] {
        for region in [HOME, AWAY] {
            stack.cloud.fail_always(call, region, Fault::Refuse(Kind::Throttled));
        }
    }
    late().await;
    assert_eq!(cursor().await.as_deref(), Some(BUILD));
}
