//! Requests and answers about images.

use goldsmith_cloud::BlockDevice;
use goldsmith_cloud::aws::replay::{Canned, Replay};

use super::*;
use crate::requests::tests::{ec2, form};

fn tags() -> Tags {
    Tags::from([("goldsmith:build".to_owned(), "b".to_owned())])
}

fn described(id: &str, created: &str) -> String {
    let devices = "<blockDeviceMapping><item><deviceName>/dev/xvda</deviceName>\
         <ebs><snapshotId>snap-1</snapshotId><volumeSize>8</volumeSize><volumeType>gp3</volumeType>\
         <encrypted>false</encrypted><deleteOnTermination>true</deleteOnTermination></ebs></item><item><deviceName>/dev/sdb</deviceName>\
         <virtualName>ephemeral0</virtualName></item></blockDeviceMapping>";
    format!(
        "<item><imageId>{id}</imageId><name>web 1</name><imageState>available</imageState>\
         <imageOwnerId>111122223333</imageOwnerId><creationDate>{created}</creationDate>\
         <architecture>x86_64</architecture><sourceInstanceId>i-1</sourceInstanceId><rootDeviceName>/dev/xvda</rootDeviceName>{devices}\
         <tagSet><item><key>goldsmith:build</key><value>b</value></item></tagSet></item>"
    )
}

fn page(images: &str, next: &str) -> Canned {
    Canned::ok(format!("<DescribeImagesResponse><imagesSet>{images}</imagesSet>{next}</DescribeImagesResponse>"))
}

fn actions(replay: &Replay) -> Vec<String> {
    (0..replay.sent().len()).map(|index| form(replay, index)["Action"].clone()).collect()
}

fn new_image() -> NewImage {
    NewImage {
        name: "web 1".to_owned(),
        description: "made".to_owned(),
        instance: "i-1".to_owned(),
        tags: tags(),
        block_devices: vec![],
    }
}

#[tokio::test]
async fn reads_an_image_or_none() {
    let unknown = Canned::ec2_error(400, "InvalidAMIID.NotFound");
    let gone = Canned::ec2_error(400, "InvalidAMIID.Unavailable");
    let (ec2, _) = ec2([page(&described("ami-1", "2026-01-01T00:00:00.000Z"), ""), unknown, gone, page("", "")]);
    let expected = Image {
        id: "ami-1".to_owned(),
        name: "web 1".to_owned(),
        state: ImageState::Available,
        state_reason: String::new(),
        owner: "111122223333".to_owned(),
        created: "2026-01-01T00:00:00.000Z".to_owned(),
        architecture: "x86_64".to_owned(),
        root_device: "/dev/xvda".to_owned(),
        block_devices: vec![BlockDevice {
            device_name: "/dev/xvda".to_owned(),
            volume_size: Some(8),
            volume_type: Some("gp3".to_owned()),
            encrypted: Some(false),
            delete_on_termination: true,
            ..BlockDevice::default()
        }],
        snapshots: vec!["snap-1".to_owned()],
        source_instance: Some("i-1".to_owned()),
        source_image: None,
        tags: tags(),
    };
    assert_eq!(ec2.image("eu-west-1", "ami-1").await.unwrap(), Some(expected));
    for _ in 0..3 {
        assert_eq!(ec2.image("eu-west-1", "ami-1").await.unwrap(), None);
    }
}

#[tokio::test]
async fn finds_the_newest_of_named_owners_on_every_page() {
    let [old, new, middle] = [("ami-1", "2026-01-01"), ("ami-2", "2026-03-01"), ("ami-3", "2026-02-01")]
        .map(|(id, day)| described(id, &format!("{day}T00:00:00.000Z")));
    let first = page(&format!("{old}{new}"), "<nextToken>more</nextToken>");
    let (ec2, replay) = ec2([first, page(&middle, ""), page("", "")]);
    let owners = ["amazon".to_owned()];
    let newest = ec2.newest("eu-west-1", &owners, "al2023-*").await.unwrap();
    assert_eq!(newest.map(|image| image.id).as_deref(), Some("ami-2"));
    let sent = form(&replay, 1);
    assert_eq!((sent["NextToken"].as_str(), sent["Owner.1"].as_str()), ("more", "amazon"));
    assert_eq!((sent["Filter.1.Name"].as_str(), sent["Filter.1.Value.1"].as_str()), ("name", "al2023-*"));
    assert_eq!((sent["Filter.2.Name"].as_str(), sent["Filter.2.Value.1"].as_str()), ("state", "available"));
    assert_eq!(ec2.newest("eu-west-1", &owners, "al2023-*").await.unwrap(), None);
}

#[tokio::test]
async fn the_newest_is_none_whose_status_is_another_than_published() {
    let with_status = |id: &str, day: &str, status: &str| {
        let tag = format!("<tagSet><item><key>goldsmith:status</key><value>{status}</value></item>");
        described(id, &format!("2026-01-{day}T00:00:00.000Z")).replace("<tagSet>", &tag)
    };
    let images = [with_status("ami-1", "01", "published"), with_status("ami-2", "02", "building")];
    let (ec2, _) = ec2([page(&images.concat(), ""), page(&images[1], "")]);
    let owners = ["self".to_owned()];
    let newest = ec2.newest("eu-west-1", &owners, "web *").await.unwrap();
    assert_eq!(newest.map(|image| image.id).as_deref(), Some("ami-1"));
    assert_eq!(ec2.newest("eu-west-1", &owners, "web *").await.unwrap(), None);
}

#[tokio::test]
async fn never_searches_everyones_images() {
    let (ec2, replay) = ec2([]);
    for owners in [vec![], vec!["*".to_owned()], vec!["self".to_owned(), String::new()]] {
        assert_eq!(ec2.newest("eu-west-1", &owners, "al2023-*").await.unwrap_err().kind, Kind::Invalid);
    }
    assert!(replay.sent().is_empty());
}

#[tokio::test]
async fn lists_only_our_own() {
    let snapshot = "<DescribeSnapshotsResponse><snapshotSet><item><snapshotId>snap-1</snapshotId>\
         <description>Created by CreateImage(i-1) for ami-1</description><startTime>2026-01-01T00:00:00.000Z</startTime></item>\
         </snapshotSet></DescribeSnapshotsResponse>";
    let image = || page(&described("ami-1", "2026-01-01T00:00:00.000Z"), "");
    let (ec2, replay) = ec2([image(), image(), image(), Canned::ok(snapshot)]);
    assert!(ec2.named("eu-west-1", "web 1").await.unwrap().is_some());
    assert!(ec2.named("eu-west-1", "web").await.unwrap().is_none());
    assert_eq!(ec2.tagged("eu-west-1", "goldsmith:build", "b").await.unwrap().len(), 1);
    let snapshot = ec2.snapshots_tagged("eu-west-1", "goldsmith:build", "b").await.unwrap().remove(0);
    assert_eq!(
        (snapshot.id.as_str(), snapshot.description.as_str()),
        ("snap-1", "Created by CreateImage(i-1) for ami-1")
    );
    assert_eq!(snapshot.started, Some("2026-01-01T00:00:00Z".parse().unwrap()));
    assert_eq!(form(&replay, 0)["Owner.1"], "self");
    assert_eq!(form(&replay, 2)["Filter.1.Name"], "tag:goldsmith:build");
    assert_eq!(form(&replay, 3)["Owner.1"], "self");
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
