//! What clients other than the product rely on: defaults, filters, members, codes and messages. Nothing here needs an
//! instance to run.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::io::Write;
use std::process::{Command, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use common::{Client, TestEndpoint, require_or_skip};
use serde_json::json;

/// Action, parameters, code and message.
type Refused<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str, &'a str);

const NAMED: &str = "resolve:ssm:/aws/service/goldsmith-local/debian-12";

/// An instance would take longer to boot than these tests do.
async fn endpoint() -> TestEndpoint {
    let endpoint = common::endpoint().await;
    endpoint.client.admin("POST", "settings", &json!({"delays": {"profile": "realistic"}}));
    endpoint
}

/// The message of a call that must be refused with this code.
fn message(client: Client, action: &str, form: &[(&str, &str)], code: &str) -> String {
    let answer = client.ec2(action, form);
    assert_eq!(answer.element("Code").as_deref(), Some(code), "{action} {form:?}: {}", answer.body);
    answer.element("Message").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_without_a_type_takes_a_default() {
    let endpoint = endpoint().await;
    let made = endpoint.client.ec2("RunInstances", &[("ImageId", NAMED)]);
    assert_eq!(made.status, 200, "{}", made.body);
    let kind = if cfg!(target_arch = "aarch64") { "t4g.micro" } else { "m1.small" };
    assert_eq!(made.element("instanceType").as_deref(), Some(kind));
    let wrong = [("ImageId", NAMED), ("InstanceType", "x9.huge")];
    assert_eq!(endpoint.client.ec2_error("RunInstances", &wrong), "InvalidParameterValue");
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_may_be_named_by_a_public_parameter() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let launched = |name: &str| client.ec2_value("RunInstances", &[("ImageId", name)], "imageId");
    let first = launched(NAMED);
    client.admin("POST", "release-image", &json!({}));
    assert_ne!(launched(NAMED), first);
    assert_eq!(launched(&format!("{NAMED}:1")), first);
    for missing in ["resolve:ssm:/aws/service/none", &format!("{NAMED}:9"), &format!("{NAMED}:x")] {
        assert_eq!(client.ec2_error("RunInstances", &[("ImageId", missing)]), "InvalidParameterValue");
    }
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_of_one_launch_are_numbered() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let made = client.ec2("RunInstances", &[("ImageId", NAMED), ("MinCount", "3"), ("MaxCount", "3")]);
    assert_eq!(made.elements("amiLaunchIndex"), ["0", "1", "2"]);
    let last = [("Filter.1.Name", "launch-index"), ("Filter.1.Value.1", "2")];
    assert_eq!(client.ec2("DescribeInstances", &last).elements("instanceId"), made.elements("instanceId")[2..]);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_shows_its_interface_groups_and_options() {
    let endpoint = endpoint().await;
    let made = endpoint.client.ec2("RunInstances", &[("ImageId", NAMED), ("InstanceType", "t3.small")]);
    let shown = |name: &str| made.element(name).unwrap_or_else(|| panic!("no {name}: {}", made.body));
    assert_eq!(shown("groupName"), "");
    assert!(made.elements("groupName").contains(&"default".to_owned()));
    assert!(shown("networkInterfaceId").starts_with("eni-"));
    assert_eq!(
        shown("privateDnsName"),
        format!("ip-{}.eu-west-1.compute.internal", shown("privateIpAddress").replace('.', "-"))
    );
    assert_eq!((shown("coreCount"), shown("threadsPerCore")), ("1".to_owned(), "2".to_owned()));
    assert_eq!(shown("platformDetails"), "Linux/UNIX");
    assert_eq!(made.element("tagSet"), None);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_from_a_template_has_its_tags() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let create = [("LaunchTemplateName", "web"), ("LaunchTemplateData.ImageId", NAMED)];
    let template = client.ec2_value("CreateLaunchTemplate", &create, "launchTemplateId");
    client.ec2_value("RunInstances", &[("LaunchTemplate.LaunchTemplateName", "web")], "instanceId");
    let tags = client.ec2("DescribeTags", &[("Filter.1.Name", "key"), ("Filter.1.Value.1", "aws:ec2launchtemplate:*")]);
    assert_eq!(tags.elements("key"), ["aws:ec2launchtemplate:id", "aws:ec2launchtemplate:version"]);
    assert_eq!(tags.elements("value"), [template.as_str(), "1"]);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn filters_take_what_the_answer_shows_and_say_what_they_cannot() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let other = [
        ("ImageId", NAMED),
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.1.Tag.1.Key", "odd"),
        ("TagSpecification.1.Tag.1.Value", "other value*"),
    ];
    let id = client.ec2_value("RunInstances", &other, "instanceId");
    let found = |name: &str, value: &str| {
        client.ec2("DescribeInstances", &[("Filter.1.Name", name), ("Filter.1.Value.1", value)]).elements("instanceId")
    };
    for (name, value) in [
        ("tag:odd", r"*value\*"),
        ("tag-value", "other*"),
        ("instance.group-name", "default"),
        ("network-interface.addresses.private-ip-address", "172.31.*"),
        ("owner-id", "000000000000"),
        ("platform-details", "Linux/UNIX"),
    ] {
        assert_eq!(found(name, value), [id.as_str()], "{name}");
    }
    assert_eq!(found("tag:odd", r"*value\?"), [""; 0]);
    assert_eq!(found("ip-address", "*"), [""; 0]);
    let filter = |name| [("Filter.1.Name", name), ("Filter.1.Value.1", "x")];
    let told = message(client, "DescribeInstances", &filter("network-interface.requester-id"), "InvalidParameterValue");
    assert!(told.contains("does not support it"), "{told}");
    let told = message(client, "DescribeInstances", &filter("nonsense"), "InvalidParameterValue");
    assert_eq!(told, "The filter 'nonsense' is invalid");
    let (_, of_ssm) =
        client.ssm("DescribeInstanceInformation", &json!({"Filters": [{"Key": "tag:odd", "Values": ["x"]}]}));
    assert_eq!(of_ssm["InstanceInformationList"], json!([]));
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_and_messages_are_ec2s() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let create = [("LaunchTemplateName", "web"), ("LaunchTemplateData.ImageId", NAMED)];
    let template = client.ec2_value("CreateLaunchTemplate", &create, "launchTemplateId");
    let tag = [("Tag.1.Key", "a"), ("Tag.1.Value", "b")];
    let cases: &[Refused<'_>] = &[
        ("CreateTags", &[tag[0], tag[1], ("ResourceId.1", "ami-blah")], "InvalidID", "The ID 'ami-blah' is not valid"),
        (
            "CreateTags",
            &[tag[0], tag[1], ("ResourceId.1", "blah-blah")],
            "InvalidID",
            "The ID 'blah-blah' is not valid",
        ),
        ("CreateTags", &tag, "MissingParameter", "The request must contain the parameter resourceIdSet"),
        ("DeleteTags", &tag, "MissingParameter", "The request must contain the parameter resourceIdSet"),
        ("TerminateInstances", &[], "InvalidParameterCombination", "No instances specified"),
        (
            "TerminateInstances",
            &[("InstanceId.1", "i-0123456789abcdef0"), ("InstanceId.2", "i-0123456789abcdef1")],
            "InvalidInstanceID.NotFound",
            "The instance IDs 'i-0123456789abcdef0, i-0123456789abcdef1' do not exist",
        ),
        (
            "ModifyLaunchTemplate",
            &[("LaunchTemplateId", "lt-1"), ("LaunchTemplateName", "web"), ("SetDefaultVersion", "1")],
            "InvalidParameterCombination",
            "Either provide launch template ID or launch template name to modify the template.",
        ),
        (
            "ModifyLaunchTemplate",
            &[("LaunchTemplateName", "web"), ("SetDefaultVersion", "2")],
            "InvalidLaunchTemplateId.VersionNotFound",
            "The launch template version 2 is not found for the specified launch template.",
        ),
        (
            "DescribeLaunchTemplates",
            &[("LaunchTemplateName.1", "none")],
            "InvalidLaunchTemplateName.NotFoundException",
            "At least one of the launch templates specified in the request does not exist.",
        ),
        (
            "CreateLaunchTemplate",
            &create,
            "InvalidLaunchTemplateName.AlreadyExistsException",
            "Launch template name already in use.",
        ),
    ];
    for (action, form, code, words) in cases {
        assert_eq!(message(client, action, form, code), *words, "{action}");
    }
    let unknown = [("LaunchTemplateName", "web"), ("LaunchTemplateVersion.1", "3")];
    let told = message(client, "DescribeLaunchTemplateVersions", &unknown, "InvalidLaunchTemplateId.VersionNotFound");
    assert_eq!(told, format!("Could not find the specified version 3 for the launch template with ID {template}."));
    // Before the name and the instance are looked at.
    let wrong = [("Name", "x"), ("InstanceId", "i-x"), ("TagSpecification.1.ResourceType", "instance")];
    message(client, "CreateImage", &wrong, "InvalidParameterValue");
    endpoint.end().await;
}

fn openssl(arguments: &[&str], input: &[u8]) -> Option<Vec<u8>> {
    let mut command = Command::new("openssl");
    let child = command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn();
    let mut child = child.ok()?;
    child.stdin.take()?.write_all(input).ok()?;
    let output = child.wait_with_output().ok()?;
    output.status.success().then_some(output.stdout)
}

/// A digest as EC2 writes it.
fn digest(kind: &str, data: &[u8]) -> String {
    let said = String::from_utf8(openssl(&["dgst", kind, "-c"], data).unwrap()).unwrap();
    said.trim().rsplit(' ').next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn fingerprints_are_those_that_openssl_makes() {
    if !require_or_skip(openssl(&["version"], b"").is_some(), "openssl") {
        return;
    }
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let made = client.ec2("CreateKeyPair", &[("KeyName", "rsa")]);
    let private = made.element("keyMaterial").unwrap();
    // The two steps that EC2's guide names for a key that EC2 made, and for one that was imported.
    let pkcs8 = openssl(&["pkcs8", "-inform", "PEM", "-outform", "DER", "-topk8", "-nocrypt"], private.as_bytes());
    assert_eq!(made.element("keyFingerprint").unwrap(), digest("-sha1", &pkcs8.unwrap()));
    let shown = client.ec2_value("DescribeKeyPairs", &[("IncludePublicKey", "true")], "publicKey");
    let import = [("KeyName", "again"), ("PublicKeyMaterial", &STANDARD.encode(&shown))];
    let public = openssl(&["rsa", "-inform", "PEM", "-pubout", "-outform", "DER"], private.as_bytes()).unwrap();
    assert_eq!(client.ec2_value("ImportKeyPair", &import, "keyFingerprint"), digest("-md5", &public));
    let block = format!(
        "---- BEGIN SSH2 PUBLIC KEY ----\nComment: \"a long \\\ncomment\"\n{}\n---- END SSH2 PUBLIC KEY ----\n",
        shown.split(' ').nth(1).unwrap()
    );
    let import = [("KeyName", "rfc4716"), ("PublicKeyMaterial", &STANDARD.encode(block))];
    assert_eq!(client.ec2_value("ImportKeyPair", &import, "keyFingerprint"), digest("-md5", &public));
    let made = client.ec2_value("CreateKeyPair", &[("KeyName", "ed"), ("KeyType", "ed25519")], "keyFingerprint");
    assert_eq!(STANDARD.decode(made).unwrap().len(), 32);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn any_type_that_a_launch_takes_is_offered_by_name() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let offered = |kind: &str| {
        let form = [("Filter.1.Name", "instance-type"), ("Filter.1.Value.1", kind)];
        client.ec2("DescribeInstanceTypeOfferings", &form).body.matches("<instanceType>").count()
    };
    assert_eq!(["t3.micro", "c5.9xlarge", "q5.large", "c5.*"].map(offered), [1, 1, 0, 1]);
    let adapter = |kind: &str| client.ec2_value("DescribeInstanceTypes", &[("InstanceType.1", kind)], "enaSupport");
    assert_eq!(
        ["t2.micro", "r4.large", "m5.large", "a1.metal"].map(adapter),
        ["unsupported", "supported", "required", "required"]
    );
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_without_a_size_is_refused_before_what_the_launch_names() {
    let endpoint = endpoint().await;
    let refused = |more: &[(&str, &str)]| {
        let device = ("BlockDeviceMapping.1.DeviceName", "/dev/sdf");
        let form = [&[("ImageId", NAMED), ("KeyName", "missing"), device], more].concat();
        message(endpoint.client, "RunInstances", &form, "MissingParameter")
    };
    assert_eq!(refused(&[]), "The request must contain the parameter ebs");
    let kind = ("BlockDeviceMapping.1.Ebs.VolumeType", "gp3");
    assert_eq!(refused(&[kind]), "The request must contain the parameter size or snapshotId");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_imported_key_is_shown_as_it_came() {
    let endpoint = endpoint().await;
    let line = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8g";
    let block = format!("---- BEGIN SSH2 PUBLIC KEY ----\n{}\n---- END SSH2 PUBLIC KEY ----\n", &line[12..]);
    for (name, material) in [("line", line), ("block", block.as_str())] {
        let form = [("KeyName", name), ("PublicKeyMaterial", &STANDARD.encode(material))];
        endpoint.client.ec2_value("ImportKeyPair", &form, "keyPairId");
        let asked = [("KeyName.1", name), ("IncludePublicKey", "true")];
        assert_eq!(endpoint.client.ec2_value("DescribeKeyPairs", &asked, "publicKey"), material);
    }
    endpoint.stop().await;
}
