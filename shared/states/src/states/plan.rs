//! Plan: resolves everything that could change during the build, freezes it in the build's record, and takes the lease.
//!
//! Input: the execution's input. Output: `{outcome, reason?, image, tests, regions}`. Error: `Refused` for everything
//! that the user has to fix. If Plan runs twice, the second run returns what the record says.
//!
//! The outcome says at which state the definition continues: `build` at Launch, `verify` at Test, `distribute` at
//! Distribute.

mod channels;
mod checkpoint;
mod difference;
mod distribution;
mod estimate;
mod finding;
mod freeze;
mod preflight;
mod preview;
mod problem;
mod resolve;
mod types;

use goldsmith_model::{
    Cause, ExecutionInput, ExecutionOutput, ImagePipeline, ImageRecipe, ImageRef, Name, StartCondition, StartFrom,
    Version,
};
use goldsmith_store::{Aftermath, BuildRecord, BuildStatus, Opened, Plan, Scope, stamp};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::engine::once::once;
use crate::error_names::ErrorName;
use crate::events::start::kept_cause;
use crate::{Context, Error, Result, Start, State};
pub use difference::between_builds;
pub use distribution::preview::{DistributionPreview, MissingInRegion, preview_distribution};
use finding::refusal;
pub use finding::{Finding, Place};
use freeze::freeze;
use preflight::examine;
pub use preview::{
    Chosen, Difference, Estimate, Existing, InstanceTime, Preview, PreviewedCheckpoint, PreviewedFirmware,
    PreviewedRegion, PreviewedSource, StateTime, Verdict, preview,
};
pub use problem::{Cost, Problem, Severity};
use resolve::{Inputs, Viewer, resolve};

/// Runs one invocation.
///
/// # Errors
/// Fails with `Refused` and a message that names the field, or if a call to the table or to AWS fails.
pub(crate) async fn handle(context: &Context, start: &Start) -> Result<Value> {
    let output = match context.store.build(&start.build).await? {
        Some(record) if record.status == BuildStatus::Closed => return Err(used_before(&record)),
        Some(record) => planned(&record),
        None => plan(context, start).await?,
    };
    let at_home = std::slice::from_ref(&context.config.region);
    let opened = match &output {
        ExecutionOutput::Build { image, regions, .. } | ExecutionOutput::Distribute { image, regions, .. } => {
            Some((image, regions.as_slice()))
        }
        ExecutionOutput::Verify { image, .. } => Some((image, at_home)),
        _ => None,
    };
    if let Some((image, regions)) = opened {
        // The sweep searches only the Regions of this list, so each is on it before anything is made there.
        for region in regions {
            context.store.note_region(region).await?;
        }
        once(context, start, async { Ok((image.to_string(), ())) }).await?;
    }
    Ok(json!(output))
}

async fn plan(context: &Context, start: &Start) -> Result<ExecutionOutput> {
    let input = ExecutionInput::parse(start.input.as_ref().unwrap_or(&Value::Null)).map_err(refused)?;
    let pipeline = context.store.pipeline(&input.pipeline).await?.ok_or_else(|| {
        refused(format!("the field `pipeline` of the input names `{}`, which was never applied", input.pipeline))
    })?;
    input.check_overrides(&pipeline).map_err(refused)?;
    let why = why(context, start, &input, &pipeline).await?;
    if let Some(StartFrom::Distribute { image }) = &input.from {
        return distribute(context, start, &input, &pipeline, why.cause, image).await;
    }
    let mut findings = Vec::new();
    let Some(inputs) = resolve(context, &input, &pipeline, Viewer::Stack, &mut findings).await? else {
        return Err(refused_for(&findings));
    };
    if !findings.iter().any(Finding::is_refusal)
        && let Some(reason) = nothing_changed(context, &input, &why, &inputs).await?
    {
        // No build of this execution will mark the cause. If it stayed pending, the reaper would come back to it.
        context.store.serve_cause(&input.pipeline, &why.cause, context.clock.now()).await?;
        return Ok(ExecutionOutput::Skipped { reason: Some(reason) });
    }
    let examined = examine(context, &input, inputs, Viewer::Stack, &mut findings).await?;
    warn(start, &findings);
    match examined.resolved() {
        Some(resolved) if refusal(&findings).is_none() => {
            let now = context.clock.now();
            let ImageRecipe { name, version, .. } = &resolved.inputs.recipe;
            let plan = |image: &ImageRef| freeze(&resolved, &context.config.subnets, image, now);
            open(context, start, &input, why.cause, (name, *version), plan).await
        }
        _ => Err(refused_for(&findings)),
    }
}

/// Plans a run that only distributes an image.
async fn distribute(
    context: &Context,
    start: &Start,
    input: &ExecutionInput,
    pipeline: &ImagePipeline,
    cause: Cause,
    image: &ImageRef,
) -> Result<ExecutionOutput> {
    let mut findings = Vec::new();
    let planned = distribution::plan(context, input, pipeline, image, Viewer::Stack, &mut findings).await?;
    let Some(plan) = planned.plan else {
        return Ok(ExecutionOutput::Skipped { reason: Some(format!("nothing of {image} is missing")) });
    };
    if refusal(&findings).is_some() {
        return Err(refused_for(&findings));
    }
    warn(start, &findings);
    open(context, start, input, cause, (&image.name, image.version), |_| plan.clone()).await
}

fn warn(start: &Start, findings: &[Finding]) {
    for warning in findings.iter().filter(|finding| !finding.is_refusal()) {
        tracing::warn!(build = start.build, %warning, "the build starts with a warning");
    }
}

/// Returns the error for a build with problems. The error names all of them.
fn refused_for(findings: &[Finding]) -> Error {
    refusal(findings).map_or_else(|| Error::internal("the build cannot be planned, but no problem was found"), refused)
}

/// Why this build is started.
struct Why {
    cause: Cause,
    /// Time at which the cause arrived, if it has waited: a failed build is retried, or a freeze has postponed the
    /// cause. Another build may have served it since.
    waited_since: Option<String>,
}

/// Returns why this build is started. If the stack has not kept the cause for this very execution, the cause is only a
/// claim, and the build counts as started by a person.
async fn why(context: &Context, start: &Start, input: &ExecutionInput, pipeline: &ImagePipeline) -> Result<Why> {
    if let Some(record) = kept_cause(context, &start.build, input).await? {
        let arrived = record.arrived_at.parse::<Timestamp>();
        let was_frozen = arrived.is_ok_and(|arrived| pipeline.was_frozen(arrived, context.clock.now()));
        let waited_since = (record.failures > 0 || was_frozen).then_some(record.arrived_at);
        return Ok(Why { cause: record.cause, waited_since });
    }
    let cause = match &input.cause {
        Some(cause @ Cause::Manual { .. }) => cause.clone(),
        other => {
            if other.is_some() {
                tracing::warn!(
                    build = start.build,
                    "the stack has not kept this cause for this execution: the build counts as manual"
                );
            }
            Cause::Manual { id: start.build.clone() }
        }
    };
    Ok(Why { cause, waited_since: None })
}

/// Takes both the lease and a build number, or neither.
async fn open(
    context: &Context,
    start: &Start,
    input: &ExecutionInput,
    cause: Cause,
    (name, version): (&Name, Version),
    plan: impl Fn(&ImageRef) -> Plan,
) -> Result<ExecutionOutput> {
    let now = context.clock.now();
    // This is a closure because `open_build` tries other numbers after each lost race.
    let draft = |build: u32, fence: u64| {
        let image = ImageRef { name: name.clone(), version, build };
        BuildRecord {
            build: start.build.clone(),
            execution: start.execution.clone(),
            pipeline: input.pipeline.clone(),
            plan: plan(&image),
            image,
            cause: cause.clone(),
            reason: input.reason.clone(),
            status: BuildStatus::Open,
            fence,
            created_at: stamp(now),
            published: false,
            ending: None,
            after: Aftermath::default(),
        }
    };
    match context.store.open_build(&start.build, &input.pipeline, name, version, draft).await? {
        Opened::Build(record) => Ok(planned(&record)),
        Opened::Busy { build } => {
            let image = context.store.build(&build).await?.map(|running| running.image);
            let reason = format!("a build of {} is running: {build}", input.pipeline);
            Ok(ExecutionOutput::AlreadyRunning { reason, image })
        }
        Opened::TooSoon { until } => {
            let reason = format!(
                "{} was built automatically within the last hour: the next automatic build waits until {until}",
                input.pipeline
            );
            Ok(ExecutionOutput::TooSoon { reason })
        }
        Opened::Retired => Err(refused(format!(
            "the stack {} is being retired and starts no more builds: `goldsmith deploy` puts it back into service",
            context.config.stack
        ))),
    }
}

/// Returns why there is nothing to build, if the cause asks for this check.
async fn nothing_changed(
    context: &Context,
    input: &ExecutionInput,
    why: &Why,
    inputs: &Inputs,
) -> Result<Option<String>> {
    let only_on_change = match &why.cause {
        Cause::SourceUpdate { .. } => true,
        Cause::Schedule { .. } => inputs.pipeline.schedule.as_ref().is_some_and(|schedule| {
            schedule.pipeline_execution_start_condition == StartCondition::ExpressionMatchAndDependencyUpdatesAvailable
        }),
        Cause::Manual { .. } | Cause::Dependency { .. } => false,
    };
    if input.force || !(only_on_change || why.waited_since.is_some()) {
        return Ok(None);
    }
    let last = context.store.newest_image(&inputs.recipe.name, &inputs.pipeline.name).await?;
    let same = last.filter(|last| Some(&last.input_digest) == inputs.digest.as_ref());
    // A cause that has waited has its build if another build has published the same since the cause arrived.
    let same =
        same.filter(|last| only_on_change || why.waited_since.as_ref().is_some_and(|time| *time <= last.created_at));
    Ok(same.map(|last| format!("nothing changed since {}", last.image)))
}

/// Returns the error for a build name that was used before. Step Functions forgets the name of an execution after 90
/// days, so the name can be used again.
fn used_before(record: &BuildRecord) -> Error {
    refused(format!(
        "the build {} has already ended, with the image {}: start a build under a name that no build has had yet",
        record.build, record.image
    ))
}

/// Returns the output for an open build, from its record alone.
fn planned(record: &BuildRecord) -> ExecutionOutput {
    let (image, tests) = (record.image.clone(), record.plan.tests.clone());
    if record.plan.verifies.is_some() {
        return ExecutionOutput::Verify { image, tests, regions: Vec::new() };
    }
    let regions = record.plan.regions.iter().map(|planned| planned.region.clone()).collect();
    if record.plan.distributes.is_some() {
        return ExecutionOutput::Distribute { image, tests, regions };
    }
    let (attest, begin_copies) = (record.plan.signing_key.is_some(), record.plan.begins_copies());
    let checkpoint = record.plan.makes_checkpoint().is_some();
    ExecutionOutput::Build { image, tests, regions, attest, begin_copies, checkpoint }
}

/// Returns the error for something that the user has to fix.
fn refused(message: impl ToString) -> Error {
    let scope = Scope::from(State::Plan);
    let cause = Error::failed(ErrorName::Refused, message.to_string()).cause(&scope);
    Error::because(ErrorName::Refused, cause)
}

#[cfg(test)]
mod tests;
