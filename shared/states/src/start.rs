//! Starting builds for causes: each cause is written down first, started under a name made of it, and never built twice.

use goldsmith_cloud::{Execution, ExecutionStatus, Started};
use goldsmith_model::{Cause, ExecutionInput, Name};
use goldsmith_store::{CauseRecord, CauseStatus};
use serde::Deserialize;

use crate::errors::ErrorName;
use crate::{Context, Result};

/// How many closed executions of one cause are stepped over before it is left to the next look.
const ATTEMPTS: u32 = 5;

/// What a start came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Start {
    /// An execution was started.
    Started,
    /// An execution for this cause runs already.
    Running,
    /// Another build of the pipeline runs, or the stack is being retired: the cause is kept.
    Kept,
    /// A build took the cause in before.
    Served,
}

/// Starts a build of the pipeline for a cause, or keeps the cause for later. Safe to repeat, however late.
///
/// # Errors
/// What table and cloud say; the cause is kept by then, and the reaper starts it.
pub async fn start(context: &Context, pipeline: &Name, cause: &Cause) -> Result<Start> {
    let record = context.store.keep_cause(pipeline, cause, context.clock.now()).await?;
    if record.status == CauseStatus::Served {
        return Ok(Start::Served);
    }
    // Whoever takes the table up builds what was kept.
    if context.store.is_retired().await? {
        return Ok(Start::Kept);
    }
    match context.store.running_build(pipeline).await? {
        Some(build) if build == record.execution_name() => Ok(Start::Running),
        Some(_) => Ok(Start::Kept),
        None if record.rests(context.clock.now()) => Ok(Start::Kept),
        None => start_kept(context, record).await,
    }
}

/// Starts what is kept for a pipeline that no build holds: the oldest kind first, and of each kind only the newest
/// cause, since one build takes them all in.
///
/// # Errors
/// What table and cloud say; the reaper tries again.
pub async fn start_pending(context: &Context, pipeline: &Name) -> Result<()> {
    let pending = context.store.pending_causes(pipeline).await?;
    let Some(first) = pending.first() else { return Ok(()) };
    if context.store.running_build(pipeline).await?.is_some() || context.store.is_retired().await? {
        return Ok(());
    }
    let same_kind: Vec<&CauseRecord> =
        pending.iter().filter(|record| record.cause.kind() == first.cause.kind()).collect();
    let Some((newest, older)) = same_kind.split_last() else { return Ok(()) };
    // The newest is started before the older ones are let go, so that none is lost in between.
    if start_kept(context, (*newest).clone()).await? != Start::Kept {
        for record in older {
            context.store.serve_cause(pipeline, &record.cause, context.clock.now()).await?;
        }
    }
    Ok(())
}

async fn start_kept(context: &Context, mut record: CauseRecord) -> Result<Start> {
    let machine = &context.config.state_machine;
    let input = ExecutionInput::new(record.pipeline.clone(), record.cause.clone());
    let input = serde_json::to_string(&input).unwrap_or_default();
    for _ in 0..ATTEMPTS {
        let name = record.execution_name();
        if let Started::New(_) = context.cloud.executions.start(machine, &name, &input).await? {
            return Ok(Start::Started);
        }
        let Some(taken) = context.cloud.executions.execution(&context.config.execution_arn(&name)).await? else {
            return Ok(Start::Kept);
        };
        if taken.status == ExecutionStatus::Running {
            return Ok(Start::Running);
        }
        if !wants_another(&taken) || context.store.build(&name).await?.is_some() {
            return close(context, &record, &name).await;
        }
        record = context.store.next_attempt(&record, context.clock.now()).await?;
        if record.status == CauseStatus::Served {
            return Ok(Start::Served);
        }
    }
    Ok(Start::Kept)
}

/// The execution for this cause has ended: it built, had nothing to build, was refused or stopped. If it has a build, that build's `finish`
/// marks the cause served; without one there is nothing to wait for.
async fn close(context: &Context, record: &CauseRecord, name: &str) -> Result<Start> {
    if context.store.build(name).await?.is_none() {
        context.store.serve_cause(&record.pipeline, &record.cause, context.clock.now()).await?;
    }
    Ok(Start::Served)
}

/// Whether the cause of a closed execution still wants a build: another build of its pipeline ran, or it failed for a
/// reason that may be gone by now.
fn wants_another(execution: &Execution) -> bool {
    #[derive(Deserialize)]
    struct Answer {
        outcome: String,
    }
    let output = execution.output.as_deref().unwrap_or_default();
    let stood_back = || serde_json::from_str::<Answer>(output).is_ok_and(|answer| answer.outcome == "already-running");
    match execution.status {
        ExecutionStatus::Succeeded => stood_back(),
        ExecutionStatus::Failed => execution.error.as_deref().is_some_and(is_passing),
        ExecutionStatus::Running | ExecutionStatus::TimedOut | ExecutionStatus::Aborted => false,
    }
}

/// Whether an error's name says that the same may work later: ours for throttling, and Lambda's own.
fn is_passing(error: &str) -> bool {
    error == ErrorName::Throttled.as_str()
        || ["Lambda.", "Runtime.", "Sandbox."].iter().any(|its| error.starts_with(its))
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_cloud::{ExecutionStatus, Kind};
    use goldsmith_model::Cause;
    use jiff::SignedDuration;
    use proptest::collection::vec;
    use proptest::prelude::{Just, ProptestConfig, Strategy};
    use proptest::{prop_oneof, proptest};

    use crate::testing::{Stack, Step, Task, World};
    use crate::{State, reap};

    /// How many random histories are run. `GOLDSMITH_CASES` asks for more.
    fn cases() -> u32 {
        option_env!("GOLDSMITH_CASES").and_then(|text| text.parse().ok()).unwrap_or(400)
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            3 => (0usize..2).prop_map(Step::Schedule),
            2 => (0usize..9).prop_map(Step::Redeliver),
            2 => Just(Step::Release),
            1 => Just(Step::Check),
            1 => (0usize..2).prop_map(Step::Manual),
            8 => (0usize..4).prop_map(Step::Advance),
            1 => (0usize..4).prop_map(Step::Fail),
            1 => (0usize..4).prop_map(Step::Stop),
            1 => (0usize..4).prop_map(Step::StopQuietly),
            2 => (0u8..2).prop_map(|after| Step::Crash(after == 1)),
            3 => Just(Step::Deliver),
            1 => Just(Step::Lose),
            2 => Just(Step::Tick),
            1 => prop_oneof![Just(1i64), Just(91)].prop_map(Step::Days),
        ]
    }

    #[tokio::test]
    async fn a_cause_whose_executions_fail_for_ever_is_tried_less_and_less_often() {
        let stack = Stack::new().await;
        let (pipeline, cause) =
            ("web".parse().unwrap(), Cause::Schedule { scheduled_time: "2026-11-24T03:00:00Z".into() });
        super::start(&stack.context(), &pipeline, &cause).await.unwrap();
        stack.cloud.fail_always("GetParameter", HOME, Fault::Refuse(Kind::Unanswered));
        for _ in 0..2 * 24 * 60 {
            for execution in stack.cloud.executions() {
                if execution.status == ExecutionStatus::Running {
                    let error = stack.run_as(&execution.name, &Task::new(State::Plan)).await.unwrap_err().error;
                    stack.cloud.edit_execution(&execution.arn, |execution| {
                        (execution.status, execution.error) = (ExecutionStatus::Failed, Some(error));
                    });
                }
            }
            stack.clock.advance(SignedDuration::from_mins(1));
            reap::handle(&stack.context(), serde_json::json!({})).await.unwrap();
        }
        let tried = stack.cloud.executions().len();
        assert!((10..20).contains(&tried), "{tried} executions in two days");
        assert_eq!(stack.store().pending_causes(&pipeline).await.unwrap().len(), 1, "it is not lost");
    }

    #[test]
    fn no_two_builds_overlap_no_cause_is_lost_and_none_is_built_twice() {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let config = ProptestConfig {
            cases: cases(),
            max_shrink_iters: 200,
            failure_persistence: None,
            ..ProptestConfig::default()
        };
        proptest!(config, |(steps in vec(step(), 1..60))| {
            runtime.block_on(async {
                let mut world = World::new().await;
                for step in &steps {
                    world.step(*step).await;
                }
                world.settle().await;
                world.assert_at_rest().await;
            });
        });
    }
}
