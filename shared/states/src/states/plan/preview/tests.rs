use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use goldsmith_cloud::fake::{AMAZON, Between, Fault, HOME, OnItsWay};
use goldsmith_model::ExecutionInput;
use goldsmith_model::definitions::Definitions;
use serde_json::json;

use super::{Preview, Verdict, preview};
use crate::State;
use crate::testing::{Stack, TOPIC, Task, whole_build};

/// Counts every call, including those to the table.
#[derive(Default)]
struct Counter(AtomicUsize);

#[async_trait]
impl Between for Counter {
    async fn call(&self, call: OnItsWay<'_>) -> Option<Fault> {
        assert!(!call.changes, "{call:?}");
        self.0.fetch_add(1, Ordering::Relaxed);
        None
    }
}

/// The plan of a start, and the number of calls that it took. None of them may change anything.
async fn planned(stack: &Stack, force: bool) -> (Preview, usize) {
    let (counter, mut context) = (Arc::new(Counter::default()), stack.context());
    let faults = stack.cloud.behind(counter.clone());
    context.cloud = faults.cloud();
    context.store = stack.store_behind(&faults);
    let input = ExecutionInput::parse(&json!({"pipeline": "web", "force": force})).unwrap();
    let preview = preview(&context, &input).await.unwrap();
    (preview, counter.0.load(Ordering::Relaxed))
}

#[tokio::test]
async fn another_topic_is_shown_and_is_no_reason_to_build() {
    let stack = Stack::new().await;
    let (before, _) = planned(&stack, false).await;
    for task in whole_build() {
        stack.run(&task).await.unwrap();
    }
    stack.name_topic(TOPIC).await;
    let (same, _) = planned(&stack, false).await;
    assert_eq!((same.verdict, same.input_digest), (Verdict::Unchanged, before.input_digest));
    let (forced, _) = planned(&stack, true).await;
    assert_eq!((before.topic.as_deref(), forced.topic.as_deref()), (None, Some(TOPIC)));
    assert_eq!(forced.changes, vec![]);
}

#[tokio::test]
async fn a_plan_follows_the_pipeline_from_its_first_image_to_the_next_one() {
    let stack = Stack::new().await;
    let (first, _) = planned(&stack, false).await;
    assert_eq!((first.verdict, first.image.unwrap().to_string()), (Verdict::Build, "web/1.0.0/1".to_owned()));
    assert_eq!((first.newest, first.changes, first.skips), (None, vec![], vec![]));
    assert_eq!(first.regions[0].parameters, ["/images/web"]);
    let estimate = first.estimate.unwrap();
    assert_eq!((estimate.builds.len(), estimate.seconds, estimate.instances[0].seconds), (0, None, None));
    assert_eq!(first.regions[1].shared_with, ["111122223333"]);
    for task in whole_build() {
        stack.run(&task).await.unwrap();
    }
    let (same, calls) = planned(&stack, false).await;
    // The command line reads the stack's configuration in addition.
    assert!(calls < 12, "{calls} calls");
    assert_eq!((same.verdict, &same.input_digest), (Verdict::Unchanged, &first.input_digest));
    let newest = same.newest.unwrap();
    assert_eq!((newest.image.to_string().as_str(), newest.amis.len()), ("web/1.0.0/1", 2));
    assert_eq!(same.skips, ["nothing has changed: a start by an update of the source is skipped"]);
    let (forced, _) = planned(&stack, true).await;
    assert_eq!((forced.verdict, forced.changes), (Verdict::Build, vec![]));
    let estimate = forced.estimate.unwrap();
    assert_eq!((estimate.builds.len(), estimate.snapshot_gib), (1, Some(8)));
    assert!(estimate.states.iter().any(|one| one.state == State::Build), "{estimate:?}");
    let types: Vec<&str> = estimate.instances.iter().map(|one| one.instance_type.as_str()).collect();
    assert_eq!(types, ["t3.small", "t3.small"], "the build's and the test's");
    assert!(estimate.instances.iter().all(|one| one.seconds.is_some()), "{estimate:?}");
    assert!(estimate.states.iter().any(|one| one.state == State::ExecuteTest), "{estimate:?}");

    let mut web = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    web.image_tests_configuration.image_tests_enabled = false;
    stack.put_pipeline(web).await;
    assert_eq!(forced.untested, None);
    let (untested, _) = planned(&stack, true).await;
    assert_eq!(untested.untested, Some("the pipeline's imageTestsConfiguration has imageTestsEnabled: false"));
    let states: Vec<State> = untested.estimate.unwrap().states.iter().map(|one| one.state).collect();
    assert!(states.contains(&State::Publish) && !states.contains(&State::ExecuteTest), "{states:?}");
}

#[tokio::test]
async fn a_preview_says_that_no_component_has_tests() {
    let stack = Stack::new().await;
    let store = stack.store();
    let mut answers = store.component(&"answers".parse().unwrap(), "1.0.0".parse().unwrap()).await.unwrap().unwrap();
    answers.version = "1.2.0".parse().unwrap();
    let misspelt = answers.document.replace("name: test\n", "name: tests\n");
    assert_ne!(misspelt, answers.document);
    answers.document = misspelt;
    store.apply(&Definitions { components: vec![answers], ..Definitions::default() }).await.unwrap();
    let (preview, _) = planned(&stack, false).await;
    assert_eq!(preview.untested, Some("no component has a phase `test`"));
}

#[tokio::test]
async fn a_preview_shows_what_has_changed() {
    let stack = Stack::new().await;
    for task in whole_build() {
        stack.run(&task).await.unwrap();
    }
    let (old, new) = (stack.source().await, stack.cloud.add_image(HOME, AMAZON, "debian-13"));
    stack.point_source_to(&new).await;
    let store = stack.store();
    let mut nginx = store.component(&"nginx".parse().unwrap(), "1.0.0".parse().unwrap()).await.unwrap().unwrap();
    nginx.version = "1.2.0".parse().unwrap();
    let mut small = store.infrastructure(&"small".parse().unwrap()).await.unwrap().unwrap();
    small.instance_types = vec!["t3.large".to_owned()];
    let mut two = store.distribution(&"two".parse().unwrap()).await.unwrap().unwrap();
    two.distributions.pop();
    two.distributions[0].ssm_parameter_configurations.clear();
    let definitions = Definitions {
        components: vec![nginx],
        infrastructures: vec![small],
        distributions: vec![two],
        ..Definitions::default()
    };
    store.apply(&definitions).await.unwrap();
    let (preview, _) = planned(&stack, false).await;
    let told: Vec<String> = preview
        .changes
        .iter()
        .map(|one| format!("{}: {:?} {:?}", one.what, one.from.as_deref(), one.to.as_deref()))
        .collect();
    let parameters = concat!(
        r#"{"dataType":"aws:ec2:image","parameterName":"/images/web"}, "#,
        r#"{"channel":"stable","dataType":"aws:ec2:image","parameterName":"/images/web/stable"}"#
    );
    let expected = [
        format!("source image: {:?} {:?}", Some(old), Some(new)),
        r#"component nginx: Some("1.0.0") Some("1.2.0")"#.to_owned(),
        r#"instanceTypes: Some("t3.small, t3a.small") Some("t3.large")"#.to_owned(),
        format!("eu-west-1: parameters: {:?} None", Some(parameters)),
        r#"Region: Some("us-east-1") None"#.to_owned(),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn a_preview_shows_a_running_build_and_a_retirement() {
    let stack = Stack::new().await;
    stack.run(&Task::new(State::Plan)).await.unwrap();
    let (preview, _) = planned(&stack, false).await;
    let running =
        "the build web-0123456789abcdef-1 of this pipeline is running: no other start builds anything before its end";
    assert_eq!((preview.verdict, preview.skips), (Verdict::Build, vec![running.to_owned()]));
    assert_eq!(preview.image.unwrap().build, 2);
}
