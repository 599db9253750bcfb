//! The figures of a build that has ended, as a line of the log.

use std::collections::BTreeMap;

use goldsmith_model::Cause;
use goldsmith_store::{BuildRecord, BuildStatus, ImageRecord, ImageStatus};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::parts::metrics::embed;
use crate::{Context, Result};

/// The only figure that is a metric. CloudWatch charges for each metric, and its own metrics of Step Functions show how
/// many builds end, how they end and how long they take.
const READY: &str = "ReadySeconds";

/// Returns the line of the log with the figures of the build that an invocation of Finish has ended, or `None` if there
/// are none: for a run that makes no image, and for an event that only repeats what the definition has reported.
///
/// CloudWatch Logs Insights finds the members of the line by their names, and the dashboard shows them:
///
/// - `Stack`, `Pipeline`, `Image`, `Build`: what was built.
/// - `Status`: the status of the image, such as `AVAILABLE`. `Cause`: why the build has started, such as `schedule`.
/// - `BuildSeconds`: from Plan to Finish. `StateSeconds`: the time of each state by its name; of a state that
///   runs for several Regions or instance types, the longest.
/// - `LagSeconds`: from the scheduled time to Plan, if a schedule has started the build.
/// - `ReadySeconds`: from the creation of the source AMI to the end of the build, if a new AMI of the source has started
///   the build and the image is available. This one is also a metric, in the embedded metric format.
/// - `FailedState`, `Error`: the state that has failed and the name of the error, if the build has failed or was stopped.
///
/// The line may come twice, as Finish may run twice. How the build ends does not depend on it: if something cannot be read,
/// the line is left out.
pub(crate) async fn figures(context: &Context, event: &Value) -> Option<Value> {
    let told = line(context, ended_by(event)?).await;
    told.inspect_err(|error| tracing::warn!(%error, "the figures of a build are left out")).ok().flatten()
}

/// Returns the build that an invocation has ended.
fn ended_by(event: &Value) -> Option<&str> {
    let Some(change) = event.get("detail") else { return event.get("build")?.as_str() };
    // Any other status comes after the definition has called Finish.
    let is_only_sign = matches!(change.get("status")?.as_str()?, "ABORTED" | "TIMED_OUT");
    is_only_sign.then(|| change.get("name")?.as_str()).flatten()
}

async fn line(context: &Context, build: &str) -> Result<Option<Value>> {
    let Some(record) = context.store.build(build).await? else { return Ok(None) };
    let Some(image) = context.store.image(&record.image).await? else { return Ok(None) };
    if record.status != BuildStatus::Closed || !image.is_image() {
        return Ok(None);
    }
    let ended = image.ended_at.clone().unwrap_or_default();
    let mut line = json!({
        "Stack": context.config.stack,
        "Pipeline": record.pipeline,
        "Image": record.image.to_string(),
        "Build": record.build,
        "Status": image.status,
        "Cause": record.cause.kind(),
        "StateSeconds": state_seconds(context, build).await?,
    });
    let more = [
        ("BuildSeconds", between(&record.created_at, &ended).map(|seconds| json!(seconds))),
        ("LagSeconds", lag(&record).map(|seconds| json!(seconds))),
        ("FailedState", image.failure.as_ref().map(|failure| json!(failure.state))),
        ("Error", image.failure.as_ref().map(|failure| json!(failure.error))),
    ];
    for (name, value) in more {
        if let Some(value) = value {
            line[name] = value;
        }
    }
    if let Some(seconds) = ready(context, &record, &image, &ended).await? {
        line[READY] = json!(seconds);
        embed(context, &mut line, &[(READY, "Seconds")]);
    }
    Ok(Some(line))
}

async fn state_seconds(context: &Context, build: &str) -> Result<BTreeMap<String, f64>> {
    let mut longest: BTreeMap<String, f64> = BTreeMap::new();
    for state in context.store.states(build).await? {
        let ended = state.ended_at.as_deref().unwrap_or_default();
        if let Some(seconds) = between(&state.started_at, ended) {
            let known = longest.entry(state.state.to_string()).or_default();
            *known = known.max(seconds);
        }
    }
    Ok(longest)
}

/// Returns how long after its scheduled time a build began.
fn lag(record: &BuildRecord) -> Option<f64> {
    match &record.cause {
        Cause::Schedule { scheduled_time } => between(scheduled_time, &record.created_at),
        _ => None,
    }
}

/// Returns how long after the creation of its source AMI an image was ready. Until then, new servers lacked the patch.
async fn ready(context: &Context, record: &BuildRecord, image: &ImageRecord, ended: &str) -> Result<Option<f64>> {
    if image.status != ImageStatus::Available || !matches!(record.cause, Cause::SourceUpdate { .. }) {
        return Ok(None);
    }
    let source = context.cloud.images.image(&record.plan.home_region, &record.plan.source_image).await?;
    Ok(source.and_then(|source| between(&source.created, ended)))
}

/// Returns the seconds between two times, to the millisecond, or `None` if one of them cannot be read or they are in the
/// wrong order.
fn between(from: &str, to: &str) -> Option<f64> {
    let (from, to): (Timestamp, Timestamp) = (from.parse().ok()?, to.parse().ok()?);
    let time = to.duration_since(from);
    (!time.is_negative()).then(|| (time.as_secs_f64() * 1000.0).round() / 1000.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_cloud::{ExecutionStatus, Kind};

    use super::*;
    use crate::events::start::start;
    use crate::testing::{BUILD, Stack, Task, reach, whole_verification};
    use crate::{ErrorInfo, State};

    async fn told(stack: &Stack) -> Value {
        let build = stack.store().images("web").await.unwrap().remove(0).build;
        figures(&stack.context(), &json!({"build": build})).await.unwrap()
    }

    /// Builds on this stack for an automatic cause. Returns the line of the build.
    async fn built_for(stack: &Stack, cause: &Cause) -> Value {
        start(&stack.context(), &"web".parse().unwrap(), cause).await.unwrap();
        let run = stack.cloud.executions().remove(0);
        stack.start_and_execute(&run.name, serde_json::from_str(&run.input).unwrap()).await.unwrap();
        told(stack).await
    }

    async fn built_for_a_new_source() -> (Stack, String, Value) {
        let stack = Stack::new().await;
        let image = stack.source().await;
        let cause = Cause::SourceUpdate { source: "ssm:/source".to_owned(), image_id: image.clone() };
        let line = built_for(&stack, &cause).await;
        (stack, image, line)
    }

    #[tokio::test]
    async fn a_build_reports_how_long_it_and_its_states_took() {
        let stack = Stack::new().await;
        stack.execute().await.unwrap();
        let line = told(&stack).await;
        assert_eq!(line["Stack"], json!(stack.context().config.stack));
        assert_eq!((&line["Pipeline"], &line["Image"]), (&json!("web"), &json!("web/1.0.0/1")));
        assert_eq!(
            (&line["Status"], &line["Cause"], &line["Build"]),
            (&json!("AVAILABLE"), &json!("manual"), &json!(BUILD))
        );
        let states: BTreeSet<&String> = line["StateSeconds"].as_object().unwrap().keys().collect();
        let ran: Vec<String> =
            stack.store().states(BUILD).await.unwrap().into_iter().map(|one| one.state.to_string()).collect();
        assert_eq!(states, ran.iter().collect());
        assert!(states.contains(&"DistributeRegion".to_owned()), "{states:?}");
        let longest = line["StateSeconds"].as_object().unwrap().values().filter_map(Value::as_f64).fold(0.0, f64::max);
        assert!(longest > 0.0 && line["BuildSeconds"].as_f64().unwrap() >= longest, "{line}");
        for absent in ["_aws", READY, "LagSeconds", "FailedState", "Error"] {
            assert_eq!(line.get(absent), None, "{absent}");
        }
    }

    #[tokio::test]
    async fn a_new_source_counts_until_the_image_is_ready() {
        let (stack, source, line) = built_for_a_new_source().await;
        let created = stack.cloud.cloud().images.image(HOME, &source).await.unwrap().unwrap().created;
        let image = stack.store().images("web").await.unwrap().remove(0);
        let ended = image.ended_at.unwrap();
        assert_eq!(line[READY].as_f64(), between(&created, &ended));
        let directive = &line["_aws"]["CloudWatchMetrics"][0];
        assert_eq!(directive["Namespace"], "Goldsmith");
        // Everything that a directive names is a member of the line: a dimension is a text, and a metric is a number.
        assert!(line[directive["Dimensions"][0][0].as_str().unwrap()].is_string());
        assert!(line[directive["Metrics"][0]["Name"].as_str().unwrap()].is_f64());
        stack.cloud.fail_next("DescribeImages", Fault::Refuse(Kind::Denied));
        assert_eq!(
            figures(&stack.context(), &json!({"build": image.build})).await,
            None,
            "the build has ended all the same"
        );
    }

    #[tokio::test]
    async fn a_late_schedule_and_a_failure_are_told() {
        let cause = Cause::Schedule { scheduled_time: "2020-01-01T00:00:00Z".to_owned() };
        let line = built_for(&Stack::new().await, &cause).await;
        assert!(line["LagSeconds"].as_f64().is_some_and(|lag| lag > 0.0), "{line}");
        let stack = reach(&Task::new(State::Build)).await;
        let cause =
            json!({"state": "Build", "error": "Goldsmith.CommandFailed", "message": "a step failed"}).to_string();
        let error = ErrorInfo { error: "Goldsmith.CommandFailed".to_owned(), cause };
        stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
        let line = told(&stack).await;
        assert_eq!((&line["Status"], &line["FailedState"]), (&json!("FAILED"), &json!("Build")));
        assert_eq!(line["Error"], "Goldsmith.CommandFailed");
    }

    #[tokio::test]
    async fn an_end_is_told_once_and_only_of_a_build() {
        let stack = Stack::new().await;
        stack.execute().await.unwrap();
        let change = |status: &str| json!({"detail": {"name": BUILD, "status": status}});
        for (event, is_told) in [
            (change("SUCCEEDED"), false),
            (change("FAILED"), false),
            (change("ABORTED"), true),
            (change("TIMED_OUT"), true),
            (json!({"build": "unknown"}), false),
            (json!({"detail": {}}), false),
            (json!({}), false),
        ] {
            assert_eq!(figures(&stack.context(), &event).await.is_some(), is_told, "{event}");
        }
        let open = reach(&Task::new(State::Build)).await;
        open.end_execution(ExecutionStatus::Aborted).await;
        assert_eq!(figures(&open.context(), &change("ABORTED")).await, None, "the build has not ended");
        let verified = Stack::new().await;
        for task in whole_verification().await {
            verified.run(&task).await.unwrap();
        }
        assert_eq!(figures(&verified.context(), &json!({"build": BUILD})).await, None, "it makes no image");
    }

    /// Every name that a query of the dashboard reads is a member of the line of some build.
    #[tokio::test]
    async fn the_queries_of_the_dashboard_read_what_is_written() {
        let template = include_str!("../../../../../infra/template.yaml");
        let queries: Vec<&str> =
            template.split("\"query\":\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
        assert!(queries.len() >= 2, "{queries:?}");
        let (_, _, line) = built_for_a_new_source().await;
        for query in queries {
            let (_, steps) = query.split_once('|').unwrap();
            let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '_' || c == '@';
            let names: Vec<&str> = steps
                .split(|c| !is_of_name(c))
                .filter(|word| word.starts_with(|c: char| c.is_ascii_uppercase()))
                .collect();
            assert!(names.contains(&"BuildSeconds") || names.contains(&"StateSeconds.Build"), "{query}");
            for name in names.into_iter().filter(|name| *name != "AVAILABLE") {
                let pointer = format!("/{}", name.replace('.', "/"));
                assert!(line.pointer(&pointer).is_some(), "{name} of {query}");
            }
        }
    }
}
