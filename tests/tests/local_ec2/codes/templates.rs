//! Codes of launch templates.

use aws_sdk_ec2::types::{InstanceType, LaunchTemplateSpecification, RequestLaunchTemplateData};

use super::Met;
use crate::local::Local;

pub(super) async fn meet(met: &mut Met, local: &Local) {
    let ec2 = local.aws("100000000024").ec2;
    let data = RequestLaunchTemplateData::builder().instance_type(InstanceType::T3Small).build();
    let create = ec2.create_launch_template().launch_template_data(data);
    met.refused(
        "InvalidLaunchTemplateName.MalformedException",
        create.clone().launch_template_name("two words").send().await,
    );
    let create = create.launch_template_name("web");
    create.clone().send().await.unwrap();
    met.refused("InvalidLaunchTemplateName.AlreadyExistsException", create.send().await);
    let describe = ec2.describe_launch_templates();
    met.refused(
        "InvalidLaunchTemplateName.NotFoundException",
        describe.clone().launch_template_names("none").send().await,
    );
    met.refused("InvalidLaunchTemplateId.NotFound", describe.launch_template_ids("lt-0123456789abcdef0").send().await);
    let ninth = LaunchTemplateSpecification::builder().launch_template_name("web").version("9").build();
    let launch = ec2.run_instances().launch_template(ninth).min_count(1).max_count(1);
    met.refused("InvalidLaunchTemplateId.VersionNotFound", launch.send().await);
}
