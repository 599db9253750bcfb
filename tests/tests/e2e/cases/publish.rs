//! What names, counts and protects an image: launch templates, placeholders, licenses, and the protection from
//! deregistration.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::config::Region;
use aws_sdk_ec2::error::ProvideErrorMetadata as _;
use aws_sdk_ec2::types::{
    BlockDeviceMapping, BootModeOverrideValues, BootModeValues, EbsBlockDevice, InstanceType,
    LaunchTemplateBlockDeviceMappingRequest, LaunchTemplateEbsBlockDeviceRequest, RequestLaunchTemplateData,
    ResourceType, Tag, TagSpecification,
};
use aws_sdk_licensemanager::types::{LicenseCountingType, LicenseSpecification};
use goldsmith_cloud::Parameters as _;
use goldsmith_cloud::aws::SsmParameters;
use goldsmith_store::ImageLife;
use serde_json::json;

use super::Case;
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("launch_templates_get_a_version_of_each_image_and_keep_none_of_a_failed_build", templates),
    ("an_image_is_associated_with_license_configurations_of_each_region", licenses),
    ("an_image_boots_only_by_uefi_if_its_recipe_says_so", boots_by_uefi),
    ("a_protected_image_goes_only_after_its_cooldown", protected),
    ("a_parameter_a_description_and_a_tag_name_the_build_by_placeholders", placeholders),
];

fn ec2(stack: &Stack, region: &'static str) -> Client {
    Client::from_conf(aws_sdk_ec2::config::Builder::from(stack.sdk()).region(Region::new(region)).build())
}

/// The snapshot of a volume of each launch template.
const SNAPSHOT: &str = "snap-0123456789abcdef0";

/// Makes a launch template with the tags of a stack.
fn template(stack: &Stack, ec2: &Client, name: &str, owner: &str) -> String {
    let tag = |key: &str, value: &str| Tag::builder().key(key).value(value).build();
    let tags = TagSpecification::builder().resource_type(ResourceType::LaunchTemplate);
    let tags = tags.tags(tag("goldsmith:stack", owner)).tags(tag("goldsmith:home", "eu-west-1")).build();
    let data = RequestLaunchTemplateData::builder().image_id("ami-0123456789abcdef0");
    let volume = LaunchTemplateEbsBlockDeviceRequest::builder().snapshot_id(SNAPSHOT).build();
    let volume = LaunchTemplateBlockDeviceMappingRequest::builder().device_name("/dev/sdf").ebs(volume).build();
    let data = data.instance_type(InstanceType::T3Large).block_device_mappings(volume).build();
    let make = ec2.create_launch_template().launch_template_name(name).launch_template_data(data);
    let made = stack.block_on(make.tag_specifications(tags).send()).unwrap().launch_template.unwrap();
    made.launch_template_id.unwrap()
}

/// The versions of a template, the newest first: number, AMI, instance type, and whether it is the default. Each has the
/// snapshot of its volume.
fn versions(stack: &Stack, ec2: &Client, id: &str) -> Vec<(i64, String, String, bool)> {
    let request = ec2.describe_launch_template_versions().launch_template_id(id);
    let found = stack.block_on(request.send()).unwrap().launch_template_versions.unwrap();
    let shown = |version: aws_sdk_ec2::types::LaunchTemplateVersion| {
        let data = version.launch_template_data.unwrap();
        assert_eq!(data.block_device_mappings()[0].ebs().unwrap().snapshot_id(), Some(SNAPSHOT));
        let size = data.instance_type.unwrap().as_str().to_owned();
        (version.version_number.unwrap(), data.image_id.unwrap(), size, version.default_version.unwrap())
    };
    found.into_iter().map(shown).collect()
}

fn templates(stack: &Stack) {
    let (home, away) = (ec2(stack, "eu-west-1"), ec2(stack, "us-east-1"));
    let id = template(stack, &home, "templated", stack.name());
    let other = template(stack, &away, "templated", stack.name());
    let pipeline = Pipeline { parameters: true, ..Pipeline::new("templated", &[("build", "Nothing", "true")]) };
    let name = |template: &str| {
        let text = pipeline.text();
        let here = format!("  - region: eu-west-1\n    launchTemplateConfigurations: [{{{template}}}]\n");
        let there = "  - region: us-east-1\n    launchTemplateConfigurations: \
                     [{launchTemplateName: templated, setDefaultVersion: false}]\n";
        folder(&text.replace("  - region: eu-west-1\n", &here).replace("  - region: us-east-1\n", there))
    };
    let files = name(&format!("launchTemplateId: {id}"));
    let built = stack.build(files.path());
    assert_eq!(built.json["outcome"], "built", "{built:?}");
    assert!(built.progress.contains("2 Regions, 2 launch templates, 2 parameters"), "{}", built.progress);
    let amis = stack.image(built.image()).amis;
    let all = |ami: &str, is_default: bool| {
        let version = |number, ami: &str, is| (number, ami.to_owned(), "t3.large".to_owned(), is);
        vec![version(2, ami, is_default), version(1, "ami-0123456789abcdef0", !is_default)]
    };
    let (here, there) = (all(&amis["eu-west-1"], true), all(&amis["us-east-1"], false));
    assert_eq!((versions(stack, &home, &id), versions(stack, &away, &other)), (here.clone(), there.clone()));

    stack.arm(&json!([{"when": {"action": "PutParameter", "nth": 1}, "do": "fail", "code": "AccessDeniedException"}]));
    let failed = stack.build(files.path());
    stack.disarm();
    assert_eq!((failed.exit, failed.json["outcome"].as_str()), (1, Some("failed")), "{failed:?}");
    assert_eq!((versions(stack, &home, &id), versions(stack, &away, &other)), (here, there));
    // The work is not lost: the images are kept for three days, and nothing names them.
    assert_eq!(stack.left_of(failed.build()).counts(), (0, 2, 2));

    let theirs = template(stack, &home, "theirs", "another");
    let unknown = "lt-0123456789abcdef0".to_owned();
    for (template, problem) in [(theirs, "launch-template-tags"), (unknown, "launch-template-missing")] {
        let path = name(&format!("launchTemplateId: {template}"));
        let path = path.path().display().to_string();
        let plan = stack.goldsmith(&["plan", &path, "--local", "--output", "json"]);
        let said = String::from_utf8_lossy(&plan.stdout);
        assert!(said.contains(problem), "{said}");
    }
}

fn licenses(stack: &Stack) {
    let clients = ["eu-west-1", "us-east-1"].map(|region| {
        let config = aws_sdk_licensemanager::config::Builder::from(stack.sdk()).region(Region::new(region));
        (region, aws_sdk_licensemanager::Client::from_conf(config.build()))
    });
    let pipeline = Pipeline::new("licensed", &[("build", "Nothing", "true")]);
    let mut text = pipeline.text();
    let arns = clients.each_ref().map(|(region, client)| {
        let make = client.create_license_configuration().name("database");
        let made = stack.block_on(make.license_counting_type(LicenseCountingType::Vcpu).send()).unwrap();
        let arn = made.license_configuration_arn.unwrap();
        let place = format!("  - region: {region}\n");
        text = text.replace(&place, &format!("{place}    licenseConfigurationArns: [\"{arn}\"]\n"));
        arn
    });
    let files = folder(&text);
    let built = stack.build(files.path());
    assert_eq!(built.json["outcome"], "built", "{built:?}");
    let amis = stack.image(built.image()).amis;
    for ((region, client), arn) in clients.iter().zip(&arns) {
        let image = format!("arn:aws:ec2:{region}::image/{}", amis[*region]);
        let listed = stack.block_on(client.list_license_specifications_for_resource().resource_arn(&image).send());
        let listed = listed.unwrap().license_specifications.unwrap_or_default();
        assert_eq!(listed.iter().map(|one| one.license_configuration_arn()).collect::<Vec<_>>(), [arn.as_str()]);
        let one = LicenseSpecification::builder().license_configuration_arn(arn).build().unwrap();
        let again = client.update_license_specifications_for_resource().resource_arn(image);
        let refused = stack.block_on(again.add_license_specifications(one).send()).unwrap_err();
        assert_eq!(refused.code(), Some("InvalidParameterValueException"));
    }
    // EC2 checks a launch from such an image on its license configurations, too.
    let text = Pipeline::quick("from-licensed", "").text();
    let files = folder(&text.replace("ssm:/goldsmith/examples/source", &amis["eu-west-1"]));
    let built = stack.build(files.path());
    assert_eq!(built.json["outcome"], "built", "{built:?}");
}

fn boots_by_uefi(stack: &Stack) {
    let text = Pipeline::new("boots", &[("build", "Nothing", "true")]).text();
    let files = folder(&text.replacen("components:\n", "bootMode: uefi\ncomponents:\n", 1));
    let built = stack.build(files.path());
    assert_eq!(built.json["outcome"], "built", "{built:?}");
    let image = stack.image(built.image());
    for (region, ec2) in ["eu-west-1", "us-east-1"].map(|region| (region, ec2(stack, region))) {
        let found = stack.block_on(ec2.describe_images().image_ids(&image.amis[region]).send()).unwrap();
        assert_eq!(found.images()[0].boot_mode(), Some(&BootModeValues::Uefi), "{region}");
    }
    // An image of the same volume that boots by the BIOS.
    let ec2 = ec2(stack, "eu-west-1");
    let ebs = EbsBlockDevice::builder().snapshot_id(&image.snapshots["eu-west-1"][0]).build();
    let root = BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(ebs).build();
    let bios = ec2.register_image().name("e2e-bios").root_device_name("/dev/xvda").block_device_mappings(root);
    let bios = stack.block_on(bios.boot_mode(BootModeValues::LegacyBios).send()).unwrap().image_id.unwrap();
    let launch = ec2.run_instances().image_id(&bios).instance_type(InstanceType::T3Small).min_count(1).max_count(1);
    let launched = stack.block_on(launch.send()).unwrap().instances.unwrap().swap_remove(0).instance_id.unwrap();
    let override_it = || {
        let make = ec2.create_image().instance_id(&launched).name("e2e-boots").no_reboot(true);
        stack
            .block_on(make.boot_mode_override(BootModeOverrideValues::Uefi).send())
            .unwrap_err()
            .code()
            .map(str::to_owned)
    };
    stack.wait_for("the rejection of a running instance", || {
        override_it()
            .filter(|code| code != "IncorrectInstanceState")
            .map(|code| assert_eq!(code, "InvalidParameterCombination"))
    });
    stack.block_on(ec2.terminate_instances().instance_ids(&launched).send()).unwrap();

    // EC2 cannot know whether that disk boots by UEFI, so the image is registered, and the plan warns of it.
    let source = Pipeline { source: "ami-0123456789abcdef0", ..Pipeline::quick("boots-anew", "") };
    let text = source.text().replacen("components:\n", "bootMode: uefi\ncomponents:\n", 1);
    let files = folder(&text.replace("ami-0123456789abcdef0", &bios));
    let path = files.path().display().to_string();
    let plan = stack.goldsmith(&["plan", &path, "--local", "--output", "json"]);
    let said = String::from_utf8_lossy(&plan.stdout);
    assert!(said.contains("\"boot-mode\"") && said.contains("\"warning\""), "{said}");
    let built = stack.build(files.path());
    assert_eq!(built.json["outcome"], "built", "{built:?}");
    let ami = stack.image(built.image()).amis["eu-west-1"].clone();
    let found = stack.block_on(ec2.describe_images().image_ids(ami).send()).unwrap();
    assert_eq!(found.images()[0].boot_mode(), Some(&BootModeValues::Uefi));
}

fn protected(stack: &Stack) {
    let text = Pipeline::quick("protected", "retention: {keep: 1, automatic: false}\n").text();
    let with = |protection: &str| {
        let here = format!(
            "  - region: eu-west-1\n    amiDistributionConfiguration: {{deregistrationProtection: {protection}}}\n"
        );
        let files = folder(&text.replace("  - region: eu-west-1\n", &here));
        stack.build(files.path())
    };
    let built = ["{withCooldown: true}", "true", "false"].map(with);
    let amis = built.each_ref().map(|built| stack.image(built.image()).amis["eu-west-1"].clone());
    let ec2 = ec2(stack, "eu-west-1");
    let protection = |ami: &String| {
        let found = stack.block_on(ec2.describe_images().image_ids(ami).send()).unwrap();
        found.images()[0].deregistration_protection().unwrap().to_owned()
    };
    let expected = ["enabled-with-cooldown", "enabled-without-cooldown", "disabled"];
    assert_eq!(amis.each_ref().map(protection), expected);
    let refused = stack.block_on(ec2.deregister_image().image_id(&amis[1]).send()).unwrap_err();
    assert_eq!(refused.code(), Some("OperationNotPermitted"));

    let ended = stack.goldsmith_by_endpoint(&["retention", "protected", "--yes"]);
    let said = String::from_utf8_lossy(&ended.stderr).into_owned() + &String::from_utf8_lossy(&ended.stdout);
    assert_eq!(ended.status.code(), Some(1), "{said}");
    assert!(said.contains(&format!("EC2 protects {} in eu-west-1 for another 24 hours", amis[0])), "{said}");
    assert!(said.contains(&format!("{} is deleted", built[1].image())), "{said}");
    assert!(protection(&amis[0]).starts_with("disabled after 20"), "{}", protection(&amis[0]));
    let left = built.each_ref().map(|built| stack.left_of(built.build()).counts());
    assert_eq!(left, [(0, 1, 1), (0, 0, 0), (0, 1, 1)]);
    let life = built.each_ref().map(|built| stack.image(built.image()).life);
    assert_eq!(life, [Some(ImageLife::Disabled), Some(ImageLife::Deleted), None]);
}

fn placeholders(stack: &Stack) {
    let text = Pipeline::quick("placeholders", "").text();
    let version = "{{ imagebuilder:buildVersion }}";
    let here = format!(
        "  - region: eu-west-1\n    ssmParameterConfigurations: [{{parameterName: \"/images/placeholders/{version}\"}}]\n    \
         amiDistributionConfiguration: {{description: \"of {version}\", amiTags: {{release: \"{version}\"}}}}\n"
    );
    let files = folder(&text.replace("  - region: eu-west-1\n", &here));
    let built = [(); 2].map(|()| stack.build(files.path()));
    let (ec2, ssm) = (ec2(stack, "eu-west-1"), SsmParameters::new(stack.sdk()));
    for (built, version) in built.iter().zip(["1.0.0-1", "1.0.0-2"]) {
        let ami = stack.image(built.image()).amis["eu-west-1"].clone();
        let found =
            stack.block_on(ec2.describe_images().image_ids(&ami).send()).unwrap().images.unwrap().swap_remove(0);
        assert_eq!(found.description(), Some(format!("of {version}").as_str()));
        let tag = found.tags().iter().find(|tag| tag.key() == Some("release"));
        assert_eq!(tag.and_then(Tag::value), Some(version));
        // The second build has not changed the first one's parameter.
        let parameter =
            stack.block_on(ssm.get("eu-west-1", &format!("/images/placeholders/{version}"))).unwrap().unwrap();
        assert_eq!(parameter.value, ami);
        let refused = stack.goldsmith_by_endpoint(&["delete", built.image(), "--yes"]);
        let said = String::from_utf8_lossy(&refused.stderr).into_owned() + &String::from_utf8_lossy(&refused.stdout);
        assert!(said.contains(&format!("the parameter /images/placeholders/{version}")), "{said}");
    }
    let rollback = stack.goldsmith_by_endpoint(&["rollback", "placeholders", "--yes"]);
    let said = String::from_utf8_lossy(&rollback.stderr).into_owned();
    assert!(said.contains("writes no parameters"), "{said}");
}
