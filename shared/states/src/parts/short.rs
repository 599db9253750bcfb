//! Shortens causes in the outputs of a Map. Step Functions passes on 256 KiB for all items together, so each item gets
//! only the beginning of its cause. The whole cause is in the table.

use goldsmith_store::{FailureCause, Scope};

use crate::{Context, Outcome, Result, State};

/// Longest cause, in bytes of JSON. A Map has at most 50 items, and a cause can become three times as long when it is
/// escaped twice (a text in JSON in JSON).
const LIMIT: usize = 1_000;

/// Returns the beginning of a cause, without its last lines and its evidence.
pub(crate) fn short(cause: &FailureCause) -> FailureCause {
    let mut short = FailureCause { last_lines: Vec::new(), evidence: Vec::new(), ..cause.clone() };
    while is_long(&short) && short.message.chars().count() > 1 {
        let half = short.message.chars().count() / 2;
        short.message = short.message.chars().take(half).chain(['…']).collect();
    }
    short
}

fn is_long(cause: &FailureCause) -> bool {
    serde_json::to_string(cause).is_ok_and(|text| text.len() > LIMIT)
}

/// Returns the whole cause of a failed item, which `state` has written to the table. If there is none, returns the
/// cause that the state `before` has written. If there is none either, returns the short cause that the definition
/// passed on.
///
/// # Errors
/// Fails if a call to the table fails.
pub(crate) async fn whole(
    context: &Context,
    build: &str,
    failed: &Outcome,
    state: State,
    before: Option<State>,
) -> Result<FailureCause> {
    for state in [Some(state), before].into_iter().flatten() {
        let scope = Scope { state, item: Some(failed.item.clone()) };
        if let Some(cause) = context.store.state(build, &scope).await?.and_then(|state| state.cause) {
            return Ok(cause);
        }
    }
    Ok(failed.failure(state))
}

#[cfg(test)]
mod tests {
    use goldsmith_store::FailureCause;
    use serde_json::json;

    use super::{LIMIT, short};
    use crate::State;
    use crate::testing::{BUILD, Task, good, reach};

    #[test]
    fn a_long_cause_is_cut_and_a_short_one_loses_only_its_output() {
        let cause = |message: &str| FailureCause {
            state: "ExecuteTest".to_owned(),
            item: Some("t3.small".to_owned()),
            error: "Goldsmith.CommandFailed".to_owned(),
            message: message.to_owned(),
            last_lines: vec!["x".repeat(4_000)],
            evidence: vec!["y".repeat(300); 12],
            ..FailureCause::default()
        };
        let known = short(&cause("exit status 1"));
        assert_eq!(known, FailureCause { last_lines: vec![], evidence: vec![], ..cause("exit status 1") });
        for message in ["ü".repeat(5_000), "\n\"".repeat(5_000)] {
            let cut = short(&cause(&message));
            let text = serde_json::to_string(&cut).unwrap();
            assert!(text.len() <= LIMIT && text.len() > LIMIT / 4, "{}", text.len());
            assert!(cut.message.ends_with('…') && message.starts_with(cut.message.trim_end_matches('…')));
        }
    }

    #[tokio::test]
    async fn a_failed_item_passes_on_little_and_the_build_still_reports_it_all() {
        let stack = reach(&Task::item(State::ExecuteTest, "t3.small")).await;
        let message = "nothing answers here; ".repeat(100);
        let context = format!(
            r#"{{"document":"web","phase":"test","step":"Fetch","message":"{message}","lastLines":["refused"]}}"#
        );
        let result = format!(r#"{{"status":"failed","failureContext":{context}}}"#);
        stack.cloud.next_command(goldsmith_cloud::fake::Outcome::failed(1, &result));
        let failed = stack.run(&Task::item(State::ExecuteTest, "t3.small")).await.unwrap_err();
        assert!(failed.cause.len() <= LIMIT, "{}", failed.cause);
        let ended = Task { error: Some(failed), ..Task::item(State::EndTest, "t3.small") };
        let outcome = stack.run(&ended).await.unwrap();
        assert!(outcome.to_string().len() <= LIMIT + 100, "{outcome}");
        let results = Some(vec![serde_json::from_value(outcome).unwrap()]);
        let judged = stack.run(&Task { results, ..Task::new(State::JudgeTests) }).await.unwrap_err();
        let cause = judged.failure(&Task::new(State::JudgeTests).scope());
        assert!(cause.message.contains(message.trim_end()) && cause.last_lines == ["refused"], "{cause:?}");
        assert_eq!(cause.error, "Goldsmith.TestFailed");
    }

    #[tokio::test]
    async fn a_failed_region_is_reported_from_the_table() {
        let stack = reach(&good(State::Publish)).await;
        let scope = Task::item(State::DistributeRegion, crate::testing::AWAY).scope();
        let (sk, pk) = (format!("STATE#{scope}"), format!("BUILD#{BUILD}"));
        let cause = json!({"state": "DistributeRegion", "error": "Goldsmith.CopyFailed", "message": "the whole of it"});
        stack
            .put_item(json!({"pk": pk, "sk": sk, "state": "DistributeRegion", "item": crate::testing::AWAY,
                "status": "FAILED", "startedAt": "2026-11-24T03:00:00.000Z", "cause": cause}))
            .await;
        let mut publish = good(State::Publish);
        for result in publish.results.iter_mut().flatten().filter(|result| result.item == crate::testing::AWAY) {
            (result.outcome, result.cause) = ("failed".to_owned(), Some(json!("the beginn…")));
        }
        let failed = stack.run(&publish).await.unwrap_err();
        assert!(failed.cause.contains("the whole of it"), "{}", failed.cause);
    }
}
