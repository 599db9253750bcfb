//! Tests the rollback of a pipeline with images in two Regions.

use goldsmith_cloud::fake::{Fault, HOME};
use goldsmith_cloud::{ImageSwitches as _, Kind, Parameter, Parameters as _};
use goldsmith_model::ImagePipeline;
use goldsmith_store::{ImageLife, ParameterPlace, Pointed, Rollback};

use super::{RolledBack, plan, roll_back};
use crate::output::Show;
use crate::testing::{ELSEWHERE, Stack, globals};

/// The stack, its pipeline, and the AMIs of its three images in both Regions. The parameters name the third image.
async fn stack() -> (Stack, ImagePipeline, Vec<[String; 2]>) {
    let stack = Stack::new();
    let all = stack.three_images("{parameterName: /images/web}").await;
    for (region, ami) in [HOME, ELSEWHERE].into_iter().zip(&all[2]) {
        let value = Parameter { value: ami.clone(), data_type: "aws:ec2:image".to_owned() };
        stack.cloud.put(region, "/images/web", &value).await.unwrap();
    }
    stack.cloud.settle_parameters();
    let pipeline = stack.connection.store.pipeline(&"web".parse().unwrap()).await.unwrap().unwrap();
    (stack, pipeline, all)
}

async fn named(stack: &Stack) -> [String; 2] {
    let region = |region| stack.cloud.inventory().region(region).parameters["/images/web"].clone();
    [region(HOME), region(ELSEWHERE)]
}

/// Returns the reason why the pipeline cannot be rolled back.
async fn why(stack: &Stack, pipeline: &ImagePipeline, to: Option<&str>) -> String {
    let to = to.map(|to| to.parse().unwrap());
    match plan(&stack.connection, pipeline, to.as_ref()).await {
        Err(error) => error.to_string(),
        Ok(planned) => panic!("it can be rolled back to {}", planned.image.image),
    }
}

/// Rolls the pipeline back.
async fn plan_and_roll_back(stack: &Stack, pipeline: &ImagePipeline, to: Option<&str>) -> anyhow::Result<()> {
    let to = to.map(|to| to.parse().unwrap());
    let planned = plan(&stack.connection, pipeline, to.as_ref()).await?;
    roll_back(&stack.connection, pipeline, &planned).await
}

/// Rolls the pipeline back until a fault ends the process at this effect.
async fn interrupted(stack: &Stack, pipeline: &ImagePipeline, to: Option<&str>, effect: usize, fault: Fault) {
    stack.cloud.fail_at(effect, fault);
    tokio::select! {
        ended = plan_and_roll_back(stack, pipeline, to) => panic!("the rollback ended: {ended:?}"),
        () = stack.cloud.killed() => {}
    }
    stack.cloud.settle_parameters();
    assert!(stack.connection.store.rollback(&pipeline.name).await.unwrap().is_some());
}

/// Checks that no rollback is unfinished, and that the store knows the rollbacks to these images.
async fn check_ended(stack: &Stack, pipeline: &ImagePipeline, images: &[&str]) {
    let store = &stack.connection.store;
    assert_eq!(store.rollback(&pipeline.name).await.unwrap(), None);
    let pointed = store.pointed(&pipeline.name).await.unwrap();
    assert_eq!(pointed.iter().map(|one| one.image.to_string()).collect::<Vec<_>>(), images);
    let place = |region: &str| ParameterPlace { region: region.to_owned(), name: "/images/web".to_owned() };
    assert!(pointed.iter().all(|one| one.parameters == [place(HOME), place(ELSEWHERE)]), "{pointed:?}");
}

#[tokio::test]
async fn a_rollback_shows_its_changes_before_it_is_made_and_then_only_the_outcome() {
    let (stack, pipeline, _) = stack().await;
    let planned = plan(&stack.connection, &pipeline, None).await.unwrap();
    assert_eq!(planned.lines().len(), 2, "the parameter in two Regions");
    let (image, parameters) = (planned.image.image, planned.pointers);
    let done = RolledBack { pipeline: "web".to_owned(), image, parameters };
    assert_eq!(done.lines(&globals("")), ["The parameters of web name web/1.0.0/2."]);
}

#[tokio::test(start_paused = true)]
async fn the_parameters_name_the_previous_image_or_a_named_one() {
    let (stack, pipeline, amis) = stack().await;
    for (to, index) in [(None, 1), (None, 0), (Some("web/1.0.0/3"), 2)] {
        let to = to.map(|to: &str| to.parse().unwrap());
        let planned = plan(&stack.connection, &pipeline, to.as_ref()).await.unwrap();
        assert_eq!(planned.image.image.build, index + 1);
        for _ in 0..2 {
            roll_back(&stack.connection, &pipeline, &planned).await.unwrap();
            assert_eq!(named(&stack).await, amis[index as usize]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn if_one_region_fails_all_get_their_values_back() {
    for fault in [Fault::Refuse(Kind::Denied), Fault::LoseAnswer] {
        let (stack, pipeline, amis) = stack().await;
        stack.cloud.fail_at(2, fault); // the put in the second Region
        let error = plan_and_roll_back(&stack, &pipeline, None).await.unwrap_err().to_string();
        assert_eq!(error, "the parameters were not changed");
        assert_eq!(named(&stack).await, amis[2], "{fault:?}");
        check_ended(&stack, &pipeline, &[]).await;
        plan_and_roll_back(&stack, &pipeline, None).await.unwrap();
        assert_eq!(named(&stack).await, amis[1]);
        check_ended(&stack, &pipeline, &["web/1.0.0/2"]).await;
    }
}

/// Every effect at which a process may end: the writes of both parameters.
const DEATHS: [(usize, Fault); 4] =
    [(1, Fault::KillBefore), (1, Fault::KillAfter), (2, Fault::KillBefore), (2, Fault::KillAfter)];

#[tokio::test(start_paused = true)]
async fn an_interrupted_rollback_is_finished_by_the_same_call_and_undone_by_another() {
    for (effect, fault) in DEATHS {
        for (to, image, index) in
            [(None, "web/1.0.0/2", 1), (Some("web/1.0.0/3"), "web/1.0.0/3", 2), (Some("web/1.0.0/1"), "web/1.0.0/1", 0)]
        {
            let (stack, pipeline, amis) = stack().await;
            interrupted(&stack, &pipeline, None, effect, fault).await;
            plan_and_roll_back(&stack, &pipeline, to).await.unwrap();
            assert_eq!(named(&stack).await, amis[index], "{effect} {fault:?} {to:?}");
            check_ended(&stack, &pipeline, &[image]).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_rollback_may_be_interrupted_again_and_again() {
    for (first, then) in DEATHS.into_iter().flat_map(|first| DEATHS.map(|then| (first, then))) {
        let (stack, pipeline, amis) = stack().await;
        interrupted(&stack, &pipeline, None, first.0, first.1).await;
        interrupted(&stack, &pipeline, Some("web/1.0.0/1"), then.0, then.1).await;
        // The parameters of the second one have the values back that they had before the first one.
        stack.cloud.fail_at(1, Fault::Refuse(Kind::Denied));
        assert!(plan_and_roll_back(&stack, &pipeline, None).await.is_err());
        assert_eq!(named(&stack).await, amis[2], "{first:?} {then:?}");
        check_ended(&stack, &pipeline, &[]).await;
        plan_and_roll_back(&stack, &pipeline, None).await.unwrap();
        assert_eq!(named(&stack).await, amis[1], "{first:?} {then:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_build_has_written_after_an_interruption_is_not_undone() {
    let (stack, pipeline, amis) = stack().await;
    interrupted(&stack, &pipeline, Some("web/1.0.0/1"), 1, Fault::KillAfter).await;
    for (region, ami) in [HOME, ELSEWHERE].into_iter().zip(&amis[1]) {
        let value = Parameter { value: ami.clone(), data_type: "text".to_owned() };
        stack.cloud.put(region, "/images/web", &value).await.unwrap();
    }
    stack.cloud.fail_at(2, Fault::Refuse(Kind::Denied));
    assert!(plan_and_roll_back(&stack, &pipeline, Some("web/1.0.0/3")).await.is_err());
    assert_eq!(named(&stack).await, amis[1]);
    check_ended(&stack, &pipeline, &[]).await;
}

#[tokio::test(start_paused = true)]
async fn a_parameter_that_the_pipeline_no_longer_writes_is_finished_too() {
    let (stack, pipeline, amis) = stack().await;
    interrupted(&stack, &pipeline, None, 2, Fault::KillBefore).await;
    let none = ImagePipeline { distribution_configuration: None, ..pipeline };
    plan_and_roll_back(&stack, &none, None).await.unwrap();
    assert_eq!(named(&stack).await, amis[1]);
}

const CHANGED: &str = "another rollback has begun, or web/1.0.0/2 has changed in the meantime: call the command again";

#[tokio::test(start_paused = true)]
async fn no_parameter_names_an_image_that_goes_between_the_plan_and_the_rollback() {
    for life in [ImageLife::Disabled, ImageLife::Deleted] {
        let (stack, pipeline, amis) = stack().await;
        let planned = plan(&stack.connection, &pipeline, None).await.unwrap();
        stack.connection.store.set_life(&planned.image.image, Some(life)).await.unwrap();
        for _ in 0..2 {
            let error = roll_back(&stack.connection, &pipeline, &planned).await.unwrap_err().to_string();
            assert_eq!(error, CHANGED);
            assert_eq!(named(&stack).await, amis[2]);
            check_ended(&stack, &pipeline, &[]).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn only_one_of_two_calls_rolls_back() {
    let (stack, pipeline, amis) = stack().await;
    let planned = plan(&stack.connection, &pipeline, None).await.unwrap();
    interrupted(&stack, &pipeline, Some("web/1.0.0/1"), 1, Fault::KillAfter).await;
    let error = roll_back(&stack.connection, &pipeline, &planned).await.unwrap_err().to_string();
    assert_eq!(error, CHANGED);
    assert_eq!(named(&stack).await, [amis[0][0].clone(), amis[2][1].clone()]);
}

#[tokio::test]
async fn what_cannot_be_rolled_back_is_said_before_anything_changes() {
    let (stack, pipeline, amis) = stack().await;
    let store = &stack.connection.store;
    assert_eq!(why(&stack, &pipeline, Some("web/1.0.0/9")).await, "the pipeline `web` has not published web/1.0.0/9");
    stack.cloud.disable(ELSEWHERE, &amis[0][1]).await.unwrap();
    let expected = format!("{} in {ELSEWHERE} cannot be launched, so /images/web cannot name it", amis[0][1]);
    assert_eq!(why(&stack, &pipeline, Some("web/1.0.0/1")).await, expected);
    store.set_life(&"web/1.0.0/1".parse().unwrap(), Some(ImageLife::Disabled)).await.unwrap();
    let disabled = "web/1.0.0/1 is DISABLED: `goldsmith enable` it first";
    assert_eq!(why(&stack, &pipeline, Some("web/1.0.0/1")).await, disabled);
    store.set_life(&"web/1.0.0/2".parse().unwrap(), Some(ImageLife::Deleted)).await.unwrap();
    assert_eq!(why(&stack, &pipeline, None).await, "there is no image before web/1.0.0/3 that can be used");
    let mixed = Parameter { value: amis[1][0].clone(), data_type: "text".to_owned() };
    stack.cloud.put(HOME, "/images/web", &mixed).await.unwrap();
    let expected = "the parameters do not name one image of this pipeline: choose the image with --to";
    assert_eq!(why(&stack, &pipeline, None).await, expected);
    let none = ImagePipeline { distribution_configuration: None, ..pipeline };
    assert_eq!(why(&stack, &none, None).await, "the pipeline `web` writes no parameters");
}

#[tokio::test(start_paused = true)]
async fn a_call_whose_rollback_was_taken_over_leaves_the_rest_to_the_other_call() {
    // Each parameter takes its value after two pauses of 300 ms. So the other call comes while the first one waits for its
    // first parameter, or for its last one.
    for (millis, second) in [(1, 2), (900, 1)] {
        for is_ended in [false, true] {
            let (stack, pipeline, amis) = stack().await;
            stack.cloud.pace(|pace| pace.until_parameter = 2);
            let store = &stack.connection.store;
            let take_over = async {
                tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
                let first = store.rollback(&pipeline.name).await.unwrap().unwrap();
                let at = "2099-01-01T00:00:00.000Z".to_owned();
                let other = Rollback { holder: "other".to_owned(), at: at.clone(), ..first.clone() };
                assert!(store.begin_rollback(&pipeline.name, &other, Some(&first.holder)).await.unwrap());
                if is_ended {
                    let pointed = Pointed { at, image: other.image, parameters: Vec::new() };
                    assert!(store.end_rollback(&pipeline.name, "other", Some(&pointed)).await.unwrap());
                }
            };
            let (ended, ()) = tokio::join!(plan_and_roll_back(&stack, &pipeline, None), take_over);
            assert_eq!(ended.unwrap_err().to_string(), "another call has taken this rollback over", "{millis}");
            assert_eq!(named(&stack).await, [amis[1][0].clone(), amis[second][1].clone()], "nothing more is changed");
            assert_eq!(store.rollback(&pipeline.name).await.unwrap().is_none(), is_ended);
            assert_eq!(store.pointed(&pipeline.name).await.unwrap().len(), usize::from(is_ended));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_without_the_right_to_change_the_parameters_leaves_no_unfinished_rollback() {
    for region in [HOME, ELSEWHERE] {
        let (stack, pipeline, amis) = stack().await;
        stack.cloud.fail_always("PutParameter", region, Fault::Refuse(Kind::Denied));
        let error = plan_and_roll_back(&stack, &pipeline, None).await.unwrap_err().to_string();
        assert_eq!(error, "the parameters were not changed");
        assert_eq!(named(&stack).await, amis[2], "{region}");
        check_ended(&stack, &pipeline, &[]).await;
    }
}
