//! Images as EC2 describes them.

use aws_sdk_ec2::operation::describe_images::builders::DescribeImagesFluentBuilder;
use aws_sdk_ec2::types::{Image as SdkImage, ImageState as SdkState};
use goldsmith_cloud::aws::{failure, known};
use goldsmith_cloud::{CloudError, Image, ImageState, Kind, Protection, Result};
use jiff::Timestamp;

use crate::requests::{from_sdk_block_devices, from_sdk_tags};

/// What comes before the end of a cooldown.
const COOLING: &str = "disabled after";

/// EC2's error code for an image that was deregistered shortly before.
const JUST_DEREGISTERED: &str = "InvalidAMIID.Unavailable";

/// Returns the images of every page.
pub(crate) async fn all(request: DescribeImagesFluentBuilder, region: &str) -> Result<Vec<Image>> {
    let mut pages = request.into_paginator().send();
    let mut images = Vec::new();
    while let Some(page) = pages.next().await {
        images.extend(page.map_err(failure("DescribeImages", region))?.images().iter().filter_map(to_image));
    }
    Ok(images)
}

/// Returns `None` if the image is unknown or was deregistered shortly before.
pub(crate) fn still_there<T>(result: Result<T>) -> Result<Option<T>> {
    match result {
        Err(error) if error.code == JUST_DEREGISTERED => Ok(None),
        other => known(other),
    }
}

/// Rejects a search without owners. Without owners, EC2 would search all public images, and anyone can publish an image
/// under any name.
pub(crate) fn refuse_anyone(owners: &[String], region: &str) -> Result<()> {
    if !owners.is_empty() && owners.iter().all(|owner| !owner.is_empty() && owner != "*") {
        return Ok(());
    }
    Err(CloudError {
        operation: "DescribeImages",
        region: region.to_owned(),
        code: "MissingOwners".to_owned(),
        message: "an image is searched for by name only among named owners".to_owned(),
        kind: Kind::Invalid,
        source: None,
    })
}

/// Converts an image. Returns `None` if EC2's response has no id, which never happens.
fn to_image(image: &SdkImage) -> Option<Image> {
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let ebs = image.block_device_mappings().iter().filter_map(|mapping| mapping.ebs());
    Some(Image {
        id: image.image_id()?.to_owned(),
        name: text(image.name()),
        state: to_state(image.state()),
        state_reason: text(image.state_reason().and_then(|reason| reason.message())),
        owner: text(image.owner_id()),
        owner_alias: image.image_owner_alias().map(str::to_owned),
        created: text(image.creation_date()),
        architecture: text(image.architecture().map(|architecture| architecture.as_str())),
        boot_mode: image.boot_mode().map(|mode| mode.as_str().to_owned()),
        tpm_support: image.tpm_support().map(|version| version.as_str().to_owned()),
        ena_support: image.ena_support().unwrap_or_default(),
        root_device: text(image.root_device_name()),
        block_devices: from_sdk_block_devices(image.block_device_mappings()),
        snapshots: ebs.filter_map(|ebs| ebs.snapshot_id().map(str::to_owned)).collect(),
        volumes: image
            .block_device_mappings()
            .iter()
            .filter_map(|one| Some((one.device_name()?.to_owned(), one.ebs()?.snapshot_id()?.to_owned())))
            .collect(),
        source_instance: image.source_instance_id().map(str::to_owned),
        source_image: image.source_image_id().map(str::to_owned),
        product_codes: image
            .product_codes()
            .iter()
            .filter_map(|one| one.product_code_id().map(str::to_owned))
            .collect(),
        usage_operation: text(image.usage_operation()),
        deprecated: image.deprecation_time().and_then(|time| time.parse().ok()),
        protection: to_protection(image.deregistration_protection(), Timestamp::now()),
        last_launched: image.last_launched_time().map(str::to_owned),
        tags: from_sdk_tags(image.tags()),
    })
}

/// Converts EC2's text for `deregistrationProtection`. EC2 documents no list of its values. Terraform's provider relies on
/// `disabled`, `enabled-with-cooldown` and `enabled-without-cooldown`, and aws-nuke on `disabled after TIME` for a cooldown.
fn to_protection(text: Option<&str>, now: Timestamp) -> Protection {
    match text {
        None | Some("" | "disabled") => Protection::Off,
        Some("enabled-with-cooldown") => Protection::On { cooldown: true },
        Some(text) if text.starts_with("enabled") => Protection::On { cooldown: false },
        Some(text) => {
            let until: Option<Timestamp> = text.strip_prefix(COOLING).and_then(|time| time.trim().parse().ok());
            // The cooldown ends by itself. EC2 may still name it afterwards.
            if until.is_some_and(|until| until <= now) { Protection::Off } else { Protection::Cooling { until } }
        }
    }
}

fn to_state(state: Option<&SdkState>) -> ImageState {
    match state {
        Some(SdkState::Available) => ImageState::Available,
        Some(SdkState::Failed | SdkState::Error | SdkState::Invalid | SdkState::Deregistered | SdkState::Disabled) => {
            ImageState::Failed
        }
        // This is `transient`, or a state newer than this SDK: not decided yet.
        _ => ImageState::Pending,
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::aws::replay::Canned;
    use goldsmith_cloud::{BlockDevice, Images as _};

    use super::*;
    use crate::testing::{described, ec2, form, page, tags};

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
            owner_alias: None,
            created: "2026-01-01T00:00:00.000Z".to_owned(),
            architecture: "x86_64".to_owned(),
            boot_mode: Some("uefi".to_owned()),
            tpm_support: Some("v2.0".to_owned()),
            ena_support: true,
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
            volumes: [("/dev/xvda".to_owned(), "snap-1".to_owned())].into(),
            source_instance: Some("i-1".to_owned()),
            source_image: None,
            product_codes: vec!["4t9example".to_owned()],
            usage_operation: "RunInstances:0010".to_owned(),
            deprecated: Some("2028-01-01T00:00:00Z".parse().unwrap()),
            protection: Protection::Off,
            last_launched: Some("2026-02-01T00:00:00.000Z".to_owned()),
            tags: tags(),
        };
        assert_eq!(ec2.image("eu-west-1", "ami-1").await.unwrap(), Some(expected));
        for _ in 0..3 {
            assert_eq!(ec2.image("eu-west-1", "ami-1").await.unwrap(), None);
        }
    }

    #[test]
    fn every_word_for_a_protection_is_understood() {
        let now: Timestamp = "2026-01-01T12:00:00Z".parse().unwrap();
        let end = now + jiff::SignedDuration::from_hours(1);
        for (text, protection) in [
            (None, Protection::Off),
            (Some("disabled"), Protection::Off),
            (Some("enabled-with-cooldown"), Protection::On { cooldown: true }),
            (Some("enabled-without-cooldown"), Protection::On { cooldown: false }),
            (Some("disabled after 2026-01-01T13:00:00.000Z"), Protection::Cooling { until: Some(end) }),
            (Some("disabled after 2026-01-01T12:00:00.000Z"), Protection::Off),
            (Some("disabled after a while"), Protection::Cooling { until: None }),
        ] {
            assert_eq!(to_protection(text, now), protection, "{text:?}");
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
    async fn the_newest_image_is_never_one_with_a_status_other_than_published() {
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
}
