//! Tests where instances are launched, with which key pair, in which market, and who is told of the end.

use super::*;
use crate::{InfrastructureConfiguration, Placement, Tenancy};

fn infrastructure(rest: &str) -> InfrastructureConfiguration {
    read(&[&format!("{SMALL}{rest}")]).unwrap().infrastructures.remove(0)
}

#[test]
fn a_placement_and_a_key_pair_are_read_and_stored() {
    let placed = infrastructure("placement: {availabilityZone: eu-west-1b, tenancy: dedicated}\nkeyPair: team key\n");
    let zone = Some("eu-west-1b".to_owned());
    assert_eq!(
        placed.placement,
        Placement { availability_zone: zone, tenancy: Tenancy::Dedicated, ..Default::default() }
    );
    assert_eq!(placed.key_pair.as_deref(), Some("team key"));
    let stored = serde_json::to_value(&placed).unwrap();
    assert_eq!(stored["placement"], serde_json::json!({"availabilityZone": "eu-west-1b", "tenancy": "dedicated"}));
    assert_eq!(serde_json::from_value::<InfrastructureConfiguration>(stored).unwrap(), placed);
    let plain = infrastructure("placement: {tenancy: default}\n");
    let stored = serde_json::to_value(&plain).unwrap();
    assert_eq!((stored.get("placement"), stored.get("keyPair")), (None, None));
    assert_eq!(serde_json::from_value::<InfrastructureConfiguration>(stored).unwrap(), plain);
    assert!(infrastructure("placement: {availabilityZone: us-west-2-lax-1a}\n").placement.availability_zone.is_some());
}

#[test]
fn instances_may_run_on_a_dedicated_host_or_on_those_of_a_group() {
    let group = "arn:aws-us-gov:resource-groups:eu-west-1:111122223333:group/golden/hosts";
    for (text, host, arn) in [
        ("{tenancy: host}".to_owned(), None, None),
        ("{tenancy: host, hostId: h-0123456789abcdef0}".to_owned(), Some("h-0123456789abcdef0"), None),
        (format!("{{tenancy: host, hostResourceGroupArn: \"{group}\"}}"), None, Some(group)),
    ] {
        let read = infrastructure(&format!("placement: {text}\n"));
        assert_eq!(read.placement.tenancy, Tenancy::Host);
        let Placement { host_id, host_resource_group_arn, .. } = &read.placement;
        assert_eq!((host_id.as_deref(), host_resource_group_arn.as_deref()), (host, arn));
        let stored = serde_json::to_value(&read).unwrap();
        assert_eq!(serde_json::from_value::<InfrastructureConfiguration>(stored).unwrap(), read);
    }
}

#[test]
fn a_mistake_in_a_placement_or_a_key_pair_is_explained() {
    for (rest, message) in [
        (
            "placement: {availabilityZone: eu-west-1}\n",
            "`eu-west-1` is not the name of an Availability Zone such as `eu-west-1a`",
        ),
        ("placement: {availabilityZone: EU-west-1a}\n", "`EU-west-1a` is not the name of an Availability Zone"),
        ("placement: {tenancy: hosts}\n", "`hosts` is not a value of `tenancy`"),
        ("placement: {zone: eu-west-1a}\n", "`zone`"),
        ("placement: eu-west-1a\n", "`placement`"),
        ("placement: {tenancy: [host]}\n", "`tenancy` must be text, not a list"),
        ("placement: {tenancy: host, hostId: [h-1]}\n", "`hostId` must be text, not a list"),
        ("placement: {tenancy: host, hostId: 7}\n", "`hostId` must be the id of a Dedicated Host"),
        ("spot: sometimes\n", "`spot` must be `true` or `false`, not `sometimes`"),
        ("spot: [true]\n", "`spot` must be `true` or `false`, not a list"),
        ("snsTopicArn: {}\n", "`snsTopicArn` must be text, not a map"),
        ("snsTopicArn: 7\n", "`snsTopicArn` must be the ARN of an SNS topic"),
        ("placement: {hostId: h-0123456789abcdef0}\n", "`hostId` needs `tenancy: host`"),
        ("placement: {tenancy: dedicated, hostId: h-0123456789abcdef0}\n", "`hostId` needs `tenancy: host`"),
        ("placement: {tenancy: host, hostId: host-1}\n", "`hostId` must be the id of a Dedicated Host"),
        (
            "placement: {tenancy: host, hostResourceGroupArn: \"arn:aws:x\"}\n",
            "`hostResourceGroupArn` must be the ARN of a host resource group",
        ),
        (
            "placement: {tenancy: host, hostId: h-0123456789abcdef0, hostResourceGroupArn: \
             \"arn:aws:resource-groups:eu-west-1:111122223333:group/hosts\"}\n",
            "a placement has `hostId` or `hostResourceGroupArn`, not both",
        ),
        ("keyPair: \"\"\n", "`` is not the name of a key pair: it has 1 to 255 ASCII characters"),
        ("keyPair: schlüssel\n", "`schlüssel` is not the name of a key pair"),
    ] {
        let found = refused(&[&format!("{SMALL}{rest}")]);
        assert!(found.starts_with("web/all.yml:4:") && found.contains(message), "{rest}\n{found}");
    }
}

#[test]
fn tests_may_run_on_spot_instances() {
    let pipeline = |tests: &str| {
        let recipe = recipe("components: []\n");
        let text = format!(
            "kind: ImagePipeline\nname: web\nimageRecipe: web/1.x.x\ninfrastructureConfiguration: small\n{tests}"
        );
        read(&[&recipe, SMALL, &text]).map(|mut read| read.pipelines.remove(0))
    };
    for (text, spot) in [("", false), ("imageTestsConfiguration: {spot: true}\n", true)] {
        let read = pipeline(text).unwrap();
        assert_eq!(read.image_tests_configuration.spot, spot);
        let stored = serde_json::to_value(&read).unwrap();
        assert_eq!(stored["imageTestsConfiguration"].get("spot").is_some(), spot);
        assert_eq!(serde_json::from_value::<crate::ImagePipeline>(stored).unwrap(), read);
    }
    let mistake = pipeline("imageTestsConfiguration: {spot: sometimes}\n").unwrap_err();
    assert!(mistake.contains("`spot`"), "{mistake}");
}

#[test]
fn a_topic_of_any_account_and_region_is_read_and_stored() {
    for arn in [
        "arn:aws:sns:eu-west-1:111122223333:images",
        "arn:aws-cn:sns:cn-north-1:444455556666:Golden_images-1",
        "arn:aws:sns:us-east-1:444455556666:images.fifo",
    ] {
        let told = infrastructure(&format!("snsTopicArn: {arn}\n"));
        assert_eq!(told.sns_topic_arn.as_deref(), Some(arn));
        let stored = serde_json::to_value(&told).unwrap();
        assert_eq!(stored["snsTopicArn"], arn);
        assert_eq!(serde_json::from_value::<InfrastructureConfiguration>(stored).unwrap(), told);
    }
    assert_eq!(serde_json::to_value(infrastructure("")).unwrap().get("snsTopicArn"), None);
}

#[test]
fn what_is_no_topic_is_explained() {
    let long = format!("arn:aws:sns:eu-west-1:111122223333:{}", "a".repeat(257));
    for arn in [
        "images",
        "arn:aws:sqs:eu-west-1:111122223333:images",
        "arn:aws:sns:nowhere:111122223333:images",
        "arn:aws:sns:eu-west-1:1111:images",
        "arn:aws:sns:eu-west-1:111122223333:",
        "arn:aws:sns:eu-west-1:111122223333:.fifo",
        "arn:aws:sns:eu-west-1:111122223333:images.info",
        "arn:aws:sns:eu-west-1:111122223333:images:0123abcd-0123-4567-89ab-0123456789ab",
        long.as_str(),
    ] {
        let found = refused(&[&format!("{SMALL}snsTopicArn: \"{arn}\"\n")]);
        assert!(
            found.starts_with("web/all.yml:4:") && found.contains("`snsTopicArn` must be the ARN of an SNS topic"),
            "{found}"
        );
    }
}

#[test]
fn the_build_instance_may_be_a_spot_instance() {
    let together = refused(&[&format!("{SMALL}placement: {{tenancy: host}}\nspot: true\n")]);
    let message = "web/all.yml:5:7: error: `spot: true` needs another tenancy than `host`";
    assert!(together.starts_with(message), "{together}");
    infrastructure("placement: {tenancy: host}\nspot: false\n");
    for (text, spot) in [("", false), ("spot: false\n", false), ("spot: true\n", true)] {
        let read = infrastructure(text);
        assert_eq!(read.spot, spot);
        let stored = serde_json::to_value(&read).unwrap();
        assert_eq!(stored.get("spot").is_some(), spot);
        assert_eq!(serde_json::from_value::<InfrastructureConfiguration>(stored).unwrap(), read);
    }
    let mistake = refused(&[&format!("{SMALL}spot: persistent\n")]);
    assert!(mistake.starts_with("web/all.yml:4:") && mistake.contains("`spot`"), "{mistake}");
}
