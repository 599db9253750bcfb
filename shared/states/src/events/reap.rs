//! Reap: the tick's second target. It ends builds that are still open although their execution has ended. It starts
//! causes that nothing has started. If events asked for a check of sources too soon after another check, it requests
//! that check. From time to time, it removes what is left of closed builds in every Region that the stack has used, and
//! once a day the images that are beyond the retention of their pipeline.
//!
//! Each of these is the result of a loss elsewhere: of a status event, of a wake, or of a function's process. It may
//! run any number of times, also while `finish` runs.

mod metric;
mod retention;
mod strangers;
mod sweep;

use std::collections::BTreeSet;

use goldsmith_cloud::ExecutionStatus;
use goldsmith_store::{BuildRecord, BuildStatus};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::events::start::start_pending;
use crate::events::trigger;
use crate::states::finish;
use crate::{Context, Result};

pub(crate) use metric::metric;

/// Age from which the execution of a build is checked. DescribeExecution allows 15 calls per second, and a build that
/// has just begun has not ended.
const YOUNG: SignedDuration = SignedDuration::from_secs(60);

/// Longest time for which an execution runs: the definition's `TimeoutSeconds` plus one hour.
const LONGEST_EXECUTION: SignedDuration = SignedDuration::from_hours(7 * 24 + 1);

/// When the sweep stops, counted from the start of the invocation. The next sweep continues from there. The function's
/// time-out is 120 s.
const BUDGET: SignedDuration = SignedDuration::from_secs(75);

/// Runs one invocation.
///
/// # Errors
/// Fails if a call to the table or to AWS fails; the next tick tries again.
pub(crate) async fn handle(context: &Context, event: Value) -> Result<Value> {
    let begun = context.clock.now();
    // Every part runs, even if the one before it has failed, and errors are returned only at the end: a build that
    // cannot be read must not keep the cause of another pipeline from being started. The sweep is last because it takes
    // all the time that is left.
    let finished = look_after_open_builds(context).await;
    let started = start_kept_causes(context).await;
    noted(trigger::check_if_due(context).await, "the check of sources");
    let (mut surplus, mut swept) = (Ok(0), Ok(0));
    if is_sweep(&event) {
        // The sweep comes first: one image may take all the time, if many launch templates could name it.
        swept = sweep::sweep(context, begun + BUDGET).await;
        // Its future is several times larger than that of the rest.
        surplus = Box::pin(retention::apply(context, begun + BUDGET)).await;
    }
    started?;
    Ok(json!({"finished": finished?, "surplus": surplus?, "swept": swept?}))
}

/// Returns whether this tick also sweeps.
fn is_sweep(event: &Value) -> bool {
    event.get("sweep").and_then(Value::as_bool) == Some(true)
}

/// Logs an error that concerns one build, pipeline or Region. The error must not stop the work on the others. The next
/// tick retries this one.
fn noted<T>(result: Result<T>, what: &str) -> Option<T> {
    result.inspect_err(|error| tracing::warn!(%error, what, "left to the next tick")).ok()
}

/// Ends every build whose execution has ended, and looks again at closed builds for which something remains to be done.
/// Returns how many builds it has ended.
async fn look_after_open_builds(context: &Context) -> Result<u32> {
    let mut finished = 0;
    for record in context.store.open_builds(context.clock.now() - YOUNG).await? {
        let build = record.build.clone();
        let ended = match record.status {
            BuildStatus::Closed => finish::after::look_again(context, &record).await.map(|()| false),
            _ => finish_if_lost(context, record).await,
        };
        finished += u32::from(noted(ended, &build) == Some(true));
    }
    Ok(finished)
}

/// Returns whether the execution of a build must have ended by its own time limit.
fn is_over(context: &Context, record: &BuildRecord) -> bool {
    let began = record.created_at.parse::<Timestamp>();
    began.is_ok_and(|began| context.clock.now() > began + LONGEST_EXECUTION)
}

async fn finish_if_lost(context: &Context, record: BuildRecord) -> Result<bool> {
    let status = match context.cloud.executions.execution(&record.execution).await {
        Ok(Some(execution)) => execution.status,
        // Step Functions forgets an execution after 90 days.
        Ok(None) => ExecutionStatus::Aborted,
        // The execution cannot be looked at, but no execution runs for so long.
        Err(error) if is_over(context, &record) => {
            tracing::warn!(%error, build = record.build, "its execution cannot be described, but must have timed out");
            ExecutionStatus::TimedOut
        }
        Err(error) => return Err(error.into()),
    };
    if status == ExecutionStatus::Running {
        return Ok(false);
    }
    tracing::warn!(build = record.build, "finishing a build that its execution did not finish");
    finish::finish_lost(context, record, status).await?;
    Ok(true)
}

/// Starts pending causes of pipelines that no build holds.
async fn start_kept_causes(context: &Context) -> Result<()> {
    let due = context.store.due_causes(context.clock.now()).await?;
    // One start for each pipeline is enough, since `start_pending` itself chooses among all causes of a pipeline.
    let pipelines: BTreeSet<_> = due.into_iter().map(|record| record.pipeline).collect();
    for pipeline in &pipelines {
        noted(start_pending(context, pipeline).await, pipeline.as_str());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_cloud::{ExecutionStatus, Kind};
    use goldsmith_store::{BuildStatus, EffectKind, ImageStatus};
    use jiff::SignedDuration;
    use serde_json::json;

    use crate::events::reap;
    use crate::testing::{AWAY, BUILD, Stack, Task, good, kept_for_a_while, reach, whole_build};
    use crate::{Clock as _, State};

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
    async fn a_build_with_an_unreadable_execution_ends_after_the_longest_run() {
        for kind in [Kind::Denied, Kind::Throttled] {
            let stack = reach(&Task::new(State::Build)).await;
            stack.start_execution().await;
            stop_quietly(&stack);
            stack.cloud.fail_always("DescribeExecution", HOME, Fault::Refuse(kind));
            reap(&stack).await;
            assert_eq!(stack.record().await.status, BuildStatus::Open, "it may still run");
            stack.clock.advance(SignedDuration::from_hours(7 * 24 + 1));
            reap(&stack).await;
            assert_eq!(stack.record().await.status, BuildStatus::Closed);
            assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
        }
    }

    #[tokio::test]
    async fn an_image_stays_as_long_as_a_parameter_names_it() {
        let stack = reach(&good(State::Publish)).await;
        stack.start_execution().await;
        stack.cloud.fail_next("PutParameter", Fault::KillAfter);
        stack.run_until_killed(&[good(State::Publish)]).await;
        stop_quietly(&stack);
        stack.cloud.fail_always("DeleteParameter", HOME, Fault::Refuse(Kind::Denied));
        for _ in 0..20 {
            reap(&stack).await;
            let home = stack.inventory().region(HOME);
            assert!(home.images.contains_key(&home.parameters["/images/web"]), "{home:?}");
        }
        assert_eq!(stack.record().await.status, BuildStatus::Closed);
        stack.cloud.heal();
        for hours in [1, 7, 25, 25] {
            stack.clock.advance(SignedDuration::from_hours(hours));
            reap(&stack).await;
        }
        assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
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
    async fn a_stop_whose_event_was_lost_leaves_nothing_after_two_sweeps() {
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
    async fn what_is_kept_for_a_while_is_removed_when_it_expires() {
        let stack = kept_for_a_while().await;
        let kept = stack.inventory();
        assert!(!kept.is_empty());
        reap(&stack).await;
        assert_eq!(stack.inventory(), kept);
        stack.clock.advance(SignedDuration::from_hours(73));
        reap(&stack).await;
        assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
    }

    #[tokio::test]
    async fn expired_resources_that_stay_are_recorded_and_counted() {
        let stack = kept_for_a_while().await;
        let image = stack.inventory().region(HOME).images.into_keys().next().unwrap();
        let is_looked_after = async || !stack.store().open_builds(jiff::Timestamp::MAX).await.unwrap().is_empty();
        assert!(!is_looked_after().await);
        stack.clock.advance(SignedDuration::from_hours(73));
        stack.cloud.fail_always("DeregisterImage", HOME, Fault::Refuse(Kind::Denied));
        reap(&stack).await;
        assert!(stack.record().await.after.left.iter().any(|left| left.what == image && left.region == HOME));
        stack.clock.advance(SignedDuration::from_mins(5));
        let told = reap::metric(&stack.context(), &json!({"sweep": true})).await.unwrap();
        assert!(told["LeftBehind"].as_u64().unwrap() > 0, "{told}");
        // After a month only a person can help, though each sweep tries.
        for _ in 0..3 {
            stack.clock.advance(SignedDuration::from_hours(31 * 24));
            reap(&stack).await;
            let told = reap::metric(&stack.context(), &json!({"sweep": true})).await.unwrap();
            assert!(told["GivenUp"].as_u64().unwrap() > 0 && told.get("LeftBehind").is_none(), "{told}");
        }
        stack.cloud.heal();
        stack.clock.advance(SignedDuration::from_hours(7 * 24));
        reap(&stack).await;
        assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
        assert!(!is_looked_after().await);
        assert_eq!(reap::metric(&stack.context(), &json!({"sweep": true})).await, None);
    }

    #[tokio::test]
    async fn what_is_left_for_years_is_removed_once_it_can_be() {
        let stack = kept_for_a_while().await;
        stack.cloud.fail_always("DeregisterImage", HOME, Fault::Refuse(Kind::Denied));
        for _ in 0..120 {
            stack.clock.advance(SignedDuration::from_hours(7 * 24));
            stack.table.expire(stack.clock.now());
            reap(&stack).await;
        }
        assert!(!stack.store().all_effects(BUILD).await.unwrap().is_empty(), "the journal has expired");
        assert!(!stack.record().await.after.left.is_empty());
        stack.cloud.heal();
        stack.clock.advance(SignedDuration::from_hours(7 * 24));
        reap(&stack).await;
        assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
    }

    #[tokio::test]
    async fn kept_resources_are_removed_even_if_another_kind_is_unreadable() {
        for call in ["DescribeInstances", "DescribeVolumes"] {
            let stack = kept_for_a_while().await;
            stack.clock.advance(SignedDuration::from_hours(73));
            stack.cloud.fail_always(call, HOME, Fault::Refuse(Kind::Denied));
            reap(&stack).await;
            assert!(stack.inventory().is_empty(), "{call}: {:?}", stack.inventory());
        }
    }

    /// Makes the volume of the build instance outlive the instance, and returns the volume's id.
    async fn leave_volume(stack: &Stack) -> String {
        let effects = stack.store().all_effects(BUILD).await.unwrap();
        let launched = effects.iter().find(|effect| effect.scope == "Launch").unwrap();
        let volumes = stack.cloud.keep_volumes(HOME, launched.id.as_ref().unwrap());
        let EffectKind::Instance { volumes: recorded, .. } = &launched.kind else { panic!("{launched:?}") };
        assert_eq!(&volumes, recorded, "the journal has them");
        volumes[0].clone()
    }

    #[tokio::test]
    async fn late_results_of_a_closed_build_are_removed_but_not_published_images() {
        let stack = Stack::new().await;
        for task in whole_build() {
            stack.run(&task).await.unwrap();
        }
        let published = stack.inventory();
        let tags = stack.context().tags(&stack.record().await);
        let amis = stack.image().await.amis;
        let copied =
            format!("Copied for DestinationAmi {} from SourceAmi {} for SourceSnapshot", amis[AWAY], amis[HOME]);
        stack.cloud.add_snapshot(AWAY, &copied, &tags);
        leave_volume(&stack).await;
        assert_eq!(stack.inventory().region(HOME).volumes.len(), 1);
        assert_ne!(stack.inventory().region(AWAY), published.region(AWAY));
        reap(&stack).await;
        assert_eq!(stack.inventory(), published);
        assert_eq!(stack.image().await.status, ImageStatus::Available);
    }

    #[tokio::test]
    async fn a_leftover_volume_is_removed_whatever_fails_once_or_for_an_hour() {
        let faults = [Fault::Refuse(Kind::Throttled), Fault::Refuse(Kind::Denied), Fault::LoseAnswer];
        for (fault, times) in faults.into_iter().flat_map(|fault| [(fault, 1), (fault, 12)]) {
            let stack = Stack::new().await;
            for task in whole_build() {
                stack.run(&task).await.unwrap();
            }
            let published = stack.inventory();
            let volume = leave_volume(&stack).await;
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
