//! Tests what proves that a resource belongs to a build.

use super::{Origin, Proof, SpotRequest, Timestamp, pair};

const HOME: &str = "eu-west-1";
const AWAY: &str = "us-east-1";

fn time(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

/// A build that ran from three to four o'clock. The build has an instance and an image in its home Region, and has
/// requested a copy.
fn proof() -> Proof {
    Proof {
        began: time("2026-11-24T03:00:00Z"),
        ended: time("2026-11-24T04:00:00Z"),
        home: HOME.to_owned(),
        instances: [pair(HOME, "i-1")].into(),
        tokens: [pair(HOME, "token")].into(),
        images: [pair(HOME, "ami-1")].into(),
        names: [pair(AWAY, "web 1")].into(),
        ..Proof::default()
    }
}

/// What EC2 says of a copy that the build has made.
fn copied() -> Origin<'static> {
    let created = time("2026-11-24T03:30:00Z");
    Origin { name: "web 1", created, instance: None, image: Some("ami-1"), snapshots: &[] }
}

#[test]
fn an_instance_is_tied_by_its_id_or_its_token_and_by_nothing_else() {
    let proof = proof();
    assert!(proof.has_instance(HOME, "i-1", ""));
    assert!(proof.has_instance(HOME, "i-2", "token"));
    assert!(!proof.has_instance(AWAY, "i-2", "token"), "a token is its Region's");
    assert!(!proof.has_instance(HOME, "i-2", ""));
    assert!(!proof.has_volume(HOME, "vol-1"));
}

#[test]
fn a_spot_request_is_tied_by_its_id_its_instance_or_its_times() {
    let until = time("2026-12-02T03:00:00Z");
    let proof = Proof { requests: [pair(HOME, "sir-1")].into(), request_until: until, ..proof() };
    let request = |id: &str| SpotRequest {
        id: id.to_owned(),
        instance: None,
        image: "ami-0".to_owned(),
        created: time("2026-11-24T03:01:00Z"),
        valid_until: until,
        tags: Default::default(),
    };
    assert!(proof.has_spot_request(HOME, &SpotRequest { valid_until: None, ..request("sir-1") }));
    let of_instance = SpotRequest { instance: Some("i-1".to_owned()), valid_until: None, ..request("sir-2") };
    assert!(proof.has_spot_request(HOME, &of_instance));
    assert!(proof.has_spot_request(HOME, &request("sir-2")), "it was made by a call without an answer");
    for other in [
        SpotRequest { valid_until: time("2026-12-02T03:00:01Z"), ..request("sir-2") },
        SpotRequest { valid_until: None, ..request("sir-2") },
        SpotRequest { created: time("2026-11-25T03:01:00Z"), ..request("sir-2") },
        SpotRequest { created: None, ..request("sir-2") },
    ] {
        assert!(!proof.has_spot_request(HOME, &other), "{other:?}");
    }
    assert!(!proof.has_spot_request(AWAY, &request("sir-1")));
    let without = Proof { request_until: None, ..proof };
    assert!(!without.has_spot_request(HOME, &SpotRequest { valid_until: None, ..request("sir-2") }));
}

#[test]
fn an_image_without_an_answer_is_tied_by_name_time_and_source_together() {
    let proof = proof();
    let made = copied();
    assert!(proof.has_image(AWAY, "ami-9", made));
    assert!(proof.has_image(HOME, "ami-1", Origin::default()), "the journal has it");
    let others = [
        Origin { name: "web 2", ..made },
        Origin { created: time("2026-11-24T05:00:00Z"), ..made },
        Origin { created: None, ..made },
        Origin { image: Some("ami-7"), ..made },
        Origin { image: None, ..made },
        Origin { instance: Some("i-1"), ..made },
    ];
    for other in others {
        assert!(!proof.has_image(AWAY, "ami-9", other), "{other:?}");
    }
    let of_instance = Origin { instance: Some("i-1"), image: Some("ami-0"), ..made };
    assert!(!proof.has_image(HOME, "ami-9", of_instance), "none is asked for");
    let asked = Proof { names: [pair(HOME, "web 1")].into(), ..proof };
    assert!(asked.has_image(HOME, "ami-9", of_instance), "whatever its instance was launched from");
    assert!(!asked.has_image(HOME, "ami-9", Origin { instance: Some("i-7"), ..of_instance }));
    assert!(!asked.has_image(HOME, "ami-9", Origin { instance: None, ..of_instance }), "a copy");
}

#[test]
fn a_registered_image_without_an_answer_is_tied_by_its_snapshots_too() {
    let snapshots = ["snap-1", "snap-2"].map(str::to_owned);
    let proof = Proof {
        names: [pair(HOME, "web 1")].into(),
        drafts: [pair(HOME, "b draft")].into(),
        registered: snapshots.clone().into(),
        ..proof()
    };
    let made = Origin { image: None, snapshots: &snapshots, ..copied() };
    assert!(proof.has_image(HOME, "ami-9", made));
    let others = [
        Origin { name: "web 2", ..made },
        Origin { created: time("2026-11-24T05:00:00Z"), ..made },
        Origin { snapshots: &[], ..made },
        Origin { snapshots: &["snap-1".to_owned(), "snap-3".to_owned()], ..made },
    ];
    for other in others {
        assert!(!proof.has_image(HOME, "ami-9", other), "{other:?}");
    }
    assert!(!proof.has_image(AWAY, "ami-9", made), "snapshots are their Region's");
    assert!(proof.is_draft(HOME, "b draft") && !proof.is_draft(HOME, "web 1") && !proof.is_draft(AWAY, "b draft"));
}

#[test]
fn a_distributed_image_ties_its_copies_and_is_not_the_runs() {
    let proof = Proof { images: [].into(), originals: [pair(HOME, "ami-1")].into(), ..proof() };
    let made = copied();
    assert!(proof.has_image(AWAY, "ami-9", made));
    assert!(proof.has_copy(HOME, "ami-9", "web 1", made));
    let copied = "Copied for DestinationAmi ami-9 from SourceAmi ami-1 for SourceSnapshot snap-2.";
    assert!(proof.has_snapshot(AWAY, "snap-1", copied, time("2026-11-24T03:30:00Z")));
    let itself = Origin { name: "web 1", instance: Some("i-1"), ..made };
    assert!(!proof.has_image(HOME, "ami-1", itself) && !proof.has_copy(HOME, "ami-1", "web 1", Origin::default()));
    let its = "Created by CreateImage(i-7) for ami-1";
    assert!(!proof.has_snapshot(HOME, "snap-1", its, time("2026-11-24T03:30:00Z")));
}

#[test]
fn another_accounts_copy_is_tied_by_its_id_or_by_name_time_and_source_together() {
    let proof = proof();
    let made = copied();
    assert!(proof.has_copy(HOME, "ami-9", "web 1", made));
    assert!(proof.has_copy(HOME, "ami-1", "web 1", Origin::default()), "the journal has it");
    assert!(!proof.has_copy(AWAY, "ami-9", "web 1", made), "the source is in another Region");
    for other in [
        Origin { name: "web 2", ..made },
        Origin { created: time("2026-11-24T05:00:00Z"), ..made },
        Origin { image: Some("ami-7"), ..made },
        Origin { image: None, ..made },
    ] {
        assert!(!proof.has_copy(HOME, "ami-9", "web 1", other), "{other:?}");
    }
}

#[test]
fn a_snapshot_is_tied_by_what_ec2_has_written_while_the_build_ran() {
    let proof = proof();
    let while_it_ran = time("2026-11-24T03:30:00Z");
    let has = |region, text| proof.has_snapshot(region, "snap-1", text, while_it_ran);
    assert!(has(HOME, "Created by CreateImage(i-1) for ami-1"));
    assert!(has(HOME, "Created by CreateImage(i-1) for ami-7"), "an image that never came to be");
    assert!(has(
        AWAY,
        "Copied for DestinationAmi ami-9 from SourceAmi ami-1 for SourceSnapshot snap-2. Task created on 1."
    ));
    assert!(!has(AWAY, "Copied for DestinationAmi ami-9 from SourceAmi ami-7 for SourceSnapshot snap-2."));
    assert!(!has(HOME, "Copied for DestinationAmi ami-9 from SourceAmi ami-1 for SourceSnapshot snap-2."));
    assert!(!has(HOME, "[Copied snap-2 from eu-west-1] Created by CreateImage(i-1) for ami-1"));
    assert!(!has(HOME, "nightly of i-1 for ami-1") && !has(HOME, ""));
    let later = time("2026-11-25T03:30:00Z");
    assert!(!proof.has_snapshot(HOME, "snap-1", "Created by CreateImage(i-1) for ami-1", later));
}
