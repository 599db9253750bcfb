//! Finish: ends every build, however it ended. Closes it for new effects, undoes what is not kept, releases the lease,
//! writes the image's last status, tells the world.
//!
//! Input: the definition's Finish or FinishFailed, or the execution's own status event (no Catch runs where an execution
//! was stopped, timed out, or failed by `States.Runtime`). Output: `{outcome, image, amis}` or `{error, cause}`. It may
//! run any number of times: how a build ends is decided once, when it is closed.

use std::collections::BTreeMap;

use goldsmith_cloud::ExecutionStatus;
use goldsmith_model::{Cause, ExecutionInput};
use goldsmith_store::{
    BuildRecord, BuildStatus, Ending, FailureCause, ImageRecord, ImageStatus, Keep, Scope, StateStatus, stamp,
};
use jiff::SignedDuration;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::errors::ErrorName;
use crate::undo::{Kept, tag_expiry, undo_build};
use crate::{Context, Error, Result, Start, State};

/// How long the AMIs of a failed distribution are kept, so that it can be repeated.
const KEEP_IMAGES: SignedDuration = SignedDuration::from_hours(72);

/// How a build came here.
#[derive(Debug, Clone, PartialEq)]
enum Trigger {
    /// Through Publish.
    Succeeded,
    /// A Catch.
    Failed(Box<FailureCause>),
    /// The execution's status event: it was stopped, timed out, or failed without a Catch.
    Ended(String),
}

/// Detail of `Step Functions Execution Status Change`.
#[derive(Debug, Deserialize)]
struct StatusChange {
    name: String,
    status: String,
}

/// Runs one invocation from the definition.
///
/// # Errors
/// What table and cloud say; the definition tries again.
pub async fn handle(context: &Context, start: &Start) -> Result<Value> {
    let trigger = match &start.error {
        Some(error) => Trigger::Failed(Box::new(error.failure(&execution()))),
        None => Trigger::Succeeded,
    };
    let Some(record) = context.store.build(&start.build).await? else {
        serve_without_record(context, &start.execution).await?;
        return Ok(without_record(&trigger));
    };
    let image = finish(context, record, &trigger).await?;
    Ok(answer(&image))
}

/// Runs one invocation from the execution's status event.
///
/// # Errors
/// What table and cloud say; Lambda tries again, and the reaper after it.
pub async fn handle_event(context: &Context, detail: Value) -> Result<Value> {
    let Ok(change) = serde_json::from_value::<StatusChange>(detail) else {
        tracing::warn!("an event that is not an execution's status was dropped");
        return Ok(json!({}));
    };
    let Some(record) = context.store.build(&change.name).await? else {
        serve_without_record(context, &context.config.execution_arn(&change.name)).await?;
        return Ok(json!({}));
    };
    let image = finish(context, record, &Trigger::Ended(change.status)).await?;
    Ok(answer(&image))
}

/// Ends a build that nobody else ended.
///
/// # Errors
/// What table and cloud say; the reaper tries again.
pub(crate) async fn finish_lost(context: &Context, record: BuildRecord, status: ExecutionStatus) -> Result<()> {
    let status = match status {
        ExecutionStatus::Aborted => "ABORTED",
        ExecutionStatus::TimedOut => "TIMED_OUT",
        _ => "FAILED",
    };
    finish(context, record, &Trigger::Ended(status.to_owned())).await?;
    Ok(())
}

/// What a closed build keeps.
pub(crate) async fn kept_now(context: &Context, record: &BuildRecord) -> Result<Kept> {
    match (&record.ending, context.store.image(&record.image).await?) {
        (Some(ending), Some(image)) => kept(context, record, ending, &image).await,
        _ => Ok(Kept::default()),
    }
}

/// An execution that ended before Plan opened a build: its cause was refused, or somebody stopped it. It is not built
/// again.
async fn serve_without_record(context: &Context, execution: &str) -> Result<()> {
    let Some(execution) = context.cloud.executions.execution(execution).await? else { return Ok(()) };
    let input: Option<ExecutionInput> = serde_json::from_str(&execution.input).ok();
    if let Some((pipeline, cause)) = input.and_then(|input| Some((input.pipeline, input.cause?))) {
        context.store.serve_cause(&pipeline, &cause, context.clock.now()).await?;
    }
    Ok(())
}

async fn finish(context: &Context, record: BuildRecord, trigger: &Trigger) -> Result<ImageRecord> {
    let record = close(context, record, trigger).await?;
    let ending = record.ending.clone().ok_or(Error::Closed)?;
    let mut image = image(context, &record, &ending).await?;
    if record.status == BuildStatus::Closed {
        return Ok(image);
    }
    let scope = Scope { state: State::Finish.name().to_owned(), item: None };
    context.store.note_running(&record.build, &scope, context.clock.now()).await?;
    let kept = kept(context, &record, &ending, &image).await?;
    undo_build(context, &record, &kept).await?;
    tag_expiry(context, &record, &ending.keep, &kept).await?;
    if matches!(ending.keep, Keep::Images { .. }) {
        image.amis = kept_amis(context, &record).await?;
    }
    context
        .store
        .end_state(&record.build, &scope, StateStatus::Succeeded, what_stays(&ending.keep), None, context.clock.now())
        .await?;
    end_open_states(context, &record, &ending).await?;
    emit(context, &image).await?;
    note_served(context, &record).await?;
    context.store.finish_build(&record, &image).await?;
    go_on(context, &record, &ending).await?;
    Ok(image)
}

/// The cause has its build, and the source's watcher learns which AMI that build started from.
async fn note_served(context: &Context, record: &BuildRecord) -> Result<()> {
    if !matches!(record.cause, Cause::Manual { .. }) {
        context.store.serve_cause(&record.pipeline, &record.cause, context.clock.now()).await?;
    }
    if !record.plan.overridden {
        let source = record.plan.source.hash();
        context.store.note_built(&source, &record.pipeline, &record.plan.source_image).await?;
    }
    Ok(())
}

/// Tells `trigger` what can be built now. What is lost here the reaper and the next check of sources find.
async fn go_on(context: &Context, record: &BuildRecord, ending: &Ending) -> Result<()> {
    let trigger = format!("{}-trigger", context.config.stack);
    if ending.keep == Keep::Published && !record.plan.overridden {
        let published = json!({"published": {"pipeline": record.pipeline, "image": record.image}});
        context.cloud.functions.wake(&trigger, &published.to_string()).await?;
    }
    if !context.store.pending_causes(&record.pipeline).await?.is_empty() {
        let pending = json!({"pending": record.pipeline});
        context.cloud.functions.wake(&trigger, &pending.to_string()).await?;
    }
    Ok(())
}

/// Closes the build and fixes its ending. Where it was published meanwhile, that decides.
async fn close(context: &Context, record: BuildRecord, trigger: &Trigger) -> Result<BuildRecord> {
    let mut record = record;
    while record.status == BuildStatus::Open {
        let ending = ending(context, &record, trigger);
        record = context.store.close_build(&record.build, &ending).await?.ok_or(Error::Closed)?;
    }
    Ok(record)
}

/// Decides how a build ends.
fn ending(context: &Context, record: &BuildRecord, trigger: &Trigger) -> Ending {
    if record.published {
        return Ending { status: ImageStatus::Available, keep: Keep::Published, failure: None };
    }
    let until = |time: SignedDuration| stamp(context.clock.now() + time);
    let (status, keep, failure) = match trigger {
        Trigger::Succeeded => {
            let cause = Error::failed(ErrorName::Closed, "the execution ended without publishing");
            (ImageStatus::Failed, Keep::Nothing, cause.cause(&execution()))
        }
        Trigger::Failed(cause) => {
            let keep_instance = record.plan.launch.keep_on_failure_seconds;
            let keep = match cause.state.as_str() {
                "DistributeRegion" | "Publish" => Keep::Images { until: until(KEEP_IMAGES) },
                "Launch" | "Build" | "Snapshot" if keep_instance > 0 => {
                    let seconds = i64::try_from(keep_instance).unwrap_or(i64::MAX);
                    Keep::Instance { until: until(SignedDuration::from_secs(seconds)) }
                }
                _ => Keep::Nothing,
            };
            (ImageStatus::Failed, keep, (**cause).clone())
        }
        Trigger::Ended(status) => {
            let (image, message) = match status.as_str() {
                "ABORTED" => (ImageStatus::Cancelled, "the execution was stopped"),
                "TIMED_OUT" => (ImageStatus::Failed, "the execution timed out"),
                _ => (ImageStatus::Failed, "the execution failed outside of every Catch"),
            };
            let cause = FailureCause {
                state: "Execution".to_owned(),
                error: format!("Execution.{status}"),
                message: message.to_owned(),
                ..FailureCause::default()
            };
            (image, Keep::Nothing, cause)
        }
    };
    Ending { status, keep, failure: Some(failure) }
}

/// The image's record as this ending leaves it.
async fn image(context: &Context, record: &BuildRecord, ending: &Ending) -> Result<ImageRecord> {
    let mut image = context.store.image(&record.image).await?.ok_or(Error::Closed)?;
    image.status = ending.status;
    image.failure.clone_from(&ending.failure);
    image.ended_at.get_or_insert_with(|| stamp(context.clock.now()));
    Ok(image)
}

/// The resources that this ending keeps.
async fn kept(context: &Context, record: &BuildRecord, ending: &Ending, image: &ImageRecord) -> Result<Kept> {
    let mut kept = Kept::default();
    match &ending.keep {
        Keep::Nothing => {}
        Keep::Published => {
            kept.parameters = true;
            kept.images = image.amis.values().cloned().collect();
        }
        Keep::Images { .. } => kept.images = kept_amis(context, record).await?.into_values().collect(),
        Keep::Instance { .. } => {
            let launch = Scope { state: State::Launch.name().to_owned(), item: None };
            let effects = context.store.effects(&record.build, &launch).await?;
            kept.instances = effects.into_iter().filter_map(|effect| effect.id).collect();
        }
    }
    Ok(kept)
}

/// The home AMI and the copies whose Region succeeded.
async fn kept_amis(context: &Context, record: &BuildRecord) -> Result<BTreeMap<String, String>> {
    let states = context.store.states(&record.build).await?;
    let mut good: Vec<String> = states
        .into_iter()
        .filter(|state| state.state == State::DistributeRegion.name() && state.status == StateStatus::Succeeded)
        .filter_map(|state| state.item)
        .collect();
    good.push(record.plan.home_region.clone());
    crate::publish::amis(context, record, &good).await
}

/// No state stays RUNNING on the screen when its build has ended.
async fn end_open_states(context: &Context, record: &BuildRecord, ending: &Ending) -> Result<()> {
    let now = context.clock.now();
    for state in context.store.states(&record.build).await? {
        if state.status == StateStatus::Running {
            let scope = Scope { state: state.state, item: state.item };
            let status = if ending.failure.is_some() { StateStatus::Failed } else { StateStatus::Succeeded };
            let detail = ending.failure.as_ref().map_or("done", |cause| cause.message.as_str());
            context.store.end_state(&record.build, &scope, status, detail, None, now).await?;
        }
    }
    Ok(())
}

/// For people.
fn what_stays(keep: &Keep) -> &'static str {
    match keep {
        Keep::Nothing => "nothing of the build is left",
        Keep::Instance { .. } => "the build instance is kept for a while",
        Keep::Images { .. } => "the AMIs are kept for a while, unpublished",
        Keep::Published => "the image is published",
    }
}

async fn emit(context: &Context, image: &ImageRecord) -> Result<()> {
    let detail = json!({
        "image": image.image.to_string(),
        "pipeline": image.pipeline,
        "status": image.status,
        "cause": image.cause,
        "amis": image.amis,
        "failure": image.failure,
    });
    let resources = [image.image.to_string(), image.pipeline.to_string()];
    Ok(context.cloud.events.emit("Goldsmith Image State Change", &resources, &detail.to_string()).await?)
}

fn execution() -> Scope {
    Scope { state: "Execution".to_owned(), item: None }
}

/// What the definition gets: of a good build its image, of a failed one the texts of its Fail state.
fn answer(image: &ImageRecord) -> Value {
    match &image.failure {
        None => json!({"outcome": "built", "image": image.image.to_string(), "amis": image.amis}),
        Some(cause) => failed(cause),
    }
}

/// Plan refused the start, so there is no record: its error is passed on.
fn without_record(trigger: &Trigger) -> Value {
    match trigger {
        Trigger::Failed(cause) => failed(cause),
        _ => json!({"outcome": "skipped"}),
    }
}

fn failed(cause: &FailureCause) -> Value {
    json!({"error": cause.error, "cause": cause.to_string()})
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{Fault, HOME, Outcome as CommandOutcome};
    use goldsmith_store::{BuildStatus, ImageStatus, StateStatus};
    use serde_json::json;

    use crate::testing::{AWAY, BUILD, Stack, Task, check_state, reach, whole_build};
    use crate::{ErrorInfo, Outcome, State, TAG_EXPIRES, finish};

    #[tokio::test]
    async fn finish_survives_every_fault() {
        check_state(Task::new(State::Finish), &["TerminateInstances", "TerminateInstances", "PutEvents", "Invoke"])
            .await;
    }

    /// Stops the execution: nothing of the definition runs any more, only the status event arrives.
    async fn stop(stack: &Stack, status: &str) {
        let detail = json!({"name": BUILD, "status": status, "executionArn": "arn"});
        finish::handle_event(&stack.context(), detail).await.unwrap();
    }

    /// Runs a build whose task `failing` fails, through FinishFailed.
    async fn fail(stack: &Stack, failing: State, error: ErrorInfo) {
        for before in whole_build().iter().take_while(|before| before.state != failing) {
            stack.run(before).await.unwrap();
        }
        stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    }

    #[tokio::test]
    async fn a_good_build_leaves_its_two_images_and_nothing_else() {
        let stack = reach(&Task::new(State::Finish)).await;
        let answer = stack.run(&Task::new(State::Finish)).await.unwrap();
        let image = stack.image().await;
        assert_eq!(image.status, ImageStatus::Available);
        assert_eq!(answer, json!({"outcome": "built", "image": "web/1.0.0/1", "amis": image.amis}));
        let inventory = stack.inventory();
        for region in [HOME, AWAY] {
            let there = inventory.region(region);
            assert_eq!((there.instances.len(), there.images.len(), there.snapshots.len()), (0, 1, 1), "{region}");
        }
        assert_eq!(inventory.region(HOME).parameters["/images/web"], image.amis[HOME]);
        assert_eq!(stack.record().await.status, BuildStatus::Closed);
        assert_eq!(stack.cloud.launch_permission(AWAY, &image.amis[AWAY]).users, ["111122223333"]);
    }

    #[tokio::test]
    async fn a_failed_step_is_recorded_and_leaves_nothing() {
        let stack = Stack::new().await;
        let result = json!({"status": "failed", "failureMessage": "Document nginx failed!", "failureContext": {
            "document": "nginx", "phase": "build", "step": "Install", "action": "ExecuteBash", "exitCode": 1,
            "message": "exit status 1", "lastLines": ["no such package"],
        }});
        stack.cloud.next_command(CommandOutcome::failed(1, &result.to_string()));
        stack.run(&Task::new(State::Plan)).await.unwrap();
        stack.run(&Task::new(State::Launch)).await.unwrap();
        let error = stack.run(&Task::new(State::Build)).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.CommandFailed");
        let answer = stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
        assert_eq!(answer["cause"], "Build: nginx / build / Install: exit status 1");
        let failure = stack.image().await.failure.unwrap();
        assert_eq!((failure.step.as_deref(), failure.exit_code), (Some("Install"), Some(1)));
        assert_eq!(failure.last_lines, ["no such package"]);
        assert!(stack.inventory().is_empty());
    }

    #[tokio::test]
    async fn a_failed_test_leaves_nothing() {
        let stack = Stack::new().await;
        let error = ErrorInfo { error: "Goldsmith.TestFailed".to_owned(), cause: "the page is empty".to_owned() };
        fail(&stack, State::DistributeRegion, error).await;
        assert!(stack.inventory().is_empty());
        assert_eq!(stack.image().await.status, ImageStatus::Failed);
    }

    #[tokio::test]
    async fn a_failed_distribution_keeps_the_home_image_with_its_expiry() {
        let stack = Stack::new().await;
        for task in
            whole_build().iter().take_while(|task| task.scope() != Task::item(State::DistributeRegion, AWAY).scope())
        {
            stack.run(task).await.unwrap();
        }
        stack.cloud.next_image_fails(AWAY, "KMS key is disabled");
        let copy = stack.run(&Task::item(State::DistributeRegion, AWAY)).await.unwrap_err();
        let outcomes = [
            Outcome { item: HOME.to_owned(), outcome: "succeeded".to_owned(), cause: None },
            Outcome { item: AWAY.to_owned(), outcome: "failed".to_owned(), cause: Some(json!(copy.cause)) },
        ];
        let publish = Task { results: Some(outcomes.to_vec()), ..Task::new(State::Publish) };
        let error = stack.run(&publish).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.CopyFailed");
        stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();

        let inventory = stack.inventory();
        assert_eq!(inventory.regions.keys().collect::<Vec<_>>(), [HOME]);
        let home = inventory.region(HOME);
        assert_eq!((home.instances.len(), home.images.len(), home.parameters.len()), (0, 1, 0));
        assert!(home.images.values().chain(home.snapshots.values()).all(|tags| tags.contains_key(TAG_EXPIRES)));
        let failure = stack.image().await.failure.unwrap();
        assert_eq!((failure.state.as_str(), failure.region.as_deref()), ("DistributeRegion", Some(AWAY)));
        assert!(failure.message.contains("KMS key is disabled"), "{}", failure.message);
    }

    #[tokio::test]
    async fn a_stop_before_and_after_each_effect_leaves_nothing_or_what_was_published() {
        let whole = Stack::new().await;
        for task in whole_build() {
            whole.run(&task).await.unwrap();
        }
        let published = whole.inventory();
        let effects = whole.cloud.effects().len();
        for n in 1..=effects {
            for fault in [Fault::KillBefore, Fault::KillAfter] {
                let stack = Stack::new().await;
                stack.cloud.fail_at(n, fault);
                stack.run_until_killed(&whole_build()).await;
                stop(&stack, "ABORTED").await;
                let Some(record) = stack.store().build(BUILD).await.unwrap() else { continue };
                let expected = if record.published { published.clone() } else { Default::default() };
                assert_eq!(stack.inventory(), expected, "stopped with {fault:?} at effect {n} of {effects}");
                assert_eq!(record.status, BuildStatus::Closed);
                let states = stack.store().states(BUILD).await.unwrap();
                assert!(states.iter().all(|state| state.status != StateStatus::Running), "{states:?}");
            }
        }
    }

    #[tokio::test]
    async fn a_function_that_runs_on_after_a_stop_makes_nothing() {
        let stack = reach(&Task::new(State::Snapshot)).await;
        stop(&stack, "ABORTED").await;
        let error = stack.run(&Task::new(State::Snapshot)).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.Closed");
        assert!(stack.inventory().is_empty());
        assert_eq!(stack.image().await.status, ImageStatus::Cancelled);
    }
}
