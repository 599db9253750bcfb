//! What `aws imagebuilder get-…` prints.

use super::{Source, definitions, has, has_not, imported};

const COMPONENT: &str = r#"{
    "requestId": "a",
    "component": {
        "arn": "arn:aws:imagebuilder:eu-west-1:111122223333:component/web-agent/1.2.0/1",
        "name": "Web agent", "version": "1.2.0", "type": "BUILD", "platform": "Linux", "owner": "111122223333",
        "supportedOsVersions": ["Amazon Linux 2023"], "state": {"status": "ACTIVE"}, "encrypted": true,
        "parameters": [{"name": "port", "type": "string"}],
        "data": "schemaVersion: 1.0\nparameters:\n  - port: {type: string, default: '80'}\nphases: [{name: build, steps: [{name: Say, action: ExecuteBash, inputs: {commands: [echo]}}]}]\n",
        "dateCreated": "2026-01-01T00:00:00.000Z", "tags": {}
    }
}"#;

const RECIPE: &str = r#"{
    "requestId": "b",
    "imageRecipe": {
        "arn": "arn:aws:imagebuilder:eu-west-1:111122223333:image-recipe/web/2.0.0",
        "type": "AMI", "name": "web", "platform": "Linux", "owner": "111122223333", "version": "2.0.0",
        "components": [
            {"componentArn": "arn:aws:imagebuilder:eu-west-1:111122223333:component/web-agent/1.2.0/1",
             "parameters": [{"name": "port", "value": ["8080"]}]},
            {"componentArn": "arn:aws:imagebuilder:eu-west-1:aws:component/update-linux/x.x.x"}
        ],
        "parentImage": "arn:aws:imagebuilder:eu-west-1:aws:image/amazon-linux-2023-x86/x.x.x",
        "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"encrypted": false, "deleteOnTermination": true, "volumeSize": 16, "volumeType": "gp3"}}],
        "dateCreated": "2026-01-01T00:00:00.000Z", "tags": {}, "workingDirectory": "/tmp"
    }
}"#;

const INFRASTRUCTURE: &str = r#"{"infrastructureConfiguration": {
    "arn": "arn:aws:imagebuilder:eu-west-1:111122223333:infrastructure-configuration/small",
    "name": "small", "instanceTypes": ["t3.small"], "instanceProfileName": "builder",
    "securityGroupIds": ["sg-0123456789abcdef0"], "subnetId": "subnet-0123456789abcdef0",
    "terminateInstanceOnFailure": true, "dateCreated": "2026-01-01T00:00:00.000Z", "tags": {}}}"#;

const DISTRIBUTION: &str = r#"{"distributionConfiguration": {
    "arn": "arn:aws:imagebuilder:eu-west-1:111122223333:distribution-configuration/two", "name": "two",
    "distributions": [{"region": "eu-west-1", "amiDistributionConfiguration": {"name": "web {{ imagebuilder:buildDate }}",
        "launchPermission": {"userIds": ["111122223333"]}}}, {"region": "us-east-1"}],
    "timeoutMinutes": 720, "tags": {}}}"#;

const PIPELINE: &str = r#"{"imagePipeline": {
    "arn": "arn:aws:imagebuilder:eu-west-1:111122223333:image-pipeline/web", "name": "web", "platform": "Linux",
    "enhancedImageMetadataEnabled": true,
    "imageRecipeArn": "arn:aws:imagebuilder:eu-west-1:111122223333:image-recipe/web/2.0.0",
    "infrastructureConfigurationArn": "arn:aws:imagebuilder:eu-west-1:111122223333:infrastructure-configuration/small",
    "distributionConfigurationArn": "arn:aws:imagebuilder:eu-west-1:111122223333:distribution-configuration/two",
    "imageTestsConfiguration": {"imageTestsEnabled": true, "timeoutMinutes": 60},
    "schedule": {"scheduleExpression": "rate(7 days)", "pipelineExecutionStartCondition": "EXPRESSION_MATCH_ONLY"},
    "status": "DISABLED", "dateCreated": "2026-01-01T00:00:00.000Z", "dateLastRun": "2026-01-01T00:00:00.000Z",
    "consecutiveFailures": 0, "tags": {}}}"#;

#[test]
fn a_folder_of_answers_becomes_definitions() {
    let (import, told) = imported(&[
        ("component.json", COMPONENT),
        ("recipe.json", RECIPE),
        ("infrastructure.json", INFRASTRUCTURE),
        ("distribution.json", DISTRIBUTION),
        ("pipeline.json", PIPELINE),
        ("other.json", r#"{"Arn": "arn:aws:imagebuilder:eu-west-1:111122223333:component/web-agent/1.2.0/1"}"#),
    ]);
    assert_eq!(told, "");
    assert!(import.needs_stock_components);
    let expected = "\
kind: Component
name: Web agent
semanticVersion: 1.2.0
uri: components/Web-agent.yml
---
kind: ImageRecipe
name: web
semanticVersion: 2.0.0
parentImage: ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64
components:
  - name: Web agent
    version: 1.2.0
    parameters:
      port: 8080
  - name: update-linux
    version: x.x.x
workingDirectory: /tmp
blockDeviceMappings:
  - deviceName: /dev/xvda
    ebs:
      volumeSize: 16
      volumeType: gp3
      encrypted: false
---
kind: InfrastructureConfiguration
name: small
instanceTypes:
  - t3.small
subnetIds:
  - subnet-0123456789abcdef0
securityGroupIds:
  - sg-0123456789abcdef0
instanceProfileName: builder
---
kind: DistributionConfiguration
name: two
distributions:
  - region: eu-west-1
    amiDistributionConfiguration:
      name: \"web {{ imagebuilder:buildDate }}\"
      launchPermission:
        userIds:
          - \"111122223333\"
  - region: us-east-1
---
kind: ImagePipeline
name: web
imageRecipe: web/2.0.0
infrastructureConfiguration: small
distributionConfiguration: two
status: DISABLED
schedule:
  scheduleExpression: rate(7 days)
  pipelineExecutionStartCondition: EXPRESSION_MATCH_ONLY
imageTestsConfiguration:
  imageTestsEnabled: true
  timeoutMinutes: 60
";
    assert_eq!(definitions(&import), expected);
    has(&import.files["components/Web-agent.yml"], &["schemaVersion: 1.0\nparameters:\n"]);
}

#[test]
fn a_single_answer_and_one_for_windows_are_told() {
    let source = Source::new(&[
        ("recipe.json", RECIPE),
        ("windows.json", &RECIPE.replace("\"Linux\"", "\"Windows\"")),
        ("component.json", &COMPONENT.replace("\"Linux\"", "\"Windows\"")),
    ]);
    let import = source.import("recipe.json", None);
    assert_eq!(import.definitions["ImageRecipe"], 1);
    has(&source.told(&import), &["the component `web-agent` is not part of the source"]);
    has_not(&source.told(&import), &["arn", "dateCreated", "tags"]);
    let import = source.import("windows.json", None);
    has(&source.told(&import), &["[imageRecipe] platform\n  it is for Windows, which Goldsmith does not build\n"]);
    let import = source.import("component.json", None);
    has(&source.told(&import), &["[component] platform\n  components for Windows are not supported yet\n"]);
    assert!(import.definitions.is_empty());
}
