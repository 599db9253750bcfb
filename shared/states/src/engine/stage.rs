//! Tells on the bus which stage a run has reached.

use std::time::Duration;

use futures_util::future::{Either, select};
use goldsmith_store::{BuildRecord, Scope};
use serde_json::json;

use crate::{Context, State, own_events};

/// How long a state waits for the bus. A function has two minutes, and its state needs most of them.
const PATIENCE: Duration = Duration::from_secs(3);
/// The stages of a run, in their order.
pub(crate) const STAGES: &[&str] = &[BUILDING, TESTING, SIGNING, DISTRIBUTING];
const BUILDING: &str = "BUILDING";
const TESTING: &str = "TESTING";
const SIGNING: &str = "SIGNING";
const DISTRIBUTING: &str = "DISTRIBUTING";

/// Tells that a run has reached a stage, if a stage begins with this state. A state calls this whenever it starts, so the
/// event comes again if Step Functions starts the state again.
///
/// The event is for people who watch. A bus that does not accept it must not fail or delay a build, so it is left out then.
/// The event about the end, on which programs act, is sent again until the bus accepts it.
pub(crate) async fn tell(context: &Context, record: &BuildRecord, scope: &Scope) {
    let Some(stage) = stage(record, scope) else { return };
    let image = record.image.to_string();
    let detail = json!({
        "status": stage,
        "image": image,
        "build": record.build,
        "pipeline": record.pipeline,
        "cause": record.cause,
        "overridden": record.plan.overridden,
        "tested": record.plan.verifies.is_some().then_some(&record.plan.source_image),
        "distributed": record.plan.distributes.as_ref().map(|distributed| distributed.image.to_string()),
    });
    let resources = [image, record.pipeline.to_string()];
    let detail = detail.to_string();
    let told = context.cloud.events.emit(own_events::PROGRESS, &resources, &detail);
    match select(told, context.clock.sleep(PATIENCE)).await {
        Either::Left((Ok(()), _)) => {}
        Either::Left((Err(error), _)) => {
            tracing::warn!(build = record.build, stage, %error, "nobody is told of the stage")
        }
        Either::Right(_) => tracing::warn!(build = record.build, stage, "the bus does not answer"),
    }
}

/// Returns the stage that begins with a state. Of the items of a Map, only the first begins one.
fn stage(record: &BuildRecord, scope: &Scope) -> Option<&'static str> {
    let is_first = |first: Option<&String>| first.is_some() && scope.item.as_ref() == first;
    match scope.state {
        State::Launch => Some(BUILDING),
        State::LaunchTest if is_first(record.plan.tests.first()) => Some(TESTING),
        State::Attest => Some(SIGNING),
        State::DistributeRegion if is_first(record.plan.regions.first().map(|planned| &planned.region)) => {
            Some(DISTRIBUTING)
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::Kind;
    use goldsmith_cloud::fake::{Fault, HOME};
    use serde_json::{Value, json};

    use crate::own_events::PROGRESS;
    use crate::testing::Stack;

    /// The stages that the bus was told of, and what belongs to the last.
    fn told(stack: &Stack) -> (Vec<Value>, Value) {
        let events = stack.cloud.events().into_iter().filter(|event| event.detail_type == PROGRESS);
        let details: Vec<Value> = events.map(|event| serde_json::from_str(&event.detail).unwrap()).collect();
        let stages = details.iter().map(|detail| detail["status"].clone()).collect();
        (stages, details.last().cloned().unwrap_or_default())
    }

    #[tokio::test]
    async fn a_build_tells_each_stage_once_and_before_its_end() {
        let stack = Stack::new().await;
        stack.execute().await.unwrap();
        let (stages, last) = told(&stack);
        assert_eq!(stages, ["BUILDING", "TESTING", "DISTRIBUTING"]);
        assert_eq!((&last["image"], &last["pipeline"]), (&json!("web/1.0.0/1"), &json!("web")));
        assert_eq!(
            (&last["tested"], &last["distributed"], &last["overridden"]),
            (&json!(null), &json!(null), &json!(false))
        );
        let kinds: Vec<String> = stack.cloud.events().into_iter().map(|event| event.detail_type).collect();
        assert_eq!(kinds.iter().filter(|kind| *kind != PROGRESS).count(), 1);
        assert_eq!(kinds.last().unwrap(), "Goldsmith Image State Change");
    }

    #[tokio::test]
    async fn a_verification_tells_what_it_tests() {
        let stack = Stack::new().await;
        let ami = stack.source().await;
        let input = json!({"pipeline": "web", "from": {"at": "test", "image": ami}});
        stack.start_and_execute("verify-1", input).await.unwrap();
        let (stages, last) = told(&stack);
        assert_eq!((stages, &last["tested"]), (vec![json!("TESTING")], &json!(ami)));
    }

    #[tokio::test]
    async fn a_bus_that_accepts_no_stage_fails_no_build() {
        let stack = Stack::new().await;
        stack.cloud.fail_always("PutEvents", HOME, Fault::Refuse(Kind::Denied));
        stack.execute().await.unwrap();
        assert_eq!(told(&stack).0, [""; 0]);
    }
}
