//! Packer's `amazon-ebs` builder as an independent client: it knows nothing of this endpoint but its address. Skipped
//! where Packer (Debian's `packer`) or root is missing, unless `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};

use common::guests::{base_image, launch, run, source};
use common::{Client, TestEndpoint, require_or_skip};
use serde_json::{Value, json};

fn has_packer() -> bool {
    let version = Command::new("packer").arg("version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    version.is_ok_and(|status| status.success())
}

/// Returns a template with one builder, and its settings in addition to the endpoint's address.
fn template(client: Client, more: Value, provisioners: &Value) -> Value {
    let mut builder = json!({
        "type": "amazon-ebs",
        "access_key": "000000000000",
        "secret_key": "test",
        "region": "eu-west-1",
        "custom_endpoint_ec2": client.url(),
        "skip_region_validation": true,
        "skip_credential_validation": true,
        "skip_metadata_api_check": true,
        "source_ami": source(client),
        "instance_type": "t3.micro",
        "tags": {"made-by": "packer"},
    });
    builder.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"builders": [builder], "provisioners": provisioners})
}

/// Runs a build to its end; what Packer said.
async fn build(folder: &Path, template: &Value) -> String {
    let file = folder.join("template.json");
    std::fs::write(&file, template.to_string()).unwrap();
    let mut packer = Command::new("packer");
    packer.args(["build", "-color=false"]).arg(&file).current_dir(folder);
    packer.env("HOME", folder).env("PACKER_CONFIG_DIR", folder).env("CHECKPOINT_DISABLE", "1");
    packer.env("AWS_POLL_DELAY_SECONDS", "1").env("TMPDIR", folder).stdin(Stdio::null());
    let output = tokio::task::spawn_blocking(move || packer.output().unwrap()).await.unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));
    said
}

/// The image that a build made: available, tagged; nothing else of the build is left.
fn built_image(client: Client, name: &str) -> String {
    let form = [("Owner.1", "self"), ("Filter.1.Name", "name"), ("Filter.1.Value.1", name)];
    let answer = client.ec2("DescribeImages", &form);
    assert_eq!(answer.element("imageState").as_deref(), Some("available"), "{}", answer.body);
    assert!(answer.body.contains("<key>made-by</key><value>packer</value>"), "{}", answer.body);
    let inventory = client.admin("GET", "inventory", &Value::Null);
    assert_eq!(inventory["instances"], json!([]));
    assert_eq!(client.ec2("DescribeKeyPairs", &[]).elements("keyName"), [""; 0]);
    assert_eq!(client.ec2("DescribeSecurityGroups", &[]).elements("groupName"), ["default"]);
    answer.element("imageId").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_without_a_communicator() {
    let Some(base) = base_image().await else { return };
    if !require_or_skip(has_packer(), "packer") {
        return;
    }
    let endpoint = TestEndpoint::start(&base, None).await;
    let folder = tempfile::tempdir().unwrap();
    let more = json!({"communicator": "none", "ami_name": "without"});
    build(folder.path(), &template(endpoint.client, more, &json!([]))).await;
    built_image(endpoint.client, "without");
    drop(endpoint.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn builds_over_ssh_with_its_own_temporary_key() {
    let Some(base) = base_image().await else { return };
    if !require_or_skip(has_packer(), "packer") {
        return;
    }
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let user_data = format!(
        "#!/bin/sh\nset -e\nexport DEBIAN_FRONTEND=noninteractive\napt-get update -q\n\
         apt-get install -qy --no-install-recommends openssh-server\nmkdir -p /run/sshd\n\
         /usr/sbin/sshd -p {port} -o ListenAddress=127.0.0.1\n"
    );
    let more = json!({"communicator": "ssh", "ssh_username": "root", "ssh_host": "127.0.0.1", "ssh_port": port,
        "user_data": user_data, "ami_name": "over ssh", "ami_regions": ["us-east-1"]});
    let provisioners = json!([{"type": "shell", "inline": ["echo packer > /etc/baked", "id -un"]}]);
    let said = build(folder.path(), &template(client, more, &provisioners)).await;
    assert!(said.contains("root"), "{said}");
    built_image(client, "over ssh");
    let there = client.region("us-east-1");
    let offspring = launch(there, &built_image(there, "over ssh")).await;
    assert_eq!(run(there, &offspring, "cat /etc/baked").await["StandardOutputContent"], "packer\n");
    drop(endpoint.stop().await);
}
