//! Tests of automatic starts, one at a time and ten thousand at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use goldsmith_cloud::fake::{AMAZON, FakeCloud, Fault, HOME};
use goldsmith_cloud::{
    Answer, CloudError, Execution, ExecutionStatus, Executions, Kind, Parameter, Parameters, Result, Started,
};
use goldsmith_model::{RebuildOn, SourceImage};
use goldsmith_store::{Key, Table as _, Write};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::events::trigger;
use crate::testing::{BUILD, FakeClock, Stack, Task, whole_build};
use crate::{Clock as _, Context, State};

async fn call(stack: &Stack, event: Value) -> Value {
    trigger::handle(&stack.context(), event).await.unwrap()["started"].clone()
}

fn scheduled(pipeline: &str, time: &str) -> Value {
    json!({"schedule": {"pipeline": pipeline, "scheduledTime": time}})
}

fn started(stack: &Stack) -> Vec<String> {
    stack.cloud.executions().into_iter().map(|execution| execution.input).collect()
}

#[tokio::test]
async fn a_schedule_starts_its_pipeline_once_however_often_it_is_delivered() {
    let stack = Stack::new().await;
    let event = scheduled("web", "2026-11-24T03:00:00Z");
    assert_eq!(call(&stack, event.clone()).await, 1);
    call(&stack, event).await;
    let input = r#"{"pipeline":"web","cause":{"kind":"schedule","scheduledTime":"2026-11-24T03:00:00Z"}}"#;
    assert_eq!(started(&stack), [input]);
}

#[tokio::test]
async fn unknown_calls_and_events_are_dropped() {
    let stack = Stack::new().await;
    for event in [
        json!({}),
        json!([]),
        json!({"schedule": {"pipeline": "web"}}),
        json!({"check": "everything"}),
        scheduled("nowhere", "2026-11-24T03:00:00Z"),
        scheduled("web", "<aws.scheduler.scheduled-time>"),
        json!({"detail-type": "Something Else", "detail": {}}),
        json!({"Records": []}),
    ] {
        assert_eq!(call(&stack, event.clone()).await, 0, "{event}");
    }
    assert!(started(&stack).is_empty());
}

#[tokio::test]
async fn causes_that_arrive_during_a_build_are_merged_and_built_after_it() {
    let stack = Stack::new().await;
    stack.run(&Task::new(State::Plan)).await.unwrap();
    for hour in 4..7 {
        assert_eq!(call(&stack, scheduled("web", &format!("2026-11-24T0{hour}:00:00Z"))).await, 0);
    }
    assert!(started(&stack).is_empty());
    for task in whole_build().iter().skip(1) {
        stack.run(task).await.unwrap();
    }
    let wake = stack.cloud.wakes().into_iter().find(|wake| wake.payload.contains("pending")).unwrap();
    assert_eq!(wake.function, "goldsmith-trigger");
    call(&stack, serde_json::from_str(&wake.payload).unwrap()).await;
    let starts = started(&stack);
    assert_eq!(starts.len(), 1);
    assert!(starts[0].contains("2026-11-24T06:00:00Z"), "{starts:?}");
}

#[tokio::test]
async fn a_release_starts_exactly_the_pipelines_last_built_on_another_image() {
    let stack = Stack::new().await;
    let web = "web".parse().unwrap();
    let source = SourceImage::Parameter("/source".to_owned());
    stack.store().subscribe(&web, &source, RebuildOn::SourceUpdate).await.unwrap();
    let check = json!({"check": "sources"});
    assert_eq!(call(&stack, check.clone()).await, 0, "never built: the image of now is its beginning");
    let patched = stack.cloud.add_image(HOME, AMAZON, "debian-12.1");
    stack.point_source_to(&patched).await;
    // An SNS announcement only makes the check run: the AMI id in it is believed by nobody.
    stack.clock.advance(jiff::SignedDuration::from_mins(1));
    let announcement = json!({"Records": [{"Sns": {"Message": "{\"ami\": \"ami-ffffffff\"}"}}]});
    assert_eq!(call(&stack, announcement).await, 1);
    call(&stack, check).await;
    let starts = started(&stack);
    assert_eq!(starts.len(), 1);
    assert!(starts[0].contains(&patched) && !starts[0].contains("ami-ffffffff"), "{starts:?}");
    assert_ne!(stack.cloud.executions()[0].name, BUILD);
}

/// What a check of the sources reads, as calls and items.
async fn reads_of_a_check(stack: &Stack) -> (usize, usize) {
    let before = stack.table.reads();
    call(stack, json!({"check": "sources"})).await;
    let after = stack.table.reads();
    (after.calls - before.calls, after.items - before.items)
}

/// Makes pipelines watch sources in turn. All of them were built from the newest image of their source.
async fn up_to_date(stack: &Stack, pipelines: usize, sources: usize) -> Vec<SourceImage> {
    // No pipeline makes images below `/aws/`, so a change costs no look at the definitions.
    let sources: Vec<SourceImage> = (0..sources).map(|n| SourceImage::Parameter(format!("/aws/{n}"))).collect();
    for source in &sources {
        release(stack, source).await;
    }
    for n in 0..pipelines {
        let (source, pipeline) = (&sources[n % sources.len()], format!("pipeline-{n}").parse().unwrap());
        stack.store().subscribe(&pipeline, source, RebuildOn::SourceUpdate).await.unwrap();
    }
    // The first check gives each of them the image of now.
    assert_eq!(call(stack, json!({"check": "sources"})).await, 0);
    sources
}

async fn release(stack: &Stack, source: &SourceImage) -> String {
    let SourceImage::Parameter(name) = source else { panic!("{source}") };
    let value = stack.cloud.add_image(HOME, AMAZON, "release");
    let parameter = Parameter { value: value.clone(), data_type: "text".to_owned() };
    stack.cloud.put(HOME, name, &parameter).await.unwrap();
    value
}

#[tokio::test]
async fn a_check_reads_the_sources_and_what_has_changed() {
    // Calls and items. Each source costs two calls, which find one item, beside its entry in the list. If it has
    // changed, each AMI from which pipelines were built costs two more calls, and each of these pipelines seven for its
    // start.
    for (sources, unchanged, changed) in [(1, (5, 3), (28, 10)), (3, (9, 7), (36, 16))] {
        for pipelines in [50, 500] {
            let stack = Stack::new().await;
            let watched = up_to_date(&stack, pipelines, sources).await;
            assert_eq!(reads_of_a_check(&stack).await, unchanged, "{pipelines} pipelines on {sources}");
            for n in 0..3 {
                let (source, pipeline) = (&watched[n % sources], format!("pipeline-{n}").parse().unwrap());
                stack.store().note_built(&source.hash(), &pipeline, "ami-0").await.unwrap();
            }
            assert_eq!(reads_of_a_check(&stack).await, changed, "{pipelines} pipelines on {sources}");
            assert_eq!(started(&stack).len(), 3);
        }
    }
}

#[tokio::test]
async fn a_subscription_that_an_earlier_version_has_left_starts_nothing() {
    let stack = Stack::new().await;
    let sources = up_to_date(&stack, 2, 1).await;
    let key = Key::new("PIPELINE#pipeline-0", "SOURCE");
    stack.table.write(vec![Write::Delete { key, checks: vec![] }]).await.unwrap();
    release(&stack, &sources[0]).await;
    assert_eq!(call(&stack, json!({"check": "sources"})).await, 1);
    let starts = started(&stack);
    assert!(starts.len() == 1 && starts[0].contains("pipeline-1"), "{starts:?}");
    assert_eq!(stack.store().subscribers(&sources[0].hash()).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_check_whose_starts_are_all_throttled_ends_and_loses_no_start() {
    let stack = Stack::new().await;
    let (web, source) = ("web".parse().unwrap(), SourceImage::Parameter("/source".to_owned()));
    stack.store().subscribe(&web, &source, RebuildOn::SourceUpdate).await.unwrap();
    call(&stack, json!({"check": "sources"})).await;
    let image = stack.cloud.add_image(HOME, AMAZON, "debian-12.1");
    stack.point_source_to(&image).await;
    stack.cloud.fail_always("StartExecution", HOME, Fault::Refuse(Kind::Throttled));
    for _ in 0..3 {
        assert_eq!(call(&stack, json!({"check": "sources"})).await, 0);
    }
    assert!(stack.cloud.wakes().is_empty(), "{:?}", stack.cloud.wakes());
    stack.cloud.heal();
    stack.clock.advance(jiff::SignedDuration::from_mins(2));
    crate::events::reap::handle(&stack.context(), json!({})).await.unwrap();
    assert_eq!(started(&stack).len(), 1);
}

/// The rate limit that StartExecution has in AWS's largest Regions, and a counter of the reads of parameters.
struct Throttled {
    cloud: FakeCloud,
    clock: FakeClock,
    bucket: Mutex<(f64, Timestamp)>,
    looks: AtomicUsize,
    refused: AtomicUsize,
}

const BUCKET: f64 = 1_300.0;
const PER_SECOND: f64 = 300.0;

#[async_trait]
impl Executions for Throttled {
    async fn start(&self, machine: &str, name: &str, input: &str) -> Result<Started> {
        {
            let mut bucket = self.bucket.lock().unwrap();
            let now = self.clock.now();
            let refilled = bucket.0 + now.duration_since(bucket.1).as_secs_f64() * PER_SECOND;
            *bucket = (refilled.min(BUCKET) - 1.0, now);
            if bucket.0 < 0.0 {
                bucket.0 = 0.0;
                self.refused.fetch_add(1, Ordering::Relaxed);
                return Err(CloudError {
                    operation: "StartExecution",
                    region: HOME.to_owned(),
                    code: "ThrottlingException".to_owned(),
                    message: "Rate exceeded".to_owned(),
                    kind: Kind::Throttled,
                    source: None,
                });
            }
        }
        Executions::start(&self.cloud, machine, name, input).await
    }
    async fn execution(&self, arn: &str) -> Result<Option<Execution>> {
        self.cloud.execution(arn).await
    }
    async fn running(&self, machine: &str) -> Result<Vec<String>> {
        self.cloud.running(machine).await
    }
    async fn stop(&self, arn: &str, error: &str, cause: &str) -> Result<()> {
        Executions::stop(&self.cloud, arn, error, cause).await
    }
    async fn succeed(&self, token: &str, output: &str) -> Result<Answer> {
        self.cloud.succeed(token, output).await
    }
    async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<Answer> {
        self.cloud.fail(token, error, cause).await
    }
    async fn is_waiting(&self, token: &str) -> Result<bool> {
        self.cloud.is_waiting(token).await
    }
}

#[async_trait]
impl Parameters for Throttled {
    async fn get(&self, region: &str, name: &str) -> Result<Option<Parameter>> {
        self.looks.fetch_add(1, Ordering::Relaxed);
        self.cloud.get(region, name).await
    }
    async fn get_all(&self, region: &str, names: &[String]) -> Result<BTreeMap<String, Parameter>> {
        self.looks.fetch_add(names.len(), Ordering::Relaxed);
        self.cloud.get_all(region, names).await
    }
    async fn put(&self, region: &str, name: &str, parameter: &Parameter) -> Result<()> {
        self.cloud.put(region, name, parameter).await
    }
    async fn delete(&self, region: &str, name: &str) -> Result<()> {
        self.cloud.delete(region, name).await
    }
}

#[tokio::test]
async fn ten_thousand_pipelines_on_twenty_sources_cost_twenty_looks() {
    const PIPELINES: usize = 10_000;
    const SOURCES: usize = 20;
    let stack = Stack::new().await;
    let (old, new) = (stack.cloud.add_image(HOME, AMAZON, "old"), stack.cloud.add_image(HOME, AMAZON, "new"));
    let store = stack.store();
    for n in 0..SOURCES {
        let parameter = Parameter { value: new.clone(), data_type: "text".to_owned() };
        stack.cloud.put(HOME, &format!("/source/{n}"), &parameter).await.unwrap();
    }
    for n in 0..PIPELINES {
        let source = SourceImage::Parameter(format!("/source/{}", n % SOURCES));
        let pipeline = format!("pipeline-{n}").parse().unwrap();
        store.subscribe(&pipeline, &source, RebuildOn::SourceUpdate).await.unwrap();
        // Every second one was built on the new image already.
        let last = if n % 2 == 0 { &old } else { &new };
        store.note_built(&source.hash(), &pipeline, last).await.unwrap();
    }
    let throttled = Arc::new(Throttled {
        cloud: stack.cloud.clone(),
        clock: stack.clock.clone(),
        bucket: Mutex::new((BUCKET, stack.clock.now())),
        looks: AtomicUsize::new(0),
        refused: AtomicUsize::new(0),
    });
    let context = || -> Context {
        let mut context = stack.context();
        context.cloud.executions = throttled.clone();
        context.cloud.parameters = throttled.clone();
        context
    };
    trigger::handle(&context(), json!({"check": "sources"})).await.unwrap();
    assert_eq!(throttled.looks.load(Ordering::Relaxed), SOURCES, "looks of one check");
    // What one invocation has no time for it hands to the next.
    let mut delivered = 0;
    while let Some(wake) = stack.cloud.wakes().get(delivered).cloned() {
        delivered += 1;
        trigger::handle(&context(), serde_json::from_str(&wake.payload).unwrap()).await.unwrap();
    }
    let running = stack.cloud.executions();
    assert_eq!(running.len(), PIPELINES / 2);
    assert!(running.iter().all(|execution| execution.status == ExecutionStatus::Running));
    let accepted = stack.cloud.effects().iter().filter(|effect| effect.name == "StartExecution").count();
    assert!(throttled.refused.load(Ordering::Relaxed) > 0, "the bucket was never empty");
    assert_eq!(accepted, PIPELINES / 2, "no start was asked for twice");
}

/// Parameters whose reads each advance the clock by a second.
struct Slow {
    cloud: FakeCloud,
    clock: FakeClock,
}

#[async_trait]
impl Parameters for Slow {
    async fn get(&self, region: &str, name: &str) -> Result<Option<Parameter>> {
        self.clock.advance(jiff::SignedDuration::from_secs(1));
        self.cloud.get(region, name).await
    }
    async fn get_all(&self, region: &str, names: &[String]) -> Result<BTreeMap<String, Parameter>> {
        self.clock.advance(jiff::SignedDuration::from_secs(i64::try_from(names.len()).unwrap()));
        self.cloud.get_all(region, names).await
    }
    async fn put(&self, region: &str, name: &str, parameter: &Parameter) -> Result<()> {
        self.cloud.put(region, name, parameter).await
    }
    async fn delete(&self, region: &str, name: &str) -> Result<()> {
        self.cloud.delete(region, name).await
    }
}

/// A stack with this many sources. Each source has a pipeline whose last build started from another image.
async fn far_away(sources: usize) -> Stack {
    let stack = Stack::new().await;
    let (old, new) = (stack.cloud.add_image(HOME, AMAZON, "old"), stack.cloud.add_image(HOME, AMAZON, "new"));
    for n in 0..sources {
        let parameter = Parameter { value: new.clone(), data_type: "text".to_owned() };
        stack.cloud.put(HOME, &format!("/source/{n}"), &parameter).await.unwrap();
        let source = SourceImage::Parameter(format!("/source/{n}"));
        let pipeline = format!("pipeline-{n}").parse().unwrap();
        stack.store().subscribe(&pipeline, &source, RebuildOn::SourceUpdate).await.unwrap();
        stack.store().note_built(&source.hash(), &pipeline, &old).await.unwrap();
    }
    stack
}

/// Runs a check with all the invocations that continue it, and returns the number of invocations.
async fn check_to_its_end(stack: &Stack) -> usize {
    let slowly = || -> Context {
        let mut context = stack.context();
        context.cloud.parameters = Arc::new(Slow { cloud: stack.cloud.clone(), clock: stack.clock.clone() });
        context
    };
    let mut delivered = stack.cloud.wakes().len();
    let before = delivered;
    let call = async |event: Value| {
        let begun = stack.clock.now();
        trigger::handle(&slowly(), event).await.unwrap();
        let took = stack.clock.now().duration_since(begun);
        assert!(took < jiff::SignedDuration::from_secs(110), "an invocation takes {took:#}");
    };
    call(json!({"check": "sources"})).await;
    while let Some(wake) = stack.cloud.wakes().get(delivered).cloned() {
        delivered += 1;
        assert!(delivered < before + 50, "the chain does not end");
        call(serde_json::from_str(&wake.payload).unwrap()).await;
    }
    1 + delivered - before
}

#[tokio::test]
async fn a_slow_check_of_sources_resumes_where_it_stopped_and_ends() {
    let stack = far_away(250).await;
    assert_eq!(check_to_its_end(&stack).await, 4, "250 seconds, and 80 in an invocation");
    assert_eq!(stack.cloud.executions().len(), 250);
    // Nobody waits for the sources that were done before.
    assert_eq!(check_to_its_end(&stack).await, 4);
    assert_eq!(stack.cloud.executions().len(), 250, "no start is made twice");
}

#[tokio::test]
async fn a_check_with_too_many_invocations_ends_and_the_next_one_resumes() {
    let stack = far_away(1_200).await;
    assert_eq!(check_to_its_end(&stack).await, 10);
    let started = stack.cloud.executions().len();
    assert!((800..1_200).contains(&started), "{started}");
    check_to_its_end(&stack).await;
    assert_eq!(stack.cloud.executions().len(), 1_200);
}

#[tokio::test]
async fn a_source_that_cannot_be_looked_up_keeps_no_other_from_being_built() {
    let stack = far_away(3).await;
    stack.cloud.fail_always("GetParameters", HOME, Fault::Refuse(Kind::Throttled));
    stack.cloud.fail_next("GetParameter", Fault::Refuse(Kind::Throttled));
    let failed = trigger::handle(&stack.context(), json!({"check": "sources"})).await;
    assert!(failed.is_err(), "what may work later is tried again");
    assert_eq!(stack.cloud.executions().len(), 2);
    trigger::handle(&stack.context(), json!({"check": "sources"})).await.unwrap();
    assert_eq!(stack.cloud.executions().len(), 3);
}
