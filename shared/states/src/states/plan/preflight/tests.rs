//! Tests each problem alone, all of them at once, and none.

mod faults;
mod scene;

use std::path::Path;
use std::sync::Arc;

use goldsmith_cloud::fake::{ACCOUNT, AMAZON, Fault, HOME, place};
use goldsmith_cloud::{DefaultEncryption, KeyUsers, Kind};
use goldsmith_model::definitions::{Draft, SourceFile};
use goldsmith_model::{BootMode, Ebs, LaunchPermission};
use goldsmith_store::{MemoryTable, Store};
use serde_json::json;

use self::scene::{Scene, accounts, encrypted, everyone, names, with_key};
use crate::states::plan::resolve::Viewer;
use crate::testing::{AWAY, TARGET, license};

/// A change that causes one problem.
type SetUp = fn(&mut Scene);

/// Problems of the definitions and the account that may all occur in one build.
const TOGETHER: &[(&str, SetUp)] = &[
    ("definition-missing", |scene| {
        let ghost = json!({"name": "ghost", "version": "1.x.x"});
        scene.recipe.components.push(serde_json::from_value(ghost).unwrap());
    }),
    ("key-at-home", |scene| {
        let home = &mut scene.distribution.distributions[0].ami_distribution_configuration;
        home.kms_key_id = Some("alias/images".to_owned());
    }),
    ("source-unavailable", |scene| {
        scene.stack.cloud.edit_image(HOME, &scene.source, |image| image.state = goldsmith_cloud::ImageState::Failed);
    }),
    ("source-owner", |scene| {
        scene.stack.cloud.edit_image(HOME, &scene.source, |image| {
            image.owner = "999988887777".to_owned();
            image.owner_alias = None;
        });
    }),
    ("source-product", |scene| {
        scene.copy_to_nobody();
        scene.stack.cloud.edit_image(HOME, &scene.source, |image| image.product_codes.push("4t9example".to_owned()));
    }),
    ("test-type-architecture", |scene| {
        scene.pipeline.image_tests_configuration.instance_types = vec!["t4g.small".to_owned()];
    }),
    ("type-architecture", |scene| scene.infrastructure.instance_types = vec!["t4g.small".to_owned()]),
    ("agent-missing", |scene| scene.stack.lose_agent("x86_64")),
    ("type-not-offered", |scene| {
        scene.infrastructure.subnet_ids.push("subnet-a".to_owned());
        // No type of the build runs the source if the problem above is there too. A test's type is checked anyway.
        scene.pipeline.image_tests_configuration.instance_types.push("t3.small".to_owned());
        scene.stack.cloud.set_up(|account| {
            account.not_offered.extend(["t3.small", "t3a.small"].map(|name| (name.to_owned(), 'a')));
        });
    }),
    ("subnet-missing", |scene| {
        scene.infrastructure.subnet_ids.push("subnet-gone".to_owned());
        scene.stack.cloud.set_up(|account| {
            account.missing.insert("subnet-gone".to_owned());
        });
    }),
    ("security-group-missing", |scene| {
        scene.infrastructure.security_group_ids.push("sg-gone".to_owned());
        scene.stack.cloud.set_up(|account| {
            account.missing.insert("sg-gone".to_owned());
        });
    }),
    ("security-group-vpc", |scene| {
        scene.infrastructure.subnet_ids.push("subnet-b".to_owned());
        scene.infrastructure.security_group_ids.push("sg-2".to_owned());
        scene.stack.cloud.set_up(|account| {
            account.vpcs.insert("sg-2".to_owned(), "vpc-2".to_owned());
        });
    }),
    ("boot-mode", |scene| {
        scene.recipe.boot_mode = Some(BootMode::Uefi);
        scene.stack.cloud.edit_image(HOME, &scene.source, |image| image.boot_mode = None);
    }),
    ("root-device", |scene| scene.map("/dev/sda1", Ebs { volume_size: Some(30), ..Ebs::default() })),
    ("volume-too-small", |scene| scene.map("/dev/xvda", Ebs { volume_size: Some(7), ..Ebs::default() })),
    ("ami-name-taken", |scene| drop(scene.stack.cloud.add_image(AWAY, ACCOUNT, "web 1.0.1-1"))),
    ("ami-name-taken", |scene| {
        scene.copy_to_nobody();
        scene.copy_to(TARGET);
        scene.stack.cloud.add_image(&place(AWAY, TARGET), ACCOUNT, "web 1.0.1-1");
    }),
    ("target-license", |scene| {
        scene
            .stack
            .cloud
            .edit_image(HOME, &scene.source, |image| image.usage_operation = "RunInstances:0010".to_owned());
    }),
    ("too-many-tags", |scene| {
        let tag = |number: usize| (format!("tag-{number}"), String::new());
        scene.recipe.tags.extend((0..30).map(tag));
        let home = &mut scene.distribution.distributions[0].ami_distribution_configuration;
        home.ami_tags.extend((30..45).map(tag));
    }),
    ("region-disabled", |scene| {
        scene.go_to("ap-east-1", LaunchPermission::default());
        scene.stack.cloud.set_up(|account| {
            account.disabled_regions.insert("ap-east-1".to_owned());
        });
    }),
    ("target-account-closed", |scene| {
        scene.copy_to("333344445555");
        scene.stack.cloud.set_up(|account| {
            account.closed_accounts.insert("333344445555".to_owned());
        });
    }),
    ("target-account-own", |scene| scene.copy_to(ACCOUNT)),
    ("target-region-disabled", |scene| {
        scene.copy_to("444455556666");
        scene.stack.cloud.set_up(|account| {
            account.disabled_regions.insert(place(AWAY, "444455556666"));
        });
    }),
    ("region-unknown", |scene| _ = scene.go_to("eu-nowhere-1", LaunchPermission::default())),
    ("parameter-path", |scene| {
        let golden = json!({"parameterName": "/golden/web"});
        let home = &mut scene.distribution.distributions[0];
        home.ssm_parameter_configurations.push(serde_json::from_value(golden).unwrap());
    }),
    ("parameter-data-type", |scene| scene.put("/images/web", "ami-1", "text")),
    ("launch-template-missing", |scene| scene.publish_to("lt-0123456789abcdef0")),
    ("launch-template-tags", |scene| {
        scene.stack.cloud.add_launch_template(AWAY, "lt-0aaaaaaaaaaaaaaaa", "ami-1");
        scene.publish_to("name-lt-0aaaaaaaaaaaaaaaa");
    }),
    ("license-missing", |scene| {
        scene.distribution.distributions[1].license_configuration_arns.push(license(AWAY));
        scene.stack.cloud.set_up(|account| {
            account.missing.insert(license(AWAY));
        });
    }),
    ("license-denied", |scene| {
        scene.distribution.distributions[0].license_configuration_arns.push(license(HOME));
        scene.stack.cloud.fail_always("GetLicenseConfiguration", HOME, Fault::Refuse(Kind::Denied));
    }),
    ("public-access-blocked", |scene| {
        scene.go_to("us-west-2", everyone());
        scene.stack.cloud.set_up(|account| {
            account.without_public_images.insert("us-west-2".to_owned());
        });
    }),
    ("public-snapshots-blocked", |scene| {
        scene.go_to("eu-west-2", everyone()).share_snapshots = true;
        scene.stack.cloud.set_up(|account| {
            account.without_public_snapshots.insert("eu-west-2".to_owned());
        });
    }),
    ("shared-with-aws-key", |scene| scene.map("/dev/sdf", encrypted())),
    ("key-missing", |scene| {
        scene.go_to("eu-west-3", LaunchPermission::default()).kms_key_id = Some("alias/gone".to_owned());
        scene.stack.cloud.set_up(|account| {
            account.missing.insert("alias/gone".to_owned());
        });
    }),
    ("key-unusable", |scene| {
        scene.go_to("eu-north-1", LaunchPermission::default()).kms_key_id = Some("alias/off".to_owned());
        scene.stack.cloud.set_up(|account| {
            account.disabled_keys.insert("alias/off".to_owned());
        });
    }),
    ("key-closed", |scene| {
        scene.go_to("ca-central-1", accounts()).kms_key_id = Some("alias/closed".to_owned());
        scene.stack.cloud.set_up(|account| {
            account.key_users.insert("alias/closed".to_owned(), KeyUsers::default());
        });
    }),
    ("unchecked", |scene| {
        scene.go_to("eu-central-1", accounts());
        let denied = Fault::Refuse(Kind::Denied);
        scene.stack.cloud.fail_always("GetEbsEncryptionByDefault", "eu-central-1", denied);
    }),
];

/// Problems that cannot occur together with some of the others.
const ALONE: &[(&str, SetUp)] = &[
    ("key-unusable", |scene| {
        scene.map("/dev/sdg", with_key("alias/off"));
        // The copy would have AWS's key otherwise, with which it cannot be shared.
        scene.distribution.distributions[1].ami_distribution_configuration.kms_key_id = Some("alias/own".to_owned());
        scene.stack.cloud.set_up(|account| {
            account.disabled_keys.insert("alias/off".to_owned());
        });
    }),
    ("shared-with-aws-key", |scene| {
        let away = &mut scene.distribution.distributions[1].ami_distribution_configuration;
        away.kms_key_id = Some("alias/aws/ebs".to_owned());
    }),
    ("definition-missing", |scene| scene.pipeline.infrastructure_configuration = "nowhere".parse().unwrap()),
    ("source-missing", |scene| scene.recipe.parent_image = "ssm:/images/none".parse().unwrap()),
    ("source-missing", |scene| scene.recipe.parent_image = "ami-0123456789abcdef0".parse().unwrap()),
    ("source-missing", |scene| scene.recipe.parent_image = "pipeline:web".parse().unwrap()),
    ("source-unavailable", |scene| {
        scene.stack.cloud.edit_image(HOME, &scene.source, |image| {
            image.state = goldsmith_cloud::ImageState::Failed; // deregistered
            image.block_devices.clear();
        });
    }),
    ("source-parameter-denied", |scene| {
        scene.recipe.parent_image = "ssm:/team/base".parse().unwrap();
        scene.distribution.distributions[0].ssm_parameter_configurations.clear();
        scene.stack.cloud.fail_always("GetParameter", HOME, Fault::Refuse(Kind::Denied));
    }),
    ("source-parameter-path", |scene| {
        scene.viewer = Viewer::Person;
        scene.recipe.parent_image = "ssm:/source".parse().unwrap();
    }),
    ("type-not-offered", |scene| {
        scene.infrastructure.subnet_ids.push("subnet-c".to_owned());
        scene.stack.cloud.set_up(|account| {
            account.zones.insert("subnet-c".to_owned(), 'c');
            // The build falls back to the second type, and the test has no second one.
            account.not_offered.insert(("t3.small".to_owned(), 'c'));
        });
    }),
    ("subnet-zone", |scene| {
        scene.infrastructure.subnet_ids.push("subnet-a".to_owned());
        scene.infrastructure.placement.availability_zone = Some("eu-west-1c".to_owned());
    }),
    ("never-public", |scene| {
        scene.go_to("us-west-2", everyone());
        scene.map("/dev/xvda", with_key("alias/own"));
        let away = &mut scene.distribution.distributions[1].ami_distribution_configuration;
        away.kms_key_id = Some("alias/own".to_owned());
    }),
    ("shared-with-aws-key", |scene| {
        scene.stack.cloud.set_up(|account| {
            let by_default = DefaultEncryption { always: true, key: "alias/aws/ebs".to_owned() };
            account.encryption.insert(AWAY.to_owned(), by_default);
        });
    }),
    ("nothing-to-verify", |scene| {
        scene.pipeline.image_tests_configuration.image_tests_enabled = false;
        scene.verify();
    }),
    ("verified-profile", |scene| {
        scene.pipeline.allow_overrides = false;
        scene.infrastructure.instance_profile_name = Some("team-build".to_owned());
        scene.verify();
    }),
    ("test-type-architecture", |scene| {
        scene.pipeline.image_tests_configuration.instance_types = vec!["t4g.small".to_owned()];
        scene.verify();
    }),
    ("component-unused", |scene| scene.input["parameters"] = json!({"apache": {}})),
    ("parameter-unknown", |scene| scene.input["parameters"] = json!({"nginx": {"prt": "80"}})),
    ("parameter-value", |scene| scene.input["parameters"] = json!({"nginx": {"port": "81"}})),
];

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
    scene.recipe.boot_mode = Some(BootMode::Uefi);
    scene.apply().await;
    assert_eq!(scene.findings().await, []);
    assert_eq!(scene.refusal().await, None);
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
