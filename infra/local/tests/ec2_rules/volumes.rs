//! Volumes that outlive their instance.

use serde_json::{Value, json};

use crate::common::{Client, until};
use crate::{endpoint, source};

const TAGS: [(&str, &str); 3] = [
    ("TagSpecification.1.ResourceType", "volume"),
    ("TagSpecification.1.Tag.1.Key", "role"),
    ("TagSpecification.1.Tag.1.Value", "web"),
];

async fn terminate(client: Client, instance: &str) {
    let by_id = [("InstanceId.1", instance)];
    client.ec2_value("TerminateInstances", &by_id, "instanceId");
    let gone = || client.ec2("DescribeInstances", &by_id).body.contains("<name>terminated</name>").then_some(());
    until("the end of the instance", gone).await;
}

fn left(client: Client) -> Value {
    client.admin("GET", "inventory", &Value::Null)["volumes"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_not_deleted_with_its_instance_stays() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let image = source(client);
    let mapped = [
        ("ImageId", image.as_str()),
        ("InstanceType", "t3.small"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.DeleteOnTermination", "false"),
        ("BlockDeviceMapping.2.DeviceName", "/dev/sdf"),
        ("BlockDeviceMapping.2.Ebs.VolumeSize", "3"),
        ("BlockDeviceMapping.2.Ebs.DeleteOnTermination", "true"),
    ];
    let run: Vec<(&str, &str)> = mapped.into_iter().chain(TAGS).collect();
    let instance = client.ec2_value("RunInstances", &run, "instanceId");
    terminate(client, &instance).await;
    let answer = client.ec2("DescribeVolumes", &[]);
    let volume = answer.element("volumeId").unwrap();
    assert_eq!(answer.elements("volumeId"), [volume.as_str()], "the other one went: {}", answer.body);
    assert_eq!(
        (answer.element("status").as_deref(), answer.element("size").as_deref()),
        (Some("available"), Some("8"))
    );
    assert_eq!(left(client)[0]["tags"], json!({"role": "web"}));
    assert_eq!(left(client).as_array().unwrap().len(), 1);
    let by_tag = [
        ("Filter.1.Name", "tag:role"),
        ("Filter.1.Value.1", "web"),
        ("Filter.2.Name", "status"),
        ("Filter.2.Value.1", "available"),
    ];
    assert_eq!(client.ec2("DescribeVolumes", &by_tag).elements("volumeId"), [volume.as_str()]);
    client.ec2_value(
        "CreateTags",
        &[("ResourceId.1", &volume), ("Tag.1.Key", "owner"), ("Tag.1.Value", "me")],
        "return",
    );
    assert_eq!(left(client)[0]["tags"], json!({"owner": "me", "role": "web"}));
    let elsewhere = client.account("111122223333");
    assert_eq!(elsewhere.ec2_error("DeleteVolume", &[("VolumeId", &volume)]), "InvalidVolume.NotFound");
    client.ec2_value("DeleteVolume", &[("VolumeId", &volume)], "return");
    assert_eq!(left(client), json!([]));
    assert_eq!(client.ec2_error("DeleteVolume", &[("VolumeId", &volume)]), "InvalidVolume.NotFound");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_the_volumes_of_the_image_go_when_nothing_is_said() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let image = source(client);
    let run = [
        ("ImageId", image.as_str()),
        ("InstanceType", "t3.small"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/sda1"),
        ("BlockDeviceMapping.1.Ebs.VolumeSize", "30"),
    ];
    let instance = client.ec2_value("RunInstances", &run, "instanceId");
    terminate(client, &instance).await;
    let answer = client.ec2("DescribeVolumes", &[]);
    assert_eq!(answer.elements("size"), ["30"], "the root volume of 8 GiB at /dev/xvda went: {}", answer.body);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn images_have_root_devices_of_other_names() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let (_, answer) = client.ssm("GetParameter", &json!({"Name": "/aws/service/goldsmith-local/debian-12-sda1"}));
    let image = answer["Parameter"]["Value"].as_str().unwrap();
    assert_eq!(client.ec2_value("DescribeImages", &[("ImageId.1", image)], "rootDeviceName"), "/dev/sda1");
    assert_eq!(client.ec2_value("DescribeImages", &[("ImageId.1", &source(client))], "rootDeviceName"), "/dev/xvda");
    let run = |size: &'static str| {
        let mapped = [
            ("ImageId", image),
            ("InstanceType", "t3.small"),
            ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
            ("BlockDeviceMapping.1.Ebs.VolumeSize", size),
        ];
        mapped.into_iter().filter(|(_, value)| !value.is_empty()).collect::<Vec<_>>()
    };
    let unsized_one = [run("").as_slice(), &[("BlockDeviceMapping.1.Ebs.VolumeType", "gp3")]].concat();
    assert_eq!(client.ec2_error("RunInstances", &unsized_one), "MissingParameter");
    client.ec2_value("RunInstances", &run("30"), "instanceId");
    // The root volume is as large as it was: what was mapped is a second one.
    let mut sizes = client.ec2("DescribeVolumes", &[]).elements("size");
    sizes.sort();
    assert_eq!(sizes, ["30", "8"]);
    endpoint.stop().await;
}
