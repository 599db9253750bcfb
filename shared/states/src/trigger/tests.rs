//! Tests of starts by themselves, one at a time and ten thousand at once.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use goldsmith_cloud::fake::{AMAZON, FakeCloud, Fault, HOME};
use goldsmith_cloud::{
    Answer, CloudError, Execution, ExecutionStatus, Executions, Kind, Parameter, Parameters, Result, Started,
};
use goldsmith_model::{RebuildOn, SourceImage};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::testing::{BUILD, FakeClock, Stack, Task, whole_build};
use crate::{Clock as _, Context, State, trigger};

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
async fn what_nobody_sends_is_dropped() {
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
async fn a_cause_that_arrives_during_a_build_is_built_after_it_and_several_of_a_kind_are_one() {
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
async fn a_release_starts_exactly_those_whose_last_build_was_on_another_image() {
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

#[tokio::test]
async fn where_no_start_is_let_through_for_long_no_check_calls_the_next_one_and_nothing_is_lost() {
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
    crate::reap::handle(&stack.context(), json!({})).await.unwrap();
    assert_eq!(started(&stack).len(), 1);
}

/// StartExecution's bucket as AWS has it in its largest Regions, and every look at parameters counted.
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
async fn ten_thousand_pipelines_on_twenty_sources_cost_twenty_looks_and_their_starts() {
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
