//! A change for each problem of a plan.

use goldsmith_cloud::fake::{ACCOUNT, Fault, HOME, place};
use goldsmith_cloud::{DefaultEncryption, KeyUsers, Kind};
use goldsmith_model::{BootMode, Ebs, LaunchPermission, TpmSupport, VulnerabilityPolicy};
use serde_json::json;

use super::scene::{Scene, accounts, encrypted, everyone, with_key};
use crate::states::plan::resolve::Viewer;
use crate::testing::{AWAY, TARGET, TOPIC, license};

/// A change that causes one problem.
pub(super) type SetUp = fn(&mut Scene);

/// Problems of the definitions and the account that may all occur in one build.
pub(super) const TOGETHER: &[(&str, SetUp)] = &[
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
    ("type-unknown", |scene| {
        scene.infrastructure.instance_types.retain(|name| name == "t4g.small"); // of the problem above
        scene.infrastructure.instance_types.push("t3.smal".to_owned());
    }),
    ("test-type-unknown", |scene| {
        scene.pipeline.image_tests_configuration.instance_types.push("t3.smal".to_owned());
    }),
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
    ("signing-key-unusable", |scene| scene.pipeline.signing_key = Some("alias/encrypts".to_owned())),
    ("advisories-unusable", |scene| scene.pipeline.vulnerability_policy = Some(VulnerabilityPolicy::default())),
    ("topic-missing", |scene| {
        scene.infrastructure.sns_topic_arn = Some(TOPIC.to_owned());
        scene.stack.cloud.set_up(|account| {
            account.missing.insert(TOPIC.to_owned());
        });
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
pub(super) const ALONE: &[(&str, SetUp)] = &[
    ("boot-mode", |scene| {
        scene.recipe.boot_mode = Some(BootMode::LegacyBios);
        scene.stack.cloud.edit_image(HOME, &scene.source, |image| image.boot_mode = Some("uefi".to_owned()));
    }),
    ("uefi-needed", |scene| scene.recipe.tpm_support = Some(TpmSupport::V2)),
    ("uefi-needed", |scene| {
        scene.recipe.uefi_data = Some("QUFB".to_owned());
        scene.stack.cloud.edit_image(HOME, &scene.source, |image| image.boot_mode = None);
    }),
    ("test-type-firmware", |scene| {
        scene.recipe.boot_mode = Some(BootMode::Uefi);
        scene.pipeline.image_tests_configuration.instance_types = vec!["t2.micro".to_owned()];
    }),
    ("test-type-firmware", |scene| {
        scene.recipe.boot_mode = Some(BootMode::Uefi);
        scene.recipe.tpm_support = Some(TpmSupport::V2);
        scene.pipeline.image_tests_configuration.instance_types = vec!["m5.metal".to_owned()];
    }),
    ("type-architecture", |scene| {
        scene.stack.cloud.edit_image(HOME, &scene.source, |image| image.tpm_support = Some("v2.0".to_owned()));
        scene.infrastructure.instance_types = vec!["t2.micro".to_owned()];
    }),
    ("instance-type-skipped", |scene| scene.infrastructure.instance_types.push("t4g.small".to_owned())),
    ("host-missing", |scene| scene.place_on(Some("h-0123456789abcdef0"), |_| {})),
    ("host-unfit", |scene| scene.place_on(None, |host| host.state = "released".to_owned())),
    ("host-unfit", |scene| {
        scene.infrastructure.subnet_ids.push("subnet-a".to_owned());
        scene.place_on(None, |host| host.zone = "eu-west-1b".to_owned());
    }),
    ("host-unfit", |scene| scene.place_on(None, |host| host.family = Some("m5".to_owned()))),
    ("host-unfit", |scene| scene.place_on(None, |host| host.instance_type = Some("t3.large".to_owned()))),
    ("host-unfit", |scene| {
        scene.place_on(None, |_| {});
        scene.pipeline.image_tests_configuration.spot = true;
    }),
    ("host-unfit", |scene| {
        scene.place_on(None, |_| {});
        scene.infrastructure.placement.host_id = None; // the host accepts only instances that name it
    }),
    ("host-unfit", |scene| {
        scene.place_on(None, |_| {});
        let placement = &mut scene.infrastructure.placement;
        placement.host_id = None;
        let arn = "arn:aws:resource-groups:us-east-1:111122223333:group/hosts";
        placement.host_resource_group_arn = Some(arn.to_owned());
    }),
    ("host-full", |scene| scene.place_on(None, |host| _ = host.free.insert("t3.small".to_owned(), 0))),
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
    ("export-role", |scene| {
        scene.export(HOME);
        scene.stack.cloud.set_up(|account| _ = account.missing.insert("vmimport".to_owned()));
    }),
    ("export-role", |scene| {
        scene.export(AWAY);
        scene.stack.cloud.set_up(|account| _ = account.closed_roles.insert("vmimport".to_owned()));
    }),
    ("export-role-denied", |scene| {
        scene.export(AWAY);
        scene.stack.cloud.fail_always("GetRole", HOME, Fault::Refuse(Kind::Denied));
    }),
    ("export-bucket", |scene| {
        scene.export(AWAY);
        scene.stack.cloud.set_up(|account| _ = account.missing.insert(format!("images-{AWAY}")));
    }),
    ("export-bucket", |scene| {
        scene.export(AWAY);
        scene.stack.cloud.set_up(|account| _ = account.buckets.insert(format!("images-{AWAY}"), HOME.to_owned()));
    }),
    ("export-encrypted", |scene| {
        scene.export(HOME);
        scene.copy_to_nobody();
        scene.no_permissions();
        scene.map("/dev/xvda", encrypted());
    }),
    ("export-encrypted", |scene| {
        scene.export(AWAY);
        let away = &mut scene.distribution.distributions[1].ami_distribution_configuration;
        away.kms_key_id = Some("alias/own".to_owned());
    }),
    ("export-license", |scene| {
        scene.copy_to_nobody();
        scene.export(AWAY);
        scene
            .stack
            .cloud
            .edit_image(HOME, &scene.source, |image| image.usage_operation = "RunInstances:0010".to_owned());
    }),
    ("export-too-large", |scene| {
        scene.export(AWAY);
        scene.map("/dev/xvda", Ebs { volume_size: Some(1025), ..Ebs::default() });
    }),
    ("export-volumes", |scene| {
        scene.export(AWAY);
        scene.map("/dev/sdf", Ebs { volume_size: Some(1), ..Ebs::default() });
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
    ("topic-denied", |scene| {
        scene.infrastructure.sns_topic_arn = Some(TOPIC.to_owned());
        scene.stack.cloud.fail_always("GetTopicAttributes", AWAY, Fault::Refuse(Kind::Denied));
    }),
    ("topic-missing", |scene| {
        scene.infrastructure.sns_topic_arn = Some(TOPIC.to_owned());
        scene.stack.cloud.set_up(|account| {
            account.missing.insert(TOPIC.to_owned());
        });
        scene.verify();
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
