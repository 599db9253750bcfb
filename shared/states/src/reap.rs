//! Reap: the tick's second target. Ends builds whose execution has ended without them, starts causes that nobody
//! started, and, now and then, removes what is left of closed builds in every Region that the stack has used.
//!
//! Everything here was lost by somebody else: a status event, a wake, a function's process. It may run any number of
//! times, also beside `finish`.

mod metric;

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_cloud::{ExecutionStatus, Tags};
use goldsmith_store::{BuildRecord, BuildStatus};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::start::start_pending;
use crate::undo::{has_expired, remove_tagged};
use crate::{Context, Result, TAG_BUILD, TAG_STACK, finish};

pub use metric::metric;

/// How old a build is before its execution is looked at: DescribeExecution lets 15 a second through, and a build that
/// has just begun has not ended.
const YOUNG: SignedDuration = SignedDuration::from_secs(60);

/// Member of the answer with how many resources the builds that were looked at still leave behind: what AWS refuses to
/// remove.
pub const LEFT_BEHIND: &str = "leftBehind";

/// What a look at the builds came to.
#[derive(Default)]
struct Looked {
    /// Builds that were ended, since their execution runs no more.
    finished: usize,
    /// What those that are closed still leave behind.
    left_behind: usize,
}

/// Runs one invocation.
///
/// # Errors
/// What table and cloud say; the next tick tries again.
pub async fn handle(context: &Context, event: Value) -> Result<Value> {
    let looked = look_after_open_builds(context).await;
    let started = start_kept_causes(context).await;
    let swept = match event.get("sweep").and_then(Value::as_bool) {
        Some(true) => sweep(context).await,
        _ => Ok(0),
    };
    started?;
    let Looked { finished, left_behind } = looked?;
    Ok(json!({"finished": finished, LEFT_BEHIND: left_behind, "swept": swept?}))
}

/// One build, pipeline or Region that makes trouble must not keep the others from being looked after: its error is
/// noted, and the next tick comes back to it.
fn noted<T>(result: Result<T>, what: &str) -> Option<T> {
    result.inspect_err(|error| tracing::warn!(%error, what, "left to the next tick")).ok()
}

/// Ends every build whose execution runs no more, and looks again at those that were closed under a running function.
async fn look_after_open_builds(context: &Context) -> Result<Looked> {
    let mut looked = Looked::default();
    for record in context.store.open_builds(context.clock.now() - YOUNG).await? {
        let build = record.build.clone();
        if record.status == BuildStatus::Closed {
            looked.left_behind += noted(finish::after::look_again(context, &record).await, &build).unwrap_or_default();
        } else {
            looked.finished += usize::from(noted(finish_if_lost(context, record).await, &build) == Some(true));
        }
    }
    Ok(looked)
}

async fn finish_if_lost(context: &Context, record: BuildRecord) -> Result<bool> {
    let status = match context.cloud.executions.execution(&record.execution).await? {
        Some(execution) => execution.status,
        // Step Functions forgets an execution after 90 days.
        None => ExecutionStatus::Aborted,
    };
    if status == ExecutionStatus::Running {
        return Ok(false);
    }
    tracing::warn!(build = record.build, "finishing a build that was left");
    finish::finish_lost(context, record, status).await?;
    Ok(true)
}

/// Starts what is kept for pipelines that no build holds.
async fn start_kept_causes(context: &Context) -> Result<()> {
    let due = context.store.due_causes(context.clock.now()).await?;
    let pipelines: BTreeSet<_> = due.into_iter().map(|record| record.pipeline).collect();
    for pipeline in &pipelines {
        noted(start_pending(context, pipeline).await, pipeline.as_str());
    }
    Ok(())
}

/// Something that carries this stack's tags.
struct Resource {
    id: String,
    tags: Tags,
}

/// Removes what closed builds left and do not keep. Answers how many builds had left something.
async fn sweep(context: &Context) -> Result<u32> {
    let mut swept = 0;
    for (build, resources) in tagged_builds(context).await? {
        swept += u32::from(noted(sweep_build(context, &build, &resources).await, &build) == Some(true));
    }
    Ok(swept)
}

/// Removes what one build left. Answers whether there was anything.
async fn sweep_build(context: &Context, build: &str, resources: &[Resource]) -> Result<bool> {
    // Without a record it is not ours to judge: `goldsmith clean` shows it to a person first.
    let Some(record) = context.store.build(build).await? else { return Ok(false) };
    if record.status != BuildStatus::Closed {
        return Ok(false);
    }
    let (kept, snapshots) = finish::kept_now(context, &record).await?;
    let stays = |resource: &Resource| {
        let known = kept.images.contains(&resource.id)
            || kept.instances.contains(&resource.id)
            || snapshots.contains(&resource.id);
        known && !has_expired(&resource.tags, context.clock.now())
    };
    // Most builds have published, and nothing of theirs is to go: they cost no call to AWS.
    if resources.iter().all(stays) {
        return Ok(false);
    }
    remove_tagged(context, &record, &kept).await
}

/// What of this stack is tagged, by build, in every Region that the stack has used.
async fn tagged_builds(context: &Context) -> Result<BTreeMap<String, Vec<Resource>>> {
    let mut builds: BTreeMap<String, Vec<Resource>> = BTreeMap::new();
    for region in context.store.regions().await? {
        let found = noted(tagged(context, &region).await, &region).unwrap_or_default();
        for resource in found.into_iter().filter(|resource| context.config.owns(&resource.tags)) {
            if let Some(build) = resource.tags.get(TAG_BUILD).cloned() {
                builds.entry(build).or_default().push(resource);
            }
        }
    }
    Ok(builds)
}

/// Everything in one Region that carries the stack's tag.
async fn tagged(context: &Context, region: &str) -> Result<Vec<Resource>> {
    let (stack, cloud) = (&context.config.stack, &context.cloud);
    let instances = cloud.machines.tagged(region, TAG_STACK, stack).await?.into_iter();
    let mut found: Vec<Resource> =
        instances.filter(|one| !one.state.is_gone()).map(|one| Resource { id: one.id, tags: one.tags }).collect();
    let volumes = cloud.machines.volumes_left(region, TAG_STACK, stack).await?.into_iter();
    found.extend(volumes.map(|one| Resource { id: one.id, tags: one.tags }));
    let images = cloud.images.tagged(region, TAG_STACK, stack).await?.into_iter();
    found.extend(images.map(|one| Resource { id: one.id, tags: one.tags }));
    let snapshots = cloud.images.snapshots_tagged(region, TAG_STACK, stack).await?.into_iter();
    found.extend(snapshots.map(|one| Resource { id: one.id, tags: one.tags }));
    Ok(found)
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_cloud::{ExecutionStatus, Kind};
    use goldsmith_store::{BuildStatus, ImageStatus};
    use jiff::SignedDuration;
    use serde_json::json;

    use crate::testing::{AWAY, BUILD, Stack, Task, reach, whole_build};
    use crate::{Outcome, State, reap};

    async fn reap(stack: &Stack) {
        stack.clock.advance(SignedDuration::from_mins(5));
        reap::handle(&stack.context(), json!({"sweep": true})).await.unwrap();
    }

    /// Stops the execution; its status event is lost.
    fn stop_quietly(stack: &Stack) {
        let arn = stack.context().config.execution_arn(BUILD);
        stack.cloud.edit_execution(&arn, |execution| execution.status = ExecutionStatus::Aborted);
    }

    #[tokio::test]
    async fn a_build_that_runs_is_left_alone() {
        let stack = reach(&Task::new(State::Build)).await;
        stack.start_execution().await;
        let before = stack.inventory();
        reap(&stack).await;
        assert_eq!(stack.inventory(), before);
        assert_eq!(stack.record().await.status, BuildStatus::Open);
    }

    #[tokio::test]
    async fn a_stop_whose_event_was_lost_leaves_nothing_after_two_runs_before_and_after_each_effect() {
        let whole = Stack::new().await;
        for task in whole_build() {
            whole.run(&task).await.unwrap();
        }
        let published = whole.inventory();
        for n in 1..=whole.cloud.effects().len() {
            for fault in [Fault::KillBefore, Fault::KillAfter] {
                let stack = Stack::new().await;
                stack.start_execution().await;
                stack.cloud.fail_at(n, fault);
                stack.run_until_killed(&whole_build()).await;
                stop_quietly(&stack);
                reap(&stack).await;
                reap(&stack).await;
                let Some(record) = stack.store().build(BUILD).await.unwrap() else { continue };
                let expected = if record.published { published.clone() } else { Default::default() };
                assert_eq!(stack.inventory(), expected, "stopped with {fault:?} at effect {n}");
                assert_eq!(record.status, BuildStatus::Closed);
            }
        }
    }

    #[tokio::test]
    async fn what_is_kept_for_a_while_goes_when_its_time_is_past() {
        let stack = reach(&Task::new(State::Publish)).await;
        let outcome =
            |item: &str, outcome: &str| Outcome { item: item.to_owned(), outcome: outcome.to_owned(), cause: None };
        let results = vec![outcome(HOME, "succeeded"), outcome(AWAY, "failed")];
        let error = stack.run(&Task { results: Some(results), ..Task::new(State::Publish) }).await.unwrap_err();
        stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
        let kept = stack.inventory();
        assert!(!kept.is_empty());
        reap(&stack).await;
        assert_eq!(stack.inventory(), kept);
        stack.clock.advance(SignedDuration::from_hours(73));
        reap(&stack).await;
        assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
    }

    #[tokio::test]
    async fn what_a_closed_build_made_too_late_is_removed_and_a_published_image_is_not() {
        let stack = Stack::new().await;
        for task in whole_build() {
            stack.run(&task).await.unwrap();
        }
        let published = stack.inventory();
        let tags = stack.context().tags(&stack.record().await);
        stack.cloud.add_snapshot(AWAY, &tags);
        stack.cloud.add_volume(HOME, &tags);
        assert_eq!(stack.inventory().region(HOME).volumes.len(), 1);
        assert_ne!(stack.inventory().region(AWAY), published.region(AWAY));
        reap(&stack).await;
        assert_eq!(stack.inventory(), published);
        assert_eq!(stack.image().await.status, ImageStatus::Available);
    }

    #[tokio::test]
    async fn a_volume_that_is_left_goes_whatever_goes_wrong_once_or_for_an_hour() {
        let faults = [Fault::Refuse(Kind::Throttled), Fault::Refuse(Kind::Denied), Fault::LoseAnswer];
        for (fault, times) in faults.into_iter().flat_map(|fault| [(fault, 1), (fault, 12)]) {
            let stack = Stack::new().await;
            for task in whole_build() {
                stack.run(&task).await.unwrap();
            }
            let published = stack.inventory();
            let volume = stack.cloud.add_volume(HOME, &stack.context().tags(&stack.record().await));
            (0..times).for_each(|_| stack.cloud.fail_next("DeleteVolume", fault));
            for _ in 0..=times {
                reap(&stack).await;
            }
            assert_eq!(stack.inventory(), published, "{fault:?}, {times} times");
            let asked = stack.cloud.effects().into_iter().filter(|effect| effect.name == "DeleteVolume");
            assert!(asked.map(|effect| effect.detail).all(|id| id == volume));
        }
    }

    #[tokio::test]
    async fn a_build_that_cannot_be_read_keeps_no_other_from_being_finished() {
        let stack = reach(&Task::new(State::Build)).await;
        stack.start_execution().await;
        stop_quietly(&stack);
        let item = json!({"pk": "BUILD#a", "sk": "META", "open": "BUILD", "nextLook": "2026-01-01T00:00:00.000Z"});
        stack.put_item(item).await;
        reap(&stack).await;
        assert_eq!(stack.record().await.status, BuildStatus::Closed);
    }

    #[tokio::test]
    async fn a_failed_build_that_nobody_finished_is_finished() {
        let stack = reach(&Task::new(State::Build)).await;
        stack.start_execution().await;
        stop_quietly(&stack);
        reap(&stack).await;
        assert_eq!(stack.image().await.status, ImageStatus::Cancelled);
        assert!(stack.inventory().is_empty());
    }
}
