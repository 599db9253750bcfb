//! Plan: resolves everything that could change under the build, freezes it in the build's record, takes the lease.
//!
//! Input: the execution's input. Output: `{outcome, reason?, image, tests, regions}`. Error: `Refused` for anything
//! that the user has to mend. Run twice, it answers from the record.

mod freeze;
mod resolve;

use goldsmith_model::{Cause, ExecutionInput, ImagePipeline, ImageRecipe, ImageRef, StartCondition};
use goldsmith_store::{BuildRecord, BuildStatus, ImageStatus, Opened, Scope, StateStatus, stamp};
use serde::Serialize;
use serde_json::{Value, json};

use crate::errors::ErrorName;
use crate::{Context, Error, Result, Start};
use freeze::freeze;
use resolve::{Resolved, resolve};

/// What the definition gets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Answer {
    outcome: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    tests: Vec<String>,
    regions: Vec<String>,
}

/// Runs one invocation.
///
/// # Errors
/// `Refused` with a message that names the field, or what table and cloud say.
pub async fn handle(context: &Context, start: &Start) -> Result<Value> {
    let answer = match context.store.build(&start.build).await? {
        Some(record) => planned(&record),
        None => plan(context, start).await?,
    };
    if answer.outcome == "build" {
        let (scope, now) = (start.scope(), context.clock.now());
        context.store.note_running(&start.build, &scope, now).await?;
        let detail = answer.image.clone().unwrap_or_default();
        context.store.end_state(&start.build, &scope, StateStatus::Succeeded, &detail, None, now).await?;
    }
    Ok(json!(answer))
}

async fn plan(context: &Context, start: &Start) -> Result<Answer> {
    let input = ExecutionInput::parse(start.input.as_ref().unwrap_or(&Value::Null)).map_err(refused)?;
    let pipeline = context.store.pipeline(&input.pipeline).await?.ok_or_else(|| {
        refused(format!("the field `pipeline` of the input names `{}`, which was never applied", input.pipeline))
    })?;
    input.check_overrides(&pipeline).map_err(refused)?;
    let cause = input.cause.clone().unwrap_or_else(|| Cause::Manual { id: start.build.clone() });
    let resolved = resolve(context, &input, &pipeline).await?;
    if let Some(reason) = nothing_changed(context, &input, &cause, &pipeline, &resolved).await? {
        return Ok(without_build("skipped", reason, None));
    }
    open(context, start, &input, cause, &resolved).await
}

/// Takes lease and number, all or nothing.
async fn open(
    context: &Context,
    start: &Start,
    input: &ExecutionInput,
    cause: Cause,
    resolved: &Resolved,
) -> Result<Answer> {
    let now = context.clock.now();
    let ImageRecipe { name, version, .. } = &resolved.recipe;
    let draft = |build: u32, fence: u64| {
        let image = ImageRef { name: name.clone(), version: *version, build };
        BuildRecord {
            build: start.build.clone(),
            execution: start.execution.clone(),
            pipeline: input.pipeline.clone(),
            plan: freeze(resolved, &image, now),
            image,
            cause: cause.clone(),
            reason: input.reason.clone(),
            status: BuildStatus::Open,
            fence,
            created_at: stamp(now),
            published: false,
            ending: None,
        }
    };
    match context.store.open_build(&start.build, &input.pipeline, name, *version, draft).await? {
        Opened::Build(record) => Ok(planned(&record)),
        Opened::Busy { build } => {
            let image = context.store.build(&build).await?.map(|running| running.image.to_string());
            let reason = format!("a build of {} is running: {build}", input.pipeline);
            Ok(without_build("already-running", reason, image))
        }
    }
}

/// Why there is nothing to build, if the cause asks for that to be looked at.
async fn nothing_changed(
    context: &Context,
    input: &ExecutionInput,
    cause: &Cause,
    pipeline: &ImagePipeline,
    resolved: &Resolved,
) -> Result<Option<String>> {
    let only_on_change = match cause {
        Cause::SourceUpdate { .. } => true,
        Cause::Schedule { .. } => pipeline.schedule.as_ref().is_some_and(|schedule| {
            schedule.pipeline_execution_start_condition == StartCondition::ExpressionMatchAndDependencyUpdatesAvailable
        }),
        Cause::Manual { .. } | Cause::Dependency { .. } => false,
    };
    if input.force || !only_on_change {
        return Ok(None);
    }
    let images = context.store.images(resolved.recipe.name.as_str()).await?;
    let good = images.iter().filter(|image| image.pipeline == pipeline.name && image.status == ImageStatus::Available);
    let same = good.max_by(|a, b| a.created_at.cmp(&b.created_at)).filter(|last| last.input_digest == resolved.digest);
    Ok(same.map(|last| format!("nothing changed since {}", last.image)))
}

/// The answer for a build that is open, from its record alone.
fn planned(record: &BuildRecord) -> Answer {
    Answer {
        outcome: "build",
        reason: None,
        image: Some(record.image.to_string()),
        tests: record.plan.tests.clone(),
        regions: record.plan.regions.iter().map(|planned| planned.region.clone()).collect(),
    }
}

fn without_build(outcome: &'static str, reason: String, image: Option<String>) -> Answer {
    Answer { outcome, reason: Some(reason), image, tests: vec![], regions: vec![] }
}

/// An error that the user has to mend.
fn refused(message: impl ToString) -> Error {
    let scope = Scope { state: crate::State::Plan.name().to_owned(), item: None };
    let cause = Error::failed(ErrorName::Refused, message.to_string()).cause(&scope);
    Error::because(ErrorName::Refused, cause)
}
