//! Images of snapshots by blocks, and blocks of snapshots that have none.

use serde_json::json;

use crate::caller::{Ebs, block, json, written};
use crate::common::{Client, endpoint, until};

fn register(client: Client, snapshot: &str) -> String {
    let form = [
        ("Name", "disk"),
        ("RootDeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.SnapshotId", snapshot),
    ];
    client.ec2_value("RegisterImage", &form, "imageId")
}

fn launch_error(client: Client, image: &str) -> (Option<String>, Option<String>) {
    let answer = client.ec2("RunInstances", &[("ImageId", image), ("InstanceType", "t3.small")]);
    (answer.element("Code"), answer.element("Message"))
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_blocks_is_registered_and_copied_but_not_launched() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let snapshot = written(client, json!({}), &[(1, 'a')]).await;
    let image = register(client, &snapshot);
    let (code, message) = launch_error(client, &image);
    assert_eq!(code.as_deref(), Some("UnsupportedOperation"));
    assert!(message.unwrap().contains("written by blocks"));
    assert_eq!(client.ec2_error("DeleteSnapshot", &[("SnapshotId", &snapshot)]), "InvalidSnapshot.InUse");

    let there = client.region("us-east-1");
    let form = [("SourceRegion", "eu-west-1"), ("SourceImageId", &*image), ("Name", "copy")];
    let copy = there.ec2_value("CopyImage", &form, "imageId");
    let by_id = [("ImageId.1", &*copy)];
    until("available", || there.ec2("DescribeImages", &by_id).body.contains(">available<").then_some(())).await;
    assert_eq!(launch_error(there, &copy).0.as_deref(), Some("UnsupportedOperation"));
    let copied = there.ec2_value("DescribeImages", &by_id, "snapshotId");
    client.ec2("DeregisterImage", &[("ImageId", &image), ("DeleteAssociatedSnapshots", "true")]);
    assert_eq!(client.get(&format!("{snapshot}/blocks")).status, 404);
    assert_eq!(there.data(&copied, 1), block('a'));
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_whose_blocks_cannot_be_shared_leaves_nothing() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let (root, data) = (written(client, json!({}), &[(1, 'a')]).await, written(client, json!({}), &[(1, 'b')]).await);
    let form = [
        ("Name", "disks"),
        ("RootDeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.DeviceName", "/dev/xvda"),
        ("BlockDeviceMapping.1.Ebs.SnapshotId", &*root),
        ("BlockDeviceMapping.2.DeviceName", "/dev/xvdb"),
        ("BlockDeviceMapping.2.Ebs.SnapshotId", &*data),
    ];
    let image = client.ec2_value("RegisterImage", &form, "imageId");
    // The root volume's are shared before those of the other one cannot be read, as on a disk that becomes full.
    let blocks = endpoint.state_dir().join("state/blocks");
    let (there, away) = (blocks.join(&data).join("own"), blocks.join(&data).join("away"));
    std::fs::rename(&there, &away).unwrap();
    let copy = [("SourceRegion", "eu-west-1"), ("SourceImageId", &*image), ("Name", "copy")];
    let folders = || std::fs::read_dir(&blocks).unwrap().count();
    let snapshots = || client.ec2("DescribeSnapshots", &[("Owner.1", "self")]).elements("snapshotId").len();
    assert_eq!(client.ec2_error("CopyImage", &copy), "InternalError");
    assert_eq!((folders(), snapshots()), (2, 2));
    assert_eq!(client.ec2("DescribeImages", &[("Owner.1", "self")]).elements("imageId"), [&*image]);
    std::fs::rename(away, there).unwrap();
    let copied = client.ec2_value("CopyImage", &copy, "imageId");
    until("available", || {
        client.ec2("DescribeImages", &[("ImageId.1", &copied)]).body.contains(">available<").then_some(())
    })
    .await;
    assert_eq!((folders(), snapshots()), (4, 4));
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_of_files_is_no_parent_and_needs_its_files_to_be_read() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let source = client.ssm("GetParameter", &json!({"Name": "/aws/service/goldsmith-local/debian-12"})).1;
    let source = source["Parameter"]["Value"].as_str().unwrap();
    let form = [("SourceRegion", "eu-west-1"), ("SourceImageId", source), ("Name", "files")];
    let image = client.ec2_value("CopyImage", &form, "imageId");
    let by_id = [("ImageId.1", &*image)];
    until("available", || client.ec2("DescribeImages", &by_id).body.contains(">available<").then_some(())).await;
    let snapshot = client.ec2_value("DescribeImages", &by_id, "snapshotId");
    let start = client.start(&json!({"VolumeSize": 8, "ParentSnapshotId": snapshot}));
    let changed = client.get(&format!("{snapshot}/changedblocks?firstSnapshotId={snapshot}"));
    for answer in [changed, start] {
        let body = json(&answer);
        assert_eq!((answer.status, body["Reason"].as_str()), (400, Some("INVALID_SNAPSHOT_ID")), "{body}");
        assert!(body["Message"].as_str().unwrap().contains("files"), "{body}");
    }
    let listed = client.get(&format!("{snapshot}/blocks"));
    assert_eq!((listed.status, listed.header("x-amzn-errortype")), (500, Some("InternalServerException")));
    assert!(json(&listed)["Message"].as_str().unwrap().contains("there is no base image"), "{}", listed.body);
    endpoint.end().await;
}
