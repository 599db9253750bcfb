//! Plans: what a build would do, what would stop it, and that a plan changes nothing.

use aws_sdk_ec2::config::Region;
use aws_sdk_ec2::types::ImageBlockPublicAccessEnabledState;
use serde_json::Value;

use super::Case;
use crate::definitions::{Pipeline, folder};
use crate::stack::Stack;

pub(super) const CASES: &[(&str, Case)] = &[
    ("a_plan_says_what_a_build_would_do_and_changes_nothing", follow),
    ("a_build_with_many_problems_is_refused_at_once_as_its_plan_says", many_problems),
];

/// Plans, and returns the exit code and the plan.
fn plan(stack: &Stack, what: &str, flags: &[&str]) -> (Option<i32>, Value) {
    let output = stack.goldsmith(&[&["plan", what, "--local", "--output", "json"], flags].concat());
    let said = String::from_utf8_lossy(&output.stderr);
    let plan = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {said}"));
    (output.status.code(), plan)
}

fn follow(stack: &Stack) {
    let pipeline = Pipeline { parameters: true, ..Pipeline::quick("planned", "") };
    let folder = pipeline.write();
    let path = folder.path().display().to_string();
    let (exit, first) = plan(stack, &path, &["--detailed-exitcode"]);
    assert_eq!(
        (exit, &first["verdict"], &first["image"]),
        (Some(2), &"build".into(), &"planned/1.0.0/1".into()),
        "{first}"
    );
    assert_eq!(first["definitions"].as_array().unwrap().len(), 5, "{first}");
    assert_eq!(first["findings"], Value::Array(vec![]), "{first}");
    assert_eq!(stack.block_on(stack.store().pipeline(&"planned".parse().unwrap())).unwrap(), None);

    let built = stack.build(folder.path());
    assert_eq!(built.json["outcome"], "built", "{built:?}");
    let (exit, same) = plan(stack, "planned", &["--detailed-exitcode"]);
    assert_eq!((exit, &same["verdict"]), (Some(0), &"unchanged".into()), "{same}");
    assert_eq!(
        (&same["newest"]["image"], &same["inputDigest"]),
        (&built.json["image"], &first["inputDigest"]),
        "{same}"
    );
    assert_eq!(same["newest"]["amis"], built.json["amis"], "{same}");

    std::fs::write(folder.path().join("pipeline.yml"), pipeline.text().replace("t3.small", "t3.medium")).unwrap();
    let (exit, changed) = plan(stack, &path, &[]);
    assert_eq!((exit, &changed["verdict"], &changed["image"]), (Some(0), &"build".into(), &"planned/1.0.0/2".into()));
    let difference = serde_json::json!([{"what": "instanceTypes", "from": "t3.small", "to": "t3.medium"}]);
    assert_eq!(changed["changes"], difference, "{changed}");
    let unknown = stack.goldsmith(&["plan", "no-such-pipeline", "--local", "--detailed-exitcode"]);
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
}

/// Problems of the definition below, in the order of their names.
const PROBLEMS: [&str; 9] = [
    "ami-name-taken",
    "never-public",
    "parameter-path",
    "public-access-blocked",
    "region-unknown",
    "root-device",
    "security-group-missing",
    "subnet-missing",
    "too-many-tags",
];

fn many_problems(stack: &Stack) {
    let home = aws_sdk_ec2::Client::new(stack.sdk());
    let subnets = stack.block_on(home.describe_subnets().send()).unwrap().subnets.unwrap();
    let subnet = subnets[0].subnet_id().unwrap();
    let base = stack.build(Pipeline::quick("for-a-name", "").write().path());
    let snapshot = stack.image(base.image()).snapshots["eu-west-1"][0].clone();
    let disk = aws_sdk_ec2::types::EbsBlockDevice::builder().snapshot_id(snapshot).build();
    let disk = aws_sdk_ec2::types::BlockDeviceMapping::builder().device_name("/dev/xvda").ebs(disk).build();
    let register = home.register_image().name("problems 1.0.0-1").root_device_name("/dev/xvda");
    stack.block_on(register.virtualization_type("hvm").block_device_mappings(disk).send()).unwrap();
    let away = aws_sdk_ec2::config::Builder::from(stack.sdk()).region(Region::new("us-east-2")).build();
    let block = aws_sdk_ec2::Client::from_conf(away).enable_image_block_public_access();
    let block = block.image_block_public_access_state(ImageBlockPublicAccessEnabledState::BlockNewSharing);
    stack.block_on(block.send()).unwrap();

    let tags: Vec<String> = (0..46).map(|number| format!("t{number}: v")).collect();
    let text = Pipeline::quick("problems", "").text();
    let text = text.replace(
        "instanceTypes: [t3.small]\n",
        &format!(
            "instanceTypes: [t3.small]\nsubnetIds: [{subnet}, subnet-0123456789abcdef0]\n\
             securityGroupIds: [sg-0123456789abcdef0]\n"
        ),
    );
    let text = text.replace(
        "components:\n",
        &format!(
            "tags: {{{}}}\nblockDeviceMappings:\n  - {{deviceName: /dev/sda1, ebs: {{volumeSize: 30, encrypted: true}}}}\n\
             components:\n",
            tags.join(", ")
        ),
    );
    let text = text.replace(
        "  - region: eu-west-1\n",
        "  - region: eu-west-1\n    ssmParameterConfigurations: [{parameterName: /golden/web}]\n  - region: us-east-2\n    \
         amiDistributionConfiguration: {launchPermission: {userGroups: [all]}}\n  - region: ap-east-1\n",
    );
    let folder = folder(&text);
    let (exit, plan) = plan(stack, &folder.path().display().to_string(), &[]);
    let mut found: Vec<&str> =
        plan["findings"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    found.sort_unstable();
    found.dedup(); // every Region has too many tags
    assert_eq!((exit, found.as_slice()), (Some(1), &PROBLEMS[..]), "{plan:#}");

    let built = stack.build(folder.path());
    assert_eq!(built.exit, 2, "{built:?}");
    let message = built.json["failure"]["message"].as_str().unwrap();
    assert!(message.starts_with("10 problems:\n1. "), "{message}");
    for problem in PROBLEMS {
        assert!(message.contains(&format!("({problem}, `")), "{problem}: {message}");
    }
    let name = "problems".parse().unwrap();
    assert_eq!(stack.block_on(stack.store().running_build(&name)).unwrap(), None, "no lease was taken");
}
