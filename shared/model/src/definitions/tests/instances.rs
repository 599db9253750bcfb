//! Tests where instances are launched, with which key pair, and in which market.

use super::*;
use crate::{InfrastructureConfiguration, Placement, Tenancy};

fn infrastructure(rest: &str) -> InfrastructureConfiguration {
    read(&[&format!("{SMALL}{rest}")]).unwrap().infrastructures.remove(0)
}

#[test]
fn a_placement_and_a_key_pair_are_read_and_stored() {
    let placed = infrastructure("placement: {availabilityZone: eu-west-1b, tenancy: dedicated}\nkeyPair: team key\n");
    let zone = Some("eu-west-1b".to_owned());
    assert_eq!(placed.placement, Placement { availability_zone: zone, tenancy: Tenancy::Dedicated });
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
fn a_mistake_in_a_placement_or_a_key_pair_is_explained() {
    for (rest, message) in [
        (
            "placement: {availabilityZone: eu-west-1}\n",
            "`eu-west-1` is not the name of an Availability Zone such as `eu-west-1a`",
        ),
        ("placement: {availabilityZone: EU-west-1a}\n", "`EU-west-1a` is not the name of an Availability Zone"),
        ("placement: {tenancy: host}\n", "`host` is not a value of `tenancy`"),
        ("placement: {zone: eu-west-1a}\n", "`zone`"),
        ("placement: eu-west-1a\n", "`placement`"),
        ("placement: {hostId: h-0123456789abcdef0}\n", "write `tenancy: dedicated`, or build without it"),
        ("placement: {hostResourceGroupArn: \"arn:aws:x\"}\n", "write `tenancy: dedicated`, or build without it"),
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
