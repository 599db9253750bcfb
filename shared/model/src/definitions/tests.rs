//! Tests with whole files: the result is either definitions or the rendered mistakes.

mod documents;
mod firmware;
mod instances;
mod migrated;
mod recipes;
mod starts;

use std::io::{Error, ErrorKind};
use std::path::Path;

use super::{Definitions, Draft, SourceFile, Stored};
use crate::ImageAudit;

const NGINX: &str = "schemaVersion: 1.0\nparameters:\n  - port: {type: string, default: \"80\"}\n  - mode: {type: string, \
                     allowedValues: [fast, slow], default: fast}\nphases:\n  - name: build\n    steps:\n      - name: \
                     Install\n        action: ExecuteBash\n        inputs: {commands: [\"true\"]}\n";

const COMPONENT: &str = "kind: Component\nname: nginx\nsemanticVersion: 1.0.0\nplatform: Linux\nuri: nginx.yml\n";

const SMALL: &str = "kind: InfrastructureConfiguration\nname: small\ninstanceTypes: [t3.small, t3a.small]\n";

fn load(path: &Path) -> std::io::Result<String> {
    match path.to_str() {
        Some("web/nginx.yml") => Ok(NGINX.to_owned()),
        Some("web/broken.yml") => Ok(NGINX.replace("ExecuteBash", "ExecuteBsh")),
        Some("web/keys/uefi.b64") => Ok("QU1aTlVF\nRkkAAQ==\n".to_owned()),
        Some("web/no.b64") => Ok("not Base64!".to_owned()),
        Some("web/empty.b64") => Ok("\n".to_owned()),
        Some("web/long.b64") => Ok("A".repeat(64_004)),
        Some("web/long.yml") => Ok("#".repeat(64 * 1024 + 1)),
        _ => Err(Error::new(ErrorKind::NotFound, "no such file")),
    }
}

fn read(documents: &[&str]) -> Result<Definitions, String> {
    let files = [SourceFile { path: "web/all.yml".to_owned(), text: documents.join("---\n") }];
    Draft::read(&files, &load).check(&Stored::default()).map_err(|found| found.to_string())
}

fn refused(documents: &[&str]) -> String {
    read(documents).unwrap_err()
}

fn recipe(rest: &str) -> String {
    format!("kind: ImageRecipe\nname: web\nsemanticVersion: 1.2.0\nparentImage: ssm:/source\n{rest}")
}

#[test]
fn an_audit_fails_warns_or_is_off_and_warns_by_default() {
    let parts = [COMPONENT.to_owned(), recipe("components:\n  - {name: nginx, version: 1.x.x}\n"), SMALL.to_owned()];
    let pipeline = |audit: &str| {
        let text = "kind: ImagePipeline\nname: web\nimageRecipe: web/1.x.x\ninfrastructureConfiguration: small\n";
        let documents: Vec<String> = parts.iter().cloned().chain([format!("{text}{audit}")]).collect();
        read(&documents.iter().map(String::as_str).collect::<Vec<_>>())
    };
    for (text, audit) in [
        ("", ImageAudit::Warn),
        ("audit: warn\n", ImageAudit::Warn),
        ("audit: fail\n", ImageAudit::Fail),
        ("audit: off\n", ImageAudit::Off),
    ] {
        assert_eq!(pipeline(text).unwrap().pipelines[0].audit, audit, "{text}");
    }
    // What was stored before there was an audit is as what says nothing.
    let stored = serde_json::to_value(&pipeline("audit: warn\n").unwrap().pipelines[0]).unwrap();
    assert_eq!(stored.get("audit"), None);
    let mistake = pipeline("audit: maybe\n").unwrap_err();
    assert!(mistake.contains("web/all.yml:") && mistake.contains("`audit`"), "{mistake}");
}

#[test]
fn everything_that_is_known_is_read() {
    let recipe = recipe(
        "components:\n  - {name: nginx, version: 1.x.x, parameters: {port: 8080, mode: slow}}\n\
         workingDirectory: /var/tmp\nblockDeviceMappings:\n  - {deviceName: /dev/xvda, ebs: {volumeSize: 16, \
         volumeType: gp3, deleteOnTermination: true}}\ntags: {role: web}\n",
    );
    let infrastructure = format!(
        "{SMALL}subnetIds: [subnet-0123abcd]\nsecurityGroupIds: [sg-0123456789abcdef0]\ninstanceProfileName: team+build\ninstanceMetadataOptions: {{httpTokens: \
         required, httpPutResponseHopLimit: 2}}\nresourceTags: {{team: platform}}\nkeepOnFailure: PT4H\n"
    );
    let distribution = "kind: DistributionConfiguration\nname: two\nmustSucceed: some\nstart: with-tests\ndistributions:\n  - region: \
                        eu-west-1\n    amiDistributionConfiguration:\n      name: \"web {{ imagebuilder:buildDate }}\"\n\
                        \x20     amiTags: {role: web}\n      launchPermission: {userIds: [111122223333]}\n    \
                        ssmParameterConfigurations:\n      - {parameterName: /images/web}\n  - region: us-east-1\n";
    let pipeline = "kind: ImagePipeline\nname: web\nimageRecipe: web/1.x.x\ninfrastructureConfiguration: small\n\
                    distributionConfiguration: two\nstatus: DISABLED\nrebuildOn: []\nallowOverrides: true\n\
                    timeoutMinutes: 45\npriority: 10\n\
                    imageTestsConfiguration: {imageTestsEnabled: true, timeoutMinutes: 90}\n";
    let read = read(&[COMPONENT, &recipe, &infrastructure, distribution, pipeline]).unwrap();
    assert_eq!(read.components[0].document, NGINX);
    assert_eq!((read.components[0].is_test, read.components[0].digest.len()), (false, 64));
    let stored = serde_json::json!([read.recipes, read.infrastructures, read.distributions, read.pipelines]);
    let expected = serde_json::json!([
        [{"name": "web", "version": "1.2.0", "parentImage": "ssm:/source", "workingDirectory": "/var/tmp",
          "components": [{"name": "nginx", "version": "1.x.x", "parameters": {"port": "8080", "mode": "slow"}}],
          "blockDeviceMappings": [{"deviceName": "/dev/xvda", "ebs": {"volumeSize": 16, "volumeType": "gp3"}}],
          "tags": {"role": "web"}}],
        [{"name": "small", "instanceTypes": ["t3.small", "t3a.small"], "subnetIds": ["subnet-0123abcd"],
          "securityGroupIds": ["sg-0123456789abcdef0"], "instanceProfileName": "team+build",
          "instanceMetadataOptions": {"httpPutResponseHopLimit": 2}, "resourceTags": {"team": "platform"},
          "keepOnFailure": "PT4H"}],
        [{"name": "two", "mustSucceed": "some", "start": "with-tests", "distributions": [
            {"region": "eu-west-1",
             "amiDistributionConfiguration": {"name": "web {{ imagebuilder:buildDate }}", "amiTags": {"role": "web"},
                                              "launchPermission": {"userIds": ["111122223333"]}},
             "ssmParameterConfigurations": [{"parameterName": "/images/web", "dataType": "aws:ec2:image"}]},
            {"region": "us-east-1", "amiDistributionConfiguration": {}}]}],
        [{"name": "web", "imageRecipe": "web/1.x.x", "infrastructureConfiguration": "small",
          "distributionConfiguration": "two", "status": "DISABLED", "allowOverrides": true, "priority": 10, "timeoutMinutes": 45,
          "imageTestsConfiguration": {"imageTestsEnabled": true, "timeoutMinutes": 90}}],
    ]);
    assert_eq!(stored, expected);
    assert_eq!(serde_json::from_value::<Vec<crate::ImageRecipe>>(stored[0].clone()).unwrap(), read.recipes);
    assert_eq!(serde_json::from_value::<Vec<crate::ImagePipeline>>(stored[3].clone()).unwrap(), read.pipelines);
}

#[test]
fn all_mistakes_of_a_folder_are_reported_at_once() {
    let recipe = recipe("components:\n  - {name: nginx, version: 2.x.x}\n  - {name: ngnix, version: 1.0.0}\n");
    let pipeline = "kind: ImagePipeline\nname: web\nimageRecipe: web/1.x.x\ninfrastructureConfiguration: smal\n\
                    schedule: {}\nrebuildOn: [updates]\nstatu: ENABLED\n";
    let expected = "\
web/all.yml:12:12: error: no version of component `nginx` matches 2.x.x
    - {name: nginx, version: 2.x.x}
             ^^^^^
help: existing versions: 1.0.0
web/all.yml:13:12: error: there is no component `ngnix`
    - {name: ngnix, version: 1.0.0}
             ^^^^^
help: did you mean `nginx`?
web/all.yml:18:30: error: there is no infrastructure configuration `smal`
  infrastructureConfiguration: smal
                               ^^^^
help: did you mean `small`?
web/all.yml:19:11: error: `scheduleExpression` of `schedule` is missing
  schedule: {}
            ^
web/all.yml:20:13: error: `updates` is not a value of `rebuildOn`
  rebuildOn: [updates]
              ^^^^^^^
help: one of source-update, dependency
web/all.yml:21:1: error: unknown key `statu` in this image pipeline
  statu: ENABLED
  ^^^^^
help: did you mean `status`?";
    assert_eq!(refused(&[COMPONENT, &recipe, pipeline, SMALL]), expected);
}

#[test]
fn a_stock_component_that_is_not_stored_says_how_it_is() {
    let recipe = recipe("components:\n  - {name: update-linux, version: x.x.x}\n  - {name: nginy, version: 1.x.x}\n");
    let expected = "\
web/all.yml:12:12: error: there is no component `update-linux`
    - {name: update-linux, version: x.x.x}
             ^^^^^^^^^^^^
help: it is a stock component: `goldsmith apply components` stores it
web/all.yml:13:12: error: there is no component `nginy`
    - {name: nginy, version: 1.x.x}
             ^^^^^
help: did you mean `nginx`?";
    assert_eq!(refused(&[COMPONENT, &recipe]), expected);
}

#[test]
fn configurations_are_checked() {
    let distribution = |rest: &str| {
        format!("kind: DistributionConfiguration\nname: two\ndistributions:\n  - region: eu-west-1\n{rest}")
    };
    for (definition, message) in [
        (
            distribution("  - region: eu-wset-1\n"),
            "web/all.yml:5:13: error: `eu-wset-1` is not the name of an AWS Region",
        ),
        (
            distribution("  - {region: eu-west-1}\n"),
            "web/all.yml:5:14: error: the Region `eu-west-1` is in `distributions` twice",
        ),
        (
            distribution("    amiDistributionConfiguration: {name: web}\n"),
            "web/all.yml:5:42: error: the AMI name `web` would be the same for every build: put \
             `{{ imagebuilder:buildDate }}` or `{{ imagebuilder:buildVersion }}` into it",
        ),
        (
            distribution("    amiDistributionConfiguration: {launchPermission: {userIds: [1234]}}\n"),
            "web/all.yml:5:65: error: `1234` is not an account id of 12 digits",
        ),
        (
            distribution("    launchTemplateConfigurations: [{launchTemplateId: web}]\n"),
            "web/all.yml:5:55: error: `web` is not the id of a launch template",
        ),
        (
            distribution("    ssmParameterConfigurations: [{parameterName: /aws/x}]\n"),
            "web/all.yml:5:50: error: `/aws/x` cannot be the name of your own parameter: use a name such as /images/web-server",
        ),
        (
            distribution("    ssmParameterConfigurations: [{parameterName: images/x}]\n"),
            "web/all.yml:5:50: error: `images/x` cannot be the name of your own parameter: use a name such as /images/web-server",
        ),
        (SMALL.replace("t3.small", "t3"), "web/all.yml:3:17: error: `t3` is not an instance type such as `t3.small`"),
        (format!("{SMALL}subnetIds: [vpc-0123abcd]\n"), "web/all.yml:4:13: error: `vpc-0123abcd` is not a subnet id"),
        (
            "kind: InfrastructureConfiguration\nname: small\ninstanceTypes: t3.small\n".to_owned(),
            "web/all.yml:3:16: error: `instanceTypes` must be a list, not `t3.small`",
        ),
        (
            "kind: InfrastructureConfiguration\nname: small\ninstanceTypes: []\n".to_owned(),
            "web/all.yml:3:1: error: `instanceTypes` needs at least one type",
        ),
        (
            format!("{SMALL}instanceProfileName: teams/build\n"),
            "web/all.yml:4:22: error: `teams/build` is not the name of an instance profile: write it without ARN and path",
        ),
        (
            format!("{SMALL}instanceMetadataOptions: {{httpTokens: optional}}\n"),
            "web/all.yml:4:39: error: `httpTokens` can only be `required`: instances without IMDSv2 are not launched",
        ),
        (
            format!("{SMALL}resourceTags: {{\"goldsmith:build\": x}}\n"),
            "web/all.yml:4:16: error: the tag `goldsmith:build` is reserved: AWS and Goldsmith use `aws:` and `goldsmith:`",
        ),
        (
            format!("{SMALL}keepOnFailure: P1Y\n"),
            "web/all.yml:4:16: error: `keepOnFailure` must be a duration from PT0S to PT168H, such as PT4H, not `P1Y`",
        ),
        ("kind: Compnent\n".to_owned(), "web/all.yml:1:7: error: `Compnent` is not a value of `kind`"),
        ("name: x\n".to_owned(), "web/all.yml:1:1: error: `kind` of a definition is missing"),
    ] {
        let found = refused(&[&definition]);
        assert_eq!(found.lines().next(), Some(message), "{definition}");
        assert_eq!(found.matches(message).count(), 1, "{found}");
    }
}

#[test]
fn the_same_thing_twice_is_refused_and_other_versions_are_not() {
    let found = refused(&[SMALL, COMPONENT, COMPONENT, SMALL]);
    let expected = "\
web/all.yml:12:7: error: component `nginx` 1.0.0 is defined twice
  name: nginx
        ^^^^^
help: the first one is in web/all.yml:6
web/all.yml:18:7: error: infrastructure configuration `small` is defined twice
  name: small
        ^^^^^
help: the first one is in web/all.yml:2";
    assert_eq!(found, expected);
    assert_eq!(read(&[COMPONENT, &COMPONENT.replace("1.0.0", "1.0.1")]).unwrap().components.len(), 2);
}

#[test]
fn what_is_stored_already_counts() {
    let files = [SourceFile {
        path: "web/recipe.yml".to_owned(),
        text: recipe("components: [{name: nginx, version: 1.x.x, parameters: {port: 1}}]\n"),
    }];
    let component = read(&[COMPONENT]).unwrap().components.remove(0);
    let draft = Draft::read(&files, &load);
    let wanted: Vec<String> = draft.references().map(|r| format!("{} {} {}", r.kind, r.name, r.version)).collect();
    assert_eq!(wanted, ["component nginx 1.x.x"]);
    let stored = Stored { components: vec![component], ..Stored::default() };
    assert_eq!(draft.check(&stored).unwrap().recipes.len(), 1);
}

#[test]
fn a_file_that_is_no_yaml_hides_no_other_mistake_and_invents_none() {
    let files = [
        SourceFile { path: "a.yml".to_owned(), text: "kind: [\n".to_owned() },
        SourceFile { path: "b.yml".to_owned(), text: recipe("components: [{name: nginx, version: 1}]\n") },
        SourceFile { path: "c.yml".to_owned(), text: recipe("components: [{name: nginx, version: 1.x.x}]\n") },
    ];
    let found = Draft::read(&files, &load).check(&Stored::default()).unwrap_err();
    let places: Vec<(&str, &str)> = found.iter().map(|d| (d.file.as_str(), d.code)).collect();
    assert_eq!(places, [("a.yml", "yaml-syntax"), ("b.yml", "wrong-value"), ("c.yml", "duplicate")]);
}

#[test]
fn an_image_for_everybody_is_warned_of() {
    let to = |groups: &str| {
        format!(
            "kind: DistributionConfiguration\nname: all\ndistributions:\n  - region: eu-west-1\n    \
             amiDistributionConfiguration:\n      launchPermission:\n        userIds: [111122223333]\n{groups}"
        )
    };
    let said = read(&[&to("        userGroups: [all]\n")]).unwrap().warnings.to_string();
    let expected =
        "web/all.yml:8:9: warning: `userGroups: [all]` lets every AWS account launch this AMI and read all that";
    assert!(said.starts_with(expected), "{said}");
    assert_eq!(read(&[&to("")]).unwrap().warnings.to_string(), "");
}

#[test]
fn the_time_and_priority_of_a_build_and_the_types_of_its_tests_have_limits() {
    let pipeline = |rest: &str| {
        let text = "kind: ImagePipeline\nname: web\nimageRecipe: web/1.x.x\ninfrastructureConfiguration: small\n";
        refused(&[COMPONENT, &recipe("components: [{name: nginx, version: 1.x.x}]\n"), SMALL, &format!("{text}{rest}")])
    };
    for minutes in ["0", "2876"] {
        let found = pipeline(&format!("timeoutMinutes: {minutes}\n"));
        assert!(found.contains("`timeoutMinutes`") && found.contains("from 1 to 2875"), "{found}");
    }
    for priority in ["-1", "101"] {
        let found = pipeline(&format!("priority: {priority}\n"));
        assert!(found.contains(&format!("`priority` must be from 0 to 100, not {priority}")), "{found}");
    }
    let types: Vec<String> = (0..51).map(|n| format!("t{n}.small")).collect();
    let types = types.join(", ");
    let found = pipeline(&format!("imageTestsConfiguration: {{instanceTypes: [{types}]}}\n"));
    assert!(found.contains("error: `instanceTypes` of tests has 51 types: 50 are allowed"), "{found}");
}
