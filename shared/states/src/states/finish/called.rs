//! Checks whether the definition has called Finish. Lambda does not say who calls it, and anyone who may invoke the
//! function could otherwise end any running build.

use std::time::Duration;

use goldsmith_store::{BuildRecord, BuildStatus, Scope, StateRecord};

use super::ending::Trigger;
use crate::error_names::ErrorName;
use crate::parts::passed;
use crate::{Context, Error, Result};

/// How often Step Functions is asked whether a state still waits: it may take a moment to know that the state does not
/// wait.
const LOOKS: u32 = 3;
/// Pause between two of these calls.
const PAUSE: Duration = Duration::from_secs(2);

/// Rejects a call that does not come from the definition. The definition calls Finish after Publish, or in a
/// verification after JudgeTests, and it calls FinishFailed when no state of the execution waits.
///
/// # Errors
/// Fails with `Internal` if Finish is called before the build has published, or before the tests of a verification have
/// passed. Fails with `Throttled` if a state still seems to wait, since Step Functions may take a moment to know that
/// it does not wait. If the call came from the definition, the definition retries it, and the cause is not lost. Also
/// fails if a call to the table fails, or if a call to Step Functions fails and may succeed later. If Step Functions
/// permanently refuses to say whether a state waits, the call is accepted, because no rejection by AWS may keep a build
/// open.
pub(super) async fn is_by_the_definition(context: &Context, record: &BuildRecord, trigger: &Trigger) -> Result<()> {
    if record.status != BuildStatus::Open || record.published {
        return Ok(());
    }
    if *trigger == Trigger::Succeeded && record.plan.verifies.is_some() {
        return passed::require_judged(context, record).await;
    }
    if *trigger == Trigger::Succeeded {
        return Err(Error::internal(refusal(record, "it has not published")));
    }
    for look in 1..=LOOKS {
        let states = context.store.states(&record.build).await?;
        let why = match waiting(context, &record.build, &states).await? {
            Some(waiting) => format!("{waiting} still waits for an answer"),
            // A look takes no lock. If a wait is moved or a state begins during the look, the look may miss the wait.
            // But then STATE has changed, because the same transaction writes it.
            None if places(&context.store.states(&record.build).await?) == places(&states) => return Ok(()),
            None => "its states have moved on in the meantime".to_owned(),
        };
        if look == LOOKS {
            return Err(Error::failed(ErrorName::Throttled, refusal(record, &why)));
        }
        context.clock.sleep(PAUSE).await;
    }
    Ok(())
}

fn refusal(record: &BuildRecord, why: &str) -> String {
    format!("the execution of {} has not called this function: {why}", record.build)
}

/// Returns each state with the resource for which it waits.
fn places(states: &[StateRecord]) -> Vec<(Scope, Option<&str>)> {
    states.iter().map(|state| (state.scope(), state.waits_for.as_deref())).collect()
}

/// Returns a state that has a token which can still be answered.
async fn waiting(context: &Context, build: &str, states: &[StateRecord]) -> Result<Option<Scope>> {
    for state in states {
        let scope = state.scope();
        let Some(wait) = context.store.wait(build, &scope).await? else { continue };
        for token in wait.tokens() {
            // SendTaskHeartbeat shows whether a token still waits, without answering it. It has no effect on the state,
            // because the definition sets no `HeartbeatSeconds`.
            match context.cloud.executions.is_waiting(token).await {
                Ok(true) => return Ok(Some(scope)),
                Ok(false) => {}
                Err(error) if error.is_transient() => return Err(error.into()),
                Err(error) => {
                    tracing::warn!(%error, build, state = %scope, "Step Functions does not say whether it waits")
                }
            }
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use async_trait::async_trait;
    use goldsmith_cloud::Kind;
    use goldsmith_cloud::fake::{Between, Fault, HOME, OnItsWay};
    use goldsmith_store::{BuildStatus, ImageStatus, Scope, Store, Wait};
    use jiff::SignedDuration;

    use crate::testing::{BUILD, Stack, TABLE_READ, Task, reach};
    use crate::{ErrorInfo, Start, State};

    fn failed(error: &str) -> Task {
        let error = ErrorInfo { error: error.to_owned(), cause: "somebody says so".to_owned() };
        Task { error: Some(error), ..Task::new(State::FinishFailed) }
    }

    /// The payload of one call of the function.
    fn call(stack: &Stack, Task { state, error, .. }: Task) -> Start {
        let execution = stack.context().config.execution_arn(BUILD);
        Start { build: BUILD.to_owned(), state, item: None, token: None, execution, input: None, results: None, error }
    }

    /// A build whose image is being made, and the token for which its execution waits.
    async fn waiting() -> (Stack, String) {
        let stack = reach(&Task::new(State::Snapshot)).await;
        stack.cloud.pace(|pace| pace.until_image = 1_000);
        let token = stack.start(&Task::new(State::Snapshot)).await;
        assert!(stack.answer(&token).is_none());
        (stack, token)
    }

    #[tokio::test]
    async fn whoever_calls_finish_while_the_execution_is_elsewhere_ends_nothing() {
        let (stack, token) = waiting().await;
        let before = stack.inventory();
        for _ in 0..2 {
            for call in [failed("States.Timeout"), failed("Goldsmith.CommandFailed")] {
                let error = stack.run(&call).await.unwrap_err();
                assert_eq!(error.error, "Goldsmith.Throttled", "{error:?}");
            }
            let error = stack.run(&Task::new(State::Finish)).await.unwrap_err();
            assert_eq!(error.error, "Goldsmith.Internal", "{error:?}");
            assert!(error.cause.contains("has not called this function"), "{error:?}");
        }
        assert_eq!(stack.record().await.status, BuildStatus::Open);
        assert_eq!(stack.inventory(), before);
        stack.cloud.settle();
        stack.tick_after(SignedDuration::from_mins(1)).await;
        assert!(stack.answer(&token).unwrap().is_ok(), "the build goes on");
    }

    #[tokio::test]
    async fn finish_without_an_error_ends_no_build_that_has_not_published() {
        let stack = reach(&Task::new(State::Publish)).await;
        stack.run(&Task::new(State::Finish)).await.unwrap_err();
        assert_eq!(stack.record().await.status, BuildStatus::Open);
    }

    #[tokio::test]
    async fn a_token_that_stays_valid_for_a_while_does_not_lose_the_cause() {
        let (stack, token) = waiting().await;
        let start = call(&stack, failed("Goldsmith.ImageFailed"));
        for _ in 0..2 {
            let error = crate::states::finish::handle(&stack.context(), &start).await.unwrap_err();
            assert!(error.is_transient(), "{error}");
            assert_eq!(error.name().as_str(), "Goldsmith.Throttled", "the definition tries it again");
            assert!(error.to_string().contains("Snapshot still waits for an answer"), "{error}");
        }
        stack.cloud.close_token(&token);
        stack.run(&failed("Goldsmith.ImageFailed")).await.unwrap();
        let failure = stack.image().await.failure.unwrap();
        assert_eq!((failure.error.as_str(), failure.message.as_str()), ("Goldsmith.ImageFailed", "somebody says so"));
    }

    /// Moves the wait of Snapshot to another resource before the `n`th read of the table.
    struct Moving {
        store: Store,
        n: usize,
        reads: AtomicUsize,
    }

    #[async_trait]
    impl Between for Moving {
        async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
            if call.name == TABLE_READ && self.reads.fetch_add(1, Ordering::Relaxed) + 1 == self.n {
                let scope = Scope::from(State::Snapshot);
                let wait = self.store.wait(BUILD, &scope).await.unwrap().unwrap();
                let moved = Wait { resource: "ami-0123456789abcdef0".to_owned(), ..wait.clone() };
                assert!(self.store.park(&wait, &scope, &moved, "the image is pending").await.unwrap());
            }
            None
        }
    }

    #[tokio::test]
    async fn a_wait_that_moves_during_the_look_still_waits() {
        for n in 1.. {
            let (stack, _token) = waiting().await;
            let between = Arc::new(Moving { store: stack.store(), n, reads: AtomicUsize::new(0) });
            let context = stack.context_behind(between.clone());
            let start = call(&stack, failed("States.Timeout"));
            let error = crate::states::finish::handle(&context, &start).await.expect_err(&format!("read {n}"));
            assert_eq!(error.name().as_str(), "Goldsmith.Throttled", "{error}");
            assert_eq!(stack.record().await.status, BuildStatus::Open);
            if between.reads.load(Ordering::Relaxed) < n {
                break;
            }
        }
    }

    #[tokio::test]
    async fn a_throttled_look_proves_nothing() {
        for kind in [Kind::Throttled, Kind::Unanswered] {
            let (stack, token) = waiting().await;
            stack.cloud.fail_always("SendTaskHeartbeat", HOME, Fault::Refuse(kind));
            for _ in 0..2 {
                let error = stack.run(&failed("States.Timeout")).await.unwrap_err();
                assert_eq!(error.error, "Goldsmith.Throttled", "{error:?}");
                assert_eq!(stack.record().await.status, BuildStatus::Open, "{kind:?}");
            }
            stack.cloud.heal();
            stack.cloud.close_token(&token);
            stack.run(&failed("States.Timeout")).await.unwrap();
            assert_eq!(stack.record().await.status, BuildStatus::Closed, "{kind:?}");
        }
    }

    #[tokio::test]
    async fn finish_ends_a_build_even_if_step_functions_denies_the_heartbeat() {
        for kind in [Some(Kind::Denied), None] {
            let (stack, token) = waiting().await;
            stack.cloud.close_token(&token);
            if let Some(kind) = kind {
                stack.cloud.fail_always("SendTaskHeartbeat", HOME, Fault::Refuse(kind));
            }
            for _ in 0..2 {
                stack.run(&failed("States.Timeout")).await.unwrap();
                assert_eq!(stack.record().await.status, BuildStatus::Closed, "{kind:?}");
            }
            assert_eq!(stack.image().await.status, ImageStatus::Failed);
            stack.cloud.settle();
            stack.tick_after(SignedDuration::from_mins(5)).await;
            crate::events::reap::handle(&stack.context(), serde_json::json!({"sweep": true})).await.unwrap();
            assert!(stack.inventory().is_empty(), "{kind:?}: {:?}", stack.inventory());
        }
    }
}
