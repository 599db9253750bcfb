//! An account with rules of its own: builds run in the organisation's subnets, by roles that it bounds, and with instance profiles
//! that it has made.

use goldsmith_cloud::aws::SsmParameters;
use goldsmith_cloud::{Parameter, Parameters as _};
use goldsmith_cloud_account::stack::StackParts;
use goldsmith_store::ImageStatus;
use serde_json::Value;

use super::lifecycle::{begin, deploy, go_on_to, package, said, with_a_stack};
use super::{Case, fail};
use crate::definitions::{Pipeline, folder};
use crate::stack::{Built, Stack};

pub(super) const CASES: &[(&str, Case)] =
    &[("a_stack_keeps_to_the_subnets_boundary_and_profiles_of_an_organisation", |_| {
        with_a_stack("life-bound", kept_to)
    })];

/// What the organisation has made. Its boundary allows all but the parameters of builds; the second of its profiles' roles is not
/// for builds.
const ORGANISATION: &str = r#"
Resources:
  Vpc: {Type: "AWS::EC2::VPC", Properties: {CidrBlock: 10.42.0.0/16}}
  One: {Type: "AWS::EC2::Subnet", Properties: {VpcId: !Ref Vpc, CidrBlock: 10.42.1.0/24, AvailabilityZone: eu-west-1a}}
  Two: {Type: "AWS::EC2::Subnet", Properties: {VpcId: !Ref Vpc, CidrBlock: 10.42.2.0/24, AvailabilityZone: eu-west-1b}}
  Boundary:
    Type: AWS::IAM::ManagedPolicy
    Properties:
      ManagedPolicyName: org-boundary
      PolicyDocument:
        Version: "2012-10-17"
        Statement:
          - {Effect: Allow, NotAction: "ssm:GetParameter", Resource: "*"}
          - {Effect: Allow, Action: "ssm:GetParameter", Resource: "arn:aws:ssm:*:*:parameter/goldsmith/examples/*"}
  ListedRole:
    Type: AWS::IAM::Role
    Properties:
      RoleName: org-listed
      Path: /org/
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}]
      Policies:
        - PolicyName: instance
          PolicyDocument:
            Version: "2012-10-17"
            Statement:
              - Effect: Allow
                Action: ["ssm:UpdateInstanceInformation", "ssmmessages:*", "ec2messages:*", "logs:*"]
                Resource: "*"
  ListedProfile: {Type: "AWS::IAM::InstanceProfile", Properties: {InstanceProfileName: org-listed, Roles: [!Ref ListedRole]}}
  OtherRole:
    Type: AWS::IAM::Role
    Properties:
      RoleName: org-other
      AssumeRolePolicyDocument:
        Version: "2012-10-17"
        Statement: [{Effect: Allow, Principal: {Service: ec2.amazonaws.com}, Action: "sts:AssumeRole"}]
  OtherProfile: {Type: "AWS::IAM::InstanceProfile", Properties: {InstanceProfileName: org-other, Roles: [!Ref OtherRole]}}
Outputs:
  Vpc: {Value: !Ref Vpc}
  One: {Value: !Ref One}
  Two: {Value: !Ref Two}
  Boundary: {Value: !Ref Boundary}
  Listed: {Value: !GetAtt ListedRole.Arn}
"#;

/// The template for pipelines with parameters of their own.
const BUILD_ROLE: &str = include_str!("../../../../infra/build-role.yaml");

/// Fails unless the instance has the credentials of the profile that the organisation has listed.
const IS_LISTED: &str = r#"ask() {
  host=${AWS_EC2_METADATA_SERVICE_ENDPOINT#http://}
  exec 3<> "/dev/tcp/${host%:*}/${host#*:}"
  printf '%s HTTP/1.0\r\n%s\r\n\r\n' "$1" "$2" >&3
  cat <&3
}
token=$(ask 'PUT /latest/api/token' 'x-aws-ec2-metadata-token-ttl-seconds: 60' | tail -n 1)
role=$(ask 'GET /latest/meta-data/iam/security-credentials/' "x-aws-ec2-metadata-token: $token" | tail -n 1)
echo "the role is $role"
test "$role" = org-listed"#;

fn kept_to(stack: &Stack) {
    let Some(made) = organise(stack) else { return };
    let own = format!("/goldsmith/build/{}/own", stack.name());
    let value = Parameter { value: "of the build".to_owned(), data_type: "text".to_owned() };
    stack.block_on(SsmParameters::new(stack.sdk()).put("eu-west-1", &own, &value)).unwrap();
    let reads = Pipeline {
        regions: &["eu-west-1"],
        ..Pipeline::new("reads", &[("build", "Read", &format!("echo '{{{{ aws:ssm:{own} }}}}'"))])
    };
    assert_eq!(stack.build(reads.write().path()).exit, 0, "without a boundary it may be read");

    let given = [
        format!("VpcId={}", made("Vpc")),
        format!("SubnetIds={},{}", made("One"), made("Two")),
        format!("InstanceRoleArns={}", made("Listed")),
        "KeyPairArns=arn:aws:ec2:eu-west-1:000000000000:key-pair/org-debug".to_owned(),
    ];
    let unknown = "arn:aws:iam::000000000000:policy/mistyped";
    let refused = deploy(stack, &["--permissions-boundary", unknown], &package());
    assert_eq!(refused.status.code(), Some(4), "{}", said(&refused));
    assert!(said(&refused).contains(&format!("Scope ARN: {unknown} does not exist")), "{}", said(&refused));
    let boundary = made("Boundary");
    let mut options = vec!["--permissions-boundary", &boundary];
    options.extend(given.iter().flat_map(|parameter| ["--parameter", parameter]));
    let deployed = deploy(stack, &options, &package());
    assert!(deployed.status.success(), "{}", said(&deployed));
    assert_bounded(stack, &boundary);

    let (_folder, build) = begin(stack, "placed");
    assert_placed(stack, &build, &made("Vpc"), &[made("One"), made("Two")]);
    go_on_to(stack, &build, ImageStatus::Available);

    let failure = fail(stack, &reads);
    assert!(failure.message.contains(&format!("GetParameter {own} failed with status 400")), "{failure:?}");

    let steps = [("build", "Listed", IS_LISTED), ("test", "ListedToo", IS_LISTED)];
    let listed = with_profile(stack, "profile-listed", &steps, "org-listed");
    assert_eq!((listed.exit, listed.json["outcome"].as_str()), (0, Some("built")), "{listed:?}");

    log_in(stack);

    read_alone(stack, &made("Listed"));

    let other = with_profile(stack, "other", &[("build", "Never", "true")], "org-other");
    assert_eq!((other.exit, other.json["outcome"].as_str()), (1, Some("failed")), "{other:?}");
    let failure = stack.image(other.image()).failure.unwrap();
    let advice = "the infrastructure configuration names the instance profile org-other, and the stack's parameter \
                  InstanceRoleArns must list the ARN of its role";
    assert!(failure.message.contains(advice) && failure.message.contains("iam:PassRole"), "{failure:?}");
    let said = other.progress.lines().any(|line| line.starts_with("Launch: failed in ") && line.ends_with(advice));
    assert!(said, "{}", other.progress);
    assert_eq!(stack.left_of(other.build()).counts(), (0, 0, 0));
}

/// The build instance has the key pair that the organisation has listed; the test instance and the image have none. The
/// stack uses no other key pair.
fn log_in(stack: &Stack) {
    for name in ["org-debug", "org-other"] {
        stack.aws_cli(&["ec2", "create-key-pair", "--key-name", name, "--key-type", "ed25519"]).unwrap();
    }
    let steps = [
        ("build", "HasKey", "grep -q ssh-ed25519 /root/.ssh/authorized_keys"),
        ("test", "HasNone", "test ! -s /root/.ssh/authorized_keys"),
    ];
    let keyed = with(stack, "keyed", &steps, "keyPair: org-debug");
    assert_eq!((keyed.exit, keyed.json["outcome"].as_str()), (0, Some("built")), "{keyed:?}");
    let other = with(stack, "keyed-otherwise", &steps, "keyPair: org-other");
    assert_eq!((other.exit, other.json["outcome"].as_str()), (1, Some("failed")), "{other:?}");
    let failure = stack.image(other.image()).failure.unwrap();
    let advice = "names the key pair org-other, and the stack's parameter KeyPairArns must list its ARN";
    assert!(failure.message.contains(advice), "{failure:?}");
    assert_eq!(stack.left_of(other.build()).counts(), (0, 0, 0));
}

/// A pipeline whose profile is of the template for that reads what no other can, and not what all can.
fn read_alone(stack: &Stack, listed: &str) {
    let named = format!("ParameterKey=StackName,ParameterValue={}", stack.name());
    let given = ["--parameters", &named, "ParameterKey=Name,ParameterValue=release"];
    let made = make(stack, "build-role", BUILD_ROLE, &given).unwrap();
    let roles = format!("InstanceRoleArns={listed},{}", made("RoleArn"));
    let deployed = deploy(stack, &["--parameter", &roles], &package());
    assert!(deployed.status.success(), "{}", said(&deployed));

    let secret = format!("/goldsmith/build-role/{}/release/key", stack.name());
    let value = Parameter { value: "of releases".to_owned(), data_type: "text".to_owned() };
    stack.block_on(SsmParameters::new(stack.sdk()).put("eu-west-1", &secret, &value)).unwrap();
    let reads = format!("echo '{{{{ aws:ssm:{secret} }}}}'");
    let profile = made("InstanceProfile");
    let own = with_profile(stack, "release", &[("build", "Read", &reads)], &profile);
    assert_eq!((own.exit, own.json["outcome"].as_str()), (0, Some("built")), "{own:?}");
    let failure = fail(stack, &Pipeline::new("reads-releases", &[("build", "Read", &reads)]));
    assert!(failure.message.contains(&format!("GetParameter {secret} failed with status 400")), "{failure:?}");
    let shared = format!("echo '{{{{ aws:ssm:/goldsmith/build/{}/own }}}}'", stack.name());
    let refused = with_profile(stack, "release-shared", &[("build", "Read", &shared)], &profile);
    assert_eq!((refused.exit, refused.json["outcome"].as_str()), (1, Some("failed")), "{refused:?}");
}

/// Makes what the organisation has; names each by its output. None where the AWS CLI is not to be had.
fn organise(stack: &Stack) -> Option<impl Fn(&str) -> String> {
    make(stack, "organisation", ORGANISATION, &[])
}

/// Makes a stack of this template; names each by its output. None where the AWS CLI is not to be had.
fn make(stack: &Stack, name: &str, template: &str, parameters: &[&str]) -> Option<impl Fn(&str) -> String + use<>> {
    let name = ["--stack-name", name];
    let capabilities = ["--capabilities", "CAPABILITY_NAMED_IAM"];
    let create = ["cloudformation", "create-stack", "--template-body", template];
    stack.aws_cli(&[&create[..], &name, &capabilities, parameters].concat())?;
    let outputs = stack.wait_for("the stack", || {
        let described = stack.aws_cli(&[&["cloudformation", "describe-stacks"][..], &name].concat())?;
        let found = &described["Stacks"][0];
        assert!(["CREATE_IN_PROGRESS", "CREATE_COMPLETE"].iter().any(|one| found["StackStatus"] == *one), "{found}");
        (found["StackStatus"] == "CREATE_COMPLETE").then(|| found["Outputs"].clone())
    });
    Some(move |key: &str| {
        let output = outputs.as_array().unwrap().iter().find(|one| one["OutputKey"] == key);
        output.and_then(|one: &Value| one["OutputValue"].as_str()).unwrap().to_owned()
    })
}

/// Every role that the stack has made.
fn assert_bounded(stack: &Stack, boundary: &str) {
    let iam = aws_sdk_iam::Client::new(stack.sdk());
    let parts = stack.block_on(StackParts::new(stack.sdk()).parts(stack.name())).unwrap();
    let roles: Vec<_> = parts.into_iter().filter(|part| part.kind == "AWS::IAM::Role").collect();
    // One for each of eleven functions, and those of instances, schedules and the state machine.
    assert_eq!(roles.len(), 16, "{roles:?}");
    for part in roles {
        let role = stack.block_on(iam.get_role().role_name(&part.physical).send()).unwrap().role.unwrap();
        let bound = role.permissions_boundary.and_then(|bound| bound.permissions_boundary_arn);
        assert_eq!(bound.as_deref(), Some(boundary), "{}", part.logical);
    }
}

/// The build's instance is in one of these subnets, with the stack's security group, which is of their VPC.
fn assert_placed(stack: &Stack, build: &str, vpc: &str, subnets: &[String]) {
    let [instance] = &stack.left_of(build).instances[..] else { panic!("one instance: {:?}", stack.left_of(build)) };
    let ec2 = aws_sdk_ec2::Client::new(stack.sdk());
    let described = stack.block_on(ec2.describe_instances().instance_ids(&instance.id).send()).unwrap();
    let described = &described.reservations()[0].instances()[0];
    let subnet = described.subnet_id().unwrap();
    assert!(subnets.iter().any(|one| one == subnet), "{subnet} is none of {subnets:?}");
    assert_eq!(described.vpc_id(), Some(vpc));
    let parts = stack.block_on(StackParts::new(stack.sdk()).parts(stack.name())).unwrap();
    let own = parts.into_iter().find(|part| part.logical == "BuildSecurityGroup").unwrap().physical;
    let groups: Vec<_> = described.security_groups().iter().filter_map(|group| group.group_id()).collect();
    assert_eq!(groups, [own.as_str()]);
    let group = stack.block_on(ec2.describe_security_groups().group_ids(&own).send()).unwrap();
    assert_eq!(group.security_groups()[0].vpc_id(), Some(vpc));
}

/// Builds with an instance profile of the organisation's own.
fn with_profile(stack: &Stack, name: &str, steps: &[(&str, &str, &str)], profile: &str) -> Built {
    with(stack, name, steps, &format!("instanceProfileName: {profile}"))
}

/// Builds with this line in the infrastructure configuration.
fn with(stack: &Stack, name: &str, steps: &[(&str, &str, &str)], line: &str) -> Built {
    let pipeline = Pipeline { regions: &["eu-west-1"], ..Pipeline::new(name, steps) };
    let types = "instanceTypes: [t3.small]\n";
    let text = pipeline.text().replace(types, &format!("{types}{line}\n"));
    stack.build(folder(&text).path())
}
