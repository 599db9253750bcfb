//! The builds of many pipelines in an account with room for a few.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use goldsmith_cloud::Machines as _;
use goldsmith_cloud::fake::{Between, Fault, HOME, OnItsWay};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::an_instance_ends;
use crate::testing::{Stack, Task};
use crate::{Clock as _, Start, State};

/// Plans a build of a pipeline of its own. The build has the pipeline's name.
pub(super) async fn plan(stack: &Stack, name: &str) {
    let mut pipeline = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    pipeline.name = name.parse().unwrap();
    stack.put_pipeline(pipeline).await;
    let plan = Task { input: Some(json!({"pipeline": name})), ..Task::new(State::Plan) };
    stack.run_as(name, &plan).await.unwrap();
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

/// Counts the calls of `RunInstances`.
#[derive(Default)]
struct Counted(AtomicUsize);

#[async_trait]
impl Between for Counted {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        self.0.fetch_add(usize::from(call.name == "RunInstances"), Ordering::Relaxed);
        None
    }
}

#[tokio::test]
async fn two_hundred_builds_with_room_for_ten_all_launch() {
    const BUILDS: usize = 200;
    let (mut stack, counted) = (Stack::new().await, Arc::new(Counted::default()));
    stack.cloud = stack.cloud.behind(Arc::clone(&counted) as Arc<dyn Between>);
    for n in 0..BUILDS {
        plan(&stack, &format!("web-{n}")).await;
    }
    stack.cloud.room_for(10);
    let began = stack.clock.now();
    for n in 0..BUILDS {
        launch(&stack, &format!("web-{n}")).await;
    }
    // Each instance is needed for twelve minutes from when it is first seen.
    let mut until: BTreeMap<String, Timestamp> = BTreeMap::new();
    let (mut most, mut asked) = (0, Vec::new());
    while stack.cloud.answers().len() < BUILDS {
        let before = counted.0.load(Ordering::Relaxed);
        stack.tick_after(SignedDuration::from_mins(1)).await;
        let now = stack.clock.now();
        let there = stack.inventory().region(HOME).instances;
        most = most.max(there.len());
        for id in there.into_keys() {
            if now >= *until.entry(id.clone()).or_insert(now + SignedDuration::from_mins(12)) {
                stack.cloud.terminate(HOME, &id).await.unwrap();
                stack.cloud.settle();
                an_instance_ends(&stack, "terminated").await;
            }
        }
        asked.push(counted.0.load(Ordering::Relaxed) - before);
    }
    assert!(stack.cloud.answers().iter().all(|answer| answer.result.is_ok()));
    assert_eq!((most, stack.cloud.requests().launches.len()), (10, BUILDS));
    // If each free place was used at once, the last of 20 rounds of twelve minutes would begin after 228 minutes.
    let minutes = stack.clock.now().duration_since(began).as_mins();
    assert!((228..270).contains(&minutes), "{minutes} minutes");
    // Without pauses, 100 builds would wait on average, and ask for two types each minute: 50,000 calls.
    let (all, busiest) = (asked.iter().sum::<usize>(), asked.iter().max().copied().unwrap());
    assert!(all < 8_000 && busiest < 160, "{all} calls, {busiest} in the busiest minute");
}
