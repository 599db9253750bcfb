//! What an organisation asks of the stack's resources: where they lie, what bounds them.

use std::collections::BTreeSet;

use goldsmith_states::{STATES, Spec};

use crate::TEMPLATE;
use crate::template::{Template, resources};

#[test]
fn every_role_policy_and_profile_lies_below_the_path_that_is_given() {
    let mut found = 0;
    for resource in resources(TEMPLATE).iter().filter(|resource| resource.kind.starts_with("AWS::IAM::")) {
        assert!(resource.text.contains("Path: !Ref RolePath"), "{} has a path of its own", resource.id);
        found += 1;
    }
    let all = TEMPLATE.lines().filter(|line| line.trim().starts_with("Type: AWS::IAM::")).count();
    assert!(found == all && all > 0, "{found} of {all} were read");
    // The role in other accounts is not one of this stack's resources: `target-account.yaml` gives its whole name.
    let of_other_accounts = ":iam::*:role/${AWS::StackName}-target-";
    for spelled in [":role/", ":instance-profile/"] {
        let mut ours = TEMPLATE.lines().filter(|line| !line.contains(of_other_accounts));
        let line = ours.find(|line| line.contains(spelled));
        assert_eq!(line, None, "an ARN with {spelled} leaves out the path");
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

#[test]
fn neither_a_vpc_nor_subnets_are_given_alone() {
    let has_vpc = "!Not [!Equals [!Ref VpcId, \"\"]]";
    let has_subnets = "!Not [{\"Fn::EachMemberEquals\": [!Ref SubnetIds, \"\"]}]";
    for (given, needed) in [(has_vpc, has_subnets), (has_subnets, has_vpc)] {
        let (_, rest) =
            TEMPLATE.split_once(&format!("RuleCondition: {given}\n")).unwrap_or_else(|| panic!("no rule for {given}"));
        let rule = rest.split("RuleCondition").next().unwrap_or_default();
        assert!(rule.contains(&format!("{{Assert: {needed}, AssertDescription: ")), "{rule}");
    }
}

/// The resource of this logical id.
fn text_of(id: &str) -> &'static str {
    resources(TEMPLATE).into_iter().find(|one| one.id == id).map_or("", |one| one.text)
}

#[test]
fn a_test_instance_may_do_less_than_a_build_instance() {
    let test = text_of("TestInstanceRole");
    assert!(test.contains("Service: ec2.amazonaws.com"), "{test}");
    for more in ["Policies:", "ManagedPolicyArns:", "BuildPolicyArns"] {
        assert!(!test.contains(more), "TestInstanceRole has {more}");
    }
    let shared = text_of("ServeCommands");
    assert!(shared.contains("Roles: [!Ref BuildRole, !Ref TestInstanceRole]\n"), "{shared}");
    for more in ["ssm:GetParameter", "s3:", "dynamodb:", "ec2:"] {
        assert!(!shared.contains(more), "every instance has {more}");
    }
}

/// IAM attaches at most ten managed policies to a role, unless AWS has raised the account's quota.
#[test]
fn no_role_has_more_managed_policies_than_iam_attaches() {
    let all = resources(TEMPLATE);
    let listed = |text: &'static str, field: &str| {
        let list = text.lines().find_map(|line| line.trim().strip_prefix(field));
        let names = list.unwrap_or_default().split("!Ref ").skip(1);
        names.map(|name| name.trim_end_matches([',', ' ', ']'])).collect::<Vec<_>>()
    };
    let roles: Vec<_> = all.iter().filter(|one| one.kind == "AWS::IAM::Role").collect();
    let counts: BTreeSet<usize> = roles
        .iter()
        .map(|role| {
            let attached = all.iter().filter(|one| listed(one.text, "Roles: [").contains(&role.id)).count();
            let count = listed(role.text, "ManagedPolicyArns: [").len() + attached;
            assert!(count <= 10, "{} has {count} managed policies", role.id);
            count
        })
        .collect();
    assert!(counts.last() >= Some(&9), "the lists were not read: {counts:?}");
}

#[test]
fn roles_of_instances_are_passed_to_ec2_only_and_no_others_are() {
    let passing: Vec<&str> = TEMPLATE.split("Action: iam:PassRole\n").skip(1).collect();
    let resources: Vec<&str> = passing.iter().filter_map(|rest| Some(rest.lines().next()?.trim())).collect();
    // A role of an export is passed to VM Import/Export only, which assumes only roles that trust it.
    let of_exports = "Resource: !Ref ExportRoleArns";
    let of_instances =
        ["Resource: !Ref InstanceRoleArns", "Resource: [!GetAtt BuildRole.Arn, !GetAtt TestInstanceRole.Arn]"];
    assert_eq!(resources, [of_instances[0], of_instances[1], of_exports]);
    for rest in passing {
        let condition = rest.lines().nth(1).unwrap_or_default();
        let services = match rest.trim_start().starts_with(of_exports) {
            true => "\"iam:PassedToService\": vmie.amazonaws.com}",
            false => "\"iam:PassedToService\": [ec2.amazonaws.com, ",
        };
        assert!(condition.contains(services), "{condition}");
    }
}

#[test]
fn every_instance_requires_tokens_and_resources_are_the_stacks_own() {
    let narrowed = |tag: &str| TEMPLATE.matches(&format!("\"aws:{tag}/goldsmith:stack\": !Ref AWS::StackName")).count();
    let at_home = |tag: &str| {
        let both = format!(
            "\"aws:{tag}/goldsmith:stack\": !Ref AWS::StackName, \"aws:{tag}/goldsmith:home\": !Ref AWS::Region"
        );
        TEMPLATE.matches(&both).count()
    };
    // People tag the key that signs images: it is in the home Region, and its tag names the stack.
    for (tag, of_keys) in [("ResourceTag", 1), ("RequestTag", 0)] {
        assert!(narrowed(tag) > 0, "{tag}");
        assert_eq!(at_home(tag) + of_keys, narrowed(tag), "{tag}");
    }
    assert_eq!(TEMPLATE.matches("\"ec2:MetadataHttpTokens\": required").count(), 1);
    for (part, keys) in [
        ("EndBuilds", r#"["goldsmith:expires", "goldsmith:status"]"#),
        ("PublishRole", r#""goldsmith:status""#),
        ("ReapRole", r#""goldsmith:leftover-since""#),
    ] {
        let only = format!("\"ForAllValues:StringEquals\": {{\"aws:TagKeys\": {keys}}}");
        assert!(text_of(part).contains(&only), "{part} may set other tags than {keys}");
    }
    assert!(text_of("EndBuilds").contains("\"ForAllValues:StringEquals\": {\"events:source\": goldsmith}"));
}

#[test]
fn no_function_writes_what_people_have_defined() {
    let (_, denied) = text_of("KeepRecords").split_once("Effect: Deny\n").unwrap_or_default();
    for part in ["dynamodb:PutItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"] {
        assert!(denied.contains(part), "{part} is not denied");
    }
    for partition in ["COMPONENT#*", "RECIPE#*", "INFRA#*", "DISTRIBUTION#*", "PIPELINES"] {
        assert!(denied.contains(partition), "{partition} may be written");
    }
}

/// What a statement of a policy allows, without its line breaks.
fn statement<'t>(text: &'t str, sid: &str) -> Vec<&'t str> {
    let (_, rest) = text.split_once(&format!("- Sid: {sid}")).unwrap_or_else(|| panic!("there is no {sid}"));
    let (_, rest) = rest.split_once('\n').unwrap_or_default();
    rest.lines()
        .take_while(|line| !line.trim_start().starts_with("- {Sid") && !line.trim_start().starts_with("- Sid"))
        .map(str::trim)
        .collect()
}

/// Returns the functions that a statement names by their ARNs.
fn functions_of(sid: &str) -> BTreeSet<String> {
    let lines = statement(TEMPLATE, sid).into_iter();
    lines.filter_map(|line| Some(line.strip_prefix("- !GetAtt ")?.strip_suffix(".Arn")?.to_owned())).collect()
}

#[test]
fn the_machine_calls_the_functions_of_its_states_and_signal_wakes_those_that_wait() {
    let template = Template::parse(TEMPLATE);
    let running = |specs: &mut dyn Iterator<Item = &Spec>| -> BTreeSet<String> {
        let handlers: BTreeSet<&str> = specs.map(|spec| spec.function).collect();
        let functions = template.functions.iter().filter(|(_, function)| handlers.contains(function.handler.as_str()));
        functions.map(|(id, _)| id.clone()).collect()
    };
    assert_eq!(functions_of("ItsFunctions"), running(&mut STATES.iter()));
    assert_eq!(functions_of("Owners"), running(&mut STATES.iter().filter(|spec| spec.timeout().is_some())));
}

#[test]
fn an_instance_writes_only_log_streams_with_names_of_commands() {
    let writes = statement(text_of("ServeCommands"), "CommandOutput").join("\n");
    assert!(writes.contains("log-group:${BuildLogs}:log-stream:*/i-*/aws-runShellScript/std*\""), "{writes}");
    assert!(!writes.contains("${BuildLogs}:*"), "{writes}");
}

#[test]
fn a_build_role_has_all_instance_rights_and_parameters_of_its_own() {
    let (build, every) = (include_str!("../../../infra/build-role.yaml"), text_of("ServeCommands"));
    assert_eq!(statement(build, "RunCommand"), statement(every, "RunCommand"));
    for sid in ["CommandOutput", "FindLogStream"] {
        let of_stack = statement(every, sid).join("\n").replace("${BuildLogs}", "/goldsmith/${StackName}/builds");
        assert_eq!(statement(build, sid).join("\n"), of_stack, "{sid}");
    }
    let path = |text: &str| {
        let (_, rest) = text.split_once(":parameter").unwrap_or_default();
        rest.split('"').next().unwrap_or_default().to_owned()
    };
    let reads = path(&statement(build, "Parameters").join("\n"));
    assert_eq!(reads, "/goldsmith/build-role/${StackName}/${Name}/*");
    let shared = path(&statement(text_of("BuildRole"), "Parameters").join("\n"));
    assert_eq!(shared, "/goldsmith/build/${AWS::StackName}/*");
    assert!(TEMPLATE.contains("LogGroupName: !Sub \"/goldsmith/${AWS::StackName}/builds\""));
    assert!(!build.contains("ManagedPolicyArns"), "a policy of the stack would keep it from being retired");
}

#[test]
fn no_name_of_a_build_role_is_longer_than_iam_takes() {
    const LONGEST_REGION: &str = "ap-southeast-1";
    let build = include_str!("../../../infra/build-role.yaml");
    assert!(build.contains("InstanceProfileName: !Sub \"${StackName}-${Name}-${AWS::Region}\""));
    let bound = |pattern: &str| -> usize {
        let (_, rest) = build.split_once(pattern).unwrap_or_else(|| panic!("{pattern} is not there"));
        rest.split('}').next().unwrap().parse().unwrap()
    };
    let stack = 1 + bound("\"^[A-Za-z][A-Za-z0-9-]{0,");
    let name = bound("\"^[A-Za-z0-9-]{1,");
    assert!(stack + name + LONGEST_REGION.len() + 2 <= 128, "{stack} and {name}");
}

#[test]
fn a_target_account_knows_the_stacks_role_by_the_name_that_the_stack_takes_on() {
    // Plan compares the role's whole name with IAM's limit, because most Regions have longer names.
    const SHORTEST_REGION: &str = "us-east-1";
    let target = include_str!("../../../infra/target-account.yaml");
    assert!(target.contains("RoleName: !Sub \"${StackName}-target-${HomeRegion}\""));
    assert!(target.contains("\"sts:ExternalId\": !Sub \"${StackName}/${HomeRegion}\""));
    let (_, bound) = target.split_once("\"^[A-Za-z][A-Za-z0-9-]{0,").unwrap();
    let longest: usize = bound.split('}').next().unwrap().parse().unwrap();
    assert_eq!(1 + longest + "-target-".len() + SHORTEST_REGION.len(), 64);
    let own = text_of("EnterTargetAccounts");
    assert!(own.contains("iam::*:role/${AWS::StackName}-target-${AWS::Region}\""), "{own}");
    for sid in ["EncryptedVolumes", "GrantsForEc2"] {
        let of_target = statement(target, &sid.replace("Volumes", "Snapshots"));
        // Effect, actions, resource and condition.
        assert_eq!(of_target[..4], statement(text_of("UseKeys"), sid)[..4], "{sid}");
    }
}

#[test]
fn no_event_that_cannot_concern_the_stack_invokes_a_function() {
    let all = TEMPLATE.matches("Type: EventBridgeRule").count();
    let patterns = [
        ("FinishFunction", "detail: {stateMachineArn: [!Ref ImageBuild], status: [FAILED, TIMED_OUT, ABORTED]}"),
        ("SignalFunction", "detail-type: [EC2 AMI State Change], detail: {State: [available, failed]}"),
        // No pattern can name the instances of the stack, so this is every start and end in the Region.
        ("SignalFunction", "detail: {state: [running, stopped, terminated]}"),
        ("SignalFunction", "document-name: [AWS-RunShellScript]"),
        ("TriggerFunction", "detail-type: [EC2 AMI State Change], detail: {State: [available]}"),
        ("TriggerFunction", "name: [{prefix: !Sub \"/${ImageParameterPath}/\"}, {prefix: /goldsmith/examples/}]"),
    ];
    assert_eq!(all, patterns.len());
    for (function, pattern) in patterns {
        assert!(text_of(function).contains(pattern), "{function}: {pattern}");
    }
    // What trigger may read of the account is what it hears of; AWS's own parameters tell of no change.
    let (_, reads) = text_of("TriggerRole").split_once("Sid: SourceParameters").unwrap_or_default();
    let reads: Vec<&str> =
        reads.lines().filter_map(|line| line.split_once(":parameter")?.1.strip_suffix("/*\"")).collect();
    assert_eq!(reads, ["/aws/service", "/goldsmith/examples", "/${ImageParameterPath}"]);
}

/// The parameters of a start are no place for secrets, but people put secrets there.
#[test]
fn parameters_of_a_start_are_not_logged_and_leave_orders_in_a_day() {
    assert!(text_of("ImageBuild").contains("IncludeExecutionData: false"), "the log has inputs");
    assert!(text_of("Bucket").contains("Prefix: orders/, ExpirationInDays: 1}"), "orders stay");
}
