//! Templates of CloudFormation, each for one thing that a template can have.

use super::{Source, definitions, has, has_not, imported};

const COMPONENT: &str = r#"
  Agent:
    Type: AWS::ImageBuilder::Component
    Properties:
      Name: !Sub "${AWS::StackName}-agent"
      Platform: Linux
      Version: 1.2.0
      Data: |
        schemaVersion: 1.0
        phases: [{name: build, steps: [{name: Say, action: ExecuteBash, inputs: {commands: [echo]}}]}]
"#;

fn recipe(properties: &str) -> String {
    format!(
        "  Recipe:\n    Type: AWS::ImageBuilder::ImageRecipe\n    Properties: {{Name: web, Version: 1.0.0, \
         ParentImage: ami-0123456789abcdef0, {properties}}}\n"
    )
}

fn infrastructure(properties: &str) -> String {
    format!(
        "  Builders:\n    Type: AWS::ImageBuilder::InfrastructureConfiguration\n    Properties: {{Name: all, \
         InstanceProfileName: builder, InstanceTypes: [t3.micro], {properties}}}\n"
    )
}

#[test]
fn a_map_of_regions_is_decided_by_the_region() {
    let maps = "Mappings:\n  Groups:\n    eu-west-1: {web: sg-0123456789abcdef0}\n    us-east-1: {web: sg-0123456789abcdef1}\n";
    let main = infrastructure("SecurityGroupIds: [!FindInMap [Groups, !Ref \"AWS::Region\", web]]");
    let source = Source::new(&[("t.yml", &format!("{maps}Resources:\n{main}"))]);
    let import = source.import("", Some("eu-west-1"));
    assert_eq!(source.told(&import), "");
    has(definitions(&import), &["securityGroupIds:\n  - sg-0123456789abcdef0\n"]);

    let import = source.import("", None);
    has(&source.told(&import), &["`${Fn::FindInMap [Groups, AWS::Region, web]}`"]);
    has(definitions(&import), &["# to-fill-in: securityGroupIds: `${Fn::FindInMap [Groups, AWS::Region, web]}`"]);
}

#[test]
fn the_name_of_a_component_leads_to_it() {
    for arn in [
        "!Sub \"arn:aws:imagebuilder:${AWS::Region}:${AWS::AccountId}:component/${Agent.Name}/x.x.x\"",
        "!Sub [\"arn:aws:imagebuilder:${AWS::Region}:${AWS::AccountId}:component/${N}/x.x.x\", {N: !GetAtt Agent.Name}]",
        "!Join [\"\", [\"arn:aws:imagebuilder:eu-west-1:111122223333:component/\", !GetAtt [Agent, Name], /x.x.x]]",
    ] {
        let recipe = recipe(&format!("Components: [{{ComponentArn: {arn}}}]"));
        let (import, told) = imported(&[("t.yml", &format!("Resources:{COMPONENT}{recipe}"))]);
        has(definitions(&import), &["components:\n  - name: agent\n    version: x.x.x\n"]);
        has_not(&told, &["Recipe"]);
    }
}

#[test]
fn names_that_name_each_other_have_an_end() {
    let both = "  A:\n    Type: AWS::ImageBuilder::Component\n    Properties: {Name: !GetAtt B.Name, Version: 1.0.0, Platform: Linux}\n  B:\n    \
                Type: AWS::ImageBuilder::Component\n    Properties: {Name: !GetAtt A.Name, Version: 1.0.0, Platform: Linux}\n";
    let (import, _) = imported(&[("t.yml", &format!("Resources:\n{both}"))]);
    assert_eq!(import.definitions["Component"], 2);
}

#[test]
fn defaults_choose_the_branch_of_a_condition() {
    let parameters = "Parameters:\n  Subnet: {Type: String, Default: \"\"}\n  Stage: {Type: String, Default: prod}\n  Later: {Type: String}\n";
    let good = "subnet-0123456789abcdef0";
    for (condition, is_true) in [
        ("!Equals [!Ref Stage, prod]", Some(true)),
        ("!Not [!Equals [!Ref Subnet, \"\"]]", Some(false)),
        ("!And [!Equals [!Ref Stage, prod], !Equals [!Ref Subnet, \"\"]]", Some(true)),
        ("!And [!Equals [!Ref Stage, test], !Equals [!Ref Later, x]]", Some(false)),
        ("!Or [!Equals [!Ref Stage, test], !Condition Other]", Some(true)),
        ("{\"Fn::Equals\": [{Ref: Stage}, test]}", Some(false)),
        ("!Equals [!Ref Later, x]", None),
        ("!Condition Chosen", None),
    ] {
        let conditions = format!("Conditions:\n  Other: !Equals [a, a]\n  Chosen: {condition}\n");
        let main = infrastructure(&format!("SubnetId: !If [Chosen, {good}, !Ref \"AWS::NoValue\"]"));
        let (import, told) = imported(&[("t.yml", &format!("{parameters}{conditions}Resources:\n{main}"))]);
        assert_eq!(definitions(&import).contains(good), is_true != Some(false), "{condition}");
        has(
            &told,
            &[match is_true {
                Some(true) => {
                    "  it is true with the defaults of the parameters, and the value for that is used: check it\n"
                }
                Some(false) => {
                    "  it is false with the defaults of the parameters, and the value for that is used: check it\n"
                }
                None => "  the value for a true condition is used: check it\n",
            }],
        );
    }
}

#[test]
fn a_resource_whose_condition_is_false_is_left_out() {
    let conditions = "Conditions:\n  Never: !Equals [a, b]\n";
    let main = infrastructure("").replace("    Properties", "    Condition: Never\n    Properties");
    let (import, told) = imported(&[("t.yml", &format!("{conditions}Resources:\n{main}"))]);
    assert!(import.definitions.is_empty());
    has(&told, &["left-out [Builders] Condition\n  the resource depends on the condition `Never`\n"]);
}

#[test]
fn a_resource_that_is_declared_twice_is_imported_once() {
    let (import, told) = imported(&[("t.yml", &format!("Resources:\n{}{}", infrastructure(""), infrastructure("")))]);
    assert_eq!(import.definitions["InfrastructureConfiguration"], 1);
    has(&told, &["[Builders] \n  it is declared twice\n"]);
}

#[test]
fn an_arn_in_a_parameter_names_nothing() {
    let pipeline = "  Pipeline:\n    Type: AWS::ImageBuilder::ImagePipeline\n    Properties:\n      Name: web\n      \
                    ImageRecipeArn: \"{{resolve:ssm:/shop/image/recipe:3}}\"\n      InfrastructureConfigurationArn: !Ref Builders\n      \
                    Schedule: {ScheduleExpression: cron(0 9 * * ?)}\n";
    let components = recipe("Components: [{ComponentArn: \"{{resolve:ssm:/shop/component/agent}}\"}]");
    let main = format!("Resources:\n{}{components}{pipeline}", infrastructure(""));
    let (import, told) = imported(&[("t.yml", &main)]);
    has(
        definitions(&import),
        &[
            "imageRecipe: to-fill-in/x.x.x\n# to-fill-in: imageRecipe: `{{resolve:ssm:/shop/image/recipe:3}}`",
            "# to-fill-in: components: `{{resolve:ssm:/shop/component/agent}}`",
            "scheduleExpression: \"cron(0 9 * * ? *)\"\n",
        ],
    );
    has(&told, &["EventBridge Scheduler does not accept `cron(0 9 * * ?)`"]);
}

#[test]
fn accounts_that_get_copies_are_taken_over() {
    let main = "  Everywhere:\n    Type: AWS::ImageBuilder::DistributionConfiguration\n    Properties:\n      Name: all\n      \
                Distributions:\n        - Region: eu-west-1\n          AmiDistributionConfiguration:\n            \
                Name: \"web {{imagebuilder:buildDate}}\"\n            TargetAccountIds: [\"111122223333\", !Ref Other]\n";
    let (import, told) = imported(&[("t.yml", &format!("Resources:\n{main}"))]);
    has(
        definitions(&import),
        &["      targetAccounts:\n        - account: \"111122223333\"\n", "# to-fill-in: targetAccounts: `${Other}`"],
    );
    has_not(&told, &["Goldsmith has no such field"]);
}

#[test]
fn what_is_left_out_because_it_is_not_known_has_a_comment() {
    let main = infrastructure("SubnetId: !Ref Net, SnsTopicArn: !Ref Topic, SecurityGroupIds: [!Ref Group]");
    let distribution = "  Here:\n    Type: AWS::ImageBuilder::DistributionConfiguration\n    Properties:\n      Name: all\n      \
                        Distributions: [{Region: !Ref \"AWS::Region\", AmiDistributionConfiguration: {KmsKeyId: !Ref Key}}]\n";
    let (import, _) =
        imported(&[("t.yml", &format!("Resources:\n{}{distribution}", main.replace("builder,", "!Ref Profile,")))]);
    let text = definitions(&import);
    for key in ["subnetIds", "snsTopicArn", "securityGroupIds", "instanceProfileName", "kmsKeyId"] {
        has(text, &[&format!("# to-fill-in: {key}: `${{")]);
    }
    has(text, &["  - region: us-east-1\n    # to-fill-in: region: `${AWS::Region}` is not a Region that is known\n"]);
}
