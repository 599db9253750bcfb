//! Keys, encryption by default, and what may not be shared.

use serde_json::json;

use crate::common::{Client, until};
use crate::{endpoint, hand_over, source};

const FRIEND: &str = "111122223333";
const OWN: &str = "000000000000";

type Form<'a> = Vec<(&'a str, &'a str)>;

fn launch<'a>(image: &'a str, more: &[(&'a str, &'a str)]) -> Form<'a> {
    let device = [("BlockDeviceMapping.1.DeviceName", "/dev/xvda"), ("BlockDeviceMapping.1.Ebs.Encrypted", "true")];
    [&[("ImageId", image), ("InstanceType", "t3.small")], &device[..], more].concat()
}

/// Copies an image, waits for the end, and answers id and state.
async fn copy(client: Client, image: &str, name: &str, more: &[(&str, &str)]) -> (String, String) {
    let form = [&[("SourceRegion", "eu-west-1"), ("SourceImageId", image), ("Name", name)], more].concat();
    let id = client.ec2_value("CopyImage", &form, "imageId");
    let state = until("the end of the copy", || {
        let state = client.ec2_value("DescribeImages", &[("ImageId.1", &id)], "imageState");
        (state != "pending").then_some(state)
    })
    .await;
    (id, state)
}

/// The reason code with which an instance ended.
async fn end_of(client: Client, instance: &str) -> String {
    let answer = until("the end of the instance", || {
        let answer = client.ec2("DescribeInstances", &[("InstanceId.1", instance)]);
        answer.body.contains("<name>terminated</name>").then_some(answer)
    })
    .await;
    answer.element("stateReason").unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spot_instance_needs_a_grant_for_the_role_of_ec2_spot() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let spot = format!("arn:aws:iam::{OWN}:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot");
    let keys =
        json!([{"id": "plain"}, {"id": "granted", "grants": [OWN, spot]}, {"id": "only-spot", "grants": [spot]}]);
    hand_over(client, json!({"kmsKeys": keys}));
    let image = source(client);
    for (key, market, has_key) in
        [("plain", "", true), ("plain", "spot", false), ("granted", "spot", true), ("only-spot", "spot", false)]
    {
        let mut run = launch(&image, &[("BlockDeviceMapping.1.Ebs.KmsKeyId", key)]);
        run.extend((!market.is_empty()).then_some(("InstanceMarketOptions.MarketType", market)));
        let instance = client.ec2_value("RunInstances", &run, "instanceId");
        let reason = end_of(client, &instance).await;
        // With a key that works, what ends it is that nothing can boot here.
        assert_eq!(!reason.contains("Client.InternalError"), has_key, "{key}, {market}: {reason}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_launch_with_a_forbidden_key_succeeds_and_its_instance_ends() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let keys = json!([{"id": "open", "alias": "alias/open"}, {"id": "closed", "grants": [FRIEND]}]);
    hand_over(client, json!({"kmsKeys": keys}));
    let image = source(client);
    for key in ["closed", "unknown", "alias/unknown"] {
        let run = launch(&image, &[("BlockDeviceMapping.1.Ebs.KmsKeyId", key)]);
        let instance = client.ec2_value("RunInstances", &run, "instanceId");
        let reason = end_of(client, &instance).await;
        assert!(reason.contains("Client.InternalError: Client error on launch"), "{key}: {reason}");
    }
    assert_eq!(client.ec2("DescribeVolumes", &[]).elements("volumeId"), [""; 0]);
    // With a key that works, what ends it is that nothing can boot here.
    let run = launch(&image, &[("BlockDeviceMapping.1.Ebs.KmsKeyId", "alias/open")]);
    let instance = client.ec2_value("RunInstances", &run, "instanceId");
    assert!(end_of(client, &instance).await.contains("Server.InternalError"));
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_with_a_key_that_may_not_be_used_fails() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    hand_over(client, json!({"kmsKeys": [{"id": "open"}, {"id": "closed", "grants": []}]}));
    let image = source(client);
    let with = |key: &'static str| [("Encrypted", "true"), ("KmsKeyId", key)];
    let (failed, state) = copy(client, &image, "closed", &with("closed")).await;
    assert_eq!(state, "failed");
    let reason = client.ec2_value("DescribeImages", &[("ImageId.1", &failed)], "stateReason");
    assert!(reason.contains("Given key ID is not accessible"), "{reason}");
    assert_eq!(copy(client, &image, "unknown", &with("unknown")).await.1, "failed");
    let (id, state) = copy(client, &image, "open", &with("open")).await;
    assert_eq!(state, "available");
    let snapshot = client.ec2_value("DescribeImages", &[("ImageId.1", &id)], "snapshotId");
    let key = client.ec2_value("DescribeSnapshots", &[("SnapshotId.1", &snapshot)], "kmsKeyId");
    assert_eq!(key, format!("arn:aws:kms:eu-west-1:{OWN}:key/open"));
    // A copy that names no key has the default one of where it goes to.
    let there = client.region("us-east-1");
    let (away, _) = copy(there, &id, "away", &[]).await;
    let snapshot = there.ec2_value("DescribeImages", &[("ImageId.1", &away)], "snapshotId");
    let key = there.ec2_value("DescribeSnapshots", &[("SnapshotId.1", &snapshot)], "kmsKeyId");
    assert_eq!(key, there.ec2_value("ResetEbsDefaultKmsKeyId", &[], "kmsKeyId"));
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_key_of_aws_encrypts_cannot_be_shared() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let image = source(client);
    let (id, _) = copy(client, &image, "encrypted", &[("Encrypted", "true")]).await;
    let share = [("ImageId", id.as_str()), ("LaunchPermission.Add.1.UserId", FRIEND)];
    let refused = client.ec2("ModifyImageAttribute", &share);
    assert_eq!(refused.element("Code").as_deref(), Some("InvalidParameter"));
    assert!(refused.body.contains("AWS Managed CMK"), "{}", refused.body);
    let snapshot = client.ec2_value("DescribeImages", &[("ImageId.1", &id)], "snapshotId");
    let share = |id| [("SnapshotId", id), ("CreateVolumePermission.Add.1.UserId", FRIEND)];
    assert_eq!(client.ec2_error("ModifySnapshotAttribute", &share(snapshot.as_str())), "OperationNotPermitted");
    // What concerns nobody else can be changed.
    client.ec2_value("ModifyImageAttribute", &[("ImageId", &id), ("Description.Value", "x")], "return");
    let (id, _) = copy(client, &image, "own-key", &[("Encrypted", "true"), ("KmsKeyId", "alias/golden")]).await;
    client.ec2_value("ModifyImageAttribute", &[("ImageId", &id), ("LaunchPermission.Add.1.UserId", FRIEND)], "return");
    let public = [("ImageId", id.as_str()), ("LaunchPermission.Add.1.Group", "all")];
    assert_eq!(client.ec2_error("ModifyImageAttribute", &public), "UnsupportedOperation");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receiver_of_an_encrypted_image_needs_its_key() {
    let endpoint = endpoint().await;
    let (client, friend) = (endpoint.client, endpoint.client.account(FRIEND));
    let image = source(client);
    hand_over(
        client,
        json!({"kmsKeys": [{"id": "for-all", "grants": [OWN, "arn:aws:iam::111122223333:role/team"]}, {"id": "for-us"}]}),
    );
    for (key, code) in [("for-all", "Server.InternalError"), ("for-us", "Client.InternalError")] {
        let (id, _) = copy(client, &image, key, &[("Encrypted", "true"), ("KmsKeyId", key)]).await;
        let share = [("ImageId", id.as_str()), ("LaunchPermission.Add.1.UserId", FRIEND)];
        client.ec2_value("ModifyImageAttribute", &share, "return");
        let run = [("ImageId", id.as_str()), ("InstanceType", "t3.small")];
        let instance = friend.ec2_value("RunInstances", &run, "instanceId");
        let reason = end_of(friend, &instance).await;
        assert!(reason.contains(code), "{key}: {reason}");
    }
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_encrypts_all_when_it_says_so() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    assert_eq!(client.ec2_value("GetEbsEncryptionByDefault", &[], "ebsEncryptionByDefault"), "false");
    client.ec2_value("EnableEbsEncryptionByDefault", &[], "ebsEncryptionByDefault");
    assert_eq!(client.ec2_value("GetEbsDefaultKmsKeyId", &[], "kmsKeyId"), "alias/aws/ebs");
    let golden = client.ec2_value("ModifyEbsDefaultKmsKeyId", &[("KmsKeyId", "golden")], "kmsKeyId");
    assert_eq!(client.ec2_value("GetEbsDefaultKmsKeyId", &[], "kmsKeyId"), golden);
    let image = source(client);
    // Slow, so that the volume is looked at before nothing boots.
    client.admin("POST", "settings", &json!({"delays": {"profile": "realistic"}}));
    client.ec2_value("RunInstances", &[("ImageId", &image), ("InstanceType", "t3.small")], "instanceId");
    let volumes = client.ec2("DescribeVolumes", &[]);
    assert_eq!(volumes.element("encrypted").as_deref(), Some("true"));
    assert_eq!(volumes.element("kmsKeyId").unwrap(), format!("arn:aws:kms:eu-west-1:{OWN}:key/golden"));
    client.admin("POST", "settings", &json!({"delays": {"profile": "instant"}}));
    let managed = client.ec2_value("ResetEbsDefaultKmsKeyId", &[], "kmsKeyId");
    assert!(managed.starts_with("arn:aws:kms:") && managed != golden, "{managed}");
    let (id, _) = copy(client, &image, "plain", &[]).await;
    let share = [("ImageId", id.as_str()), ("LaunchPermission.Add.1.UserId", FRIEND)];
    assert_eq!(client.ec2_error("ModifyImageAttribute", &share), "InvalidParameter");
    // Each Region has its own decision.
    let there = client.region("us-east-1");
    assert_eq!(there.ec2_value("GetEbsEncryptionByDefault", &[], "ebsEncryptionByDefault"), "false");
    client.ec2_value("DisableEbsEncryptionByDefault", &[], "ebsEncryptionByDefault");
    let (id, _) = copy(client, &image, "plain-again", &[]).await;
    client.ec2_value("ModifyImageAttribute", &[("ImageId", &id), share[1]], "return");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn public_access_is_blocked_when_the_account_says_so() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let (id, _) = copy(client, &source(client), "public", &[]).await;
    let snapshot = client.ec2_value("DescribeImages", &[("ImageId.1", &id)], "snapshotId");
    let image = [("ImageId", id.as_str()), ("LaunchPermission.Add.1.Group", "all")];
    let volume = [("SnapshotId", snapshot.as_str()), ("CreateVolumePermission.Add.1.Group", "all")];
    let (of_images, of_snapshots) = ("GetImageBlockPublicAccessState", "GetSnapshotBlockPublicAccessState");
    assert_eq!(client.ec2_value(of_images, &[], "imageBlockPublicAccessState"), "unblocked");
    assert_eq!(client.ec2_value(of_snapshots, &[], "state"), "unblocked");
    let block = [("ImageBlockPublicAccessState", "block-new-sharing")];
    client.ec2_value("EnableImageBlockPublicAccess", &block, "imageBlockPublicAccessState");
    client.ec2_value("EnableSnapshotBlockPublicAccess", &[("State", "block-all-sharing")], "state");
    assert_eq!(client.ec2_value(of_snapshots, &[], "state"), "block-all-sharing");
    assert_eq!(client.ec2_error("ModifyImageAttribute", &image), "OperationNotPermitted");
    assert_eq!(client.ec2_error("ModifySnapshotAttribute", &volume), "OperationNotPermitted");
    client.ec2_value("ModifyImageAttribute", &[image[0], ("LaunchPermission.Add.1.UserId", FRIEND)], "return");
    client.ec2_value("DisableImageBlockPublicAccess", &[], "imageBlockPublicAccessState");
    client.ec2_value("DisableSnapshotBlockPublicAccess", &[], "state");
    client.ec2_value("ModifyImageAttribute", &image, "return");
    client.ec2_value("ModifySnapshotAttribute", &volume, "return");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_public_already_is_private_while_all_public_sharing_is_blocked() {
    let endpoint = endpoint().await;
    let (client, friend) = (endpoint.client, endpoint.client.account(FRIEND));
    let (id, _) = copy(client, &source(client), "public", &[]).await;
    let snapshot = client.ec2_value("DescribeImages", &[("ImageId.1", &id)], "snapshotId");
    client.ec2_value("ModifyImageAttribute", &[("ImageId", &id), ("LaunchPermission.Add.1.Group", "all")], "return");
    let permission = |name| [("SnapshotId", snapshot.as_str()), (name, "all")];
    client.ec2_value("ModifySnapshotAttribute", &permission("CreateVolumePermission.Add.1.Group"), "return");
    let theirs = || friend.ec2("DescribeSnapshots", &[("Owner.1", "000000000000")]).elements("snapshotId");
    let take = |name| friend.ec2("CopyImage", &[("SourceRegion", "eu-west-1"), ("SourceImageId", &id), ("Name", name)]);
    let block = |state| client.ec2_value("EnableSnapshotBlockPublicAccess", &[("State", state)], "state");
    block("block-new-sharing");
    assert_eq!(theirs(), [snapshot.as_str()]);
    block("block-all-sharing");
    assert_eq!(theirs(), [""; 0]);
    assert_eq!(friend.ec2_error("DescribeSnapshots", &[("SnapshotId.1", &snapshot)]), "InvalidSnapshot.NotFound");
    assert_eq!(take("mine").element("Code").as_deref(), Some("InvalidRequest"));
    // Its owner sees it, and its permission as it was.
    assert_eq!(client.ec2("DescribeSnapshots", &[("Owner.1", "self")]).elements("snapshotId"), [snapshot.as_str()]);
    let attribute = [("SnapshotId", snapshot.as_str()), ("Attribute", "createVolumePermission")];
    assert_eq!(client.ec2_value("DescribeSnapshotAttribute", &attribute, "group"), "all");
    // Public images stay public: they have no such block.
    client.ec2_value(
        "EnableImageBlockPublicAccess",
        &[("ImageBlockPublicAccessState", "block-new-sharing")],
        "imageBlockPublicAccessState",
    );
    assert_eq!(friend.ec2_value("DescribeImages", &[("ImageId.1", &id)], "imageId"), id);
    // To share it with an account is no public sharing.
    let share = [("SnapshotId", snapshot.as_str()), ("CreateVolumePermission.Add.1.UserId", FRIEND)];
    client.ec2_value("ModifySnapshotAttribute", &share, "return");
    assert_eq!(theirs(), [snapshot.as_str()]);
    let take_back = [share[0], ("CreateVolumePermission.Remove.1.UserId", FRIEND)];
    client.ec2_value("ModifySnapshotAttribute", &take_back, "return");
    client.ec2_value("DisableSnapshotBlockPublicAccess", &[], "state");
    assert_eq!(theirs(), [snapshot.as_str()]);
    assert_eq!(take("mine").status, 200);
    endpoint.stop().await;
}
