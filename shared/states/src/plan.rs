//! Plan: resolves everything that could change under the build, freezes it in the build's record, takes the lease.
//!
//! Input: the execution's input. Output: `{outcome, reason?, image, tests, regions}`. Error: `Refused` for anything
//! that the user has to mend. Run twice, it answers from the record.

mod freeze;
mod resolve;
mod types;
mod used;

use goldsmith_model::{Cause, ExecutionInput, ImagePipeline, ImageRecipe, ImageRef, StartCondition};
use goldsmith_store::{Aftermath, BuildRecord, BuildStatus, Opened, Scope, StateStatus, stamp};
use serde::Serialize;
use serde_json::{Value, json};

use crate::errors::ErrorName;
use crate::start::kept_cause;
use crate::{Context, Error, Result, Start};
use freeze::freeze;
use resolve::{Resolved, resolve};
pub(crate) use resolve::{newest_image_of, newest_of};
use used::used_before;

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
        Some(record) if record.status == BuildStatus::Closed => return Err(used_before(&record)),
        Some(record) => planned(&record),
        None => plan(context, start).await?,
    };
    if answer.outcome == "build" {
        for region in &answer.regions {
            context.store.note_region(region).await?;
        }
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
    let why = why(context, start, &input).await?;
    let resolved = resolve(context, &input, &pipeline).await?;
    if let Some(reason) = nothing_changed(context, &input, &why, &pipeline, &resolved).await? {
        context.store.serve_cause(&input.pipeline, &why.cause, context.clock.now()).await?;
        return Ok(without_build("skipped", reason, None));
    }
    check_parameters(context, &resolved).await?;
    open(context, start, &input, why.cause, &resolved).await
}

/// Why this build is made.
struct Why {
    cause: Cause,
    /// Since when it is tried again, after a build that has failed.
    tried_since: Option<String>,
}

/// Why this build is made. A cause that the stack has not kept for this very execution is somebody's word, and somebody who
/// starts a build is a person.
async fn why(context: &Context, start: &Start, input: &ExecutionInput) -> Result<Why> {
    if let Some(record) = kept_cause(context, &start.build, input).await? {
        let tried_since = (record.failures > 0).then_some(record.arrived_at);
        return Ok(Why { cause: record.cause, tried_since });
    }
    let cause = match &input.cause {
        Some(cause @ Cause::Manual { .. }) => cause.clone(),
        other => {
            if other.is_some() {
                tracing::warn!(build = start.build, "the cause was not kept for this start: the build is a manual one");
            }
            Cause::Manual { id: start.build.clone() }
        }
    };
    Ok(Why { cause, tried_since: None })
}

/// The parameters that the image is to be published by, as far as AWS would refuse to write them after the whole build.
///
/// The stack's role may write below one path. A parameter's data type never changes (Systems Manager user guide, "Using
/// native parameter support for Amazon Machine Image IDs").
async fn check_parameters(context: &Context, resolved: &Resolved) -> Result<()> {
    for distribution in resolved.distribution.iter().flat_map(|configuration| &configuration.distributions) {
        for planned in &distribution.ssm_parameter_configurations {
            let (region, name, wanted) = (&distribution.region, &planned.parameter_name, planned.data_type.as_str());
            let below = format!("/{}/", context.config.image_parameter_path);
            if !name.starts_with(&below) {
                return Err(refused(format!(
                    "the distribution configuration wants to write the parameter `{name}` in {region}, and this stack may \
                     write parameters below `{below}` only: name one there, or deploy the stack with another \
                     ImageParameterPath"
                )));
            }
            let found = match context.cloud.parameters.get(region, name).await {
                Err(error) if error.is_transient() => return Err(error.into()),
                // A Region or a name that is not ours to read is a matter of the state that writes there.
                found => found.ok().flatten(),
            };
            if let Some(found) = found.filter(|found| found.data_type != wanted) {
                return Err(refused(format!(
                    "the parameter `{name}` in {region} has the data type {}, which never changes, and the distribution \
                     configuration wants to write one of {wanted}: set `dataType: {}` there, or delete the parameter",
                    found.data_type, found.data_type
                )));
            }
        }
    }
    Ok(())
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
            plan: freeze(resolved, &context.config.subnets, &image, now),
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
    match context.store.open_build(&start.build, &input.pipeline, name, *version, draft).await? {
        Opened::Build(record) => Ok(planned(&record)),
        Opened::Busy { build } => {
            let image = context.store.build(&build).await?.map(|running| running.image.to_string());
            let reason = format!("a build of {} is running: {build}", input.pipeline);
            Ok(without_build("already-running", reason, image))
        }
        Opened::TooSoon { until } => {
            let reason = format!("{} has built by itself within the last hour: it waits until {until}", input.pipeline);
            Ok(without_build("too-soon", reason, None))
        }
        Opened::Retired => Err(refused(format!(
            "the stack {} is being retired and builds nothing any more: `goldsmith deploy` puts it into service again",
            context.config.stack
        ))),
    }
}

/// Why there is nothing to build, if the cause asks for that to be looked at.
async fn nothing_changed(
    context: &Context,
    input: &ExecutionInput,
    why: &Why,
    pipeline: &ImagePipeline,
    resolved: &Resolved,
) -> Result<Option<String>> {
    let only_on_change = match &why.cause {
        Cause::SourceUpdate { .. } => true,
        Cause::Schedule { .. } => pipeline.schedule.as_ref().is_some_and(|schedule| {
            schedule.pipeline_execution_start_condition == StartCondition::ExpressionMatchAndDependencyUpdatesAvailable
        }),
        Cause::Manual { .. } | Cause::Dependency { .. } => false,
    };
    if input.force || !(only_on_change || why.tried_since.is_some()) {
        return Ok(None);
    }
    let last = context.store.newest_image(&resolved.recipe.name, &pipeline.name).await?;
    let same = last.filter(|last| last.input_digest == resolved.digest);
    // What is tried again has its build where another one has published the same since it was first heard of.
    let same =
        same.filter(|last| only_on_change || why.tried_since.as_ref().is_some_and(|time| *time <= last.created_at));
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

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{AMAZON, Fault, HOME};
    use goldsmith_cloud::{Kind, Parameter};
    use goldsmith_model::definitions::Definitions;
    use goldsmith_model::{Cause, ExecutionInput};
    use serde_json::{Value, json};

    use crate::testing::{Stack, Task, check_state, whole_build};
    use crate::{Clock as _, State};

    #[tokio::test]
    async fn plan_survives_every_fault() {
        check_state(Task::new(State::Plan), &[]).await;
    }

    #[tokio::test]
    async fn a_parameter_outside_the_stacks_path_is_refused_before_anything_is_built() {
        let stack = Stack::new().await;
        let name = "two".parse().unwrap();
        let mut distribution = stack.store().distribution(&name).await.unwrap().unwrap();
        distribution.distributions[0].ssm_parameter_configurations[0].parameter_name = "/golden/web".to_owned();
        let definitions = Definitions { distributions: vec![distribution], ..Definitions::default() };
        stack.store().apply(&definitions).await.unwrap();
        let error = stack.run(&Task::new(State::Plan)).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.Refused");
        let message =
            "the parameter `/golden/web` in eu-west-1, and this stack may write parameters below `/images/` only";
        assert!(error.cause.contains(message), "{}", error.cause);
    }

    #[tokio::test]
    async fn a_parameter_of_another_data_type_is_refused_before_anything_is_built() {
        let stack = Stack::new().await;
        let text = Parameter { value: "ami-1".to_owned(), data_type: "text".to_owned() };
        stack.cloud.cloud().parameters.put(HOME, "/images/web", &text).await.unwrap();
        let error = stack.run(&Task::new(State::Plan)).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.Refused");
        let message = "the parameter `/images/web` in eu-west-1 has the data type text, which never changes";
        assert!(error.cause.contains(message), "{}", error.cause);
    }

    fn plan(input: Value) -> Task {
        Task { input: Some(input), ..Task::new(State::Plan) }
    }

    #[tokio::test]
    async fn what_the_user_has_to_mend_is_refused_and_named() {
        let stack = Stack::new().await;
        for (input, message) in [
            (
                json!({"pipeline": "nowhere"}),
                "the field `pipeline` of the input names `nowhere`, which was never applied",
            ),
            (json!({"pipelin": "web"}), "the input has no field `pipelin`: did you mean `pipeline`?"),
            (json!("web"), r#"the input must be a JSON object such as {"pipeline": "web-server"}"#),
            (
                json!({"pipeline": "web", "force": "yes"}),
                "the field `force` of the input is wrong: invalid type: string \"yes\", expected a boolean",
            ),
            (
                json!({"pipeline": "web", "sourceImage": "ssm:/nothing"}),
                "source image ssm:/nothing: there is no such parameter in eu-west-1",
            ),
            (
                json!({"pipeline": "web", "parameters": {"apache": {}}}),
                "the field `parameters` of the input names component `apache`, which recipe `web` has not",
            ),
        ] {
            let error = stack.run(&plan(input)).await.unwrap_err();
            assert_eq!(error.error, "Goldsmith.Refused");
            let told: Value = serde_json::from_str(&error.cause).unwrap();
            let cause: Value = serde_json::from_str(told["errorMessage"].as_str().unwrap()).unwrap();
            assert_eq!((&cause["state"], &cause["message"]), (&json!("Plan"), &json!(message)));
        }
        assert!(stack.inventory().is_empty());
    }

    #[tokio::test]
    async fn a_strangers_image_behind_a_parameter_is_refused_by_its_owner_unless_the_recipe_names_it() {
        let stack = Stack::new().await;
        let foreign = stack.cloud.add_image(HOME, "999988887777", "debian-12");
        stack.point_source_to(&foreign).await;
        let error = stack.run(&Task::new(State::Plan)).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.Refused");
        let message = format!(
            "source image ssm:/source: it stands for {foreign}, whose owner is 999988887777, and self and amazon are allowed: if \
             that is meant, name the owner in the recipe's `parentImageOwners`"
        );
        assert!(error.cause.contains(&message), "{}", error.cause);
        // AWS's own parameters stand for others' AMIs, too, and nobody else can write them.
        let parameter = Parameter { value: foreign.clone(), data_type: "aws:ec2:image".to_owned() };
        let own = "/aws/service/canonical/ubuntu";
        stack.cloud.cloud().parameters.put(HOME, own, &parameter).await.unwrap();
        let by_aws = json!({"pipeline": "web", "sourceImage": format!("ssm:{own}")});
        assert_eq!(stack.run_as("by-aws", &plan(by_aws)).await.unwrap()["outcome"], "build");
        let record = stack.store().build("by-aws").await.unwrap().unwrap();
        assert_eq!((record.plan.source_owner.as_deref(), record.plan.source_owner_alias), (Some("999988887777"), None));
        for (owner, of, expected) in [
            ("999988887777", "999988887777", true),
            ("aws-marketplace", "aws-marketplace", true),
            ("self", "self", true),
            ("self", "amazon", false),
            ("amazon", "aws-marketplace", false),
        ] {
            let stack = Stack::new().await;
            stack.point_source_to(&stack.cloud.add_image(HOME, of, "debian-12")).await;
            let version = "1.0.0".parse().unwrap();
            let mut recipe = stack.store().recipe(&"web".parse().unwrap(), version).await.unwrap().unwrap();
            recipe.version = "1.0.1".parse().unwrap();
            recipe.parent_image_owners = vec![owner.to_owned()];
            let definitions = Definitions { recipes: vec![recipe], ..Definitions::default() };
            stack.store().apply(&definitions).await.unwrap();
            assert_eq!(stack.run(&Task::new(State::Plan)).await.is_ok(), expected, "{owner} of {of}");
        }
    }

    #[tokio::test]
    async fn everything_is_frozen_in_the_record() {
        let stack = Stack::new().await;
        let answer = stack.run(&Task::new(State::Plan)).await.unwrap();
        let expected = json!({
            "outcome": "build", "image": "web/1.0.0/1", "tests": ["t3.small"], "regions": ["eu-west-1", "us-east-1"],
        });
        assert_eq!(answer, expected);
        let plan = stack.record().await.plan;
        let documents: Vec<String> =
            plan.documents.iter().map(|document| format!("{} {}", document.name, document.version)).collect();
        assert_eq!(documents, ["nginx 1.0.0", "answers 1.0.0"]);
        assert_eq!(plan.regions[0].name, "web 1.0.0-1");
        assert!(plan.documents[1].test_only);
    }

    #[tokio::test]
    async fn a_patched_source_builds_once_and_an_unchanged_one_not_at_all() {
        let stack = Stack::new().await;
        for task in whole_build() {
            stack.run(&task).await.unwrap();
        }
        let release =
            |image: &str| Cause::SourceUpdate { source: "ssm:/source".to_owned(), image_id: image.to_owned() };
        let answer = planned_for(&stack, release("ami-00000001")).await;
        assert_eq!(answer["outcome"], "skipped");
        assert_eq!(answer["reason"], "nothing changed since web/1.0.0/1");
        let patched = stack.cloud.add_image(HOME, AMAZON, "debian-12.1");
        stack.point_source_to(&patched).await;
        let answer = planned_for(&stack, release(&patched)).await;
        assert_eq!((&answer["outcome"], &answer["image"]), (&json!("build"), &json!("web/1.0.0/2")));
    }

    /// Keeps a cause and plans in the execution that is started for it.
    async fn planned_for(stack: &Stack, cause: Cause) -> Value {
        let pipeline = "web".parse().unwrap();
        let kept = stack.store().keep_cause(&pipeline, &cause, stack.clock.now()).await.unwrap();
        let input = serde_json::to_value(ExecutionInput::new(pipeline, cause)).unwrap();
        stack.run_as(&kept.execution_name(), &plan(input)).await.unwrap()
    }

    #[tokio::test]
    async fn a_second_build_of_a_pipeline_finds_the_first_running() {
        let stack = Stack::new().await;
        stack.run(&Task::new(State::Plan)).await.unwrap();
        let answer = stack.run_as("web-other-1", &Task::new(State::Plan)).await.unwrap();
        assert_eq!((&answer["outcome"], &answer["image"]), (&json!("already-running"), &json!("web/1.0.0/1")));
    }

    #[tokio::test]
    async fn throttling_is_tried_again_by_the_definition() {
        let stack = Stack::new().await;
        stack.cloud.fail_at(1, Fault::Refuse(Kind::Throttled));
        assert_eq!(stack.run(&Task::new(State::Plan)).await.unwrap()["outcome"], "build");
    }
}
