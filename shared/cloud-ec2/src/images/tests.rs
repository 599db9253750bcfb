//! Tests of the requests about images, and of answers that are no errors.

use goldsmith_cloud::aws::replay::{Canned, Replay};

use super::*;
use crate::testing::{described, ec2, form, page, tags};

fn actions(replay: &Replay) -> Vec<String> {
    (0..replay.sent().len()).map(|index| form(replay, index)["Action"].clone()).collect()
}

fn new_image() -> NewImage {
    NewImage {
        name: "web 1".to_owned(),
        description: "made".to_owned(),
        instance: "i-1".to_owned(),
        uefi_only: true,
        tags: tags(),
        block_devices: vec![],
    }
}

#[tokio::test]
async fn creates_once_with_tags_and_without_reboot() {
    let answer = "<CreateImageResponse><imageId>ami-1</imageId></CreateImageResponse>";
    let (ec2, replay) = ec2([Canned::ok(answer), Canned::Lost, Canned::ec2_error(400, "InvalidAMIName.Duplicate")]);
    assert_eq!(ec2.create("eu-west-1", &new_image()).await.unwrap(), "ami-1");
    assert_eq!(ec2.create("eu-west-1", &new_image()).await.unwrap_err().kind, Kind::Unanswered);
    assert_eq!(replay.sent().len(), 2, "a lost answer is not followed by a second attempt");
    assert_eq!(ec2.create("eu-west-1", &new_image()).await.unwrap_err().kind, Kind::Duplicate);
    let sent = form(&replay, 0);
    for (name, value) in [
        ("InstanceId", "i-1"),
        ("Name", "web 1"),
        ("NoReboot", "true"),
        ("BootModeOverride", "uefi"),
        ("TagSpecification.1.ResourceType", "image"),
        ("TagSpecification.2.ResourceType", "snapshot"),
        ("TagSpecification.2.Tag.1.Value", "b"),
    ] {
        assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
    }
}

#[tokio::test]
async fn copies_with_token_and_key() {
    let answer = "<CopyImageResponse><imageId>ami-2</imageId></CopyImageResponse>";
    let (ec2, replay) = ec2([Canned::ok(answer), Canned::ec2_error(400, "ResourceLimitExceeded")]);
    let copy = ImageCopy {
        token: "token-1".to_owned(),
        source_region: "eu-west-1".to_owned(),
        source_image: "ami-1".to_owned(),
        name: "web 1".to_owned(),
        description: String::new(),
        kms_key_id: Some("alias/images".to_owned()),
        tags: tags(),
    };
    assert_eq!(ec2.copy("us-east-1", &copy).await.unwrap(), "ami-2");
    assert!(replay.sent()[0].uri.starts_with("https://ec2.us-east-1.amazonaws.com"));
    let sent = form(&replay, 0);
    for (name, value) in [
        ("ClientToken", "token-1"),
        ("SourceRegion", "eu-west-1"),
        ("SourceImageId", "ami-1"),
        ("Encrypted", "true"),
        ("KmsKeyId", "alias/images"),
        ("TagSpecification.2.ResourceType", "snapshot"),
    ] {
        assert_eq!(sent.get(name).map(String::as_str), Some(value), "{name}");
    }
    assert_eq!(ec2.copy("us-east-1", &copy).await.unwrap_err().kind, Kind::Throttled);
}

#[tokio::test]
async fn shares_with_all_kinds_or_makes_no_call() {
    let (ec2, replay) = ec2([Canned::ok("<ModifyImageAttributeResponse/>"), Canned::ok("<CreateTagsResponse/>")]);
    ec2.share("eu-west-1", "ami-1", &LaunchPermission::default()).await.unwrap();
    ec2.tag("eu-west-1", &[], &tags()).await.unwrap();
    assert!(replay.sent().is_empty());
    let with = LaunchPermission {
        users: vec!["111122223333".to_owned()],
        groups: vec!["all".to_owned()],
        organizations: vec!["o".to_owned()],
        organizational_units: vec!["ou".to_owned()],
    };
    ec2.share("eu-west-1", "ami-1", &with).await.unwrap();
    let sent = form(&replay, 0);
    let added = ["1.UserId", "2.Group", "3.OrganizationArn", "4.OrganizationalUnitArn"]
        .map(|name| sent[&format!("LaunchPermission.Add.{name}")].as_str());
    assert_eq!(added, ["111122223333", "all", "o", "ou"]);
    ec2.tag("eu-west-1", &["ami-1".to_owned()], &tags()).await.unwrap();
    assert_eq!(form(&replay, 1)["ResourceId.1"], "ami-1");
}

#[tokio::test]
async fn takes_permissions_back_from_the_named_accounts() {
    let answers = ["<ModifyImageAttributeResponse/>", "<ModifySnapshotAttributeResponse/>"].map(Canned::ok);
    let (ec2, replay) = ec2(answers);
    let users = ["111122223333".to_owned()];
    ec2.unshare("eu-west-1", "ami-1", &[]).await.unwrap();
    ec2.unshare("eu-west-1", "ami-1", &users).await.unwrap();
    ec2.unshare_snapshots("eu-west-1", &["snap-1".to_owned()], &users).await.unwrap();
    assert_eq!(form(&replay, 0)["LaunchPermission.Remove.1.UserId"], "111122223333");
    let sent = form(&replay, 1);
    assert_eq!((sent["OperationType"].as_str(), sent["UserId.1"].as_str()), ("remove", "111122223333"));
}

#[tokio::test]
async fn shares_each_snapshot_and_sets_the_time_of_a_deprecation() {
    let shared = || Canned::ok("<ModifySnapshotAttributeResponse/>");
    let (ec2, replay) = ec2([shared(), shared(), Canned::ok("<EnableImageDeprecationResponse/>")]);
    let with = LaunchPermission {
        users: vec!["111122223333".to_owned()],
        groups: vec!["all".to_owned()],
        organizations: vec!["o".to_owned()],
        ..LaunchPermission::default()
    };
    let ids = ["snap-1".to_owned(), "snap-2".to_owned()];
    ec2.share_snapshots("eu-west-1", &ids, &with).await.unwrap();
    for (n, id) in ids.iter().enumerate() {
        let sent = form(&replay, n);
        let expected = [
            ("SnapshotId", id.as_str()),
            ("Attribute", "createVolumePermission"),
            ("OperationType", "add"),
            ("UserId.1", "111122223333"),
            ("UserGroup.1", "all"),
        ];
        assert!(expected.iter().all(|(name, value)| sent[*name] == *value), "{sent:?}");
    }
    ec2.unshare_snapshots("eu-west-1", &[], &with.users).await.unwrap();
    ec2.deprecate("eu-west-1", "ami-1", "2027-02-01T10:00:00Z").await.unwrap();
    assert_eq!(form(&replay, 2)["DeprecateAt"], "2027-02-01T10:00:00Z");
}

#[tokio::test]
async fn marks_an_image_for_imdsv2() {
    let (ec2, replay) = ec2([Canned::ok("<ModifyImageAttributeResponse/>")]);
    ec2.require_imdsv2("eu-west-1", "ami-1").await.unwrap();
    let sent = form(&replay, 0);
    assert_eq!((sent["Action"].as_str(), sent["ImdsSupport.Value"].as_str()), ("ModifyImageAttribute", "v2.0"));
}

#[tokio::test]
async fn deregisters_with_snapshots() {
    let image = || page(&described("ami-1", "2026-01-01T00:00:00.000Z"), "");
    let done = || Canned::ok("<DeregisterImageResponse/>");
    let (gone, in_use) = ("InvalidSnapshot.NotFound", "InvalidSnapshot.InUse");
    let (ec2, replay) = ec2([
        image(),
        done(),
        Canned::ec2_error(400, gone),
        image(),
        done(),
        Canned::ec2_error(400, in_use),
        page("", ""),
        Canned::ec2_error(400, "InvalidAMIID.Unavailable"),
        image(),
        Canned::ec2_error(403, "UnauthorizedOperation"),
    ]);
    for _ in 0..3 {
        ec2.deregister("eu-west-1", "ami-1").await.unwrap();
    }
    assert_eq!(ec2.deregister("eu-west-1", "ami-1").await.unwrap_err().kind, Kind::Denied);
    assert_eq!(actions(&replay)[..3], ["DescribeImages", "DeregisterImage", "DeleteSnapshot"]);
    assert_eq!(form(&replay, 1)["DeleteAssociatedSnapshots"], "true");
    assert_eq!(form(&replay, 2)["SnapshotId"], "snap-1");
}

#[tokio::test]
async fn what_went_with_its_image_is_not_deleted_again() {
    let image = page(&described("ami-1", "2026-01-01T00:00:00.000Z"), "");
    let outcome = |code: &str| {
        Canned::ok(format!(
            "<DeregisterImageResponse><return>true</return><deleteSnapshotResultSet><item><snapshotId>snap-1</snapshotId>\
             <returnCode>{code}</returnCode></item></deleteSnapshotResultSet></DeregisterImageResponse>"
        ))
    };
    let (ec2, replay) = ec2([image, outcome("success")]);
    ec2.deregister("eu-west-1", "ami-1").await.unwrap();
    assert_eq!(actions(&replay), ["DescribeImages", "DeregisterImage"]);
    let image = page(&described("ami-1", "2026-01-01T00:00:00.000Z"), "");
    let (ec2, replay) = self::ec2([image, outcome("internal-error"), Canned::ok("<DeleteSnapshotResponse/>")]);
    ec2.deregister("eu-west-1", "ami-1").await.unwrap();
    assert_eq!(actions(&replay), ["DescribeImages", "DeregisterImage", "DeleteSnapshot"]);
}

#[tokio::test]
async fn deletes_a_snapshot_or_says_that_it_is_in_use() {
    let gone = Canned::ec2_error(400, "InvalidSnapshot.NotFound");
    let (ec2, _) = ec2([gone, Canned::ec2_error(400, "InvalidSnapshot.InUse")]);
    ec2.delete_snapshot("eu-west-1", "snap-1").await.unwrap();
    assert_eq!(ec2.delete_snapshot("eu-west-1", "snap-1").await.unwrap_err().kind, Kind::WrongState);
}
