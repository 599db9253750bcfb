//! What launches need around them: templates, keys, groups, networks, tags.

use aws_sdk_ec2::client::Waiters as _;
use aws_sdk_ec2::types::{
    Filter, InstanceType, IpPermission, IpRange, KeyType, LaunchTemplateSpecification, RequestLaunchTemplateData, Tag,
};

use crate::caller::{PATIENCE, first_id};
use crate::local::{Local, REGION};

pub(crate) async fn a_launch_follows_the_version_of_its_template(local: &Local) {
    let aws = local.aws("100000000029");
    let ec2 = &aws.ec2;
    let data = RequestLaunchTemplateData::builder().image_id(local.source()).instance_type(InstanceType::T3Small);
    let create = ec2.create_launch_template().launch_template_name("web").launch_template_data(data.build());
    let template = create.send().await.unwrap().launch_template.unwrap().launch_template_id.unwrap();
    let large = RequestLaunchTemplateData::builder().instance_type(InstanceType::T3Large).build();
    let add = ec2.create_launch_template_version().launch_template_id(&template).source_version("1");
    let added = add.launch_template_data(large).send().await.unwrap().launch_template_version.unwrap();
    assert_eq!((added.version_number(), added.default_version()), (Some(2), Some(false)));
    let data = added.launch_template_data().unwrap();
    assert_eq!((data.image_id(), data.instance_type()), (Some(local.source()), Some(&InstanceType::T3Large)));
    let launched = async |version: &str| {
        let named = LaunchTemplateSpecification::builder().launch_template_id(&template).version(version).build();
        let made = ec2.run_instances().launch_template(named).min_count(1).max_count(1).send().await.unwrap();
        aws.terminate(&first_id(made.instances())).await;
        made.instances()[0].instance_type.clone().unwrap()
    };
    assert_eq!(launched("$Default").await, InstanceType::T3Small);
    assert_eq!(launched("$Latest").await, InstanceType::T3Large);
    let modify = ec2.modify_launch_template().launch_template_id(&template).default_version("2");
    assert_eq!(modify.send().await.unwrap().launch_template.unwrap().default_version_number(), Some(2));
    assert_eq!(launched("$Default").await, InstanceType::T3Large);
    let delete = ec2.delete_launch_template_versions().launch_template_id(&template).versions("1").versions("2");
    let gone = delete.send().await.unwrap();
    assert_eq!(gone.successfully_deleted_launch_template_versions()[0].version_number(), Some(1));
    assert_eq!(gone.unsuccessfully_deleted_launch_template_versions()[0].version_number(), Some(2));
    ec2.delete_launch_template().launch_template_id(&template).send().await.unwrap();
    assert!(ec2.describe_launch_templates().send().await.unwrap().launch_templates().is_empty());
}

pub(crate) async fn a_key_is_on_the_instance(local: &Local) {
    let aws = local.aws("100000000030");
    let ec2 = &aws.ec2;
    let made = ec2.create_key_pair().key_name("key").key_type(KeyType::Ed25519).send().await.unwrap();
    assert!(made.key_material().unwrap().starts_with("-----BEGIN OPENSSH PRIVATE KEY-----"));
    ec2.wait_until_key_pair_exists().key_names("key").wait(PATIENCE).await.unwrap();
    let shown = ec2.describe_key_pairs().key_names("key").include_public_key(true).send().await.unwrap();
    let pair = &shown.key_pairs()[0];
    assert_eq!((pair.key_type(), pair.key_pair_id()), (Some(&KeyType::Ed25519), made.key_pair_id()));
    let id = aws.launched(aws.launching(local.source()).key_name("key")).await;
    let known = async || aws.run(&id, "cat /root/.ssh/authorized_keys || true").await;
    let public = pair.public_key().unwrap().trim();
    crate::caller::until("the key", async || known().await.contains(public).then_some(())).await;
    aws.terminate(&id).await;
    ec2.delete_key_pair().key_name("key").send().await.unwrap();
    assert!(ec2.describe_key_pairs().send().await.unwrap().key_pairs().is_empty());
}

pub(crate) async fn networks_and_tags_are_described(local: &Local) {
    let aws = local.aws("100000000031");
    let ec2 = &aws.ec2;
    let vpc = ec2.describe_vpcs().send().await.unwrap().vpcs()[0].vpc_id.clone().unwrap();
    ec2.wait_until_vpc_exists().vpc_ids(&vpc).wait(PATIENCE).await.unwrap();
    let of_vpc = Filter::builder().name("vpc-id").values(&vpc).build();
    let subnets = ec2.describe_subnets().filters(of_vpc).send().await.unwrap();
    assert_eq!(subnets.subnets()[0].default_for_az(), Some(true));
    let zones = ec2.describe_availability_zones().send().await.unwrap();
    assert!(zones.availability_zones().iter().any(|zone| zone.zone_name() == subnets.subnets()[0].availability_zone()));
    let regions = ec2.describe_regions().region_names(REGION).send().await.unwrap();
    assert_eq!(regions.regions()[0].endpoint(), Some(format!("ec2.{REGION}.amazonaws.com").as_str()));

    let create = ec2.create_security_group().group_name("web").description("web").vpc_id(&vpc);
    let group = create.send().await.unwrap().group_id.unwrap();
    ec2.wait_until_security_group_exists().group_ids(&group).wait(PATIENCE).await.unwrap();
    let rule = IpPermission::builder().ip_protocol("tcp").from_port(443).to_port(443);
    let rule = rule.ip_ranges(IpRange::builder().cidr_ip("10.0.0.0/8").build()).build();
    let authorize = ec2.authorize_security_group_egress().group_id(&group).ip_permissions(rule.clone());
    let authorized = authorize.send().await.unwrap();
    assert_eq!(authorized.security_group_rules()[0].is_egress(), Some(true));
    ec2.revoke_security_group_egress().group_id(&group).ip_permissions(rule).send().await.unwrap();

    let tag = Tag::builder().key("role").value("web").build();
    ec2.create_tags().resources(&group).tags(tag.clone()).send().await.unwrap();
    let tagged = Filter::builder().name("tag:role").values("w?b").build();
    let found = ec2.describe_security_groups().filters(tagged).send().await.unwrap();
    assert_eq!(found.security_groups()[0].group_id(), Some(group.as_str()));
    ec2.delete_tags().resources(&group).tags(tag).send().await.unwrap();
    assert!(ec2.describe_tags().send().await.unwrap().tags().is_empty());
    ec2.delete_security_group().group_id(&group).send().await.unwrap();
    let several = aws.ssm.get_parameters().names("/aws/service/goldsmith-local/debian-12").names("/aws/service/none");
    let several = several.send().await.unwrap();
    assert_eq!((several.parameters().len(), several.invalid_parameters()), (1, &["/aws/service/none".to_owned()][..]));
}
