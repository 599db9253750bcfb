//! How many calls to AWS a whole build makes if everything in AWS takes its published time.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use goldsmith_cloud::fake::{Between, FakeCloud, Fault, HOME, OnItsWay};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::task::{LocalSet, spawn_local};
use tokio::time::Instant;

use crate::testing::{Stack, TABLE_READ, TABLE_WRITE, Task, outcomes, whole_build};
use crate::{Clock, Context, State, dispatch, spec};

/// The published seconds (`docs/local-ec2.md`) for an image that is small.
const BOOT: u64 = 35;
const ONLINE: u64 = 10;
const STOP: u64 = 15;
const TERMINATE: u64 = 30;
const SNAPSHOT: u64 = 20;
const COPY: u64 = 1;
const PARAMETER: u64 = 2;
/// The seconds of a command that has little to do. Nobody has published them.
const COMMAND: u64 = 1;
/// More looks than a build makes, so that only the clock changes the resources.
const MANY: u32 = 1_000_000;

/// The clock of tokio. It is paused, so it jumps to the next time for which somebody waits.
#[derive(Clone, Copy)]
struct Paused(Instant);

#[async_trait]
impl Clock for Paused {
    fn now(&self) -> Timestamp {
        "2026-11-24T03:00:00Z".parse::<Timestamp>().unwrap() + self.0.elapsed()
    }
    #[expect(clippy::disallowed_methods, reason = "this is the clock of the test")]
    async fn sleep(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }
}

/// Counts the calls, and keeps those that change something until their consequences are on their way.
struct Counted {
    cloud: FakeCloud,
    clock: Paused,
    calls: Mutex<BTreeMap<&'static str, usize>>,
    made: Mutex<Vec<(&'static str, String)>>,
}

#[async_trait]
impl Between for Counted {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        *self.calls.lock().unwrap().entry(call.name).or_default() += 1;
        if call.name == "RunInstances" {
            self.cloud.consoles_say("", self.clock.now());
        }
        if call.changes {
            self.made.lock().unwrap().push((call.name, call.detail.to_owned()));
        }
        self.clock.sleep(Duration::from_millis(50)).await;
        None
    }
}

/// An account in which time passes.
struct Account {
    stack: Stack,
    counted: Arc<Counted>,
    has_events: bool,
    delivered: Cell<usize>,
}

impl Account {
    fn context(&self) -> Context {
        Context { clock: Arc::new(self.counted.clock), ..self.stack.context() }
    }

    async fn pass(&self, seconds: u64) {
        self.counted.clock.sleep(Duration::from_secs(seconds)).await;
    }

    /// Runs a function next to all that already runs.
    fn call(self: &Rc<Self>, function: &str, payload: Value) {
        let (account, function) = (Rc::clone(self), function.to_owned());
        spawn_local(async move { dispatch(&account.context(), &function, payload).await.unwrap() });
    }

    /// Delivers an event, unless all events are lost.
    fn tell(self: &Rc<Self>, kind: &str, detail: &Value) {
        let event = json!({
            "version": "0", "id": "1", "detail-type": kind, "source": "aws", "account": "1", "region": HOME,
            "time": "2026-11-24T03:00:00Z", "resources": [], "detail": detail,
        });
        if self.has_events {
            self.call("signal", event);
        }
    }

    fn tell_state(self: &Rc<Self>, instance: &str, state: &str) {
        self.tell("EC2 Instance State-change Notification", &json!({"instance-id": instance, "state": state}));
    }

    /// Lets a call have its consequences when it is time, with the events for which the template has a rule. Nothing
    /// else of the build is pending then, except for the ends of instances, for which no state waits.
    async fn follow(self: Rc<Self>, call: &'static str, detail: String) {
        let cloud = &self.stack.cloud;
        match call {
            "RunInstances" => {
                self.pass(BOOT).await;
                cloud.boot(HOME);
                let instance = cloud.inventory().region(HOME).instances.into_keys().next_back().unwrap();
                self.tell_state(&instance, "running");
                self.pass(ONLINE).await;
                cloud.settle();
            }
            "StopInstances" => {
                self.pass(STOP).await;
                cloud.settle();
                self.tell_state(&detail, "stopped");
            }
            "TerminateInstances" => {
                self.pass(TERMINATE).await;
                self.tell_state(&detail, "terminated");
            }
            "CreateImage" => {
                self.pass(SNAPSHOT).await;
                cloud.settle();
                let image = cloud.inventory().region(HOME).images.into_keys().next_back().unwrap();
                self.tell("EC2 AMI State Change", &json!({"ImageId": image, "State": "available"}));
            }
            // Its event comes only in the other Region.
            "CopyImage" => {
                self.pass(COPY).await;
                cloud.settle();
            }
            "SendCommand" => {
                self.pass(COMMAND).await;
                cloud.settle();
                let command = format!("00000000-0000-4000-8000-{:012x}", cloud.requests().commands.len());
                self.tell("EC2 Command Invocation Status-change Notification", &json!({"command-id": command}));
            }
            "PutParameter" => {
                self.pass(PARAMETER).await;
                cloud.settle_parameters();
            }
            _ => {}
        }
    }

    /// Lets consequences follow and functions wake for as long as the account exists.
    async fn live(self: Rc<Self>) {
        loop {
            for (call, detail) in std::mem::take(&mut *self.counted.made.lock().unwrap()) {
                spawn_local(Rc::clone(&self).follow(call, detail));
            }
            for wake in self.stack.cloud.wakes().split_off(self.delivered.get()) {
                self.delivered.set(self.delivered.get() + 1);
                let function = wake.function.strip_prefix("goldsmith-").unwrap();
                self.call(function, serde_json::from_str(&wake.payload).unwrap());
            }
            self.counted.clock.sleep(Duration::from_millis(10)).await;
        }
    }

    async fn tick(self: Rc<Self>, first: u64) {
        self.pass(first).await;
        loop {
            self.call("signal", json!({}));
            self.pass(60).await;
        }
    }

    /// Runs the states as Step Functions does.
    async fn build(self: Rc<Self>, tasks: Vec<Task>) {
        for task in tasks {
            let token = format!("token-{}", task.scope());
            let (function, start) = (spec(task.state).function, json!(task.start(&token)));
            if spec(task.state).timeout().is_none() {
                dispatch(&self.context(), function, start).await.unwrap();
                continue;
            }
            self.stack.cloud.open_token(&token);
            self.call(function, start);
            while self.stack.answer(&token).is_none() {
                self.counted.clock.sleep(Duration::from_millis(20)).await;
            }
            self.stack.answer(&token).unwrap().unwrap();
        }
    }
}

/// Returns a stack whose image is tested on one instance and distributed to two Regions.
async fn with_two_regions() -> Stack {
    let stack = Stack::new().await;
    stack.edit_distribution(|to| to.distributions[1].ami_distribution_configuration.target_accounts.clear()).await;
    stack
}

/// Runs these tasks of a build of the stack's pipeline, and returns the number of calls of each operation of AWS.
async fn calls_of_a_build(
    mut stack: Stack,
    tasks: Vec<Task>,
    has_events: bool,
    first_tick: u64,
) -> BTreeMap<&'static str, usize> {
    stack.cloud.pace(|pace| {
        (pace.until_running, pace.until_online, pace.until_stopped) = (MANY, MANY, MANY);
        (pace.until_image, pace.until_command, pace.until_parameter) = (MANY, MANY, MANY);
    });
    let (cloud, clock) = (stack.cloud.clone(), Paused(Instant::now()));
    cloud.tell_time(move || clock.now());
    let counted = Arc::new(Counted { cloud, clock, calls: Mutex::default(), made: Mutex::default() });
    stack.cloud = stack.cloud.behind(Arc::clone(&counted) as Arc<dyn Between>);
    let account = Rc::new(Account { stack, counted: Arc::clone(&counted), has_events, delivered: Cell::new(0) });
    let local = LocalSet::new();
    local.spawn_local(Rc::clone(&account).live());
    local.spawn_local(Rc::clone(&account).tick(first_tick));
    local.run_until(account.build(tasks)).await;
    let mut calls = std::mem::take(&mut *counted.calls.lock().unwrap());
    calls.retain(|name, _| ![TABLE_READ, TABLE_WRITE].contains(name));
    calls
}

/// Before waits ended with events (commit 7888a1f0), the four builds made 616 calls with events, and 596 if all events
/// were lost. The bounds are what they make now, and some more.
#[tokio::test(start_paused = true)]
async fn four_builds_for_two_regions_with_one_test_make_no_more_calls_than_they_may() {
    for (has_events, most) in [(true, 490), (false, 400)] {
        let mut calls: BTreeMap<&str, usize> = BTreeMap::new();
        for first_tick in [1, 16, 31, 46] {
            for (name, count) in calls_of_a_build(with_two_regions().await, whole_build(), has_events, first_tick).await
            {
                *calls.entry(name).or_default() += count;
            }
        }
        let each: Vec<String> = calls.iter().map(|(name, count)| format!("{count} {name}")).collect();
        let (all, each) = (calls.values().sum::<usize>(), each.join(", "));
        println!("{all} calls: {each}");
        assert!(all <= most, "{all} calls instead of {most} at most: {each}");
    }
}

/// The operations that are not EC2's.
const OF_OTHERS: [&str; 10] = [
    "DescribeInstanceInformation",
    "GetCommandInvocation",
    "GetParameter",
    "HeadObject",
    "Invoke",
    "PutEvents",
    "PutObject",
    "PutParameter",
    "SendCommand",
    "SendTaskSuccess",
];

/// What Packer 1.6.6 does with 29 calls of EC2: an image of one Region without tests.
#[tokio::test(start_paused = true)]
async fn a_build_for_one_region_without_tests_makes_no_more_calls_of_ec2_than_packer() {
    for first_tick in [1, 16, 31, 46] {
        let stack = Stack::new().await;
        let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
        web.image_tests_configuration.image_tests_enabled = false;
        stack.put_pipeline(web).await;
        stack.edit_distribution(|to| to.distributions.truncate(1)).await;
        let one_region = |task: Task| match task.state {
            State::LaunchTest | State::ExecuteTest | State::EndTest | State::JudgeTests => None,
            State::DistributeRegion => Some(task).filter(|task| task.item.as_deref() == Some(HOME)),
            State::Publish => Some(Task { results: Some(outcomes(&[HOME])), ..task }),
            _ => Some(task),
        };
        let tasks = whole_build().into_iter().filter_map(one_region).collect();
        let mut calls = calls_of_a_build(stack, tasks, true, first_tick).await;
        calls.retain(|name, _| !OF_OTHERS.contains(name));
        let all: usize = calls.values().sum();
        println!("{all} calls of EC2: {calls:?}");
        assert!(all <= 29, "{all} calls: {calls:?}");
    }
}
