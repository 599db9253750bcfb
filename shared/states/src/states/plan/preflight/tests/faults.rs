//! Tests of reads that AWS denies, and of Regions that do not answer.

use goldsmith_cloud::Kind;
use goldsmith_cloud::fake::{Fault, HOME};
use goldsmith_model::MustSucceed;

use super::scene::{Scene, accounts, everyone, names, with_key};
use crate::State;
use crate::states::plan::resolve::Viewer;
use crate::testing::{AWAY, TOPIC, Task};

#[tokio::test]
async fn a_denied_read_is_at_most_a_warning_and_a_passing_fault_is_tried_again() {
    let reads = [
        "DescribeRegions",
        "DescribeSubnets",
        "DescribeSecurityGroups",
        "DescribeInstanceTypeOfferings",
        "DescribeHosts",
        "GetEbsEncryptionByDefault",
        "GetEbsDefaultKmsKeyId",
        "GetImageBlockPublicAccessState",
        "GetSnapshotBlockPublicAccessState",
        "DescribeKey",
        "GetKeyPolicy",
        "ListGrants",
        "GetRole",
        "GetBucketLocation",
    ];
    for read in reads {
        // The stack may pass exactly those roles to VM Import/Export that it may read.
        let needed = read == "GetRole";
        for (kind, refused) in [(Kind::Denied, needed), (Kind::Invalid, false), (Kind::Throttled, true)] {
            let mut scene = Scene::new().await;
            scene.infrastructure.subnet_ids = vec!["subnet-a".to_owned()];
            scene.place_on(None, |_| {});
            scene.go_to("us-west-2", everyone()).share_snapshots = true;
            scene.go_to("eu-central-1", accounts()).kms_key_id = Some("alias/own".to_owned());
            scene.export(HOME);
            scene.apply().await;
            for region in [HOME, AWAY, "us-west-2", "eu-central-1"] {
                scene.stack.cloud.fail_always(read, region, Fault::Refuse(kind));
            }
            let task = Task::new(State::Plan);
            assert_eq!(scene.stack.run(&task).await.is_err(), refused, "{read} {kind:?}");
            scene.stack.cloud.heal();
            assert!(scene.stack.run(&task).await.is_ok(), "{read} {kind:?}");
        }
    }
}

/// A scene whose copy in [`AWAY`] needs each of the reads that are made there.
async fn scene(must_succeed: MustSucceed) -> Scene {
    let mut scene = Scene::new().await;
    scene.distribution.must_succeed = must_succeed;
    scene.distribution.distributions.truncate(1);
    scene.go_to(AWAY, accounts()).kms_key_id = Some("alias/own".to_owned());
    scene.map("/dev/xvda", with_key("alias/own"));
    scene.apply().await;
    scene
}

#[tokio::test]
async fn a_region_that_does_not_answer_is_a_warning_if_the_image_is_good_enough_without_it() {
    for read in ["DescribeImages", "GetEbsEncryptionByDefault", "DescribeKey", "GetKeyPolicy", "ListGrants"] {
        let scene = scene(MustSucceed::Some).await;
        for kind in [Kind::Throttled, Kind::Unanswered] {
            scene.stack.cloud.fail_always(read, AWAY, Fault::Refuse(kind));
            let findings = scene.findings().await;
            let found: Vec<String> = findings.iter().map(|one| one.problem.to_string()).collect();
            assert_eq!(names(&findings), ["unchecked"], "{read}");
            assert!(found[0].contains("in us-east-1 failed"), "{found:?}");
            scene.stack.cloud.heal();
            assert_eq!(scene.findings().await, [], "{read} has passed");
        }
        scene.stack.cloud.fail_always(read, AWAY, Fault::Refuse(Kind::Throttled));
        assert_eq!(scene.refusal().await, None, "{read}");
    }
}

#[tokio::test]
async fn a_region_that_the_image_needs_must_answer_and_is_named() {
    for (must_succeed, region) in [(MustSucceed::All, AWAY), (MustSucceed::All, HOME), (MustSucceed::Some, HOME)] {
        let scene = scene(must_succeed).await;
        scene.stack.cloud.fail_always("DescribeImages", region, Fault::Refuse(Kind::Unanswered));
        let error = scene.look(&scene.stack.context()).await.unwrap_err();
        assert!(error.is_transient(), "the definition tries again: {error}");
        assert!(error.to_string().contains(&format!("DescribeImages in {region} failed")), "{error}");
        let failed = scene.stack.run(&Task::new(State::Plan)).await.unwrap_err();
        assert_eq!(failed.error, "Goldsmith.Throttled", "{must_succeed:?} {region}");
        scene.stack.cloud.heal();
        assert_eq!(scene.refusal().await, None, "{must_succeed:?} {region}");
    }
}

#[tokio::test]
async fn a_topic_that_cannot_be_read_stops_no_build() {
    for (viewer, kind) in [
        (Viewer::Stack, Kind::Invalid),
        (Viewer::Stack, Kind::Throttled),
        (Viewer::Stack, Kind::Unanswered),
        // A person may lack a right that the stack has.
        (Viewer::Person, Kind::Denied),
    ] {
        let mut scene = Scene::new().await;
        scene.viewer = viewer;
        scene.infrastructure.sns_topic_arn = Some(TOPIC.to_owned());
        scene.apply().await;
        scene.stack.cloud.fail_always("GetTopicAttributes", AWAY, Fault::Refuse(kind));
        assert_eq!(names(&scene.findings().await), ["unchecked"], "{kind:?}");
        if viewer == Viewer::Stack {
            assert_eq!(scene.refusal().await, None, "{kind:?}");
        }
    }
}
