//! The metrics that reap sends to CloudWatch.

use goldsmith_store::BuildStatus;
use jiff::Timestamp;
use serde_json::{Value, json};

use super::is_sweep;
use crate::parts::metrics::embed;
use crate::states::finish::after::is_hopeless;
use crate::{Context, Result};

/// Returns the line of the log from which CloudWatch reads how many resources cost money without being needed. The
/// template has an alarm of the same name for each metric:
///
/// - `LeftBehind`: closed builds have left these resources behind, because AWS rejects their removal. The removal is
///   retried.
/// - `GivenUp`: these resources are still left after a month, and only a person can help.
/// - `Strangers`: these resources carry the stack's tags, but nothing ties them to a build, so only a person may remove
///   them.
///
/// A metric that would be zero is left out, since CloudWatch charges for each metric. Returns `None` if all metrics are
/// zero, and in the ticks between two sweeps. The line does not depend on how [`handle`](super::handle) has ended.
pub(crate) async fn metric(context: &Context, event: &Value) -> Option<Value> {
    if !is_sweep(event) {
        return None;
    }
    let counted = count(context).await.inspect_err(|error| tracing::warn!(%error, "the metrics are left out")).ok()?;
    let counted: Vec<(&str, usize)> = counted.into_iter().filter(|(_, count)| *count > 0).collect();
    if counted.is_empty() {
        return None;
    }
    let mut line: Value = counted.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
    let metrics: Vec<(&str, &str)> = counted.iter().map(|(name, _)| (*name, "Count")).collect();
    embed(context, &mut line, &metrics);
    Some(line)
}

async fn count(context: &Context) -> Result<[(&'static str, usize); 3]> {
    let now = context.clock.now();
    let (mut left_behind, mut given_up) = (0, 0);
    // All builds count, not only those that are due now: what is looked at once a week costs money in between.
    for build in context.store.open_builds(Timestamp::MAX).await? {
        if build.status == BuildStatus::Closed {
            *(if is_hopeless(&build, now) { &mut given_up } else { &mut left_behind }) += build.after.left.len();
        }
    }
    let strangers = context.store.leftovers().await?.len();
    Ok([("LeftBehind", left_behind), ("GivenUp", given_up), ("Strangers", strangers)])
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_cloud::{ExecutionStatus, Kind};
    use jiff::SignedDuration;

    use super::*;
    use crate::State;
    use crate::events::reap::handle;
    use crate::testing::{BUILD, Stack, Task, reach};

    async fn told(stack: &Stack, later: SignedDuration) -> Option<Value> {
        stack.clock.advance(later);
        let context = stack.context();
        let event = json!({"sweep": true});
        handle(&context, event.clone()).await.unwrap();
        metric(&context, &event).await
    }

    /// A build that was stopped, and whose instance AWS refuses to terminate.
    async fn left_behind() -> Stack {
        let stack = reach(&Task::new(State::Build)).await;
        stack.start_execution().await;
        stack.cloud.fail_always("TerminateInstances", HOME, Fault::Refuse(Kind::Denied));
        let arn = stack.context().config.execution_arn(BUILD);
        stack.cloud.edit_execution(&arn, |execution| execution.status = ExecutionStatus::Aborted);
        told(&stack, SignedDuration::from_mins(5)).await;
        stack
    }

    /// The metrics of a line. Everything that a directive of the format names is a member of the line: a dimension is a
    /// text, and a metric is a number.
    fn metrics_of(stack: &Stack, line: &Value) -> Vec<(String, u64)> {
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        let dimension = directive["Dimensions"][0][0].as_str().unwrap();
        assert_eq!(line[dimension], json!(stack.context().config.stack));
        assert_eq!(line["_aws"]["Timestamp"], stack.context().clock.now().as_millisecond());
        let metrics = directive["Metrics"].as_array().unwrap().iter();
        let metrics = metrics.map(|metric| metric["Name"].as_str().unwrap().to_owned());
        metrics.map(|name| (name.clone(), line[&name].as_u64().unwrap())).collect()
    }

    #[tokio::test]
    async fn what_aws_does_not_remove_is_reported_until_it_is_gone() {
        let stack = left_behind().await;
        for _ in 0..20 {
            let line = told(&stack, SignedDuration::from_mins(10)).await.unwrap();
            assert_eq!(metrics_of(&stack, &line), [("LeftBehind".to_owned(), 1)]);
        }
        assert_eq!(metric(&stack.context(), &json!({})).await, None, "once in a while is enough");
        stack.cloud.heal();
        assert_eq!(told(&stack, SignedDuration::from_hours(24)).await, None);
        assert!(stack.inventory().is_empty());
    }

    #[tokio::test]
    async fn what_only_a_person_can_remove_is_reported_until_it_is_gone() {
        let stack = left_behind().await;
        // Somebody copies its tags to a volume, which nothing ties to the build.
        let tags = stack.context().tags(&stack.record().await);
        let volume = stack.cloud.add_volume(HOME, &tags);
        let line = told(&stack, SignedDuration::from_mins(10)).await.unwrap();
        assert_eq!(metrics_of(&stack, &line), [("LeftBehind".to_owned(), 1), ("Strangers".to_owned(), 1)]);
        for days in [31, 365] {
            let line = told(&stack, SignedDuration::from_hours(days * 24)).await.unwrap();
            assert_eq!(metrics_of(&stack, &line), [("GivenUp".to_owned(), 1), ("Strangers".to_owned(), 1)]);
        }
        stack.cloud.heal();
        let line = told(&stack, SignedDuration::from_hours(8 * 24)).await.unwrap();
        assert_eq!(metrics_of(&stack, &line), [("Strangers".to_owned(), 1)]);
        stack.cloud.cloud().machines.delete_volume(HOME, &volume).await.unwrap();
        assert_eq!(told(&stack, SignedDuration::from_mins(10)).await, None);
        assert!(stack.inventory().is_empty());
    }
}
