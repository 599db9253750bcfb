//! Blocks of snapshots of instances: the disk that a snapshot stands for, the same in all copies, and not longer than
//! one of them exists.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::process::Command;

use serde_json::json;

use crate::caller::{BLOCK, Ebs, checksum, escaped, json};
use crate::common::guests::{base_image, launch_with, run, source, wait_for_image};
use crate::common::{Client, TestEndpoint};

/// A block: its index, and its data if it was read.
type Block = (u64, Vec<u8>);

/// How many blocks are read where not all are: the list has all, and to hash each takes long without optimization.
const SOME: usize = 12;

/// Lists all blocks of a snapshot, and reads the first of them. Each must have its checksum.
fn blocks(client: Client, snapshot: &str, read: usize) -> Vec<Block> {
    let listed = client.get(&format!("{snapshot}/blocks"));
    assert_eq!(listed.status, 200, "{}", listed.body);
    let listed = json(&listed);
    assert_eq!((&listed["VolumeSize"], &listed["NextToken"]), (&json!(8), &json!(null)));
    let fetch = |(at, block): (usize, &serde_json::Value)| {
        let index = block["BlockIndex"].as_u64().unwrap();
        if at >= read {
            return (index, Vec::new());
        }
        let path = format!("/snapshots/{snapshot}/blocks/{index}?blockToken={}", escaped(&block["BlockToken"]));
        let (answer, data) = client.exchange("GET", &path, "ebs", "", "").unwrap();
        assert_eq!((answer.status, data.len()), (200, BLOCK));
        assert_eq!(answer.header("x-amz-checksum"), Some(&*checksum(&data)), "{index}");
        assert!(data.iter().any(|byte| *byte != 0), "{index} is empty");
        (index, data)
    };
    listed["Blocks"].as_array().unwrap().iter().enumerate().map(fetch).collect()
}

/// Checks that the blocks are an ext4 file system. Returns the content of a file in it.
fn file_in(blocks: &[Block], path: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    let file = File::create_new(&disk).unwrap();
    file.set_len(8 << 30).unwrap();
    for (index, data) in blocks {
        file.write_all_at(data, index * BLOCK as u64).unwrap();
    }
    let run = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).arg(&disk).env("PATH", "/usr/sbin:/sbin:/usr/bin").output();
        output.unwrap()
    };
    let checked = run("e2fsck", &["-fn"]);
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stdout));
    String::from_utf8(run("debugfs", &["-R", &format!("cat {path}")]).stdout).unwrap()
}

/// Ids of an image's snapshots: root, then the second volume.
fn snapshots(client: Client, image: &str) -> [String; 2] {
    let ids = client.ec2("DescribeImages", &[("ImageId.1", image)]).elements("snapshotId");
    ids.try_into().unwrap()
}

/// Launches an instance with a second volume, writes a file in it, and makes an image.
async fn imaged(client: Client) -> String {
    let mapping = [("BlockDeviceMapping.1.DeviceName", "/dev/sdf"), ("BlockDeviceMapping.1.Ebs.VolumeSize", "8")];
    let form = [("ImageId", &*source(client)), ("InstanceType", "t3.small"), mapping[0], mapping[1]];
    let instance = launch_with(client, &form).await;
    run(client, &instance, "echo baked > /etc/baked").await;
    let image = client.ec2_value("CreateImage", &[("InstanceId", &instance), ("Name", "golden")], "imageId");
    wait_for_image(client, &image).await;
    client.ec2("TerminateInstances", &[("InstanceId.1", &instance)]);
    image
}

fn disks(folder: &Path) -> usize {
    std::fs::read_dir(folder.join("state/disks")).map_or(0, Iterator::count)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_of_an_instance_has_the_same_blocks_in_all_its_copies_and_after_a_restart() {
    let Some(base) = base_image().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let first = TestEndpoint::start_in(folder.path(), &base).await;
    let client = first.client;
    let image = imaged(client).await;
    let [root, second] = snapshots(client, &image);
    let there = client.region("us-east-1");
    let form = [("SourceRegion", "eu-west-1"), ("SourceImageId", &*image), ("Name", "copy")];
    let key = [("Encrypted", "true"), ("KmsKeyId", "alias/there")];
    let copy = there.ec2_value("CopyImage", &[&form[..], &key].concat(), "imageId");
    wait_for_image(there, &copy).await;
    let [copied, copied_second] = snapshots(there, &copy);
    assert_eq!(disks(folder.path()), 0, "nothing was read");
    // Both read at once, before there is a disk.
    let reads = [(client, root.clone()), (there, copied.clone())]
        .map(|(client, id)| tokio::task::spawn_blocking(move || blocks(client, &id, SOME)));
    let [original, of_copy] = reads;
    let (original, of_copy) = (original.await.unwrap(), of_copy.await.unwrap());
    assert!(original == of_copy && original.len() > 100, "{} and {} blocks", original.len(), of_copy.len());
    assert_eq!(file_in(&blocks(there, &copied, usize::MAX), "/etc/baked"), "baked\n");
    assert!(blocks(client, &second, SOME).is_empty() && blocks(there, &copied_second, SOME).is_empty());
    let hidden = client.account("111122223333").get(&format!("{root}/blocks"));
    assert_eq!(json(&hidden)["Reason"], "SNAPSHOT_NOT_FOUND");
    assert_eq!((disks(folder.path()), folder.path().join("state/work").read_dir().unwrap().count()), (1, 0));
    first.end().await;

    let second = TestEndpoint::start_in(folder.path(), &base).await;
    let (client, there) = (second.client, second.client.region("us-east-1"));
    client.ec2("DeregisterImage", &[("ImageId", &image), ("DeleteAssociatedSnapshots", "true")]);
    assert_eq!(json(&client.get(&format!("{root}/blocks")))["Reason"], "SNAPSHOT_NOT_FOUND");
    assert!(blocks(there, &copied, SOME) == original);
    let again = [("SourceRegion", "us-east-1"), ("SourceImageId", &*copy), ("Name", "back")];
    let back = client.ec2_value("CopyImage", &again, "imageId");
    wait_for_image(client, &back).await;
    assert!(blocks(client, &snapshots(client, &back)[0], SOME) == original);
    for (client, image) in [(client, &back), (there, &copy)] {
        assert_eq!(disks(folder.path()), 1);
        client.ec2("DeregisterImage", &[("ImageId", image), ("DeleteAssociatedSnapshots", "true")]);
    }
    assert_eq!(disks(folder.path()), 0);
    second.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_begun_before_a_kill_or_for_a_deleted_snapshot_is_removed() {
    let Some(base) = base_image().await else { return };
    let folder = tempfile::tempdir().unwrap();
    let first = TestEndpoint::start_in(folder.path(), &base).await;
    let client = first.client;
    let copy = |name: &'static str| {
        let form = [("SourceRegion", "eu-west-1"), ("SourceImageId", &*source(client)), ("Name", name)];
        client.ec2_value("CopyImage", &form, "imageId")
    };
    let image = copy("copy");
    wait_for_image(client, &image).await;
    let root = client.ec2_value("DescribeImages", &[("ImageId.1", &image)], "snapshotId");
    let read = blocks(client, &root, SOME);
    let source = client.ec2_value("DescribeImages", &[("ImageId.1", &source(client))], "snapshotId");
    assert!(blocks(client, &source, SOME) == read, "the source image is the same content");
    // A bit is flipped in this snapshot only.
    let flip = json!({"snapshot": root, "block": read[0].0, "bit": 0});
    assert_eq!(client.admin("POST", "flip-bit", &flip)["flipped"], true);
    let damaged = blocks(client, &root, SOME);
    assert_eq!((damaged[0].1[0] ^ read[0].1[0], damaged[1..] == read[1..]), (1, true));
    assert!(blocks(client, &source, SOME) == read);
    client.admin("POST", "reset", &json!({}));
    assert_eq!(disks(folder.path()), 0);
    first.end().await;

    for name in ["disks/layer-0123-8", "disks/gone-0123", "work/disk-0123"] {
        std::fs::create_dir_all(folder.path().join("state").join(name)).unwrap();
    }
    let second = TestEndpoint::start_in(folder.path(), &base).await;
    assert_eq!((disks(folder.path()), folder.path().join("state/work").exists()), (0, false));
    second.end().await;
}
