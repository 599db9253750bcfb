//! Tests of what the digest of a checkpoint covers.

use std::collections::{BTreeMap, BTreeSet};

use goldsmith_cloud::Image;
use goldsmith_model::{
    BlockDeviceMapping, BootMode, Ebs, InfrastructureConfiguration, SourceImage, Tenancy, TpmSupport,
};
use jiff::{SignedDuration, Timestamp};

use super::super::digest;
use super::resolved;
use crate::states::plan::resolve::Inputs;
use crate::testing::{Stack, TOPIC};

/// Name of what a case changes, whether the digest changes too, and the change.
type Case<T> = (&'static str, bool, fn(&mut T));

fn port() -> BTreeMap<String, String> {
    [("port".to_owned(), "8080".to_owned())].into()
}

/// Each key of an infrastructure configuration, as it is stored.
const INFRASTRUCTURE: &[Case<InfrastructureConfiguration>] = &[
    ("name", true, |of| of.name = "large".parse().unwrap()),
    ("description", true, |of| of.description = Some("for builds".to_owned())),
    ("instanceTypes", true, |of| of.instance_types.reverse()),
    ("subnetIds", true, |of| of.subnet_ids.push("subnet-0a".to_owned())),
    ("securityGroupIds", true, |of| of.security_group_ids.push("sg-0a".to_owned())),
    ("instanceProfileName", true, |of| of.instance_profile_name = Some("other".to_owned())),
    ("instanceMetadataOptions", true, |of| of.instance_metadata_options.http_put_response_hop_limit = 2),
    ("placement", true, |of| of.placement.availability_zone = Some("eu-west-1b".to_owned())),
    ("placement", true, |of| of.placement.tenancy = Tenancy::Host),
    ("placement", true, |of| of.placement.host_id = Some("h-0a".to_owned())),
    ("placement", true, |of| of.placement.host_resource_group_arn = Some("arn:aws:resource-groups:…".to_owned())),
    ("keyPair", true, |of| of.key_pair = Some("admin".to_owned())),
    ("spot", true, |of| of.spot = true),
    ("keepOnFailure", true, |of| of.keep_on_failure = SignedDuration::from_hours(1)),
    ("snsTopicArn", false, |of| of.sns_topic_arn = Some(TOPIC.to_owned())),
    ("resourceTags", false, |of| of.resource_tags = port()),
];

/// What else goes into a build. The first of two components is before the checkpoint.
const INPUTS: &[Case<Inputs>] = &[
    ("another component before it", true, |of| of.documents[0].name = "apache".parse().unwrap()),
    ("another version before it", true, |of| of.documents[0].version = "9.9.9".parse().unwrap()),
    ("another document before it", true, |of| of.documents[0].digest = "0".repeat(64)),
    ("a parameter before it", true, |of| of.documents[0].parameters = port()),
    ("workingDirectory", true, |of| of.recipe.working_directory = Some("/srv".to_owned())),
    ("blockDeviceMappings", true, |of| {
        let ebs = Ebs { volume_size: Some(20), ..Ebs::default() };
        of.recipe.block_device_mappings.push(BlockDeviceMapping { device_name: "/dev/xvda".to_owned(), ebs });
    }),
    ("another component after it", false, |of| of.documents[1].name = "apache".parse().unwrap()),
    ("another version after it", false, |of| of.documents[1].version = "9.9.9".parse().unwrap()),
    ("another document after it", false, |of| of.documents[1].digest = "0".repeat(64)),
    ("a parameter after it", false, |of| of.documents[1].parameters = port()),
    ("one more component after it", false, |of| of.documents.push(of.documents[0].clone())),
    ("version of the recipe", false, |of| of.recipe.version = "2.0.0".parse().unwrap()),
    ("description of the recipe", false, |of| of.recipe.description = Some("another one".to_owned())),
    ("another name of the same source", false, |of| {
        of.recipe.parent_image = SourceImage::Parameter("/other".to_owned());
        of.recipe.parent_image_owners = vec!["amazon".to_owned()];
    }),
    ("boot mode of the image", false, |of| of.recipe.boot_mode = Some(BootMode::Uefi)),
    ("TPM of the image", false, |of| of.recipe.tpm_support = Some(TpmSupport::V2)),
    ("UEFI data of the image", false, |of| of.recipe.uefi_data = Some("QU1aTlVFRkk=".to_owned())),
    ("tags of the image", false, |of| of.recipe.tags = port()),
    ("distribution", false, |of| of.distribution = None),
    ("tests", false, |of| of.pipeline.image_tests_configuration.image_tests_enabled = false),
    ("time limit", false, |of| of.pipeline.timeout_minutes = Some(30)),
    ("channel", false, |of| of.pipeline.channel = None),
];

/// The source image.
const SOURCE: &[Case<Image>] = &[
    ("another AMI", true, |of| of.id = "ami-0a".to_owned()),
    ("its name", false, |of| of.name = "other".to_owned()),
    ("its deprecation", false, |of| of.deprecated = Some(Timestamp::MAX)),
];

#[tokio::test]
async fn the_digest_changes_with_what_is_before_the_checkpoint_and_with_nothing_else() {
    let stack = Stack::with_checkpoint().await;
    let (_, mut inputs, mut source) = resolved(&stack).await;
    let before = digest(&inputs, &source, 1);
    let infrastructure = inputs.infrastructure.clone();
    for (what, counts, change) in INFRASTRUCTURE {
        change(&mut inputs.infrastructure);
        assert_ne!(inputs.infrastructure, infrastructure, "{what}");
        assert_eq!(digest(&inputs, &source, 1) != before, *counts, "{what}");
        inputs.infrastructure = infrastructure.clone();
    }
    for (what, counts, change) in INPUTS {
        let (_, mut inputs, _) = resolved(&stack).await;
        change(&mut inputs);
        assert_eq!(digest(&inputs, &source, 1) != before, *counts, "{what}");
    }
    for (what, counts, change) in SOURCE {
        let as_it_was = source.clone();
        change(&mut source);
        assert_eq!(digest(&inputs, &source, 1) != before, *counts, "{what}");
        source = as_it_was;
    }
    assert_ne!(digest(&inputs, &source, 2), before, "the checkpoint comes after another component");
}

#[tokio::test]
async fn each_key_of_an_infrastructure_configuration_has_a_case() {
    let mut full = resolved(&Stack::with_checkpoint().await).await.1.infrastructure;
    INFRASTRUCTURE.iter().for_each(|(_, _, change)| change(&mut full));
    let stored = serde_json::to_value(&full).unwrap();
    let keys: BTreeSet<&str> = stored.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(keys, INFRASTRUCTURE.iter().map(|(key, ..)| *key).collect());
}
