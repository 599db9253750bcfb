//! What each problem would cost: the call that a build would make later, with the values of [`World`], and what AWS
//! answers.

use aws_sdk_ec2::config::Region;
use aws_sdk_ec2::error::ProvideErrorMetadata;
use aws_sdk_ec2::operation::copy_image::builders::CopyImageFluentBuilder;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, CreateVolumePermission, CreateVolumePermissionModifications, EbsBlockDevice, ImageState,
    InstanceStateName, InstanceType, LaunchPermission, LaunchPermissionModifications, PermissionGroup, Placement,
    RequestLaunchTemplateData, ResourceType, Tag, TagSpecification,
};
use aws_sdk_iam::Client as Iam;
use aws_sdk_kms::primitives::Blob;
use aws_sdk_kms::types::{KeySpec, KeyUsageType, MessageType, SigningAlgorithmSpec};
use aws_sdk_licensemanager::types::LicenseSpecification;
use aws_sdk_sns::Client as Sns;
use aws_sdk_ssm::Client as Ssm;
use aws_sdk_ssm::types::ParameterType;
use goldsmith_cloud::aws::{SdkConfig, sdk_config, with_keys};
use goldsmith_states::{Cost, Problem};
use serde_json::json;

use super::world::{
    CLOSED, DISABLED, FAR_GROUP, FRIEND, HOME, KEYLESS, NAME, NO_GROUP, NO_KEY, NO_LICENSE, NO_SUBNET, NO_TEMPLATE,
    NO_TOPIC, NO_ZONE, OFF, PUBLIC, SHARED, TEXT, UNKNOWN, World,
};
use crate::cases::rules::kms;

/// A parameter that neither the stack nor its users may read.
pub(super) const UNREADABLE: &str = "/team/base";

/// A license configuration that the stack does not list.
pub(super) const UNLISTED: &str =
    "arn:aws:license-manager:eu-west-1:111122223333:license-configuration:lic-0123456789abcdef0123456789abcdef";

/// A topic that the stack does not list.
pub(super) const UNTOLD: &str = "arn:aws:sns:eu-west-1:111122223333:images";

/// The problems that no call of AWS meets: there is nothing to call with, AWS is not asked, or the agent on the instance
/// ends the build, which the tests of `documents.rs` in the executor show. The calls of target accounts are in
/// `targets.rs`, those of exports are in `exports.rs`, that of the boot mode is in `publish.rs`, those of a TPM are in
/// `firmware.rs`, and those of Dedicated Hosts are in `hosts.rs`.
const WITHOUT_CALL: [&str; 27] = [
    "advisories-unusable",
    "agent-missing",
    "boot-mode",
    "component-unused",
    "definition-missing",
    "export-bucket",
    "export-encrypted",
    "export-license",
    "export-product",
    "export-role",
    "export-role-denied",
    "export-too-large",
    "export-volumes",
    "host-full",
    "host-missing",
    "host-unfit",
    "instance-type-skipped",
    "nothing-to-verify",
    "parameter-unknown",
    "parameter-value",
    "target-account-closed",
    "target-account-own",
    "target-region-disabled",
    "target-role-name",
    "test-type-firmware",
    "uefi-needed",
    "verified-profile",
];

/// A problem, what its call gets, and the call.
type Trial = (&'static str, &'static str, fn(&World<'_>) -> String);

const TRIALS: &[Trial] = &[
    ("source-missing", "InvalidAMIID.NotFound", |w| w.launched(w.launching().image_id("ami-0123456789abcdef0"))),
    ("source-unavailable", "InvalidAMIID.Unavailable", |w| w.launched(w.launching().image_id(&w.source))),
    ("source-product", "OptInRequired", unsubscribed),
    ("source-owner", "DryRunOperation", |w| w.launched(w.launching().dry_run(true))),
    ("type-architecture", "InvalidParameterValue", |w| w.launched(w.launching().instance_type(InstanceType::T4gSmall))),
    ("test-type-architecture", "InvalidParameterValue", |w| {
        w.launched(w.launching().instance_type(InstanceType::T4gSmall))
    }),
    ("type-unknown", "InvalidParameterValue", |w| w.launched(w.launching().instance_type("t3.smal".into()))),
    ("test-type-unknown", "InvalidParameterValue", |w| w.launched(w.launching().instance_type("t3.smal".into()))),
    ("type-not-offered", "Unsupported", |w| w.launched(w.launching().subnet_id(&w.subnet))),
    ("subnet-missing", "InvalidSubnetID.NotFound", |w| w.launched(w.launching().subnet_id(NO_SUBNET))),
    ("subnet-zone", "InvalidParameterValue", |w| {
        let zone = Placement::builder().availability_zone(NO_ZONE).build();
        w.launched(w.launching().subnet_id(&w.subnet).placement(zone))
    }),
    ("security-group-missing", "InvalidGroup.NotFound", |w| w.launched(w.launching().security_group_ids(NO_GROUP))),
    ("security-group-vpc", "InvalidParameter", |w| w.launched(w.launching().security_group_ids(FAR_GROUP))),
    ("volume-too-small", "InvalidBlockDeviceMapping", |w| {
        w.launched(w.launching().block_device_mappings(disk("/dev/xvda", 1)))
    }),
    ("root-device", "2 volumes", second_volume),
    ("too-many-tags", "TagLimitExceeded", tagged),
    ("key-at-home", "the key of the volume", key_of_volume),
    ("ami-name-taken", "InvalidAMIName.Duplicate", |w| w.copied(w.copying(PUBLIC, NAME))),
    ("region-disabled", "AuthFailure", |w| w.copied(w.copying(DISABLED, "e2e-disabled"))),
    ("region-unknown", "InvalidParameterValue", |w| {
        code(w.stack.block_on(w.ec2(HOME).describe_regions().region_names(UNKNOWN).send()))
    }),
    ("key-missing", "failed", |w| {
        state_of(w, KEYLESS, w.copying(KEYLESS, "e2e-keyless").encrypted(true).kms_key_id(NO_KEY))
    }),
    ("key-unusable", "failed", |w| state_of(w, OFF, w.copying(OFF, "e2e-off").encrypted(true).kms_key_id(&w.off))),
    ("key-closed", "Client.InternalError", closed),
    ("public-access-blocked", "OperationNotPermitted", |w| {
        let copy = w.copy(w.copying(PUBLIC, "e2e-public"));
        w.shared(PUBLIC, &copy, everyone())
    }),
    ("public-snapshots-blocked", "OperationNotPermitted", public_snapshot),
    ("never-public", "UnsupportedOperation", |w| {
        let copy = w.copy(w.copying(SHARED, "e2e-never-public").encrypted(true));
        w.shared(SHARED, &copy, everyone())
    }),
    ("shared-with-aws-key", "InvalidParameter", |w| {
        let copy = w.copy(w.copying(SHARED, "e2e-shared").encrypted(true));
        w.shared(SHARED, &copy, friend())
    }),
    ("target-product", "InvalidRequest", |w| copied_by_friend(w, &w.source, "AWS Marketplace")),
    ("target-license", "InvalidRequest", |w| {
        w.stack.set(&json!({"usageOperations": {w.base.as_str(): "RunInstances:0010"}}));
        copied_by_friend(w, &w.base, "BillingProduct")
    }),
    ("launch-template-missing", "InvalidLaunchTemplateId.NotFound", |w| w.missing_template()),
    ("launch-template-tags", "UnauthorizedOperation", |w| {
        w.versioned(&w.as_role("PublishRole", "e2e-adds-versions"), &w.template)
    }),
    ("license-missing", "InvalidParameterValueException", |w| w.licensed(w.stack.sdk(), NO_LICENSE)),
    ("license-denied", "AccessDeniedException", |w| w.licensed(&w.as_role("DistributeRole", "e2e-licenses"), UNLISTED)),
    ("topic-missing", "NotFound", |w| w.told(w.stack.sdk(), NO_TOPIC)),
    ("topic-denied", "AuthorizationError", |w| w.told(&w.as_role("FinishRole", "e2e-tells"), UNTOLD)),
    ("signing-key-unusable", "AccessDeniedException", sign_with_an_untagged_key),
    ("parameter-path", "AccessDeniedException", |w| w.put(&w.as_role("PublishRole", "e2e-publishes"), "/golden/web")),
    ("parameter-data-type", "ValidationException", |w| w.put(w.stack.sdk(), TEXT)),
    ("source-parameter-denied", "AccessDeniedException", |w| read_as_plan(w, "e2e-plans")),
    ("source-parameter-path", "AccessDeniedException", |w| read_as_plan(w, "e2e-plans-too")),
    ("unchecked", "UnauthorizedOperation", |w| {
        code(w.stack.block_on(w.ec2("eu-central-1").get_ebs_encryption_by_default().send()))
    }),
];

/// Makes every call, and holds the answers against what the documentation says.
pub(super) fn meet(world: &World<'_>) {
    for problem in Problem::all().filter(|problem| !WITHOUT_CALL.contains(&problem.name())) {
        let name = problem.name();
        let (_, expected, call) = TRIALS.iter().find(|(of, ..)| *of == name).unwrap_or_else(|| panic!("{name}"));
        if let Cost::Rejected { error, .. } = problem.cost() {
            assert_eq!(*expected, error, "{name}");
        }
        assert_eq!(call(world), *expected, "{name}");
    }
}

/// Signs as the function that signs images does, with a key that nobody has tagged for the stack.
fn sign_with_an_untagged_key(world: &World<'_>) -> String {
    let create = kms(world.stack, HOME).create_key().key_usage(KeyUsageType::SignVerify).key_spec(KeySpec::EccNistP256);
    let key = world.stack.block_on(create.send()).unwrap().key_metadata.unwrap().key_id;
    let attest = aws_sdk_kms::Client::new(&world.as_role("AttestRole", "e2e-attests"));
    let sign = attest.sign().key_id(key).message(Blob::new([7; 32])).message_type(MessageType::Digest);
    code(world.stack.block_on(sign.signing_algorithm(SigningAlgorithmSpec::EcdsaSha256).send()))
}

/// Returns the code of an error, or an empty text.
fn code<T, E: ProvideErrorMetadata>(answer: Result<T, E>) -> String {
    answer.err().and_then(|error| error.code().map(str::to_owned)).unwrap_or_default()
}

fn disk(name: &str, size: i32) -> BlockDeviceMapping {
    let ebs = EbsBlockDevice::builder().volume_size(size).delete_on_termination(true).encrypted(name != "/dev/xvda");
    BlockDeviceMapping::builder().device_name(name).ebs(ebs.build()).build()
}

fn everyone() -> LaunchPermission {
    LaunchPermission::builder().group(PermissionGroup::All).build()
}

fn friend() -> LaunchPermission {
    LaunchPermission::builder().user_id(FRIEND).build()
}

impl World<'_> {
    fn launching(&self) -> RunInstancesFluentBuilder {
        let launch = self.ec2(HOME).run_instances().image_id(&self.base).instance_type(InstanceType::T3Small);
        launch.min_count(1).max_count(1)
    }

    fn launched(&self, launch: RunInstancesFluentBuilder) -> String {
        code(self.stack.block_on(launch.send()))
    }

    fn copying(&self, to: &str, name: &str) -> CopyImageFluentBuilder {
        self.ec2(to).copy_image().source_region(HOME).source_image_id(&self.base).name(name)
    }

    fn copied(&self, copy: CopyImageFluentBuilder) -> String {
        code(self.stack.block_on(copy.send()))
    }

    fn copy(&self, copy: CopyImageFluentBuilder) -> String {
        self.stack.block_on(copy.send()).unwrap().image_id.unwrap()
    }

    fn shared(&self, region: &str, image: &str, with: LaunchPermission) -> String {
        let with = LaunchPermissionModifications::builder().add(with).build();
        code(
            self.stack
                .block_on(self.ec2(region).modify_image_attribute().image_id(image).launch_permission(with).send()),
        )
    }

    /// Adds a version to a launch template of [`SHARED`].
    fn versioned(&self, config: &SdkConfig, template: &str) -> String {
        let config = aws_sdk_ec2::config::Builder::from(config).region(Region::new(SHARED));
        let data = RequestLaunchTemplateData::builder().image_id(&self.base).build();
        let version = aws_sdk_ec2::Client::from_conf(config.build()).create_launch_template_version();
        let version = version.launch_template_id(template).launch_template_data(data);
        code(self.stack.block_on(version.send()))
    }

    /// Describes the launch template that does not exist, as Publish does before it adds a version.
    fn missing_template(&self) -> String {
        let config = aws_sdk_ec2::config::Builder::from(self.stack.sdk()).region(Region::new(SHARED));
        let described = aws_sdk_ec2::Client::from_conf(config.build()).describe_launch_templates();
        code(self.stack.block_on(described.launch_template_ids(NO_TEMPLATE).send()))
    }

    /// Associates the base image with a license configuration.
    fn licensed(&self, config: &SdkConfig, license: &str) -> String {
        let specification = LicenseSpecification::builder().license_configuration_arn(license).build().unwrap();
        let client = aws_sdk_licensemanager::Client::new(config);
        let update = client.update_license_specifications_for_resource().add_license_specifications(specification);
        code(self.stack.block_on(update.resource_arn(format!("arn:aws:ec2:{HOME}::image/{}", self.base)).send()))
    }

    /// Sends a message to a topic.
    fn told(&self, config: &SdkConfig, topic: &str) -> String {
        code(self.stack.block_on(Sns::new(config).publish().topic_arn(topic).message("It is told.").send()))
    }

    fn put(&self, config: &SdkConfig, name: &str) -> String {
        let put = Ssm::new(config).put_parameter().name(name).value(&self.base).data_type("aws:ec2:image");
        code(self.stack.block_on(put.r#type(ParameterType::String).overwrite(true).send()))
    }

    /// Starts an instance with this second volume. Its id.
    fn with_volume(&self) -> String {
        let launch = self.launching().block_device_mappings(disk("/dev/sda1", 30));
        let made = self.stack.block_on(launch.send()).unwrap();
        made.instances()[0].instance_id().unwrap().to_owned()
    }

    /// Waits until an instance runs: EC2 makes no image of a pending one.
    fn runs(&self, id: &str) {
        let instance = self.ec2(HOME).describe_instances().instance_ids(id);
        self.stack.wait_for("the instance", || {
            let found = self.stack.block_on(instance.clone().send()).ok()?;
            let state = found.reservations()[0].instances()[0].state()?.name().cloned();
            (state? == InstanceStateName::Running).then_some(())
        });
    }

    fn terminate(&self, id: &str) {
        self.stack.block_on(self.ec2(HOME).terminate_instances().instance_ids(id).send()).unwrap();
    }

    /// Returns the configuration of a new user with the policies in a role of the stack, since only Lambda may assume the
    /// role itself.
    fn as_role(&self, role: &str, user: &str) -> SdkConfig {
        let iam = Iam::new(self.stack.sdk());
        let keys = self.stack.block_on(async {
            let roles = iam.list_roles().send().await.unwrap().roles;
            let role = roles.iter().find(|one| one.role_name.starts_with(&format!("e2e-{role}"))).unwrap();
            iam.create_user().user_name(user).send().await.unwrap();
            let listed = iam.list_role_policies().role_name(&role.role_name).send().await.unwrap();
            for policy in listed.policy_names {
                let found = iam.get_role_policy().role_name(&role.role_name).policy_name(&policy).send().await.unwrap();
                // IAM returns documents in the encoding of URLs.
                let document = form_urlencoded::parse(found.policy_document.as_bytes()).next().unwrap().0.into_owned();
                let put = iam.put_user_policy().user_name(user).policy_name(policy).policy_document(document);
                put.send().await.unwrap();
            }
            iam.create_access_key().user_name(user).send().await.unwrap().access_key.unwrap()
        });
        with_keys(self.stack.sdk(), &keys.access_key_id, &keys.secret_access_key)
    }

    /// EC2 as another account sees it, by the endpoint's own address.
    fn as_friend(&self, region: &str) -> aws_sdk_ec2::Client {
        let url = self.stack.description()["ec2Url"].as_str().unwrap();
        let config = self.stack.block_on(sdk_config(None, Some(region), Some(url)));
        aws_sdk_ec2::Client::new(&with_keys(&config, FRIEND, self.stack.secret()))
    }
}

/// The source can be launched again, but the account has not subscribed to its product.
fn unsubscribed(world: &World<'_>) -> String {
    world.stack.block_on(world.ec2(HOME).enable_image().image_id(&world.source).send()).unwrap();
    world.launched(world.launching().image_id(&world.source).instance_type(InstanceType::T4gSmall))
}

fn second_volume(world: &World<'_>) -> String {
    let id = world.with_volume();
    let filter = aws_sdk_ec2::types::Filter::builder().name("attachment.instance-id").values(&id).build();
    let volumes = world.stack.block_on(world.ec2(HOME).describe_volumes().filters(filter).send()).unwrap();
    world.terminate(&id);
    format!("{} volumes", volumes.volumes().len())
}

fn tagged(world: &World<'_>) -> String {
    let id = world.with_volume();
    world.runs(&id);
    let tags = (0..54).map(|number| Tag::builder().key(format!("t{number}")).value("v").build());
    let tags = TagSpecification::builder().resource_type(ResourceType::Image).set_tags(Some(tags.collect())).build();
    let image = world.ec2(HOME).create_image().instance_id(&id).name("e2e-tagged").tag_specifications(tags);
    let answer = code(world.stack.block_on(image.send()));
    world.terminate(&id);
    answer
}

/// The image of an instance keeps the keys of its volumes: CreateImage has no parameter for another one.
fn key_of_volume(world: &World<'_>) -> String {
    let (stack, ec2) = (world.stack, world.ec2(HOME));
    let id = world.with_volume();
    world.runs(&id);
    let image = stack.block_on(ec2.create_image().instance_id(&id).name("e2e-key-at-home").send()).unwrap();
    let describe = ec2.describe_images().image_ids(image.image_id.unwrap());
    // A new image is not described at once, and has its snapshots some moments later.
    let snapshots = stack.wait_for("the snapshots of the image", || {
        let found = stack.block_on(describe.clone().send()).ok()?;
        let devices = found.images().first()?.block_device_mappings();
        let ids: Vec<String> =
            devices.iter().filter_map(|device| Some(device.ebs()?.snapshot_id()?.to_owned())).collect();
        let described = stack.block_on(ec2.describe_snapshots().set_snapshot_ids(Some(ids.clone())).send()).ok()?;
        (!ids.is_empty() && described.snapshots().len() == ids.len()).then_some(described)
    });
    let volume = ec2
        .describe_volumes()
        .filters(aws_sdk_ec2::types::Filter::builder().name("attachment.instance-id").values(&id).build());
    let volumes = stack.block_on(volume.send()).unwrap();
    world.terminate(&id);
    let of_volume = volumes.volumes().iter().find_map(|volume| volume.kms_key_id());
    let of_image = snapshots.snapshots().iter().find_map(|snapshot| snapshot.kms_key_id());
    assert!(of_image.is_some(), "{snapshots:?}");
    if of_image == of_volume { "the key of the volume" } else { "another key" }.to_owned()
}

/// Copies, and waits until the copy has an end.
fn state_of(world: &World<'_>, region: &str, copy: CopyImageFluentBuilder) -> String {
    let id = world.copy(copy);
    let describe = world.ec2(region).describe_images().image_ids(id);
    world.stack.wait_for("the end of the copy", || {
        let found = world.stack.block_on(describe.clone().send()).ok()?;
        let state = found.images()[0].state()?.clone();
        (state != ImageState::Pending).then(|| state.as_str().to_owned())
    })
}

/// An instance of another account, launched from an image whose key is closed to that account.
fn closed(world: &World<'_>) -> String {
    let stack = world.stack;
    let copy = world.copy(world.copying(CLOSED, "e2e-closed").encrypted(true).kms_key_id(&world.closed));
    let describe = world.ec2(CLOSED).describe_images().image_ids(&copy);
    stack.wait_for("the copy", || {
        let found = stack.block_on(describe.clone().send()).ok()?;
        (found.images()[0].state() == Some(&ImageState::Available)).then_some(())
    });
    assert_eq!(world.shared(CLOSED, &copy, friend()), "", "the image itself is shared");
    let theirs = world.as_friend(CLOSED);
    let launch = theirs.run_instances().image_id(&copy).instance_type(InstanceType::T3Small).min_count(1).max_count(1);
    let made = stack.block_on(launch.send()).unwrap();
    let describe = theirs.describe_instances().instance_ids(made.instances()[0].instance_id().unwrap());
    stack.wait_for("the end of the instance", || {
        let found = stack.block_on(describe.clone().send()).ok()?;
        found.reservations()[0].instances()[0].state_reason()?.code().map(str::to_owned)
    })
}

/// A copy that another account makes of an image of [`HOME`] that it may launch. The message has this word.
fn copied_by_friend(world: &World<'_>, image: &str, word: &str) -> String {
    assert_eq!(world.shared(HOME, image, friend()), "", "the image itself is shared");
    let copy = world.as_friend(HOME).copy_image().source_region(HOME).source_image_id(image).name("e2e-theirs");
    let error = world.stack.block_on(copy.send()).unwrap_err();
    assert!(error.message().is_some_and(|message| message.contains(word)), "{error:?}");
    code::<(), _>(Err(error))
}

fn public_snapshot(world: &World<'_>) -> String {
    let copy = world.copy(world.copying(PUBLIC, "e2e-public-snapshot"));
    let describe = world.ec2(PUBLIC).describe_images().image_ids(copy);
    let snapshot = world.stack.wait_for("the snapshot of the copy", || {
        let found = world.stack.block_on(describe.clone().send()).ok()?;
        let device = found.images().first()?.block_device_mappings().first()?;
        device.ebs()?.snapshot_id().map(str::to_owned)
    });
    let with = CreateVolumePermission::builder().group(PermissionGroup::All).build();
    let with = CreateVolumePermissionModifications::builder().add(with).build();
    let share = world.ec2(PUBLIC).modify_snapshot_attribute().snapshot_id(snapshot).create_volume_permission(with);
    code(world.stack.block_on(share.send()))
}

fn read_as_plan(world: &World<'_>, user: &str) -> String {
    let plan = world.as_role("PlanRole", user);
    code(world.stack.block_on(Ssm::new(&plan).get_parameter().name(UNREADABLE).send()))
}
