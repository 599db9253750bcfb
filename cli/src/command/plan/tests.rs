//! Tests of plans against a stack in memory.

use goldsmith_cloud::Parameter;
use goldsmith_cloud::Parameters as _;
use goldsmith_cloud::fake::{AMAZON, HOME};
use goldsmith_model::definitions::{Draft, SourceFile, Stored};
use goldsmith_model::{ExecutionInput, Name};
use goldsmith_states::{Verdict, preview};
use serde_json::json;

use super::{Planned, code_of_mistake, context};
use crate::command::build;
use crate::exit::{Exit, Failure, failure_schema as schema, prevented};
use crate::output::Show;
use crate::testing::{Stack, globals};

fn definitions(types: &str) -> goldsmith_model::definitions::Definitions {
    let text = format!(
        "kind: Component\nname: tools\nsemanticVersion: 1.0.0\nplatform: Linux\n\
         data: '{{schemaVersion: 1.0, phases: [{{name: build, steps: []}}]}}'\n---\n\
         kind: InfrastructureConfiguration\nname: small\ninstanceTypes: [{types}]\n---\n\
         kind: ImageRecipe\nname: web\nsemanticVersion: 1.0.0\nparentImage: ssm:/images/base\n\
         components: [{{name: tools, version: 1.x.x}}]\n---\n\
         kind: ImagePipeline\nname: web\nimageRecipe: web/1.x.x\ninfrastructureConfiguration: small\n"
    );
    let files = [SourceFile { path: "web.yml".to_owned(), text }];
    Draft::read(&files, &|_| Ok(String::new())).check(&Stored::default()).unwrap()
}

/// A stack with a source image, to which nothing was applied.
async fn stack() -> Stack {
    let stack = Stack::new();
    let source = stack.cloud.add_image(HOME, AMAZON, "debian-12");
    let parameter = Parameter { value: source, data_type: "text".to_owned() };
    stack.cloud.put(HOME, "/images/base", &parameter).await.unwrap();
    stack
}

/// The plan of a folder with these instance types.
async fn plan(stack: &Stack, types: &str) -> Planned {
    let definitions = definitions(types);
    let store = stack.connection.store.as_if_applied(&definitions).unwrap();
    let name: Name = "web".parse().unwrap();
    let context = context(&stack.connection, store, "goldsmith").unwrap();
    let preview = preview(&context, &ExecutionInput::new(name, build::cause())).await.unwrap();
    let running = stack.connection.store.running_build(&preview.pipeline).await.unwrap();
    Planned { preview, running, definitions: stack.connection.store.changes(&definitions).await.unwrap() }
}

#[tokio::test]
async fn a_folder_is_planned_as_if_it_were_applied_and_nothing_is_written() {
    let stack = stack().await;
    let planned = plan(&stack, "t3.small").await;
    assert!(stack.table.dump().is_empty());
    let id = planned.preview.input_digest.clone().unwrap();
    let expected = [
        "plan       web: a start would build web/1.0.0/1",
        "recipe     web 1.0.0 (1.x.x)",
        "source     ami-00000000000000001 (ssm:/images/base): debian-12, x86_64, of 137112412989",
        "component  tools 1.0.0 (1.x.x)",
        "instances  t3.small",
        "untested   no test runs: no component has a phase `test`",
        "goes to    eu-west-1 as web 1.0.0-1",
        &format!("inputs     {id}"),
        "apply      would create component tools 1.0.0",
        "apply      would create image recipe web 1.0.0",
        "apply      would create infrastructure configuration small",
        "apply      would create image pipeline web",
        "time       no estimate yet, because no build of this pipeline has succeeded",
        "uses       t3.small to build",
        "stores     at most 8 GiB of snapshots in eu-west-1",
    ];
    assert_eq!(planned.lines(&globals("")), expected);
    assert_eq!((planned.exit(false), planned.exit(true)), (Exit::Success, Exit::Changes));
}

#[tokio::test]
async fn a_refused_plan_names_each_problem_and_is_a_failure() {
    let stack = stack().await;
    let planned = plan(&stack, "t4g.small").await;
    assert_eq!((planned.exit(false), planned.exit(true)), (Exit::Failed, Exit::Failed));
    let lines = planned.lines(&globals(""));
    assert_eq!(lines[0], "plan       web: Plan would reject a build because of one problem");
    let at = lines.iter().position(|line| line.starts_with("REFUSAL")).unwrap();
    assert!(lines[at].starts_with("REFUSAL  type-architecture      the source image ami-"), "{lines:?}");
    let place = "                                `instanceTypes` of infrastructure configuration `small`";
    assert_eq!(lines[at + 1], place);
    let shown = serde_json::to_value(&planned).unwrap();
    assert_eq!(shown["verdict"], "refused");
    assert_eq!(shown["findings"][0]["name"], "type-architecture");
    assert_eq!(shown["findings"][0]["field"], "instanceTypes");
    assert_eq!(shown["definitions"][0]["outcome"], json!("created"));
    // A command that fails because of problems says them in the same form.
    let error = prevented(planned.preview.findings, "it does not start".to_owned());
    let told = serde_json::to_value(Failure::of(&error)).unwrap();
    assert_eq!(told, json!({"message": "it does not start", "findings": shown["findings"]}));
    let finding = &schema()["properties"]["error"]["properties"]["findings"]["items"]["properties"];
    assert!(shown["findings"][0].as_object().unwrap().keys().all(|key| finding[key].is_object()), "{finding}");
}

#[tokio::test]
async fn an_unchanged_pipeline_is_nothing_to_do_unless_the_folder_is_to_be_applied() {
    let stack = stack().await;
    let mut planned = plan(&stack, "t3.small").await;
    planned.preview.verdict = Verdict::Unchanged;
    let said = "plan       web: nothing has changed since the newest image; this does not stop a start by hand (`goldsmith \
                build`)";
    assert_eq!(planned.lines(&globals(""))[0], said);
    assert_eq!((planned.exit(false), planned.exit(true)), (Exit::Success, Exit::Changes));
    planned.definitions.clear();
    assert_eq!((planned.exit(false), planned.exit(true)), (Exit::Success, Exit::Success));
}

#[tokio::test]
async fn a_running_build_is_told_because_a_start_would_end_at_once() {
    let stack = stack().await;
    assert_eq!(serde_json::to_value(plan(&stack, "t3.small").await).unwrap().get("running"), None);
    stack.put("PIPELINE#web", "LEASE", json!({"build": "b", "fence": 1})).await;
    let planned = plan(&stack, "t3.small").await;
    let mut unchanged = plan(&stack, "t3.small").await;
    unchanged.preview.verdict = Verdict::Unchanged;
    let line = unchanged.lines(&globals("")).remove(0);
    assert!(line.ends_with("and a start would end at once, because a build is running"), "{line}");
    let said = "plan       web: a start would end at once, because a build is running; after it, a start would build \
                web/1.0.0/1";
    assert_eq!(planned.lines(&globals(""))[0], said);
    assert_eq!(serde_json::to_value(&planned).unwrap()["running"], "b");
}

#[tokio::test]
async fn a_stack_without_settings_is_to_be_updated() {
    let stack = stack().await;
    let mut connection = stack.connection.clone();
    connection.settings = None;
    let refused = context(&connection, connection.store.clone(), "goldsmith").err().unwrap().to_string();
    assert_eq!(refused, "the stack `goldsmith` is from a version without plans: update it with `goldsmith deploy`");
}

#[test]
fn with_the_flag_a_mistake_in_the_call_is_an_error_like_others() {
    let words = |words: &'static [&'static str]| words.iter().map(std::ffi::OsString::from);
    assert_eq!(code_of_mistake(2, words(&["goldsmith", "plan"])), 2);
    assert_eq!(code_of_mistake(2, words(&["goldsmith", "plan", "--detailed-exitcode"])), 1);
    assert_eq!(code_of_mistake(0, words(&["goldsmith", "plan", "--detailed-exitcode", "--help"])), 0);
}
