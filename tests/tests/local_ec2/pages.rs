//! Paginators of the SDK: over several pages, every item comes exactly once.

use std::collections::BTreeSet;

use aws_sdk_ec2::types::{InstanceType, RequestLaunchTemplateData, Tag};

use crate::caller::Aws;
use crate::local::Local;

/// Follows a paginator: it must need several pages, none above its size, and no item may come twice. The items' ids.
macro_rules! paged {
    ($call:expr, $size:expr, $page:ident => $ids:expr) => {{
        let (mut pages, mut ids) = (0, Vec::new());
        let mut found = $call.into_paginator().page_size($size).send();
        while let Some($page) = found.next().await {
            let $page = $page.unwrap();
            let page: Vec<String> = $ids.map(|id| id.to_string()).collect();
            assert!(page.len() <= $size, "a page of {}: {}", page.len(), stringify!($call));
            pages += 1;
            ids.extend(page);
        }
        assert!(pages > 1, "one page: {}", stringify!($call));
        let different: BTreeSet<String> = ids.iter().cloned().collect();
        assert_eq!(different.len(), ids.len(), "an item comes twice: {}", stringify!($call));
        different
    }};
}

/// Six instances, by two launches: two pages, since EC2's have five at least.
async fn six(aws: &Aws, source: &str) -> BTreeSet<String> {
    let mut made = BTreeSet::new();
    for _ in 0..2 {
        let launched = aws.launching(source).min_count(3).max_count(3).send().await.unwrap();
        made.extend(launched.instances().iter().map(|one| one.instance_id().unwrap().to_owned()));
    }
    assert_eq!(made.len(), 6);
    made
}

pub(crate) async fn every_item_of_ec2_comes_once(local: &Local) {
    let aws = local.aws("100000000014");
    let ec2 = &aws.ec2;
    let made = six(&aws, local.source()).await;
    let found = paged!(ec2.describe_instances(), 5, page => page
        .reservations().iter().flat_map(|one| one.instances()).map(|one| one.instance_id().unwrap()));
    assert_eq!(found, made);
    let found = paged!(ec2.describe_instance_status().include_all_instances(true), 5, page => page
        .instance_statuses().iter().map(|one| one.instance_id().unwrap()));
    assert_eq!(found, made);
    let found = paged!(ec2.describe_volumes(), 5, page => page
        .volumes().iter().map(|one| one.attachments()[0].instance_id().unwrap()));
    assert_eq!(found, made);
    let tag = Tag::builder().key("set").value("six").build();
    ec2.create_tags().set_resources(Some(made.iter().cloned().collect())).tags(tag).send().await.unwrap();
    let found = paged!(ec2.describe_tags(), 5, page => page.tags().iter().map(|one| one.resource_id().unwrap()));
    assert_eq!(found, made);
    ec2.terminate_instances().set_instance_ids(Some(made.into_iter().collect())).send().await.unwrap();

    let mut images = BTreeSet::new();
    for number in 0..7 {
        let copy = ec2.copy_image().source_region(&aws.region).source_image_id(local.source());
        images.insert(copy.name(format!("image-{number}")).send().await.unwrap().image_id.unwrap());
    }
    let found = paged!(ec2.describe_images().owners("self"), 3, page => page
        .images().iter().map(|one| one.image_id().unwrap()));
    assert_eq!(found, images);
    let found = paged!(ec2.describe_snapshots().owner_ids("self"), 5, page => page
        .snapshots().iter().map(|one| one.description().unwrap().split(' ').nth(3).unwrap()));
    assert_eq!(found, images);
    for image in images {
        aws.available(&image).await;
        ec2.deregister_image().image_id(image).delete_associated_snapshots(true).send().await.unwrap();
    }
    the_rest(&aws).await;
}

async fn the_rest(aws: &Aws) {
    let ec2 = &aws.ec2;
    let data = RequestLaunchTemplateData::builder().instance_type(InstanceType::T3Small).build();
    for name in ["one", "two", "three", "four", "five"] {
        let create = ec2.create_launch_template().launch_template_name(name);
        create.launch_template_data(data.clone()).send().await.unwrap();
        let version = ec2.create_launch_template_version().launch_template_name("one");
        version.launch_template_data(data.clone()).send().await.unwrap();
        ec2.create_security_group().group_name(name).description(name).send().await.unwrap();
    }
    let found = paged!(ec2.describe_launch_templates(), 2, page => page
        .launch_templates().iter().map(|one| one.launch_template_name().unwrap()));
    assert_eq!(found.len(), 5);
    let versions = ec2.describe_launch_template_versions().launch_template_name("one");
    let found = paged!(versions, 2, page => page
        .launch_template_versions().iter().map(|one| one.version_number().unwrap()));
    assert_eq!(found.len(), 6);
    let found = paged!(ec2.describe_security_groups(), 5, page => page
        .security_groups().iter().map(|one| one.group_name().unwrap()));
    assert_eq!(found.len(), 6);
    let types = paged!(ec2.describe_instance_types(), 5, page => page
        .instance_types().iter().map(|one| one.instance_type().unwrap()));
    let offered = paged!(ec2.describe_instance_type_offerings(), 5, page => page
        .instance_type_offerings().iter().map(|one| one.instance_type().unwrap()));
    assert_eq!(types, offered);
}

pub(crate) async fn every_item_of_systems_manager_comes_once(local: &Local) {
    let aws = local.aws("100000000015");
    let ssm = &aws.ssm;
    let made = six(&aws, local.source()).await;
    for id in &made {
        aws.online(id).await;
    }
    let found = paged!(ssm.describe_instance_information(), 5, page => page
        .instance_information_list().iter().map(|one| one.instance_id().unwrap()));
    assert_eq!(found, made);
    let send = ssm.send_command().document_name("AWS-RunShellScript").parameters("commands", vec!["true".to_owned()]);
    let all = send.clone().set_instance_ids(Some(made.iter().cloned().collect())).send().await.unwrap();
    let mut commands = BTreeSet::from([all.command.unwrap().command_id.unwrap()]);
    let first = commands.first().unwrap().clone();
    for id in &made {
        commands.insert(send.clone().instance_ids(id).send().await.unwrap().command.unwrap().command_id.unwrap());
    }
    let found = paged!(ssm.list_commands(), 3, page => page.commands().iter().map(|one| one.command_id().unwrap()));
    assert_eq!(found, commands);
    let invocations = ssm.list_command_invocations();
    let found = paged!(invocations.clone().command_id(&first), 5, page => page
        .command_invocations().iter().map(|one| one.instance_id().unwrap()));
    assert_eq!(found, made);
    let found = paged!(invocations, 5, page => page
        .command_invocations().iter().map(|one| format!("{:?} {:?}", one.command_id(), one.instance_id())));
    assert_eq!(found.len(), 6 + 6);
    let parameters = ssm.get_parameters_by_path().path("/aws/service").recursive(true);
    let found = paged!(parameters, 1, page => page.parameters().iter().map(|one| one.value().unwrap()));
    let other = ssm.get_parameter().name("/aws/service/goldsmith-local/debian-12-sda1").send().await.unwrap();
    let other = other.parameter.unwrap().value.unwrap();
    assert_eq!(found, BTreeSet::from([local.source(), local.source_without_agent(), &other].map(str::to_owned)));
    for command in commands {
        for id in ssm.list_command_invocations().command_id(&command).send().await.unwrap().command_invocations() {
            aws.ended(&command, id.instance_id().unwrap()).await;
        }
    }
    aws.ec2.terminate_instances().set_instance_ids(Some(made.into_iter().collect())).send().await.unwrap();
}
