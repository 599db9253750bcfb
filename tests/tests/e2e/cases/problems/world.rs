//! A pipeline and an account that have every problem that can occur in one build.

use std::collections::BTreeSet;

use aws_sdk_ec2::Client as Ec2;
use aws_sdk_ec2::config::Region;
use aws_sdk_ec2::types::{
    ArchitectureValues, BlockDeviceMapping, EbsBlockDevice, ImageBlockPublicAccessEnabledState,
    RequestLaunchTemplateData, SnapshotBlockPublicAccessState,
};
use goldsmith_cloud::aws::SsmParameters;
use goldsmith_cloud::{Parameter, Parameters as _};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::cases::rules::{OWN, kms, make_key};
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const HOME: &str = "eu-west-1";
/// Where everything is blocked that makes an image public, and where its name is taken.
pub(super) const PUBLIC: &str = "us-east-2";
/// Where AWS's own key encrypts what is shared.
pub(super) const SHARED: &str = "us-west-2";
/// Where the named key does not exist, is disabled, and is closed to the account with which the image is shared.
pub(super) const KEYLESS: &str = "ap-southeast-1";
pub(super) const OFF: &str = "ap-southeast-2";
pub(super) const CLOSED: &str = "us-east-1";
/// Where a read is denied.
const DENIED: &str = "eu-central-1";
pub(super) const DISABLED: &str = "ca-central-1";
pub(super) const UNKNOWN: &str = "eu-south-9";
/// An account with which the image is shared, and that is to get a copy of its own.
pub(super) const FRIEND: &str = "444455556666";
/// The name that the AMI gets everywhere.
pub(super) const NAME: &str = "problems 1.0.0-1";
/// A zone that the Region does not have.
pub(super) const NO_ZONE: &str = "eu-west-1z";
pub(super) const NO_SUBNET: &str = "subnet-0123456789abcdef0";
pub(super) const NO_GROUP: &str = "sg-0123456789abcdef0";
/// A security group of another VPC.
pub(super) const FAR_GROUP: &str = "sg-0fedcba9876543210";
/// The parameter that stands for the source image.
const SOURCE: &str = "/images/problems-source";
/// The parameter that has another data type.
pub(super) const TEXT: &str = "/images/problems";
/// A launch template that does not exist, and the name of one without the stack's tags, both in [`SHARED`].
pub(super) const NO_TEMPLATE: &str = "lt-0123456789abcdef0";
const UNTAGGED: &str = "e2e-untagged";
/// A license configuration that does not exist, in [`SHARED`].
pub(super) const NO_LICENSE: &str =
    "arn:aws:license-manager:us-west-2:000000000000:license-configuration:lic-0123456789abcdef0123456789abcdef";
/// A topic that does not exist.
pub(super) const NO_TOPIC: &str = "arn:aws:sns:eu-west-1:000000000000:e2e-gone";
/// A key that nothing has.
pub(super) const NO_KEY: &str = "alias/e2e-gone";

/// The account that has been set up, and its resources.
pub(super) struct World<'s> {
    pub(super) stack: &'s Stack,
    /// An image that an earlier build has made, and that can be launched.
    pub(super) base: String,
    /// The source of the pipeline: disabled, for another architecture, with a product code, and billed as Red Hat's.
    pub(super) source: String,
    /// A subnet, whose zone does not have t3.small.
    pub(super) subnet: String,
    /// Ids of keys: a disabled one in [`OFF`], and one in [`CLOSED`].
    pub(super) off: String,
    pub(super) closed: String,
    /// Id of the launch template without tags.
    pub(super) template: String,
}

impl<'s> World<'s> {
    /// Sets everything up.
    pub(super) fn new(stack: &'s Stack) -> Self {
        let built = stack.build(Pipeline::quick("problems-base", "").write().path());
        let record = stack.image(built.image());
        let (base, snapshot) = (record.amis[HOME].clone(), record.snapshots[HOME][0].clone());
        let home = ec2(stack, HOME);
        let source = stack.block_on(register(&home, &snapshot));
        stack.block_on(home.disable_image().image_id(&source).send()).unwrap();
        put(stack, SOURCE, &source);
        put(stack, TEXT, "ami-0123456789abcdef0");
        let taken = ec2(stack, PUBLIC).copy_image().source_region(HOME).source_image_id(&base).name(NAME);
        stack.block_on(taken.send()).unwrap();
        block_public_access(stack);
        let (off, closed) = (make_key(stack, OFF), make_key(stack, CLOSED));
        stack.block_on(kms(stack, OFF).disable_key().key_id(&off).send()).unwrap();
        make_key(stack, KEYLESS); // from now on, EC2 knows what is no key there
        let data = RequestLaunchTemplateData::builder().image_id(&base).build();
        let template = ec2(stack, SHARED).create_launch_template().launch_template_name(UNTAGGED);
        let template = stack.block_on(template.launch_template_data(data).send()).unwrap().launch_template.unwrap();
        let template = template.launch_template_id.unwrap();
        let groups = json!([{"id": FAR_GROUP, "vpcId": "vpc-0fedcba9876543210"}]);
        stack.hand(&json!({"region": HOME, "account": OWN, "securityGroups": groups}));
        let subnets = stack.block_on(home.describe_subnets().send()).unwrap();
        let subnet = subnets.subnets()[0].clone();
        let (subnet, zone) = (subnet.subnet_id.unwrap(), subnet.availability_zone.unwrap());
        stack.set(&json!({
            "regions": {"disabled": [DISABLED]},
            "notOffered": {"t3.small": [zone]},
            "productCodes": {source.as_str(): "4t9example"},
            "usageOperations": {source.as_str(): "RunInstances:0010"},
        }));
        let denied = json!({"action": "GetEbsEncryptionByDefault", "region": DENIED, "probability": 1.0});
        stack.arm(&json!([{"when": denied, "do": "fail", "code": "UnauthorizedOperation"}]));
        Self { stack, base, source, subnet, off, closed, template }
    }

    /// Undoes what would disturb other cases of the stack.
    pub(super) fn undo(&self) {
        self.stack.disarm();
        self.stack
            .set(&json!({"regions": {"disabled": []}, "notOffered": {}, "productCodes": {}, "usageOperations": {}}));
        let away = ec2(self.stack, PUBLIC);
        self.stack.block_on(away.disable_image_block_public_access().send()).unwrap();
        self.stack.block_on(away.disable_snapshot_block_public_access().send()).unwrap();
    }

    /// A client for EC2 in a Region.
    pub(super) fn ec2(&self, region: &str) -> Ec2 {
        ec2(self.stack, region)
    }

    /// The definitions.
    pub(super) fn definitions(&self) -> TempDir {
        let tags = |from: usize, to: usize| (from..to).map(|n| format!("t{n}: v")).collect::<Vec<_>>().join(", ");
        let text = Pipeline { source: "ssm:/images/problems-source", ..Pipeline::new("problems", &STEPS) }.text();
        let text = text.replace(
            "instanceTypes: [t3.small]\n",
            &format!(
                "instanceTypes: [t3.small, t3.smal]\nsubnetIds: [{}, {NO_SUBNET}]\nsecurityGroupIds: [{NO_GROUP}, {FAR_GROUP}]\n\
                 placement: {{availabilityZone: {NO_ZONE}}}\nsnsTopicArn: {NO_TOPIC}\n",
                self.subnet
            ),
        );
        let text = text.replacen(
            "components:\n",
            &format!(
                "tags: {{{}}}\nparentImageOwners: [amazon]\nblockDeviceMappings:\n  \
                 - {{deviceName: /dev/sda1, ebs: {{volumeSize: 30, encrypted: true}}}}\n  \
                 - {{deviceName: /dev/xvda, ebs: {{volumeSize: 1}}}}\ncomponents:\n",
                tags(0, 40)
            ),
            1,
        );
        let (before, after) = text.split_once("distributions:\n").unwrap();
        let (_, after) = after.split_once("---\n").unwrap();
        let many = format!("amiTags: {{{}}}", tags(40, 48));
        let places = [
            (HOME, format!("{many}, kmsKeyId: alias/images, targetAccounts: [{{account: \"{FRIEND}\"}}]")),
            (PUBLIC, format!("{many}, shareSnapshots: true, launchPermission: {{userGroups: [all]}}")),
            (SHARED, format!("{many}, launchPermission: {{userIds: [\"{FRIEND}\"]}}")),
            (KEYLESS, format!("kmsKeyId: {NO_KEY}")),
            (OFF, format!("kmsKeyId: {}", self.off)),
            (CLOSED, format!("kmsKeyId: {}, launchPermission: {{userIds: [\"{FRIEND}\"]}}", self.closed)),
            (DENIED, format!("{many}, launchPermission: {{userIds: [\"{FRIEND}\"]}}")),
            (DISABLED, many.clone()),
            (UNKNOWN, many.clone()),
        ];
        let place = |(region, ami): &(&str, String)| {
            format!("  - region: {region}\n    amiDistributionConfiguration: {{{ami}}}\n")
        };
        let mut places: Vec<String> = places.iter().map(place).collect();
        places[0] +=
            &format!("    ssmParameterConfigurations: [{{parameterName: /golden/web}}, {{parameterName: {TEXT}}}]\n");
        places[2] += &format!(
            "    launchTemplateConfigurations: [{{launchTemplateId: {NO_TEMPLATE}}}, {{launchTemplateId: {}}}]\n",
            self.template
        );
        places[2] += &format!("    licenseConfigurationArns: [\"{NO_LICENSE}\"]\n");
        let tested = "imageTestsConfiguration: {instanceTypes: [t3.small, t3.smal]}\n";
        folder(&format!("{before}distributions:\n{}---\n{after}{tested}", places.concat()))
    }
}

/// Steps of the pipeline's component; without a test, no test type would matter.
const STEPS: [(&str, &str, &str); 2] = [("build", "Nothing", "true"), ("test", "Nothing", "true")];

/// Names of the findings of a plan, each once.
pub(in crate::cases) fn names(plan: &Value) -> BTreeSet<String> {
    let findings = plan["findings"].as_array().unwrap().iter();
    findings.map(|one| one["name"].as_str().unwrap().to_owned()).collect()
}

fn ec2(stack: &Stack, region: &str) -> Ec2 {
    let config = aws_sdk_ec2::config::Builder::from(stack.sdk()).region(Region::new(region.to_owned()));
    Ec2::from_conf(config.build())
}

async fn register(home: &Ec2, snapshot: &str) -> String {
    let disk = EbsBlockDevice::builder().snapshot_id(snapshot).build();
    let disk = BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(disk).build();
    let register = home.register_image().name("of another machine").root_device_name("/dev/xvda");
    let register = register.virtualization_type("hvm").block_device_mappings(disk);
    register.architecture(ArchitectureValues::Arm64).send().await.unwrap().image_id.unwrap()
}

fn put(stack: &Stack, name: &str, value: &str) {
    let text = Parameter { value: value.to_owned(), data_type: "text".to_owned() };
    stack.block_on(SsmParameters::new(stack.sdk()).put(HOME, name, &text)).unwrap();
}

fn block_public_access(stack: &Stack) {
    let away = ec2(stack, PUBLIC);
    let images = away.enable_image_block_public_access();
    let images = images.image_block_public_access_state(ImageBlockPublicAccessEnabledState::BlockNewSharing);
    stack.block_on(images.send()).unwrap();
    let snapshots = away.enable_snapshot_block_public_access();
    stack.block_on(snapshots.state(SnapshotBlockPublicAccessState::BlockNewSharing).send()).unwrap();
}
