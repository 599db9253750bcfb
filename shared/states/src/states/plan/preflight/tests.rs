//! Tests each problem alone, all of them at once, and none.

mod faults;
mod rows;
mod scene;

use std::path::Path;
use std::sync::Arc;

use goldsmith_cloud::Kind;
use goldsmith_cloud::fake::{ACCOUNT, AMAZON, Fault, HOME};
use goldsmith_model::definitions::{Draft, SourceFile};
use goldsmith_model::{BootMode, Ebs, LaunchPermission, TpmSupport};
use goldsmith_store::{MemoryTable, Store};
use serde_json::json;

use self::rows::{ALONE, TOGETHER};
use self::scene::{Scene, encrypted, everyone, names};
use crate::states::plan::resolve::Viewer;
use crate::testing::{AWAY, TOPIC, license};

#[tokio::test]
async fn each_problem_alone_is_found_alone() {
    for (name, set_up) in TOGETHER.iter().chain(ALONE) {
        let mut scene = Scene::new().await;
        set_up(&mut scene);
        scene.apply().await;
        let findings = scene.findings().await;
        assert_eq!(names(&findings), [*name], "{findings:?}");
        if scene.viewer == Viewer::Stack {
            let expected = findings[0].is_refusal().then(|| findings[0].to_string());
            assert_eq!(scene.refusal().await, expected, "{name}");
        }
    }
}

#[tokio::test]
async fn all_problems_of_a_build_are_found_at_once_and_nothing_is_begun() {
    let mut scene = Scene::new().await;
    TOGETHER.iter().for_each(|(_, set_up)| set_up(&mut scene));
    scene.apply().await;
    let findings = scene.findings().await;
    let mut expected: Vec<&str> = TOGETHER.iter().map(|(name, _)| *name).collect();
    // The image that is to be public in two Regions, and copied by other accounts in one, has a product code, and an
    // encrypted volume.
    expected.extend(["never-public"; 4]);
    expected.push("target-product");
    expected.sort_unstable();
    assert_eq!(names(&findings), expected, "{findings:#?}");
    assert!(findings.len() >= 30, "{}", findings.len());
    let (effects, refusals) =
        (scene.stack.cloud.effects().len(), findings.iter().filter(|one| one.is_refusal()).count());
    let message = scene.refusal().await.unwrap();
    assert!(message.starts_with(&format!("{refusals} problems:\n1. ")), "{message}");
    assert_eq!(scene.stack.cloud.effects().len(), effects, "nothing was written");
}

#[tokio::test]
async fn all_problems_of_a_start_are_found_at_once() {
    let mut scene = Scene::new().await;
    scene.input["parameters"] = json!({"apache": {}, "tomcat": {}, "nginx": {"prt": "80", "port": "81"}});
    scene.apply().await;
    let findings = scene.findings().await;
    assert_eq!(names(&findings), ["component-unused", "component-unused", "parameter-unknown", "parameter-value"]);
}

#[tokio::test]
async fn what_is_allowed_is_no_problem() {
    let mut scene = Scene::new().await;
    scene.infrastructure.subnet_ids = vec!["subnet-a".to_owned(), "subnet-b".to_owned()];
    scene.map("/dev/xvda", Ebs { volume_size: Some(8), kms_key_id: Some("alias/own".to_owned()), ..encrypted() });
    scene.map("/dev/sdf", Ebs { volume_size: Some(1), ..Ebs::default() });
    let away = &mut scene.distribution.distributions[1].ami_distribution_configuration;
    away.kms_key_id = Some("alias/own".to_owned());
    scene.go_to("us-west-2", LaunchPermission::default());
    let tags = [("goldsmith:stack", "goldsmith"), ("goldsmith:home", HOME)];
    let tags = tags.map(|(key, value)| (key.to_owned(), value.to_owned())).into();
    scene.stack.cloud.add_tagged_launch_template(AWAY, "lt-0aaaaaaaaaaaaaaaa", "ami-1", &tags);
    scene.publish_to("lt-0aaaaaaaaaaaaaaaa");
    scene.distribution.distributions[1].license_configuration_arns.push(license(AWAY));
    scene.infrastructure.sns_topic_arn = Some(TOPIC.to_owned());
    scene.recipe.boot_mode = Some(BootMode::Uefi);
    scene.apply().await;
    assert_eq!(scene.findings().await, []);
    assert_eq!(scene.refusal().await, None);
}

#[tokio::test]
async fn a_firmware_that_fits_and_a_host_with_room_are_no_problem() {
    let mut scene = Scene::new().await;
    scene.recipe.boot_mode = Some(BootMode::Uefi);
    scene.recipe.tpm_support = Some(TpmSupport::V2);
    scene.recipe.uefi_data = Some("QUFB".to_owned());
    scene.infrastructure.subnet_ids.push("subnet-a".to_owned());
    scene.place_on(None, |_| {});
    scene.apply().await;
    assert_eq!(scene.findings().await, []);
    scene.infrastructure.placement.host_id = None;
    scene.recipe.version = "1.0.2".parse().unwrap();
    scene.stack.cloud.set_up(|account| account.hosts[0].auto_placement = true);
    scene.apply().await;
    assert_eq!(scene.findings().await, []);
    // EC2 may allocate a host for the group when an instance is launched.
    let arn = format!("arn:aws:resource-groups:{HOME}:111122223333:group/hosts");
    scene.infrastructure.placement.host_resource_group_arn = Some(arn);
    scene.stack.cloud.set_up(|account| account.hosts.clear());
    scene.apply().await;
    assert_eq!(scene.findings().await, []);
}

#[tokio::test]
async fn hosts_that_cannot_be_read_are_only_a_warning() {
    let mut scene = Scene::new().await;
    scene.place_on(None, |_| {});
    scene.stack.cloud.fail_always("DescribeHosts", HOME, Fault::Refuse(Kind::Denied));
    scene.apply().await;
    assert_eq!(names(&scene.findings().await), ["unchecked"]);
}

#[tokio::test]
async fn a_verification_is_not_checked_for_what_only_an_image_needs() {
    let mut scene = Scene::new().await;
    scene.map("/dev/sda1", Ebs { volume_size: Some(30), ..Ebs::default() });
    scene.go_to("eu-nowhere-1", LaunchPermission::default());
    scene.put("/images/web", "ami-1", "text");
    scene.infrastructure.instance_types = vec!["t4g.small".to_owned()];
    scene.pipeline.image_tests_configuration.instance_types = vec!["t3.small".to_owned()];
    scene.infrastructure.instance_profile_name = Some("team-build".to_owned());
    scene.verify();
    scene.apply().await;
    assert_eq!(scene.findings().await, []);
    assert_eq!(scene.refusal().await, None);
}

#[tokio::test]
async fn the_examples_have_no_problems() {
    for example in ["broken", "web-server"] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples").join(example);
        let path = folder.join(format!("{example}.yml"));
        let files = [SourceFile { path: path.display().to_string(), text: std::fs::read_to_string(&path).unwrap() }];
        let definitions =
            Draft::read(&files, &|path| std::fs::read_to_string(path)).check(&Default::default()).unwrap();
        let mut scene = Scene::new().await;
        scene.put("/goldsmith/examples/source", &scene.source, "aws:ec2:image");
        let mut context = scene.stack.context();
        context.store = Store::new(Arc::new(MemoryTable::new()));
        context.store.apply(&definitions).await.unwrap();
        scene.input["pipeline"] = json!(definitions.pipelines[0].name);
        for viewer in [Viewer::Stack, Viewer::Person] {
            scene.viewer = viewer;
            assert_eq!(scene.findings_with(&context).await, [], "{example}");
        }
    }
}

#[tokio::test]
async fn a_person_who_may_not_enter_an_account_is_warned_only() {
    let mut scene = Scene::new().await;
    scene.viewer = Viewer::Person;
    scene.recipe.parent_image = "ssm:/images/base".parse().unwrap();
    scene.copy_to("333344445555");
    scene.stack.cloud.set_up(|account| {
        account.closed_accounts.insert("333344445555".to_owned());
    });
    scene.apply().await;
    assert_eq!(names(&scene.findings().await), ["unchecked"]);
}

#[tokio::test]
async fn a_source_that_was_bought_is_not_copied_into_other_accounts() {
    let scene = Scene::new().await;
    scene.stack.cloud.edit_image(HOME, &scene.source, |image| image.product_codes.push("4t9example".to_owned()));
    scene.apply().await;
    assert_eq!(names(&scene.findings().await), ["source-product", "target-product"]);
    let expected = format!(
        "other accounts are to copy the image in {AWAY}, but the source image {} has the product code 4t9example: share",
        scene.source
    );
    let refusal = scene.refusal().await.unwrap();
    assert!(refusal.starts_with(&expected), "{refusal}");
}

#[tokio::test]
async fn a_source_that_was_bought_is_not_exported() {
    let mut scene = Scene::new().await;
    scene.copy_to_nobody();
    scene.export(HOME);
    scene.stack.cloud.edit_image(HOME, &scene.source, |image| image.product_codes.push("4t9example".to_owned()));
    scene.apply().await;
    assert_eq!(names(&scene.findings().await), ["export-product", "source-product"]);
}

#[tokio::test]
async fn a_stack_whose_role_would_have_a_longer_name_than_iam_allows_copies_to_no_account() {
    let scene = Scene::new().await;
    scene.apply().await;
    let mut context = scene.stack.context();
    for (length, expected) in [(47, &[][..]), (48, &["target-role-name"])] {
        context.config.stack = "s".repeat(length);
        assert_eq!(names(&scene.findings_with(&context).await), expected, "{length} characters");
    }
}

#[tokio::test]
async fn an_overridden_image_is_neither_shared_nor_named_by_a_parameter() {
    let mut scene = Scene::new().await;
    let home = &mut scene.distribution.distributions[0];
    home.ami_distribution_configuration.launch_permission = everyone();
    scene.stack.cloud.set_up(|account| {
        account.without_public_images.insert(HOME.to_owned());
    });
    scene.put("/images/web", "ami-1", "text");
    scene.input["sourceImage"] = json!(scene.source);
    scene.apply().await;
    assert_eq!(scene.findings().await, []);
    scene.stack.cloud.add_image(HOME, AMAZON, "overridden web 1.0.1-1");
    assert_eq!(scene.findings().await, [], "a name of another account is free");
    scene.stack.cloud.add_image(HOME, ACCOUNT, "overridden web 1.0.1-1");
    assert_eq!(names(&scene.findings().await), ["ami-name-taken"]);
}
