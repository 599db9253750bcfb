//! Tests of what Plan rejects, freezes and skips.

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
async fn a_parameter_outside_the_stacks_path_is_rejected_before_the_build() {
    let stack = Stack::new().await;
    let name = "two".parse().unwrap();
    let mut distribution = stack.store().distribution(&name).await.unwrap().unwrap();
    distribution.distributions[0].ssm_parameter_configurations[0].parameter_name = "/golden/web".to_owned();
    let definitions = Definitions { distributions: vec![distribution], ..Definitions::default() };
    stack.store().apply(&definitions).await.unwrap();
    let error = stack.run(&Task::new(State::Plan)).await.unwrap_err();
    assert_eq!(error.error, "Goldsmith.Refused");
    let message =
        "the parameter `/golden/web` in eu-west-1, but this stack may write parameters only below `/images/`:";
    assert!(error.cause.contains(message), "{}", error.cause);
}

#[tokio::test]
async fn a_parameter_of_another_data_type_is_rejected_before_the_build() {
    let stack = Stack::new().await;
    let text = Parameter { value: "ami-1".to_owned(), data_type: "text".to_owned() };
    stack.cloud.cloud().parameters.put(HOME, "/images/web", &text).await.unwrap();
    let error = stack.run(&Task::new(State::Plan)).await.unwrap_err();
    assert_eq!(error.error, "Goldsmith.Refused");
    let message = "the parameter `/images/web` in eu-west-1 has the data type text, which cannot be changed";
    assert!(error.cause.contains(message), "{}", error.cause);
}

fn plan(input: Value) -> Task {
    Task { input: Some(input), ..Task::new(State::Plan) }
}

#[tokio::test]
async fn the_name_of_an_earlier_build_is_rejected_and_that_build_stays() {
    let stack = Stack::new().await;
    for task in whole_build() {
        stack.run(&task).await.unwrap();
    }
    let (record, image) = (stack.record().await, stack.image().await);
    let refused = stack.run(&Task::new(State::Plan)).await.unwrap_err();
    assert_eq!(refused.error, "Goldsmith.Refused");
    let message = format!(
        "has already ended, with the image {}: start a build under a name that no build has had yet",
        image.image
    );
    assert!(refused.cause.contains(&message), "{}", refused.cause);
    let ended = stack.run(&Task { error: Some(refused), ..Task::new(State::FinishFailed) }).await.unwrap();
    assert!(ended["cause"].as_str().unwrap().contains(&message), "{ended}");
    assert_eq!((stack.record().await, stack.image().await), (record, image));
}

#[tokio::test]
async fn what_the_user_has_to_fix_is_rejected_and_named() {
    let stack = Stack::new().await;
    for (input, message) in [
        (json!({"pipeline": "nowhere"}), "the field `pipeline` of the input names `nowhere`, which was never applied"),
        (json!({"pipelin": "web"}), "the input has no field `pipelin`: did you mean `pipeline`?"),
        (json!("web"), r#"the input must be a JSON object such as {"pipeline": "web-server"}"#),
        (
            json!({"pipeline": "web", "force": "yes"}),
            "the field `force` of the input is wrong: invalid type: string \"yes\", expected a boolean",
        ),
        (
            json!({"pipeline": "web", "sourceImage": "ssm:/nothing"}),
            "source image ssm:/nothing: there is no such parameter in eu-west-1: name a source image that exists \
             (source-missing, `sourceImage` of the start)",
        ),
        (
            json!({"pipeline": "web", "parameters": {"apache": {}}}),
            "the field `parameters` of the input names component `apache`, but recipe `web` does not use it: name a \
             component of the recipe (component-unused, `parameters` of the start)",
        ),
        (
            json!({"pipeline": "web", "parameters": {"nginx": {"prt": "80"}}}),
            "the field `parameters` of the input names `prt`, but component `nginx` 1.0.0 has no such parameter (did you \
             mean `port`?): name a parameter that the component declares (parameter-unknown, `parameters` of the start)",
        ),
        (
            json!({"pipeline": "web", "parameters": {"nginx": {"port": "81"}}}),
            "the field `parameters` of the input sets `port` to a value that is not allowed: component `nginx` 1.0.0 \
             allows 80, 8080: give one of the allowed values (parameter-value, `parameters` of the start)",
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
async fn a_parameters_image_of_an_unnamed_owner_is_rejected() {
    let stack = Stack::new().await;
    let foreign = stack.cloud.add_image(HOME, "999988887777", "debian-12");
    stack.point_source_to(&foreign).await;
    let error = stack.run(&Task::new(State::Plan)).await.unwrap_err();
    assert_eq!(error.error, "Goldsmith.Refused");
    let message = format!(
        "source image ssm:/source: it resolves to {foreign}, whose owner is 999988887777, but only self and amazon are \
         allowed: to use it, name its owner in the recipe's `parentImageOwners`"
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
    let release = |image: &str| Cause::SourceUpdate { source: "ssm:/source".to_owned(), image_id: image.to_owned() };
    let answer = planned_for(&stack, release("ami-00000001")).await;
    assert_eq!(answer["outcome"], "skipped");
    assert_eq!(answer["reason"], "nothing changed since web/1.0.0/1");
    let patched = stack.cloud.add_image(HOME, AMAZON, "debian-12.1");
    stack.point_source_to(&patched).await;
    let answer = planned_for(&stack, release(&patched)).await;
    assert_eq!((&answer["outcome"], &answer["image"]), (&json!("build"), &json!("web/1.0.0/2")));
}

/// Keeps a cause, and plans a build in the execution that is started for the cause.
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

#[tokio::test]
async fn placeholders_are_replaced_in_everything_that_an_image_is_known_by() {
    let stack = Stack::new().await;
    let mut distribution = stack.store().distribution(&"two".parse().unwrap()).await.unwrap().unwrap();
    let home = &mut distribution.distributions[0];
    home.ami_distribution_configuration.description = Some("of {{ imagebuilder:buildDate }}".to_owned());
    let tags = [("built", "{{ imagebuilder:buildVersion }}"), ("braces", "{{ of an earlier release }}")];
    home.ami_distribution_configuration.ami_tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    home.ssm_parameter_configurations[0].parameter_name = "/images/web/{{ imagebuilder:buildVersion }}".to_owned();
    stack.store().apply(&Definitions { distributions: vec![distribution], ..Definitions::default() }).await.unwrap();
    stack.run(&Task::new(State::Plan)).await.unwrap();
    let planned = stack.record().await.plan.regions.swap_remove(0);
    assert_eq!(planned.description, "of 2026-11-24T03-00-00.000Z");
    assert_eq!((planned.tags["built"].as_str(), planned.tags["braces"].as_str()), ("1.0.0-1", tags[1].1));
    assert_eq!(planned.parameters[0].parameter_name, "/images/web/1.0.0-1");
}
