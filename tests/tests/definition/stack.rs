//! What an organisation asks of the stack's resources: where they lie, what bounds them.

use crate::TEMPLATE;
use crate::template::resources;

#[test]
fn every_role_policy_and_profile_lies_below_the_path_that_is_given() {
    let mut found = 0;
    for resource in resources(TEMPLATE).iter().filter(|resource| resource.kind.starts_with("AWS::IAM::")) {
        assert!(resource.text.contains("Path: !Ref RolePath"), "{} has a path of its own", resource.id);
        found += 1;
    }
    let all = TEMPLATE.lines().filter(|line| line.trim().starts_with("Type: AWS::IAM::")).count();
    assert!(found == all && all > 0, "{found} of {all} were read");
    for spelled in [":role/", ":instance-profile/"] {
        assert!(!TEMPLATE.contains(spelled), "an ARN with {spelled} leaves out the path");
    }
}

#[test]
fn what_build_instances_read_lies_below_the_stack_s_own_name() {
    let lines: Vec<&str> = TEMPLATE.lines().filter(|line| line.contains("parameter/goldsmith/build/")).collect();
    assert!(
        !lines.is_empty() && lines.iter().all(|line| line.contains("/goldsmith/build/${AWS::StackName}/")),
        "{lines:?}"
    );
}
