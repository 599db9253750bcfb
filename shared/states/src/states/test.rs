//! EndTest and JudgeTests: terminate a test instance and report the outcome of its test, and then fail the build if a
//! test failed or if the pipeline's policy for vulnerabilities rejects the image.
//!
//! Input of EndTest: the error that was caught from LaunchTest or ExecuteTest, or nothing. Output of EndTest: `{item,
//! outcome, cause?}`. Input of JudgeTests: the outcomes of the Map. Error of JudgeTests: `TestFailed` with the cause of
//! the first failed test, or `AuditFailed` if the audit made that test fail, or `Vulnerable`.

pub(crate) mod vulnerabilities;

use goldsmith_store::{BuildRecord, EffectKind, Scope};
use serde_json::{Value, json};

use crate::engine::once::once;
use crate::error_names::ErrorName;
use crate::parts::passed;
use crate::parts::short::{short, whole};
use crate::{Context, Error, Outcome, Result, Start, State};

/// Runs one invocation of EndTest.
///
/// # Errors
/// Fails if a call to the table or to AWS fails.
pub(crate) async fn end(context: &Context, start: &Start) -> Result<Value> {
    once(context, start, terminate(context, start)).await
}

async fn terminate(context: &Context, start: &Start) -> Result<(String, Value)> {
    let item = start.item.clone().unwrap_or_default();
    let launched = Scope { state: State::LaunchTest, item: start.item.clone() };
    for effect in context.store.effects(&start.build, &launched).await? {
        if let (EffectKind::Instance { .. }, Some(id)) = (&effect.kind, &effect.id) {
            context.cloud.machines.terminate(&effect.region, id).await?;
        }
    }
    let executed = Scope { state: State::ExecuteTest, item: start.item.clone() };
    let cause = start.error.as_ref().map(|error| error.failure(&executed));
    // A failed test is an outcome and not an error of this state, whose own work is done when the instance is ended.
    // JudgeTests decides what failed tests mean, after the last of them.
    let outcome = Outcome {
        item,
        outcome: if cause.is_some() { "failed" } else { "succeeded" }.to_owned(),
        cause: cause.map(|cause| json!(short(&cause))),
    };
    Ok((format!("the test instance was terminated; the test {}", outcome.outcome), json!(outcome)))
}

/// Runs one invocation of JudgeTests.
///
/// # Errors
/// Fails with `TestFailed`, `AuditFailed` or `Vulnerable`, or if a call to the table or to S3 fails.
pub(crate) async fn judge(context: &Context, start: &Start) -> Result<Value> {
    let results = start.results.as_deref().unwrap_or_default();
    let record = context.planned(&start.build).await?;
    // A call that the definition does not make must not even show the state as running.
    passed::require_tests_passed(context, &record, results).await?;
    once(context, start, verdict(context, &record, results)).await
}

async fn verdict(context: &Context, record: &BuildRecord, results: &[Outcome]) -> Result<(String, Value)> {
    let Some(failed) = results.iter().find(|result| !result.succeeded()) else {
        let passed = format!("{} of {} tests succeeded", results.len(), results.len());
        let judged = vulnerabilities::judge(context, record).await?;
        return Ok((judged.map_or(passed.clone(), |judged| format!("{passed}; {judged}")), json!({})));
    };
    let mut cause = whole(context, &record.build, failed, State::ExecuteTest, Some(State::LaunchTest)).await?;
    let is_audit = cause.error == ErrorName::AuditFailed.as_str();
    let name = if is_audit { ErrorName::AuditFailed } else { ErrorName::TestFailed };
    name.as_str().clone_into(&mut cause.error);
    Err(Error::because(name, cause))
}

#[cfg(test)]
mod tests {
    use crate::State;
    use crate::testing::{Task, check_state, good};

    #[tokio::test]
    async fn end_test_survives_every_fault() {
        check_state(Task::item(State::EndTest, "t3.small"), &["TerminateInstances"]).await;
    }

    #[tokio::test]
    async fn judge_tests_survives_every_fault() {
        check_state(good(State::JudgeTests), &[]).await;
    }
}
