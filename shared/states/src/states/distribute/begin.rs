//! BeginCopies: asks EC2 for the copies to other Regions before the tests, so that EC2 copies while the image is tested.
//!
//! It is a head start and nothing else. A copy is an effect of DistributeRegion, which finds it in its journal, waits for
//! it, and shares it once the image has passed. What cannot be begun here, DistributeRegion begins. If a test fails,
//! FinishFailed removes the copies like everything else that the build has made.

use std::pin::pin;
use std::time::Duration;

use futures_util::future::{Either, join_all, select};
use goldsmith_store::{BuildRecord, PlannedRegion, Scope};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::engine::drive::Scene;
use crate::engine::once::once;
use crate::parts::passed;
use crate::{Context, Error, Result, Start, State};

/// How long a Region has to accept its copy. The tests wait for this state, so one Region must not delay them for long.
const PATIENCE: Duration = Duration::from_secs(20);

/// Runs one invocation of BeginCopies.
///
/// # Errors
/// Fails if the image is not complete, if the build is closed, or if the table does not answer. The definition goes on to
/// the tests then.
pub(crate) async fn begin(context: &Context, start: &Start) -> Result<Value> {
    let record = context.planned(&start.build).await?;
    // A call that the definition does not make must not even show the state as running.
    passed::require_made(context, &record).await?;
    once(context, start, begin_all(context, &record)).await
}

async fn begin_all(context: &Context, record: &BuildRecord) -> Result<(String, Value)> {
    let plan = &record.plan;
    // Only the definition knows the way here, but whoever may invoke the function can call this state in any build.
    if !plan.begins_copies() {
        return Ok(("no copy begins before the tests".to_owned(), json!({})));
    }
    let away: Vec<_> = plan.regions.iter().filter(|planned| planned.region != plan.home_region).collect();
    let begun = join_all(away.iter().map(|planned| begin_one(context, record, planned))).await;
    let mut said = Vec::new();
    for (planned, begun) in away.iter().zip(begun) {
        said.push(match begun? {
            Some(copy) => format!("{copy} has begun in {}", planned.region),
            None => format!("the copy in {} begins after the tests", planned.region),
        });
    }
    Ok((said.join("; "), json!({})))
}

/// Begins the copy to one Region. Returns its id, or `None` if EC2 has not accepted it.
async fn begin_one(context: &Context, record: &BuildRecord, planned: &PlannedRegion) -> Result<Option<String>> {
    let scope = Scope { state: State::DistributeRegion, item: Some(planned.region.clone()) };
    // `PATIENCE` ends this. The deadline is that of DistributeRegion, which waits.
    let scene = Scene {
        context,
        record: record.clone(),
        scope,
        deadline: Timestamp::MAX,
        waits_for: String::new(),
        in_line: None,
        before: None,
        began: None,
    };
    let copied = pin!(async { super::copy(&scene, planned, &super::original(&scene).await?).await });
    let why_not = match select(copied, context.clock.sleep(PATIENCE)).await {
        Either::Left((Ok(id), _)) => return Ok(Some(id)),
        Either::Left((Err(Error::Closed), _)) => return Err(Error::Closed),
        Either::Left((Err(error), _)) => error.to_string(),
        Either::Right(_) => "the Region does not answer".to_owned(),
    };
    tracing::warn!(build = record.build, region = planned.region, why_not, "the copy will begin after the tests");
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use async_trait::async_trait;
    use goldsmith_cloud::fake::{Between, Fault, HOME, OnItsWay};
    use goldsmith_cloud::{ImageState, Kind};
    use goldsmith_model::CopyStart;
    use jiff::SignedDuration;
    use serde_json::json;

    use super::PATIENCE;
    use crate::testing::{AWAY, BUILD, Stack, Task, reach_on, whole_build};
    use crate::{Clock as _, Context, ErrorInfo, State, dispatch};

    async fn stack() -> Stack {
        let stack = Stack::new().await;
        stack.edit_distribution(|to| to.start = CopyStart::WithTests).await;
        stack
    }

    /// A build whose image is complete.
    async fn made() -> Stack {
        reach_on(stack().await, &Task::item(State::LaunchTest, "t3.small")).await
    }

    /// Runs the tests and everything after them.
    async fn end(stack: &Stack) {
        for task in whole_build().iter().skip_while(|task| task.state != State::LaunchTest) {
            stack.run(task).await.unwrap();
        }
    }

    /// The changes of the second Region.
    fn calls_away(stack: &Stack) -> Vec<&'static str> {
        stack.cloud.effects().iter().filter(|effect| effect.region == AWAY).map(|effect| effect.name).collect()
    }

    #[tokio::test]
    async fn the_copy_runs_during_the_tests_and_nobody_else_sees_it_before_they_have_passed() {
        let stack = made().await;
        stack.cloud.pace(|pace| pace.until_image = 1_000);
        for _ in 0..2 {
            assert_eq!(stack.run(&Task::new(State::BeginCopies)).await, Ok(json!({})));
            assert_eq!(calls_away(&stack), ["CopyImage"]);
        }
        let said = stack.store().state(BUILD, &State::BeginCopies.into()).await.unwrap().unwrap().detail;
        let copy = stack.inventory().region(AWAY).images.into_keys().next().unwrap();
        assert_eq!(said, format!("{copy} has begun in us-east-1"));
        let found = stack.cloud.cloud().images.image(AWAY, &copy).await.unwrap().unwrap();
        assert_eq!(found.state, ImageState::Pending);
        stack.cloud.settle();
        stack.cloud.pace(|pace| pace.until_image = 1); // for the copy that another account makes now
        end(&stack).await;
        assert_eq!(calls_away(&stack).iter().filter(|call| **call == "CopyImage").count(), 1);
        assert!(stack.record().await.published);
    }

    #[tokio::test]
    async fn an_execution_begins_copies_only_if_the_configuration_says_so_and_there_are_tests() {
        for (start, types, begins) in
            [(CopyStart::WithTests, 1, true), (CopyStart::AfterTests, 1, false), (CopyStart::WithTests, 0, false)]
        {
            let stack = Stack::new().await;
            stack.edit_distribution(|to| to.start = start).await;
            if types == 0 {
                let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
                web.image_tests_configuration.image_tests_enabled = false;
                stack.put_pipeline(web).await;
            }
            stack.start_and_execute(BUILD, json!({"pipeline": "web"})).await.unwrap();
            let began = stack.store().state(BUILD, &State::BeginCopies.into()).await.unwrap().is_some();
            assert_eq!(began, begins, "{start:?}, {types} test");
            assert!(stack.record().await.published);
        }
    }

    #[tokio::test]
    async fn whatever_happens_to_the_head_start_the_build_ends_the_same() {
        let good = made().await;
        end(&good).await;
        let before = made().await.cloud.effects().len();
        let begun = made().await;
        begun.run(&Task::new(State::BeginCopies)).await.unwrap();
        let effects: Vec<_> = begun.cloud.effects().split_off(before).iter().map(|effect| effect.name).collect();
        assert_eq!(effects.iter().filter(|name| **name == "CopyImage").count(), 1, "{effects:?}");
        for kind in [Kind::Throttled, Kind::Unanswered, Kind::Denied, Kind::Invalid, Kind::Capacity] {
            for (n, name) in (1..).zip(&effects) {
                let fail = |stack: &Stack| stack.cloud.fail_at(n, Fault::Refuse(kind));
                check(&good, fail, &format!("{kind:?} at {n}, {name}")).await;
            }
            let always = |stack: &Stack| stack.cloud.fail_always("CopyImage", AWAY, Fault::Refuse(kind));
            check(&good, always, &format!("{kind:?} for as long as it begins")).await;
        }
        for fault in [Fault::LoseAnswer, Fault::KillBefore, Fault::KillAfter] {
            for (n, name) in (1..).zip(&effects) {
                check(&good, |stack| stack.cloud.fail_at(n, fault), &format!("{fault:?} at {n}, {name}")).await;
            }
        }
    }

    async fn check(good: &Stack, fail: impl Fn(&Stack), what: &str) {
        let stack = made().await;
        fail(&stack);
        // The definition goes on to the tests even if this fails.
        let _ = stack.run(&Task::new(State::BeginCopies)).await;
        stack.cloud.heal();
        end(&stack).await;
        assert_eq!(stack.inventory(), good.inventory(), "{what}");
    }

    #[tokio::test]
    async fn who_calls_it_before_the_image_is_complete_does_not_even_show_it_as_running() {
        let stack = reach_on(stack().await, &Task::new(State::Snapshot)).await;
        let error = stack.run(&Task::new(State::BeginCopies)).await.unwrap_err();
        assert!(error.cause.contains("Snapshot of") && calls_away(&stack).is_empty(), "{error:?}");
        assert_eq!(stack.store().state(BUILD, &State::BeginCopies.into()).await.unwrap(), None);
    }

    /// Holds the first CopyImage until another attempt has made the copy, and then rejects it.
    struct Overtaken {
        context: Context,
        start: serde_json::Value,
        has_come: AtomicBool,
    }

    #[async_trait]
    impl Between for Overtaken {
        async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
            if call.name != "CopyImage" || self.has_come.swap(true, Ordering::Relaxed) {
                return None;
            }
            dispatch(&self.context, "distribute", self.start.clone()).await.unwrap();
            Some(Fault::Refuse(Kind::Denied))
        }
    }

    #[tokio::test]
    async fn a_late_rejection_does_not_make_the_build_forget_the_copy() {
        let stack = made().await;
        let execution = stack.context().config.execution_arn(BUILD);
        let start = json!({"build": BUILD, "state": "BeginCopies", "execution": execution});
        let overtaken = Overtaken { context: stack.context(), start, has_come: AtomicBool::new(false) };
        let context = Context { cloud: stack.cloud.behind(Arc::new(overtaken)).cloud(), ..stack.context() };
        stack.run_in(&context, &Task::new(State::BeginCopies)).await.unwrap();
        assert_eq!(stack.inventory().region(AWAY).images.len(), 1);
        let error = ErrorInfo { error: "Goldsmith.TestFailed".to_owned(), cause: "a test failed".to_owned() };
        stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
        assert!(stack.inventory().is_empty(), "{:?}", stack.inventory());
    }

    #[tokio::test]
    async fn who_calls_the_function_in_another_build_begins_nothing() {
        let stack = reach_on(Stack::new().await, &Task::item(State::LaunchTest, "t3.small")).await;
        stack.run(&Task::new(State::BeginCopies)).await.unwrap();
        assert_eq!(calls_away(&stack), [""; 0]);
    }

    #[tokio::test]
    async fn a_failed_test_removes_the_copy_whether_it_is_ready_or_not() {
        for is_ready in [false, true] {
            let stack = made().await;
            stack.cloud.pace(|pace| pace.until_image = 1_000);
            stack.run(&Task::new(State::BeginCopies)).await.unwrap();
            if is_ready {
                stack.cloud.settle();
            }
            let error = ErrorInfo { error: "Goldsmith.TestFailed".to_owned(), cause: "a test failed".to_owned() };
            stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
            stack.cloud.settle();
            crate::events::reap::handle(&stack.context(), json!({"sweep": true})).await.unwrap();
            assert!(stack.inventory().is_empty(), "{is_ready}: {:?}", stack.inventory());
            assert_eq!(calls_away(&stack).first(), Some(&"CopyImage"), "the build had begun it");
        }
    }

    /// A Region that never answers.
    struct Silent;

    #[async_trait]
    impl Between for Silent {
        async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
            if call.region == AWAY { std::future::pending().await } else { None }
        }
    }

    #[tokio::test]
    async fn a_region_that_does_not_answer_does_not_hold_up_the_tests() {
        let stack = made().await;
        let context = Context { cloud: stack.cloud.behind(Arc::new(Silent)).cloud(), ..stack.context() };
        let began = stack.clock.now();
        stack.run_in(&context, &Task::new(State::BeginCopies)).await.unwrap();
        assert!(stack.clock.now() <= began + SignedDuration::try_from(PATIENCE).unwrap());
        let said = stack.store().state(BUILD, &State::BeginCopies.into()).await.unwrap().unwrap().detail;
        assert_eq!(said, "the copy in us-east-1 begins after the tests");
        end(&stack).await;
        assert_eq!(calls_away(&stack).iter().filter(|call| **call == "CopyImage").count(), 1);
    }

    #[tokio::test]
    async fn a_copy_that_fails_during_the_tests_fails_its_region_with_the_reason() {
        let stack = made().await;
        stack.cloud.next_image_fails(AWAY, "KMS key is disabled");
        stack.run(&Task::new(State::BeginCopies)).await.unwrap();
        let away = Task::item(State::DistributeRegion, AWAY);
        let stack = reach_on(stack, &Task::item(State::DistributeRegion, HOME)).await;
        let error = stack.run(&away).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.CopyFailed");
        assert!(error.cause.contains("KMS key is disabled"), "{}", error.cause);
    }
}
