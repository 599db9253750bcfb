//! What the table says of states that went before. The outcomes in a payload are whoever's who has called: what was not
//! built, tested and distributed is published for nobody.

use goldsmith_store::{BuildRecord, Scope, StateStatus};

use crate::{Context, Error, Outcome, Result, State};

/// Fails unless each test of the plan has succeeded, where these outcomes say that all have.
///
/// # Errors
/// `Internal`; the table's.
pub(crate) async fn tests(context: &Context, record: &BuildRecord, results: &[Outcome]) -> Result<()> {
    if results.iter().all(Outcome::succeeded) {
        for test in &record.plan.tests {
            passed(context, record, State::ExecuteTest, Some(test)).await?;
        }
    }
    Ok(())
}

/// Fails unless the tests were judged, and each Region was distributed to of which these outcomes say so.
///
/// # Errors
/// `Internal`; the table's.
pub(crate) async fn distribution(context: &Context, record: &BuildRecord, results: &[Outcome]) -> Result<()> {
    if !record.plan.tests.is_empty() {
        passed(context, record, State::JudgeTests, None).await?;
    }
    for result in results.iter().filter(|result| result.succeeded()) {
        passed(context, record, State::DistributeRegion, Some(&result.item)).await?;
    }
    Ok(())
}

async fn passed(context: &Context, record: &BuildRecord, state: State, item: Option<&String>) -> Result<()> {
    let scope = Scope { state: state.name().to_owned(), item: item.cloned() };
    match context.store.state(&record.build, &scope).await? {
        Some(state) if state.status == StateStatus::Succeeded => Ok(()),
        _ => Err(Error::internal(format!("{scope} of {} has not succeeded, as this call says", record.build))),
    }
}

#[cfg(test)]
mod tests_of_strangers {
    use crate::State;
    use crate::testing::{Task, good, reach};

    #[tokio::test]
    async fn whoever_says_that_tests_or_copies_went_well_publishes_nothing() {
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
        let stack = reach(&Task::item(State::DistributeRegion, crate::testing::AWAY)).await;
        stack.run(&good(State::Publish)).await.unwrap_err();
        assert!(!stack.record().await.published);
        // The build itself is none the worse for it.
        for task in
            [Task::item(State::DistributeRegion, crate::testing::AWAY), good(State::Publish), good(State::Finish)]
        {
            stack.run(&task).await.unwrap();
        }
        assert!(stack.record().await.published);
    }
}
