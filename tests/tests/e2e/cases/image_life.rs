//! What becomes of images after they were published: disabled, enabled again, and deleted when nothing refers to them.

use std::process::Output;

use aws_sdk_ec2::config::Region;
use aws_sdk_ec2::types::RequestLaunchTemplateData;
use goldsmith_cloud::aws::SsmParameters;
use goldsmith_cloud::{Parameter, Parameters as _};
use goldsmith_store::{ImageLife, Pointing, Rollback};
use jiff::Timestamp;

use super::Case;
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("an_image_is_disabled_and_deleted_only_when_nothing_refers_to_it", disabled_and_deleted),
    ("images_beyond_the_retention_go_unless_something_refers_to_them", beyond),
    ("parameters_are_rolled_back_in_every_region_until_the_next_build", rolled_back),
    ("an_interrupted_rollback_keeps_its_images_and_is_finished_by_the_next_call", interrupted),
    ("an_image_is_deprecated_in_every_region_until_the_deprecation_is_cancelled", deprecated),
];

pub(super) fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Calls the CLI as who deploys.
pub(super) fn good(stack: &Stack, arguments: &[&str]) -> String {
    let output = stack.goldsmith_by_endpoint(arguments);
    assert!(output.status.success(), "{arguments:?}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// Calls the CLI, which must refuse to delete.
fn refused(stack: &Stack, image: &str) -> String {
    let output = stack.goldsmith_by_endpoint(&["delete", image, "--yes"]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    said(&output)
}

fn disabled_and_deleted(stack: &Stack) {
    let pipeline = Pipeline { parameters: true, ..Pipeline::quick("living", "") };
    let region = "  - region: eu-west-1\n";
    let shared = "    amiDistributionConfiguration: {launchPermission: {userIds: [\"111122223333\"]}}\n";
    let folder = folder(&pipeline.text().replace(region, &format!("{region}{shared}")));
    let built = [stack.build(folder.path()), stack.build(folder.path())];
    let [old, new] = [built[0].image(), built[1].image()];
    let [old_ami, new_ami] = [old, new].map(|image| stack.image(image).amis["eu-west-1"].clone());
    let told = refused(stack, new);
    assert!(told.contains(&format!("{new_ami}  the parameter /images/living")), "{told}");
    // A version that is neither the latest nor the default one.
    let ec2 = aws_sdk_ec2::Client::new(stack.sdk());
    let data = |ami: &str| RequestLaunchTemplateData::builder().image_id(ami).build();
    let template = ec2.create_launch_template().launch_template_name("living").launch_template_data(data(&old_ami));
    let template = stack.block_on(template.send()).unwrap().launch_template.unwrap().launch_template_id.unwrap();
    let version = ec2.create_launch_template_version().launch_template_id(&template);
    stack.block_on(version.launch_template_data(data(&new_ami)).send()).unwrap();
    let default = ec2.modify_launch_template().launch_template_id(&template).default_version("2");
    stack.block_on(default.send()).unwrap();
    let told = refused(stack, old);
    assert!(told.contains(&format!("{old_ami}  the launch template {template}")), "{told}");
    assert_eq!(stack.left_of(built[0].build()).counts(), (0, 1, 1));
    let shown = good(stack, &["disable", old]);
    assert!(shown.contains(&format!("{old}  DISABLED")), "{shown}");
    let state = |ami: &str| {
        let found = stack.block_on(ec2.describe_images().image_ids(ami).include_disabled(true).send()).unwrap();
        found.images()[0].state().unwrap().as_str().to_owned()
    };
    // EC2 shows a change some time later.
    let becomes =
        |ami: &str, expected: &str| stack.wait_for("the AMI's state", || (state(ami) == expected).then_some(()));
    becomes(&old_ami, "disabled");
    assert_eq!(state(&new_ami), "available");
    assert!(good(stack, &["images", "living"]).contains("DISABLED"));
    good(stack, &["enable", old]);
    becomes(&old_ami, "available");
    let told = refused(stack, old);
    assert!(told.contains(&format!("{old_ami}  the launch permission of 111122223333")), "{told}");
    // A version that names a version of the parameter: its first value was the old image.
    let version = ec2.create_launch_template_version().launch_template_id(&template);
    stack.block_on(version.launch_template_data(data("resolve:ssm:/images/living:1")).send()).unwrap();
    let versions = ec2.delete_launch_template_versions().launch_template_id(&template).versions("1");
    stack.block_on(versions.send()).unwrap();
    let told = refused(stack, old);
    assert!(told.contains(&format!("the launch template {template} by the parameter /images/living:1")), "{told}");
    stack.block_on(ec2.delete_launch_template().launch_template_id(&template).send()).unwrap();
    let told = refused(stack, old);
    assert!(told.contains("--unshare WHO"), "{told}");
    good(stack, &["delete", old, "--yes", "--unshare", "111122223333"]);
    assert_eq!(stack.left_of(built[0].build()).counts(), (0, 0, 0));
    good(stack, &["delete", old, "--yes"]);
    assert_eq!((stack.image(old).life, stack.image(new).life), (Some(ImageLife::Deleted), None));
    assert!(good(stack, &["show", old]).contains("DELETED"));
    assert_eq!(stack.left_of(built[1].build()).counts(), (0, 1, 1));
}

fn beyond(stack: &Stack) {
    let pipeline = Pipeline::quick("retained", "retention: {keep: 1}\n");
    let folder = pipeline.write();
    let built = [(); 4].map(|()| stack.build(folder.path()));
    let counts = || [0, 1, 2, 3].map(|index: usize| stack.left_of(built[index].build()).counts());
    let ec2 = aws_sdk_ec2::Client::new(stack.sdk());
    let [first, third] = [0, 2].map(|index: usize| stack.image(built[index].image()).amis["eu-west-1"].clone());
    let data = RequestLaunchTemplateData::builder().image_id(&first).build();
    let template = ec2.create_launch_template().launch_template_name("retained").launch_template_data(data);
    let template = stack.block_on(template.send()).unwrap().launch_template.unwrap().launch_template_id.unwrap();
    let (gone, there) = ((0, 0, 0), (0, 1, 1));
    // It stays for a person, and must not keep the older ones.
    stack.block_on(ec2.enable_image_deregistration_protection().image_id(&third).send()).unwrap();
    let output = stack.goldsmith_by_endpoint(&["retention", "retained", "--yes"]);
    let (planned, told) = (String::from_utf8_lossy(&output.stdout), said(&output));
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(planned.contains(&format!("stays  the launch template {template}")), "{planned}");
    assert!(told.contains(&format!("{} was not deleted: somebody has protected {third}", built[2].image())), "{told}");
    assert!(told.ends_with("one image of 2 could not be deleted\n"), "{told}");
    assert_eq!(counts(), [there, gone, there, there]);
    stack.block_on(ec2.disable_image_deregistration_protection().image_id(&third).send()).unwrap();
    stack.block_on(ec2.delete_launch_template().launch_template_id(&template).send()).unwrap();
    good(stack, &["retention", "retained", "--yes"]);
    assert_eq!(counts(), [gone, gone, gone, there]);
    assert_eq!(good(stack, &["retention", "retained", "--yes"]), "");
}

fn rolled_back(stack: &Stack) {
    let pipeline = Pipeline { parameters: true, ..Pipeline::new("rolled", &[("build", "Nothing", "true")]) };
    let folder = pipeline.write();
    let built = [(); 2].map(|()| stack.build(folder.path()));
    let ssm = SsmParameters::new(stack.sdk());
    let named = |image: &str| {
        let amis = stack.image(image).amis;
        let holds = |(region, ami): (&String, &String)| {
            stack.block_on(ssm.get(region, "/images/rolled")).unwrap().unwrap().value == *ami
        };
        amis.len() == 2 && amis.iter().all(holds)
    };
    assert!(named(built[1].image()));
    let told = good(stack, &["rollback", "rolled", "--yes"]);
    assert!(told.contains(&format!("The parameters of rolled name {}.", built[0].image())), "{told}");
    assert!(named(built[0].image()));
    assert!(good(stack, &["show", "rolled"]).contains(&format!("to {}", built[0].image())));
    good(stack, &["rollback", "rolled", "--to", built[1].image(), "--yes"]);
    assert!(named(built[1].image()));
    good(stack, &["rollback", "rolled", "--yes"]);
    let next = stack.build(folder.path());
    assert!(named(next.image()), "a build moves the parameters forward again");
}

fn interrupted(stack: &Stack) {
    let pipeline = Pipeline { parameters: true, ..Pipeline::new("halfway", &[("build", "Nothing", "true")]) };
    let folder = pipeline.write();
    let [old, new] = [(); 2].map(|()| stack.image(stack.build(folder.path()).image()));
    let (ssm, store) = (SsmParameters::new(stack.sdk()), stack.store());
    let value = |region: &str| stack.block_on(ssm.get(region, "/images/halfway")).unwrap().unwrap().value;
    // What a call leaves that ends after the first of its two changes.
    let pointing = |(region, from): (&String, &String)| Pointing {
        region: region.clone(),
        name: "/images/halfway".to_owned(),
        from: from.clone(),
        to: old.amis[region].clone(),
        earlier: Vec::new(),
    };
    let rollback = Rollback {
        holder: "one that was interrupted".to_owned(),
        at: "2026-01-01T00:00:00.000Z".to_owned(),
        image: old.image.clone(),
        parameters: new.amis.iter().map(pointing).collect(),
    };
    let name = "halfway".parse().unwrap();
    assert!(stack.block_on(store.begin_rollback(&name, &rollback, None)).unwrap());
    let changed = Parameter { value: old.amis["eu-west-1"].clone(), data_type: "aws:ec2:image".to_owned() };
    stack.block_on(ssm.put("eu-west-1", "/images/halfway", &changed)).unwrap();
    let shown = good(stack, &["show", "halfway"]);
    assert!(shown.contains(&format!("the rollback of {} to {}", rollback.at, old.image)), "{shown}");
    let told = refused(stack, &old.image.to_string());
    assert!(told.contains("us-east-1") && told.contains("the interrupted rollback of halfway"), "{told}");
    for (image, arguments) in [
        (&old, ["rollback", "halfway", "--yes"].as_slice()),
        (&new, &["rollback", "halfway", "--to", &new.image.to_string(), "--yes"]),
    ] {
        good(stack, arguments);
        assert!(image.amis.iter().all(|(region, ami)| value(region) == *ami), "{arguments:?}");
        assert_eq!(stack.block_on(store.rollback(&name)).unwrap(), None);
    }
    assert_eq!(stack.block_on(store.pointed(&name)).unwrap().len(), 2);
}

fn deprecated(stack: &Stack) {
    let folder = Pipeline::new("outdated", &[("build", "Nothing", "true")]).write();
    let image = stack.image(stack.build(folder.path()).image());
    let name = image.image.to_string();
    let times = || {
        let time = |(region, ami): (&String, &String)| {
            let config = aws_sdk_ec2::config::Builder::from(stack.sdk()).region(Region::new(region.clone())).build();
            let described = aws_sdk_ec2::Client::from_conf(config).describe_images().image_ids(ami);
            stack.block_on(described.send()).unwrap().images()[0].deprecation_time().map(str::to_owned)
        };
        image.amis.iter().map(time).collect::<Vec<_>>()
    };
    let (before, day) = (Timestamp::now().as_second(), 24 * 3_600);
    let shown = good(stack, &["deprecate", &name, "--in", "90"]);
    assert!(shown.contains(&format!("{name}  deprecated from ")), "{shown}");
    let is_in_90_days = |time: Option<String>| {
        let seconds = time.unwrap().parse::<Timestamp>().unwrap().as_second() - before - 90 * day;
        (-60..day).contains(&seconds)
    };
    assert_eq!(times().into_iter().map(is_in_90_days).collect::<Vec<_>>(), [true, true]);
    let refused = stack.goldsmith_by_endpoint(&["deprecate", &name, "--at", "2001-01-01"]);
    assert!(refused.status.code() == Some(2) && said(&refused).contains("is in the past"), "{refused:?}");
    good(stack, &["deprecate", &name, "--cancel"]);
    assert_eq!(times(), [None, None]);
}
