//! Tests of which checkpoint a build begins with.

mod digest;

use std::collections::BTreeMap;

use goldsmith_cloud::fake::{AMAZON, Fault, HOME};
use goldsmith_cloud::{Image, ImageState, Kind};
use goldsmith_model::definitions::Definitions;
use goldsmith_model::{BlockDeviceMapping, Ebs, ExecutionInput, ImageRecipe};
use goldsmith_store::PlannedCheckpoint;
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::states::plan::resolve::{Inputs, Viewer, resolve};
use crate::testing::{Stack, TOPIC};

const BUILD: &str = "second";

async fn built() -> Stack {
    let stack = Stack::with_checkpoint().await;
    stack.start_and_execute("first", json!({"pipeline": "web"})).await.unwrap();
    stack
}

/// Builds again with this input, and returns the plan's checkpoint.
async fn again(stack: &Stack, input: Value) -> Option<PlannedCheckpoint> {
    stack.start_and_execute(BUILD, input).await.unwrap();
    stack.store().build(BUILD).await.unwrap().unwrap().plan.checkpoint
}

/// What a build of the stack consists of, with its input and its source.
async fn resolved(stack: &Stack) -> (ExecutionInput, Inputs, Image) {
    let pipeline = stack.store().pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    let input: ExecutionInput = serde_json::from_value(json!({"pipeline": "web"})).unwrap();
    let inputs = resolve(&stack.context(), &input, &pipeline, Viewer::Stack, &mut vec![]).await.unwrap().unwrap();
    let source = stack.cloud.cloud().images.image(HOME, &stack.source().await).await.unwrap().unwrap();
    (input, inputs, source)
}

fn is_found(planned: Option<PlannedCheckpoint>) -> bool {
    planned.unwrap().found.is_some()
}

/// Applies the next version of the recipe.
async fn change(stack: &Stack, change: impl FnOnce(&mut ImageRecipe)) {
    let recipe = stack.store().best_recipe(&"web".parse().unwrap(), "x.x.x".parse().unwrap()).await;
    let mut recipe = ImageRecipe { version: "1.0.2".parse().unwrap(), ..recipe.unwrap().unwrap() };
    change(&mut recipe);
    stack.store().apply(&Definitions { recipes: vec![recipe], ..Definitions::default() }).await.unwrap();
}

fn port(value: &str) -> BTreeMap<String, String> {
    [("port".to_owned(), value.to_owned())].into()
}

#[tokio::test]
async fn what_comes_after_the_checkpoint_may_change() {
    let stack = built().await;
    change(&stack, |recipe| {
        recipe.components[1].parameters = port("8080");
        recipe.description = Some("another one".to_owned());
        recipe.tags = port("8080");
        recipe.components.pop();
    })
    .await;
    assert!(is_found(again(&stack, json!({"pipeline": "web"})).await));
}

#[tokio::test]
async fn what_comes_before_the_checkpoint_may_not() {
    let changes: [fn(&mut ImageRecipe); 4] = [
        |recipe| {
            let ebs = Ebs { volume_size: Some(20), ..Ebs::default() };
            recipe.block_device_mappings = vec![BlockDeviceMapping { device_name: "/dev/xvda".to_owned(), ebs }];
        },
        |recipe| recipe.components[0].parameters = port("8080"),
        |recipe| recipe.working_directory = Some("/srv".to_owned()),
        |recipe| recipe.components.insert(0, recipe.components[1].clone()),
    ];
    for one in changes {
        let stack = built().await;
        change(&stack, one).await;
        assert!(!is_found(again(&stack, json!({"pipeline": "web"})).await));
    }
    let stack = built().await;
    let source = stack.cloud.add_image(HOME, AMAZON, "debian-12-newer");
    stack.point_source_to(&source).await;
    assert!(!is_found(again(&stack, json!({"pipeline": "web"})).await));
}

#[tokio::test]
async fn the_infrastructure_counts_without_its_topic() {
    let stack = built().await;
    stack.name_topic(TOPIC).await;
    assert!(is_found(again(&stack, json!({"pipeline": "web"})).await));
    let stack = built().await;
    stack.build_on_spot().await;
    assert!(!is_found(again(&stack, json!({"pipeline": "web"})).await));
}

#[tokio::test]
async fn a_forced_build_makes_everything_again_and_an_overridden_one_has_no_checkpoint() {
    let stack = built().await;
    let first = stack.store().checkpoint(&"web".parse().unwrap()).await.unwrap().unwrap();
    assert!(!is_found(again(&stack, json!({"pipeline": "web", "force": true})).await));
    let second = stack.store().checkpoint(&"web".parse().unwrap()).await.unwrap().unwrap();
    assert_ne!(first.image, second.image);
    let source = stack.source().await;
    for start in [
        json!({"parameters": {"nginx": {"port": "8080"}}}),
        json!({"sourceImage": source}),
        json!({"from": {"at": "test", "image": source}}),
    ] {
        let stack = built().await;
        let mut input = json!({"pipeline": "web"});
        input.as_object_mut().unwrap().extend(start.as_object().unwrap().clone());
        assert_eq!(again(&stack, input).await, None, "{start}");
    }
}

#[tokio::test]
async fn a_checkpoint_is_used_only_while_it_is_fresh_and_its_image_is_there() {
    let week = SignedDuration::from_hours(7 * 24);
    for (age, is_used) in [(week - SignedDuration::from_hours(1), true), (week, false)] {
        let stack = built().await;
        stack.clock.advance(age);
        assert_eq!(is_found(again(&stack, json!({"pipeline": "web"})).await), is_used);
    }
    for state in [ImageState::Pending, ImageState::Failed] {
        let stack = built().await;
        let kept = stack.store().checkpoint(&"web".parse().unwrap()).await.unwrap().unwrap().image;
        stack.cloud.edit_image(HOME, &kept, |image| image.state = state);
        assert!(!is_found(again(&stack, json!({"pipeline": "web"})).await), "{state:?}");
    }
    let stack = built().await;
    let kept = stack.store().checkpoint(&"web".parse().unwrap()).await.unwrap().unwrap().image;
    stack.cloud.cloud().images.deregister(HOME, &kept).await.unwrap();
    assert!(!is_found(again(&stack, json!({"pipeline": "web"})).await));
}

#[tokio::test]
async fn another_agent_makes_another_checkpoint() {
    let stack = built().await;
    std::fs::write(stack.context().config.agent_for("x86_64"), b"newer agent").unwrap();
    assert!(!is_found(again(&stack, json!({"pipeline": "web"})).await));
}

#[tokio::test]
async fn a_package_without_an_agent_does_not_decide() {
    let stack = built().await;
    let (input, inputs, source) = resolved(&stack).await;
    std::fs::remove_file(stack.context().config.agent_for("x86_64")).unwrap();
    assert!(is_found(super::checkpoint(&stack.context(), &input, &inputs, &source).await.unwrap()));
}

#[tokio::test]
async fn a_denied_read_of_the_image_is_no_checkpoint_and_a_throttled_one_is_an_error() {
    let stack = built().await;
    let (input, inputs, source) = resolved(&stack).await;
    for (kind, found) in [(Kind::Denied, Some(false)), (Kind::Throttled, None)] {
        stack.cloud.fail_always("DescribeImages", HOME, Fault::Refuse(kind));
        let planned = super::checkpoint(&stack.context(), &input, &inputs, &source).await;
        assert_eq!(planned.ok().map(is_found), found, "{kind:?}");
        stack.cloud.heal();
    }
}
