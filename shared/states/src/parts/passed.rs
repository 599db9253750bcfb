//! Checks earlier states of a build in the table. Anyone who can call the function may send outcomes in the payload, so
//! an image is made and published only if the table says that it was built, tested and distributed.

use std::collections::BTreeSet;

use goldsmith_store::{BuildRecord, Scope, StateStatus};

use crate::{Context, Error, Outcome, Result, State};

/// Fails if these outcomes say that all tests have succeeded, and the table does not say the same of each test in the
/// plan.
///
/// # Errors
/// Fails with `Internal`, or if a call to the table fails.
pub(crate) async fn require_tests_passed(context: &Context, record: &BuildRecord, results: &[Outcome]) -> Result<()> {
    if results.iter().all(Outcome::succeeded) {
        for test in &record.plan.tests {
            require(context, record, State::ExecuteTest, Some(test)).await?;
        }
    }
    Ok(())
}

/// Fails unless the tests were judged, the provenance was signed if the plan has a key, these outcomes name each Region of
/// the plan once, and the image was distributed to each Region for which they report success. A reported failure is
/// believed, because a function that could not run or that timed out has recorded nothing.
///
/// # Errors
/// Fails with `Internal`, or if a call to the table fails.
pub(crate) async fn require_distributed(context: &Context, record: &BuildRecord, results: &[Outcome]) -> Result<()> {
    if !record.plan.tests.is_empty() {
        require_judged(context, record).await?;
    }
    if record.plan.signing_key.is_some() {
        require(context, record, State::Attest, None).await?;
    }
    let planned: BTreeSet<&str> = record.plan.regions.iter().map(|planned| planned.region.as_str()).collect();
    let told: BTreeSet<&str> = results.iter().map(|result| result.item.as_str()).collect();
    if told != planned || results.len() != planned.len() {
        let message = format!("this call does not name each Region of the plan of {} exactly once", record.build);
        return Err(Error::internal(message));
    }
    for result in results.iter().filter(|result| result.succeeded()) {
        require(context, record, State::DistributeRegion, Some(&result.item)).await?;
    }
    Ok(())
}

/// Fails unless the state before this one has succeeded: Build before Checkpoint, Checkpoint before BuildRest, and before
/// Snapshot the last state that runs documents, on the first instance or on the second one.
///
/// # Errors
/// Fails with `Internal`, or if a call to the table fails.
pub(crate) async fn require_built(context: &Context, record: &BuildRecord, before: State) -> Result<()> {
    let last = match (before, record.plan.makes_checkpoint()) {
        (State::BuildRest, _) => State::Checkpoint,
        (State::Snapshot, Some(_)) => State::BuildRest,
        _ => State::Build,
    };
    if before == State::Snapshot && has_succeeded(context, record, &State::BuildAgain.into()).await? {
        return Ok(());
    }
    require(context, record, last, None).await
}

/// Fails unless the image of the build is complete.
///
/// # Errors
/// Fails with `Internal`, or if a call to the table fails.
pub(crate) async fn require_made(context: &Context, record: &BuildRecord) -> Result<()> {
    require(context, record, State::Snapshot, None).await
}

/// Fails unless JudgeTests has found that all tests have succeeded.
///
/// # Errors
/// Fails with `Internal`, or if a call to the table fails.
pub(crate) async fn require_judged(context: &Context, record: &BuildRecord) -> Result<()> {
    require(context, record, State::JudgeTests, None).await
}

async fn require(context: &Context, record: &BuildRecord, state: State, item: Option<&String>) -> Result<()> {
    let scope = Scope { state, item: item.cloned() };
    match has_succeeded(context, record, &scope).await? {
        true => Ok(()),
        false => {
            let message = format!("{scope} of {} has not succeeded, although this call says so", record.build);
            Err(Error::internal(message))
        }
    }
}

async fn has_succeeded(context: &Context, record: &BuildRecord, scope: &Scope) -> Result<bool> {
    let found = context.store.state(&record.build, scope).await?;
    Ok(found.is_some_and(|found| found.status == StateStatus::Succeeded))
}

#[cfg(test)]
mod tests_of_strangers {
    use goldsmith_cloud::fake::HOME;
    use goldsmith_model::MustSucceed;

    use crate::testing::{AWAY, Stack, Task, before_copy, good, reach, reach_on_in, whole_build_with_checkpoint};
    use crate::{Outcome, State};

    /// Returns the task Publish with these reported outcomes of Regions.
    fn publish(results: &[(&str, &str)]) -> Task {
        let outcome = |(item, outcome): &(&str, &str)| Outcome {
            item: (*item).to_owned(),
            outcome: (*outcome).to_owned(),
            cause: None,
        };
        Task { results: Some(results.iter().map(outcome).collect()), ..Task::new(State::Publish) }
    }

    /// A build that needs only some Regions, at the moment when the copy to the second Region begins.
    async fn some_suffice() -> Stack {
        before_copy(|to| to.must_succeed = MustSucceed::Some).await
    }

    #[tokio::test]
    async fn a_forged_success_of_tests_or_copies_publishes_nothing() {
        for state in [State::LaunchTest, State::ExecuteTest] {
            let stack = reach(&Task::item(state, "t3.small")).await;
            let before = stack.inventory();
            let empty = Task { results: Some(vec![]), ..Task::new(State::JudgeTests) };
            for call in [good(State::JudgeTests), empty, good(State::Publish)] {
                for _ in 0..2 {
                    let error = stack.run(&call).await.unwrap_err();
                    assert_eq!(error.error, "Goldsmith.Internal", "{error:?}");
                }
            }
            assert_eq!(stack.inventory(), before);
            assert!(!stack.record().await.published);
        }
        // One Region is copied to still.
        let twice = publish(&[(HOME, "succeeded"), (HOME, "succeeded")]);
        let left_out = publish(&[(HOME, "succeeded")]);
        let all = reach(&Task::item(State::DistributeRegion, AWAY)).await;
        for (stack, calls) in [
            (all, vec![good(State::Publish), twice.clone(), left_out.clone()]),
            (some_suffice().await, vec![good(State::Publish), twice, left_out]),
        ] {
            let copy = Task::item(State::DistributeRegion, AWAY);
            for is_copying in [false, true] {
                if is_copying {
                    stack.cloud.pace(|pace| pace.until_image = 1_000);
                    stack.start(&copy).await;
                }
                for call in &calls {
                    let error = stack.run(call).await.unwrap_err();
                    assert_eq!(error.error, "Goldsmith.Internal", "{error:?}");
                }
                assert!(!stack.record().await.published);
            }
            // The build itself is none the worse for it.
            stack.cloud.settle();
            stack.cloud.pace(|pace| pace.until_image = 1); // for the copy that another account makes now
            for task in [copy, good(State::Publish), good(State::Finish)] {
                stack.run(&task).await.unwrap();
            }
            let amis = stack.image().await.amis;
            assert!(stack.record().await.published && amis.contains_key(AWAY), "{amis:?}");
        }
    }

    #[tokio::test]
    async fn no_image_is_made_before_all_components_have_run() {
        let run = whole_build_with_checkpoint();
        for (early, reached) in [
            (State::Checkpoint, State::Build),
            (State::BuildRest, State::Checkpoint),
            (State::Snapshot, State::BuildRest),
        ] {
            let stack = reach_on_in(Stack::with_checkpoint().await, &run, &Task::new(reached)).await;
            let before = stack.inventory();
            let error = stack.run(&Task::new(early)).await.unwrap_err();
            assert_eq!(error.error, "Goldsmith.Internal", "{error:?}");
            assert_eq!(stack.inventory(), before, "{early}");
        }
        let stack = reach(&Task::new(State::Build)).await;
        let error = stack.run(&Task::new(State::Snapshot)).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.Internal", "{error:?}");
        // Also not if somebody has stopped the instance while they run.
        let stack = reach_on_in(Stack::with_checkpoint().await, &run, &Task::new(State::Build)).await;
        let instance = stack.inventory().region(HOME).instances.into_keys().next().unwrap();
        stack.cloud.stop_instance(HOME, &instance, "Client.UserInitiatedShutdown: User initiated shutdown");
        let error = stack.run(&Task::new(State::Checkpoint)).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.Internal", "{error:?}");
        assert!(stack.inventory().region(HOME).images.is_empty());
    }

    #[tokio::test]
    async fn if_some_regions_suffice_a_failed_one_is_left_out() {
        let stack = some_suffice().await;
        stack.cloud.next_image_fails(AWAY, "KMS key is disabled");
        stack.run(&Task::item(State::DistributeRegion, AWAY)).await.unwrap_err();
        for _ in 0..2 {
            stack.run(&publish(&[(HOME, "succeeded"), (AWAY, "failed")])).await.unwrap();
        }
        stack.run(&good(State::Finish)).await.unwrap();
        assert_eq!(stack.image().await.amis.into_keys().collect::<Vec<_>>(), [HOME]);
    }
}
