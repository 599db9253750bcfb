//! Which copies EC2 refuses: too many at once, of what may only be launched, and where the account may not be.

use serde_json::json;

use crate::common::{Client, TestEndpoint, until};
use crate::{endpoint, source};

const FRIEND: &str = "111122223333";

fn form<'a>(image: &'a str, name: &'a str) -> [(&'a str, &'a str); 3] {
    [("SourceRegion", "eu-west-1"), ("SourceImageId", image), ("Name", name)]
}

async fn available(client: Client, image: &str) {
    let by_id = [("ImageId.1", image)];
    until("available", || client.ec2("DescribeImages", &by_id).body.contains(">available<").then_some(())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_takes_so_many_copies_at_once() {
    // So large that no copy ends while this looks: nothing is unpacked, since no instance boots.
    let base = tempfile::NamedTempFile::new().unwrap();
    base.as_file().set_len(1 << 30).unwrap();
    let endpoint = TestEndpoint::start(base.path(), None).await;
    let client = endpoint.client;
    let image = source(client);
    client.admin("POST", "settings", &json!({"copySlots": 2, "delays": {"profile": "realistic", "speedUp": 0.001}}));
    for name in ["one", "two"] {
        client.ec2_value("CopyImage", &form(&image, name), "imageId");
    }
    assert_eq!(client.ec2_error("CopyImage", &form(&image, "three")), "ResourceLimitExceeded");
    // Each Region has its own slots.
    let there = client.region("us-east-1");
    there.ec2_value("CopyImage", &form(&image, "three"), "imageId");
    client.admin("POST", "settings", &json!({"copySlots": 3}));
    client.ec2_value("CopyImage", &form(&image, "three"), "imageId");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_launch_an_image_may_not_copy_it_without_its_snapshots() {
    let endpoint = endpoint().await;
    let (owner, friend) = (endpoint.client, endpoint.client.account(FRIEND));
    let id = owner.ec2_value("CopyImage", &form(&source(owner), "golden"), "imageId");
    available(owner, &id).await;
    owner.ec2_value("ModifyImageAttribute", &[("ImageId", &id), ("LaunchPermission.Add.1.UserId", FRIEND)], "return");
    let refused = friend.ec2("CopyImage", &form(&id, "mine"));
    assert_eq!(refused.element("Code").as_deref(), Some("InvalidRequest"));
    friend.ec2_value("RunInstances", &[("ImageId", &id), ("InstanceType", "t3.small")], "instanceId");
    let snapshot = owner.ec2_value("DescribeImages", &[("ImageId.1", &id)], "snapshotId");
    let share = [("SnapshotId", snapshot.as_str()), ("CreateVolumePermission.Add.1.UserId", FRIEND)];
    owner.ec2_value("ModifySnapshotAttribute", &share, "return");
    let copy = friend.ec2_value("CopyImage", &form(&id, "mine"), "imageId");
    available(friend, &copy).await;
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_account_copies_nothing_that_is_billed_to_the_owner() {
    let endpoint = endpoint().await;
    let (owner, friend) = (endpoint.client, endpoint.client.account(FRIEND));
    let base = owner.ec2_value("CopyImage", &form(&source(owner), "base"), "imageId");
    available(owner, &base).await;
    let id = owner.ec2_value("CopyImage", &form(&base, "golden"), "imageId");
    available(owner, &id).await;
    let snapshot = owner.ec2_value("DescribeImages", &[("ImageId.1", &id)], "snapshotId");
    owner.ec2_value("ModifyImageAttribute", &[("ImageId", &id), ("LaunchPermission.Add.1.UserId", FRIEND)], "return");
    let share = [("SnapshotId", snapshot.as_str()), ("CreateVolumePermission.Add.1.UserId", FRIEND)];
    owner.ec2_value("ModifySnapshotAttribute", &share, "return");
    let operation = || owner.ec2_value("DescribeImages", &[("ImageId.1", &id)], "usageOperation");
    assert_eq!(operation(), "RunInstances");
    for (settings, word) in [
        (json!({"usageOperations": {base.as_str(): "RunInstances:0010"}}), "Images with EC2 BillingProduct codes"),
        (json!({"productCodes": {base.as_str(): "4t9example"}}), "Images from AWS Marketplace"),
    ] {
        owner.admin("POST", "settings", &settings);
        let refused = friend.ec2("CopyImage", &form(&id, "mine"));
        let message = format!("{word} cannot be copied to another AWS account");
        assert_eq!(refused.element("Code").as_deref(), Some("InvalidRequest"));
        assert_eq!(refused.element("Message"), Some(message));
    }
    assert_eq!(operation(), "RunInstances:0010", "a copy keeps that of its source");
    owner.ec2_value("CopyImage", &form(&id, "again"), "imageId");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_region_that_is_not_enabled_knows_no_credentials() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let image = source(client);
    client.admin("POST", "settings", &json!({"regions": {"disabled": ["ap-east-1", "us-east-2"]}}));
    for region in ["ap-east-1", "us-east-2"] {
        let there = client.region(region);
        assert_eq!(there.ec2_error("CopyImage", &form(&image, "golden")), "AuthFailure");
        let refused = there.ec2("DescribeInstances", &[]);
        assert_eq!((refused.status, refused.element("Code").as_deref()), (401, Some("AuthFailure")));
        let (status, answer) = there.ssm("GetParameter", &json!({"Name": "/goldsmith/examples/source"}));
        assert_eq!((status, answer["__type"].as_str()), (400, Some("UnrecognizedClientException")));
    }
    let names = client.ec2("DescribeRegions", &[]).elements("regionName");
    assert!(names.contains(&"us-east-1".to_owned()) && !names.contains(&"us-east-2".to_owned()), "{names:?}");
    let closed = [("AllRegions", "true"), ("Filter.1.Name", "opt-in-status"), ("Filter.1.Value.1", "not-opted-in")];
    assert_eq!(client.ec2("DescribeRegions", &closed).elements("regionName"), ["ap-east-1", "us-east-2"]);
    assert_eq!(client.ec2_value("DescribeRegions", &[("RegionName.1", "ap-east-1")], "optInStatus"), "not-opted-in");
    client.admin("POST", "settings", &json!({"regions": {"disabled": []}}));
    client.region("us-east-2").ec2_value("CopyImage", &form(&image, "golden"), "imageId");
    endpoint.stop().await;
}
