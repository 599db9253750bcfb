//! Tests of builds on spot instances that EC2 takes back during Checkpoint, and during BuildRest.

use goldsmith_cloud::InstanceState;
use goldsmith_cloud::fake::{HOME, NEVER};
use goldsmith_store::StateStatus;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::testing::{Stack, Task, check_state_of, reach_on_in, whole_build_with_checkpoint};
use crate::{ErrorInfo, State};

/// EC2's reason for a spot instance that it has stopped.
const INTERRUPTED: &str = "Server.SpotInstanceShutdown: Spot instance shutdown";

/// When EC2 takes the instance back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum When {
    /// Before Checkpoint looks at the instance for the first time.
    BeforeCheckpoint,
    /// While the instance starts again after its checkpoint.
    Starting,
    /// After the instance was started again, and before its agent is online.
    NotOnline,
    /// Before BuildRest looks at the instance for the first time.
    BeforeBuildRest,
    /// While the documents after the checkpoint run.
    Running,
}

impl When {
    const ALL: [Self; 5] =
        [Self::BeforeCheckpoint, Self::Starting, Self::NotOnline, Self::BeforeBuildRest, Self::Running];

    /// Returns the state that finds out.
    fn state(self) -> State {
        match self {
            Self::BeforeCheckpoint | Self::Starting | Self::NotOnline => State::Checkpoint,
            Self::BeforeBuildRest | Self::Running => State::BuildRest,
        }
    }
}

/// A stack whose pipeline builds on spot instances and makes a checkpoint.
async fn stack() -> Stack {
    let stack = Stack::with_checkpoint().await;
    stack.build_on_spot().await;
    stack
}

/// The only instance of the build.
fn instance(stack: &Stack) -> String {
    let instances = stack.inventory().region(HOME).instances;
    assert_eq!(instances.len(), 1);
    instances.into_keys().next().unwrap()
}

/// Takes the build instance back.
fn take_back(stack: &Stack) {
    stack.cloud.end_instance(HOME, &instance(stack), INTERRUPTED);
}

/// A stack whose build instance was taken back, and the error of the state that has found out.
async fn interrupted(when: When) -> (Stack, ErrorInfo) {
    let task = Task::new(when.state());
    let stack = reach_on_in(stack().await, &whole_build_with_checkpoint(), &task).await;
    stack.cloud.pace(|pace| match when {
        When::BeforeCheckpoint | When::BeforeBuildRest => {}
        When::Starting => pace.until_running = NEVER,
        When::NotOnline => pace.until_online = NEVER,
        When::Running => pace.until_command = NEVER,
    });
    let ended = match when {
        When::BeforeCheckpoint | When::BeforeBuildRest => {
            take_back(&stack);
            stack.run(&task).await
        }
        When::Starting | When::NotOnline | When::Running => {
            let token = stack.start(&task).await;
            stack.tick_after(SignedDuration::from_mins(1)).await;
            assert!(stack.answer(&token).is_none(), "{when:?}");
            let seen = stack.cloud.cloud().machines.instance(HOME, &instance(&stack)).await.unwrap().unwrap().state;
            let starts = if when == When::Starting { InstanceState::Pending } else { InstanceState::Running };
            assert_eq!(seen, starts, "{when:?}");
            take_back(&stack);
            stack.tick_after(SignedDuration::from_mins(1)).await;
            stack.answer(&token).unwrap()
        }
    };
    stack.cloud.pace(|pace| *pace = Default::default());
    (stack, ended.unwrap_err())
}

#[tokio::test]
async fn build_rest_survives_every_fault_on_spot() {
    let effects = ["PutObject", "SendCommand", "SendTaskSuccess"];
    check_state_of(stack, &whole_build_with_checkpoint(), Task::new(State::BuildRest), &effects).await;
}

#[tokio::test]
async fn launch_again_survives_every_fault_after_an_interruption_around_the_checkpoint() {
    let task = Task::new(State::LaunchAgain);
    let effects = ["CancelSpotInstanceRequests", "TerminateInstances", "RunInstances", "SendTaskSuccess"];
    for when in [When::Starting, When::Running] {
        let new = async || interrupted(when).await.0;
        check_state_of(new, std::slice::from_ref(&task), task.clone(), &effects).await;
    }
}

#[tokio::test]
async fn a_build_that_is_interrupted_around_its_checkpoint_continues_on_demand() {
    for when in When::ALL {
        let (stack, error) = interrupted(when).await;
        assert_eq!(error.error, "Goldsmith.Interrupted", "{when:?}: {}", error.cause);
        assert!(error.cause.contains(INTERRUPTED) && error.cause.contains("starts again on demand"), "{}", error.cause);
        let tasks = whole_build_with_checkpoint();
        let rest = tasks.iter().skip_while(|task| task.state != State::Snapshot);
        for task in [Task::new(State::LaunchAgain), Task::new(State::BuildAgain)].iter().chain(rest) {
            let ended = stack.run(task).await;
            assert!(ended.is_ok(), "{when:?}: {}: {ended:?}", task.scope());
        }
        let launches = stack.cloud.requests().launches;
        let markets: Vec<bool> = launches.iter().map(|(_, launch)| launch.market.is_spot()).collect();
        assert_eq!(markets, [true, false, false], "{when:?}");
        assert_eq!(stack.ordered("BuildAgain").documents.len(), 3, "{when:?}: all documents run again");

        let build = stack.record().await.build;
        let state = async |state: State| stack.store().state(&build, &state.into()).await.unwrap().unwrap();
        assert_eq!(state(when.state()).await.status, StateStatus::Failed, "{when:?}");
        let told = state(State::LaunchAgain).await.detail;
        assert!(told.contains("; tried before: t3.small (spot): i-") && told.ends_with(" was interrupted"), "{told}");
        let event: Value = serde_json::from_str(&stack.cloud.events().last().unwrap().detail).unwrap();
        assert_eq!(event["status"], "AVAILABLE");
        assert!(event["interrupted"].as_str().is_some_and(|why| why.contains(INTERRUPTED)), "{when:?}: {event}");

        // The checkpoint itself is good, unless the instance ended before it was made.
        let checkpoint = stack.store().checkpoint(&"web".parse().unwrap()).await.unwrap();
        assert_eq!(checkpoint.is_some(), when != When::BeforeCheckpoint, "{when:?}");
        let there = stack.inventory().region(HOME);
        let images = 1 + usize::from(checkpoint.is_some());
        assert_eq!((there.instances.len(), there.spot_requests.len(), there.images.len()), (0, 0, images), "{when:?}");
        stack.start_and_execute("build-2", json!({"pipeline": "web"})).await.unwrap();
        let planned = stack.store().build("build-2").await.unwrap().unwrap().plan.checkpoint.unwrap();
        assert_eq!(planned.found, checkpoint, "{when:?}");
    }
}

#[tokio::test]
async fn a_build_that_ends_after_the_interruption_leaves_neither_an_instance_nor_a_request() {
    for when in When::ALL {
        let (stack, error) = interrupted(when).await;
        stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
        let there = stack.inventory().region(HOME);
        let images = usize::from(when != When::BeforeCheckpoint);
        assert_eq!((there.instances.len(), there.spot_requests.len(), there.images.len()), (0, 0, images), "{when:?}");
    }
}
