//! The one generic test of a state.

use goldsmith_cloud::Kind;
use goldsmith_cloud::fake::{Fault, HOME, not_known_yet};
use goldsmith_model::{Distribution, DistributionConfiguration, SsmParameter, TargetAccount};
use serde_json::json;

use super::faulty_table::TABLE_WRITE;
use super::stack::{AWAY, FAR, Stack};
use super::step_functions::{Ended, Task};
use crate::{Outcome, State};

/// Every way in which one effect can fail.
const FAULTS: [Fault; 4] = [Fault::Refuse(Kind::Throttled), Fault::LoseAnswer, Fault::KillBefore, Fault::KillAfter];

/// The tasks of a successful build, in order.
pub(crate) fn whole_build() -> Vec<Task> {
    let (tests, regions) = (["t3.small"], [HOME, AWAY]);
    let each = |state: State, items: &[&str]| items.iter().map(|item| Task::item(state, item)).collect();
    let after = |state: State, items: &[&str]| vec![Task { results: Some(outcomes(items)), ..Task::new(state) }];
    let tasks = |state: &State| match *state {
        State::LaunchTest | State::ExecuteTest | State::EndTest => each(*state, &tests),
        State::JudgeTests => after(*state, &tests),
        State::DistributeRegion => each(*state, &regions),
        State::Publish => after(*state, &regions),
        // The definition skips Attest without a key, and the others unless something else asks for them.
        State::Checkpoint | State::BuildRest | State::LaunchAgain | State::BuildAgain => vec![],
        State::BeginCopies | State::Attest | State::FinishFailed => vec![],
        _ => vec![Task::new(*state)],
    };
    State::ALL.iter().flat_map(tasks).collect()
}

/// The tasks of a successful build that makes a checkpoint, in order.
pub(crate) fn whole_build_with_checkpoint() -> Vec<Task> {
    let mut tasks = whole_build();
    let after = tasks.iter().position(|task| task.state == State::Build).unwrap() + 1;
    tasks.splice(after..after, [State::Checkpoint, State::BuildRest].map(Task::new));
    tasks
}

/// The tasks of a run that only tests the source image of a new stack, in order.
pub(crate) async fn whole_verification() -> Vec<Task> {
    // A new stack's ids are the same each time.
    let from = json!({"at": "test", "image": Stack::new().await.source().await});
    let tasks = whole_build().into_iter().filter(|task| match task.state {
        State::Launch | State::Build | State::Checkpoint | State::BuildRest => false,
        State::LaunchAgain | State::BuildAgain => false,
        State::Snapshot | State::BeginCopies | State::Attest | State::DistributeRegion | State::Publish => false,
        State::Plan | State::LaunchTest | State::ExecuteTest | State::EndTest => true,
        State::JudgeTests | State::Finish | State::FinishFailed => true,
    });
    let input = json!({"pipeline": "web", "from": from});
    let with_input = |task: Task| Task { input: task.input.is_some().then(|| input.clone()), ..task };
    tasks.map(with_input).collect()
}

/// The tasks of a run that distributes the image of [`built`] to what its configuration has gained, in order.
pub(crate) fn whole_distribution() -> Vec<Task> {
    let regions = [HOME, AWAY, FAR];
    let copies = regions.map(|region| Task::item(State::DistributeRegion, region));
    let publish = Task { results: Some(outcomes(&regions)), ..Task::new(State::Publish) };
    let input = json!({"pipeline": "web", "from": {"at": "distribute", "image": "web/1.0.0/1"}});
    let plan = Task { input: Some(input), ..Task::new(State::Plan) };
    [plan].into_iter().chain(copies).chain([publish, Task::new(State::Finish)]).collect()
}

/// A stack with a published image, whose distribution configuration has gained a Region, an account that may launch the
/// image, an account that gets a copy of its own, and a parameter.
pub(crate) async fn built() -> Stack {
    let stack = Stack::new().await;
    stack.start_and_execute("build-1", json!({"pipeline": "web"})).await.unwrap();
    stack.edit_distribution(gain).await;
    stack
}

fn gain(to: &mut DistributionConfiguration) {
    let parameter =
        |name: &str| SsmParameter { parameter_name: name.to_owned(), data_type: Default::default(), channel: None };
    to.distributions[0].ssm_parameter_configurations.push(parameter("/images/also"));
    let away = &mut to.distributions[1].ami_distribution_configuration;
    away.launch_permission.user_ids.push("333344445555".to_owned());
    let account = TargetAccount { account: "444455556666".to_owned(), kms_key: None };
    away.target_accounts.push(account);
    let far = Distribution { region: FAR.to_owned(), ..Distribution::default() };
    to.distributions.push(Distribution { ssm_parameter_configurations: vec![parameter("/images/web")], ..far });
}

pub(crate) fn outcomes(items: &[&str]) -> Vec<Outcome> {
    let good = |item: &&str| Outcome { item: (*item).to_owned(), outcome: "succeeded".to_owned(), cause: None };
    items.iter().map(good).collect()
}

/// The task of this state in a successful build, with the input that it gets from the earlier states.
pub(crate) fn good(state: State) -> Task {
    whole_build().into_iter().find(|task| task.state == state).unwrap()
}

/// A stack on which all tasks before this one have succeeded.
pub(crate) async fn reach(task: &Task) -> Stack {
    reach_in(&whole_build(), task).await
}

/// A stack on which all of these tasks before this state have succeeded.
pub(crate) async fn reach_in(run: &[Task], task: &Task) -> Stack {
    go_to(Stack::new().await, run, task).await
}

/// Runs the tasks before this state on the given stack.
pub(crate) async fn reach_on(stack: Stack, task: &Task) -> Stack {
    go_to(stack, &whole_build(), task).await
}

/// Runs those of these tasks that come before this state on the given stack.
pub(crate) async fn reach_on_in(stack: Stack, run: &[Task], task: &Task) -> Stack {
    go_to(stack, run, task).await
}

async fn go_to(stack: Stack, run: &[Task], task: &Task) -> Stack {
    for before in run.iter().take_while(|before| before.scope() != task.scope()) {
        let ended = stack.run(before).await;
        assert!(ended.is_ok(), "{}: {ended:?}", before.scope());
    }
    stack
}

/// A stack right before its copy to [`AWAY`], whose distribution configuration is changed by `change`.
pub(crate) async fn before_copy(change: impl FnOnce(&mut DistributionConfiguration)) -> Stack {
    let stack = Stack::new().await;
    stack.edit_distribution(change).await;
    reach_on(stack, &Task::item(State::DistributeRegion, AWAY)).await
}

/// A build whose distribution has failed: its images are kept for three days.
pub(crate) async fn kept_for_a_while() -> Stack {
    let stack = reach(&Task::new(State::Publish)).await;
    let outcome =
        |item: &str, outcome: &str| Outcome { item: item.to_owned(), outcome: outcome.to_owned(), cause: None };
    let results = vec![outcome(HOME, "succeeded"), outcome(AWAY, "failed")];
    let error = stack.run(&Task { results: Some(results), ..Task::new(State::Publish) }).await.unwrap_err();
    stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    stack
}

/// Checks a state in three ways.
///
/// 1. The state succeeds, and the calls with which it changes AWS are exactly `effects`, so that the test covers every
///    new call.
/// 2. If the state runs again after its end, it gives the same answer and changes nothing.
/// 3. Each of its effects, including writes to the table, fails in each possible way. One way is that AWS does not
///    know yet what was made a moment ago. The state still ends as it would have ended, and leaves exactly the same
///    resources in AWS.
pub(crate) async fn check_state(task: Task, effects: &[&str]) {
    check(Stack::new, &whole_build(), task, effects).await;
}

/// Checks a state in the same three ways, in a run of these tasks.
pub(crate) async fn check_state_in(run: &[Task], task: Task, effects: &[&str]) {
    check(Stack::new, run, task, effects).await;
}

/// Checks the state in the same ways, on stacks that `new` makes.
pub(crate) async fn check_state_on(new: impl AsyncFn() -> Stack, task: Task, effects: &[&str]) {
    check(new, &whole_build(), task, effects).await;
}

/// The same on stacks that `new` makes, in a run of these tasks.
pub(crate) async fn check_state_of(new: impl AsyncFn() -> Stack, run: &[Task], task: Task, effects: &[&str]) {
    check(new, run, task, effects).await;
}

async fn check(new: impl AsyncFn() -> Stack, run: &[Task], task: Task, effects: &[&str]) {
    let stack = go_to(new().await, run, &task).await;
    let before = stack.cloud.effects().len();
    let ended = stack.run(&task).await;
    assert!(ended.is_ok(), "{}: {ended:?}", task.scope());
    let made = stack.cloud.effects().split_off(before);
    let calls: Vec<&str> = made.iter().map(|effect| effect.name).filter(|name| *name != TABLE_WRITE).collect();
    assert_eq!(calls, effects, "effects of {}", task.scope());

    let inventory = stack.inventory();
    assert_eq!(stack.run(&task).await, ended, "{} run twice", task.scope());
    assert_eq!(stack.inventory(), inventory, "{} run twice", task.scope());

    for (n, effect) in (1..).zip(&made) {
        for fault in FAULTS {
            let reached = go_to(new().await, run, &task).await;
            check_fault(reached, &task, n, fault, (&ended, &stack)).await;
        }
        if not_known_yet(effect.name).is_some() && task.state != State::Plan {
            let reached = go_to(new().await, run, &task).await;
            check_fault(reached, &task, n, Fault::Refuse(Kind::NotFound), (&ended, &stack)).await;
        }
    }
}

async fn check_fault(stack: Stack, task: &Task, n: usize, fault: Fault, (ended, good): (&Ended, &Stack)) {
    stack.cloud.fail_at(n, fault);
    let what = || {
        let hit = stack.cloud.effects();
        format!("{} with {fault:?} at effect {n}: {:?}", task.scope(), hit.last())
    };
    assert_eq!(&stack.run(task).await, ended, "{}", what());
    assert_eq!(stack.inventory(), good.inventory(), "{}", what());
}
