//! Client tokens and dry runs.

use aws_sdk_ec2::operation::create_launch_template_version::CreateLaunchTemplateVersionOutput;
use aws_sdk_ec2::types::{InstanceType, RequestLaunchTemplateData};

use crate::caller::{code, first_id};
use crate::local::Local;

pub(crate) async fn the_same_token_makes_nothing_new(local: &Local) {
    let aws = local.aws("100000000011");
    let launch = aws.launching(local.source()).client_token("launch");
    let first = launch.clone().send().await.unwrap();
    let again = launch.send().await.unwrap();
    assert_eq!(again.reservation_id(), first.reservation_id());
    assert_eq!(first_id(again.instances()), first_id(first.instances()));
    let listed = aws.ec2.describe_instances().send().await.unwrap();
    assert_eq!(listed.reservations().len(), 1);
    let copy = aws.ec2.copy_image().source_region(&aws.region).source_image_id(local.source());
    let copy = copy.name("copy").client_token("copy");
    let first = copy.clone().send().await.unwrap().image_id.unwrap();
    assert_eq!(copy.clone().send().await.unwrap().image_id.unwrap(), first);
    aws.available(&first).await;
    // Also when it has long been made.
    assert_eq!(copy.send().await.unwrap().image_id.unwrap(), first);
    assert_eq!(aws.ec2.describe_images().owners("self").send().await.unwrap().images().len(), 1);
    let data = RequestLaunchTemplateData::builder().instance_type(InstanceType::T3Small).build();
    let template = aws.ec2.create_launch_template().launch_template_name("web").launch_template_data(data);
    let template = template.client_token("template");
    let first = template.clone().send().await.unwrap().launch_template.unwrap();
    assert_eq!(template.send().await.unwrap().launch_template.unwrap(), first);
    let data = RequestLaunchTemplateData::builder().instance_type(InstanceType::T3Large).build();
    let version = aws.ec2.create_launch_template_version().launch_template_name("web").launch_template_data(data);
    let version = version.client_token("version");
    let number = |answer: CreateLaunchTemplateVersionOutput| answer.launch_template_version.unwrap().version_number;
    for _ in 0..2 {
        assert_eq!(number(version.clone().send().await.unwrap()), Some(2));
    }
    assert_eq!(code(version.source_version("1").send().await), "IdempotentParameterMismatch");
    // A token that nobody gave is the SDK's own, new for each call.
    let launch = aws.launching(local.source());
    let first = first_id(launch.clone().send().await.unwrap().instances());
    assert_ne!(first_id(launch.send().await.unwrap().instances()), first);
    for reservation in aws.ec2.describe_instances().send().await.unwrap().reservations() {
        aws.terminate(&first_id(reservation.instances())).await;
    }
}

pub(crate) async fn a_token_belongs_to_one_request(local: &Local) {
    const OTHER: &str = "IdempotentParameterMismatch";
    let aws = local.aws("100000000012");
    let launch = aws.launching(local.source()).client_token("token");
    let id = first_id(launch.clone().send().await.unwrap().instances());
    assert_eq!(code(launch.clone().instance_type(InstanceType::T3Large).send().await), OTHER);
    assert_eq!(code(launch.clone().max_count(2).send().await), OTHER);
    // The same token of another action, Region or account is another token.
    let copy = aws.ec2.copy_image().source_region(&aws.region).source_image_id(local.source()).client_token("token");
    let image = copy.clone().name("copy").send().await.unwrap().image_id.unwrap();
    assert_eq!(code(copy.clone().name("other").send().await), OTHER);
    assert_eq!(code(copy.name("copy").description("other").send().await), OTHER);
    let there = aws.in_region("us-east-1");
    let elsewhere = there.launching(&there.source().await).client_token("token").send().await.unwrap();
    let friend = aws.of("200000000012");
    let theirs = friend.launching(local.source()).client_token("token").send().await.unwrap();
    for (caller, id) in [(&aws, id), (&there, first_id(elsewhere.instances())), (&friend, first_id(theirs.instances()))]
    {
        caller.terminate(&id).await;
    }
    aws.available(&image).await;
    aws.ec2.deregister_image().image_id(image).delete_associated_snapshots(true).send().await.unwrap();
}

/// Each call would succeed, and says so.
macro_rules! assert_dry {
    ($($call:expr),* $(,)?) => {
        $(assert_eq!(code($call.dry_run(true).send().await), "DryRunOperation", "{}", stringify!($call));)*
    };
}

pub(crate) async fn a_dry_run_does_nothing(local: &Local) {
    let aws = local.aws("100000000013");
    let (ec2, source) = (&aws.ec2, local.source());
    let id = aws.launch(source).await;
    let image = aws.image_of(&id, "image").await;
    assert_dry!(
        aws.launching(source),
        ec2.describe_instances(),
        ec2.describe_images(),
        ec2.describe_regions(),
        ec2.describe_key_pairs(),
        ec2.stop_instances().instance_ids(&id),
        ec2.reboot_instances().instance_ids(&id),
        ec2.terminate_instances().instance_ids(&id),
        ec2.get_console_output().instance_id(&id),
        ec2.create_image().instance_id(&id).name("other"),
        ec2.copy_image().source_region(&aws.region).source_image_id(&image).name("other"),
        ec2.disable_image().image_id(&image),
        ec2.enable_image_deregistration_protection().image_id(&image),
        ec2.deregister_image().image_id(&image),
        ec2.create_key_pair().key_name("key"),
        ec2.create_security_group().group_name("group").description("group"),
    );
    assert_eq!(ec2.describe_images().owners("self").send().await.unwrap().images().len(), 1);
    assert!(ec2.describe_key_pairs().send().await.unwrap().key_pairs().is_empty());
    assert_eq!(ec2.describe_security_groups().send().await.unwrap().security_groups().len(), 1);
    assert_eq!(ec2.describe_instances().send().await.unwrap().reservations().len(), 1);
    assert_eq!(aws.run(&id, "echo runs").await, "runs\n");
    // What would not succeed says why, dry run or not.
    let wrong = aws.launching("ami-0123456789abcdef0").dry_run(true);
    assert_eq!(code(wrong.send().await), "InvalidAMIID.NotFound");
    ec2.deregister_image().image_id(image).delete_associated_snapshots(true).send().await.unwrap();
    aws.terminate(&id).await;
}
