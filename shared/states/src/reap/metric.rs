//! What reap tells CloudWatch.

use goldsmith_store::BuildStatus;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::is_sweep;
use crate::{Context, Result};

/// The line of the log from which CloudWatch reads the metric `LeftBehind`: how many resources the closed builds leave behind that are
/// still looked at, since AWS refuses to remove them. It has the embedded metric format, so that the function needs neither a
/// call nor the right to put metrics. The template's alarm of the same name looks at the metric.
///
/// `None` where nothing is left, and in the ticks between two sweeps. It does not depend on how [`handle`](super::handle)
/// has ended.
pub async fn metric(context: &Context, event: &Value) -> Option<Value> {
    if !is_sweep(event) {
        return None;
    }
    let left = left_behind(context).await.inspect_err(|error| tracing::warn!(%error, "the metric is left out"));
    let left = left.ok().filter(|left| *left > 0)?;
    Some(json!({
        "_aws": {
            "Timestamp": context.clock.now().as_millisecond(),
            "CloudWatchMetrics": [{
                "Namespace": "Goldsmith",
                "Dimensions": [["Stack"]],
                "Metrics": [{"Name": "LeftBehind", "Unit": "Count"}],
            }],
        },
        "Stack": context.config.stack,
        "LeftBehind": left,
    }))
}

async fn left_behind(context: &Context) -> Result<usize> {
    let builds = context.store.open_builds(Timestamp::MAX).await?;
    let closed = builds.iter().filter(|build| build.status == BuildStatus::Closed);
    Ok(closed.map(|build| build.after.left.len()).sum())
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_cloud::{ExecutionStatus, Kind};
    use jiff::SignedDuration;

    use super::*;
    use crate::State;
    use crate::reap::handle;
    use crate::testing::{BUILD, Stack, Task, reach};

    async fn told(stack: &Stack, later: SignedDuration) -> Option<Value> {
        stack.clock.advance(later);
        let context = stack.context();
        let event = json!({"sweep": true});
        handle(&context, event.clone()).await.unwrap();
        metric(&context, &event).await
    }

    #[tokio::test]
    async fn what_aws_refuses_to_remove_is_told_until_it_is_gone() {
        let stack = reach(&Task::new(State::Build)).await;
        stack.start_execution().await;
        stack.cloud.fail_always("TerminateInstances", HOME, Fault::Refuse(Kind::Denied));
        let arn = stack.context().config.execution_arn(BUILD);
        stack.cloud.edit_execution(&arn, |execution| execution.status = ExecutionStatus::Aborted);
        told(&stack, SignedDuration::from_mins(5)).await;
        for _ in 0..20 {
            let line = told(&stack, SignedDuration::from_mins(10)).await.unwrap();
            // What a directive of the format names is a member of the line: a text for a dimension, a number for a metric.
            let directive = &line["_aws"]["CloudWatchMetrics"][0];
            let dimension = directive["Dimensions"][0][0].as_str().unwrap();
            let name = directive["Metrics"][0]["Name"].as_str().unwrap();
            assert_eq!((&line[dimension], &line[name]), (&json!(stack.context().config.stack), &json!(1)));
            assert_eq!(line["_aws"]["Timestamp"], stack.context().clock.now().as_millisecond());
        }
        assert_eq!(metric(&stack.context(), &json!({})).await, None, "once in a while is enough");
        stack.cloud.heal();
        assert_eq!(told(&stack, SignedDuration::from_hours(24)).await, None);
        assert!(stack.inventory().is_empty());
    }
}
