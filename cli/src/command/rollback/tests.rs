//! A rollback of a pipeline with two images in two Regions.

use goldsmith_cloud::fake::{Fault, HOME};
use goldsmith_cloud::{ImageSwitches as _, Kind, Parameter, Parameters as _};
use goldsmith_model::ImagePipeline;
use goldsmith_store::ImageLife;
use serde_json::json;

use super::{plan, point};
use crate::testing::{Stack, WEB};

const ELSEWHERE: &str = "us-east-1";

/// The stack, its pipeline, and the AMIs of its three images in both Regions. The parameters name the third image.
async fn stack() -> (Stack, ImagePipeline, Vec<[String; 2]>) {
    let stack = Stack::new();
    let parameter = "ssmParameterConfigurations: [{parameterName: /images/web}]";
    let text = WEB.replace("region: eu-west-1", &format!("region: eu-west-1, {parameter}"));
    let text = text.replace("region: us-east-1", &format!("region: us-east-1, {parameter}"));
    stack.apply(&text.replace("small, rebuildOn", "small, distributionConfiguration: two, rebuildOn")).await;
    let mut all = Vec::new();
    for number in 1..=3 {
        let amis = [HOME, ELSEWHERE].map(|region| stack.cloud.add_image(region, "self", &format!("web {number}")));
        let record = json!({"image": format!("web/1.0.0/{number}"), "build": "b", "pipeline": "web", "status": "AVAILABLE",
                            "cause": {"kind": "manual", "id": "1"}, "sourceImage": "ami-0", "inputDigest": "",
                            "amis": {HOME: amis[0], ELSEWHERE: amis[1]}, "createdAt": format!("2026-01-0{number}T00:00:00.000Z")});
        stack.put("IMAGE#web", &format!("V#0000000001.0000000000.0000000000#{number:010}"), record).await;
        all.push(amis);
    }
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

/// Returns why the pipeline cannot be rolled back.
async fn why(stack: &Stack, pipeline: &ImagePipeline, to: Option<&str>) -> String {
    let to = to.map(|to| to.parse().unwrap());
    plan(&stack.connection, pipeline, to.as_ref()).await.unwrap_err().to_string()
}

#[tokio::test(start_paused = true)]
async fn the_parameters_name_the_previous_image_or_a_named_one() {
    let (stack, pipeline, amis) = stack().await;
    for (to, index) in [(None, 1), (None, 0), (Some("web/1.0.0/3"), 2)] {
        let to = to.map(|to: &str| to.parse().unwrap());
        let (image, pointers) = plan(&stack.connection, &pipeline, to.as_ref()).await.unwrap();
        assert_eq!(image.image.build, index + 1);
        for _ in 0..2 {
            point(&stack.connection, &pointers).await.unwrap();
            assert_eq!(named(&stack).await, amis[index as usize]);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn if_one_region_fails_all_get_their_values_back() {
    for fault in [Fault::Refuse(Kind::Denied), Fault::LoseAnswer] {
        let (stack, pipeline, amis) = stack().await;
        let (_, pointers) = plan(&stack.connection, &pipeline, None).await.unwrap();
        stack.cloud.fail_at(2, fault); // the put in the second Region
        let error = point(&stack.connection, &pointers).await.unwrap_err().to_string();
        assert_eq!(error, "the parameters were not changed");
        assert_eq!(named(&stack).await, amis[2], "{fault:?}");
        point(&stack.connection, &pointers).await.unwrap();
        assert_eq!(named(&stack).await, amis[1]);
    }
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
