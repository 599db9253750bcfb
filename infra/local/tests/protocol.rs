//! Shapes, states and error codes of the protocols: nothing here needs an instance to run.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

#[path = "protocol/callers.rs"]
mod callers;
mod common;
#[path = "protocol/events.rs"]
mod events;

use common::guests::source;
use common::{TestEndpoint, endpoint};
use goldsmith_local::requirements;
use serde_json::json;

#[tokio::test(flavor = "multi_thread")]
async fn source_image_is_public_in_every_region_and_released_anew() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let first = source(client);
    assert_ne!(first, source(client.region("us-east-1")));
    assert_eq!(first, source(client.account("111122223333")));
    let form = [("Owner.1", "amazon"), ("Filter.1.Name", "name"), ("Filter.1.Value.1", "debian-12-*")];
    assert_eq!(client.ec2_value("DescribeImages", &form, "imageId"), first);
    client.admin("POST", "release-image", &json!({}));
    let second = source(client);
    assert_ne!(first, second);
    assert_eq!(client.ec2("DescribeImages", &form).elements("imageId").len(), 2);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn refuses_as_ec2_does() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let image = source(client);
    let unknown = "ami-0123456789abcdef0";
    assert_eq!(client.ec2_error("RunInstances", &[("ImageId", unknown)]), "InvalidAMIID.NotFound");
    assert_eq!(client.ec2_error("RunInstances", &[("ImageId", "ami-xyz")]), "InvalidAMIID.Malformed");
    assert_eq!(client.ec2_error("RunInstances", &[]), "MissingParameter");
    let elsewhere = client.region("us-east-1");
    assert_eq!(elsewhere.ec2_error("RunInstances", &[("ImageId", &image)]), "InvalidAMIID.NotFound");
    let run = [("ImageId", image.as_str()), ("InstanceType", "t3.small"), ("DryRun", "true")];
    assert_eq!(client.ec2_error("RunInstances", &run), "DryRunOperation");
    let subnet = [run[0], run[1], ("SubnetId", "subnet-0123456789abcdef0")];
    assert_eq!(client.ec2_error("RunInstances", &subnet), "InvalidSubnetID.NotFound");
    assert_eq!(client.ec2_error("DescribeImages", &[("ImageId.1", unknown)]), "InvalidAMIID.NotFound");
    let instance = [("InstanceId.1", "i-0123456789abcdef0")];
    assert_eq!(client.ec2_error("DescribeInstances", &instance), "InvalidInstanceID.NotFound");
    assert_eq!(client.ec2_error("DeregisterImage", &[("ImageId", &image)]), "AuthFailure");
    assert_eq!(client.ec2_error("FlyToTheMoon", &[]), "InvalidAction");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn client_tokens_make_launches_repeatable() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let image = source(client);
    let run = [("ImageId", image.as_str()), ("InstanceType", "t3.small"), ("ClientToken", "one")];
    let first = client.ec2_value("RunInstances", &run, "instanceId");
    assert_eq!(client.ec2_value("RunInstances", &run, "instanceId"), first);
    let other = [run[0], ("InstanceType", "t3.large"), run[2]];
    assert_eq!(client.ec2_error("RunInstances", &other), "IdempotentParameterMismatch");
    let by_token = [("Filter.1.Name", "client-token"), ("Filter.1.Value.1", "one")];
    assert_eq!(client.ec2("DescribeInstances", &by_token).elements("instanceId"), [first]);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_that_cannot_boot_is_terminated_with_a_reason() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let image = source(client);
    let id = client.ec2_value("RunInstances", &[("ImageId", &image), ("InstanceType", "t3.small")], "instanceId");
    let form = [("InstanceId.1", id.as_str())];
    let answer = common::until("terminated", || {
        let answer = client.ec2("DescribeInstances", &form);
        answer.body.contains("<name>terminated</name>").then_some(answer)
    })
    .await;
    let reason = answer.element("stateReason").unwrap();
    let cause = requirements(&endpoint.state_dir()).missing().unwrap_or("/nonexistent/base.tar".to_owned());
    assert!(reason.contains("Server.InternalError") && reason.contains(&cause), "{reason}");
    assert_eq!(client.ec2_error("StopInstances", &form), "IncorrectInstanceState");
    let create = [("InstanceId", id.as_str()), ("Name", "image")];
    assert_eq!(client.ec2_error("CreateImage", &create), "IncorrectInstanceState");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn copies_images_and_keeps_their_rules() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let image = source(client);
    let there = client.region("us-east-1");
    let copy = [
        ("SourceRegion", "eu-west-1"),
        ("SourceImageId", image.as_str()),
        ("Name", "a copy"),
        ("ClientToken", "copy-1"),
        ("TagSpecification.1.ResourceType", "image"),
        ("TagSpecification.1.Tag.1.Key", "goldsmith:build"),
        ("TagSpecification.1.Tag.1.Value", "b1"),
        ("TagSpecification.2.ResourceType", "snapshot"),
        ("TagSpecification.2.Tag.1.Key", "goldsmith:build"),
        ("TagSpecification.2.Tag.1.Value", "b1"),
    ];
    let id = there.ec2_value("CopyImage", &copy, "imageId");
    assert_eq!(there.ec2_value("CopyImage", &copy, "imageId"), id);
    assert_eq!(there.ec2_error("CopyImage", &copy[..3]), "InvalidAMIName.Duplicate");
    assert_eq!(there.ec2_error("CopyImage", &[copy[0], copy[1], ("Name", "x")]), "InvalidAMIName.Malformed");
    let tagged = [("Owner.1", "self"), ("Filter.1.Name", "tag:goldsmith:build"), ("Filter.1.Value.1", "b1")];
    common::until("available", || {
        let answer = there.ec2("DescribeImages", &tagged);
        assert_eq!(answer.elements("imageId"), [id.as_str()]);
        answer.body.contains("<imageState>available</imageState>").then_some(())
    })
    .await;
    assert_eq!(client.ec2("DescribeImages", &tagged).elements("imageId"), [""; 0]);
    let snapshot = there.ec2_value("DescribeSnapshots", &tagged[1..], "snapshotId");
    assert_eq!(there.ec2_error("DeleteSnapshot", &[("SnapshotId", &snapshot)]), "InvalidSnapshot.InUse");
    there.ec2_value("DeregisterImage", &[("ImageId", &id)], "return");
    assert_eq!(there.ec2_error("DescribeImages", &[("ImageId.1", &id)]), "InvalidAMIID.NotFound");
    there.ec2_value("DeleteSnapshot", &[("SnapshotId", &snapshot)], "return");
    assert_eq!(there.ec2_error("DeleteSnapshot", &[("SnapshotId", &snapshot)]), "InvalidSnapshot.NotFound");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn launch_permissions_let_other_accounts_see_an_image() {
    let endpoint = endpoint().await;
    let (owner, friend) = (endpoint.client, endpoint.client.account("111122223333"));
    let image = source(owner);
    let copy = [("SourceRegion", "eu-west-1"), ("SourceImageId", image.as_str()), ("Name", "shared")];
    let id = owner.ec2_value("CopyImage", &copy, "imageId");
    let by_id = [("ImageId.1", id.as_str())];
    assert_eq!(friend.ec2_error("DescribeImages", &by_id), "InvalidAMIID.NotFound");
    let share = [("ImageId", id.as_str()), ("LaunchPermission.Add.1.UserId", "111122223333")];
    owner.ec2_value("ModifyImageAttribute", &share, "return");
    assert_eq!(friend.ec2_value("DescribeImages", &by_id, "imageOwnerId"), "000000000000");
    assert_eq!(friend.ec2_error("ModifyImageAttribute", &share), "AuthFailure");
    let ask = [("ImageId", id.as_str()), ("Attribute", "launchPermission")];
    assert_eq!(owner.ec2_value("DescribeImageAttribute", &ask, "userId"), "111122223333");
    let organization = [("ImageId", id.as_str()), ("LaunchPermission.Add.1.OrganizationArn", "arn:o")];
    owner.ec2_value("ModifyImageAttribute", &organization, "return");
    assert_eq!(owner.ec2_value("DescribeImageAttribute", &ask, "organizationArn"), "arn:o");
    let everyone = [("ImageId", id.as_str()), ("LaunchPermission.Add.1.UserId", "everyone")];
    assert_eq!(owner.ec2_error("ModifyImageAttribute", &everyone), "InvalidAMIAttributeItemValue");
    let take_back = [("ImageId", id.as_str()), ("LaunchPermission.Remove.1.UserId", "111122223333")];
    owner.ec2_value("ModifyImageAttribute", &take_back, "return");
    assert_eq!(friend.ec2_error("DescribeImages", &by_id), "InvalidAMIID.NotFound");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn describes_lag_when_told_to() {
    let lag = std::time::Duration::from_secs(3600);
    let endpoint = TestEndpoint::start_with("/nonexistent/base.tar".as_ref(), None, lag).await;
    let client = endpoint.client;
    let run = [("ImageId", &*source(client)), ("InstanceType", "t3.small")];
    let id = client.ec2_value("RunInstances", &run, "instanceId");
    assert_eq!(client.ec2_error("DescribeInstances", &[("InstanceId.1", &id)]), "InvalidInstanceID.NotFound");
    assert_eq!(client.ec2("DescribeInstances", &[]).elements("instanceId"), [""; 0]);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn times_are_changed_while_it_runs() {
    let hour = std::time::Duration::from_secs(3600);
    let endpoint = TestEndpoint::start_with("/nonexistent/base.tar".as_ref(), None, hour).await;
    let client = endpoint.client;
    let refused = client.send("POST", "/_local/settings", "ec2", "", r#"{"describeLag": 6}"#).unwrap();
    assert_eq!(refused.status, 400);
    let slow = json!({"delays": {"profile": "realistic", "speedUp": 0.01}});
    assert_eq!(client.admin("POST", "settings", &slow)["describeLag"], 3600.0);
    let copy = [("SourceRegion", "eu-west-1"), ("SourceImageId", &*source(client)), ("Name", "slow")];
    let id = client.ec2_value("CopyImage", &copy, "imageId");
    assert_eq!(client.ec2_error("DescribeImages", &[("ImageId.1", &id)]), "InvalidAMIID.NotFound");
    assert_eq!(client.admin("POST", "settings", &json!({"describeLag": 5}))["describeLag"], 5.0);
    client.admin("POST", "settings", &json!({"delays": {"profile": "instant"}, "describeLag": 0}));
    let run = [("ImageId", &*source(client)), ("InstanceType", "t3.small")];
    let instance = client.ec2_value("RunInstances", &run, "instanceId");
    assert_eq!(client.ec2("DescribeInstances", &[("InstanceId.1", &instance)]).elements("instanceId"), [instance]);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_inventory_tells_who_made_what_in_every_region_and_account() {
    let endpoint = endpoint().await;
    let client = endpoint.client.account("111122223333").region("us-east-1");
    let form = [
        ("LaunchTemplateName", "web"),
        ("LaunchTemplateData.InstanceType", "t3.small"),
        ("TagSpecification.1.ResourceType", "launch-template"),
        ("TagSpecification.1.Tag.1.Key", "role"),
        ("TagSpecification.1.Tag.1.Value", "web"),
    ];
    client.ec2_value("CreateLaunchTemplate", &form, "launchTemplateId");
    let other = endpoint.client;
    assert_eq!(other.ec2("DescribeLaunchTemplates", &[]).elements("launchTemplateId"), [""; 0]);
    let inventory = other.admin("GET", "inventory", &json!({}));
    let template = &inventory["launchTemplates"][0];
    let told = ["account", "region", "name", "madeBy"].map(|field| template[field].as_str().unwrap());
    assert_eq!(told, ["111122223333", "us-east-1", "web", "CreateLaunchTemplate"]);
    assert_eq!(template["tags"], json!({"role": "web"}));
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_need_an_instance_that_is_online() {
    let endpoint = endpoint().await;
    let input = json!({"DocumentName": "AWS-RunShellScript", "InstanceIds": ["i-0123456789abcdef0"],
        "Parameters": {"commands": ["true"]}});
    let (status, answer) = endpoint.client.ssm("SendCommand", &input);
    assert_eq!((status, answer["__type"].as_str()), (400, Some("InvalidInstanceId")));
    let get = json!({"CommandId": "c", "InstanceId": "i-0123456789abcdef0"});
    assert_eq!(endpoint.client.ssm("GetCommandInvocation", &get).1["__type"], "InvocationDoesNotExist");
    let name = json!({"Name": "/aws/service/other"});
    assert_eq!(endpoint.client.ssm("GetParameter", &name).1["__type"], "ParameterNotFound");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_fire_once() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let faults = json!([
        {"when": {"action": "DescribeRegions"}, "do": "fail", "code": "RequestLimitExceeded"},
        {"when": {"action": "DescribeVpcs"}, "do": "drop-answer"},
    ]);
    client.admin("POST", "faults", &faults);
    let answer = client.ec2("DescribeRegions", &[]);
    assert_eq!((answer.status, answer.element("Code").as_deref()), (503, Some("RequestLimitExceeded")));
    assert_eq!(client.ec2("DescribeRegions", &[]).status, 200);
    assert!(client.send("POST", "/", "ec2", "", "Action=DescribeVpcs").is_none());
    assert_eq!(client.ec2("DescribeVpcs", &[]).status, 200);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_held_call_has_its_effect_and_answers_when_released() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let image = source(client);
    client.admin("POST", "faults", &json!([{"when": {"action": "CopyImage"}, "do": "hold"}]));
    let held = tokio::task::spawn_blocking(move || {
        let copy = [("SourceRegion", "eu-west-1"), ("SourceImageId", &image), ("Name", "held")];
        client.ec2_value("CopyImage", &copy, "imageId")
    });
    let named = [("Filter.1.Name", "name"), ("Filter.1.Value.1", "held")];
    let id = common::until("the effect", || client.ec2("DescribeImages", &named).element("imageId")).await;
    assert!(!held.is_finished());
    client.admin("POST", "faults/release", &json!({}));
    assert_eq!(held.await.unwrap(), id);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn launches_may_use_what_was_handed_over() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let handed = json!({"region": "eu-west-1", "subnets": [{"id": "subnet-0aaaaaaaaaaaaaaa1"}],
        "securityGroups": [{"id": "sg-0aaaaaaaaaaaaaaa1", "name": "builders"}], "instanceProfiles": ["builder"]});
    client.admin("POST", "resources", &handed);
    let image = source(client);
    let run = [
        ("ImageId", image.as_str()),
        ("InstanceType", "t3.small"),
        ("SubnetId", "subnet-0aaaaaaaaaaaaaaa1"),
        ("SecurityGroupId.1", "sg-0aaaaaaaaaaaaaaa1"),
        ("IamInstanceProfile.Name", "builder"),
    ];
    assert_eq!(client.ec2_value("RunInstances", &run, "subnetId"), "subnet-0aaaaaaaaaaaaaaa1");
    let other = [run[0], run[1], ("IamInstanceProfile.Name", "other")];
    assert_eq!(client.ec2_error("RunInstances", &other), "InvalidParameterValue");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reset_forgets_everything() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let copy = [("SourceRegion", "eu-west-1"), ("SourceImageId", &*source(client)), ("Name", "gone")];
    client.ec2_value("CopyImage", &copy, "imageId");
    client.admin("POST", "reset", &json!({}));
    let inventory = client.admin("GET", "inventory", &json!({}));
    assert_eq!(
        (&inventory["images"], &inventory["snapshots"], &inventory["instances"]),
        (&json!([]), &json!([]), &json!([]))
    );
    let (_, again) = client.ssm("GetParameter", &json!({"Name": "/goldsmith/examples/source"}));
    assert_eq!(again["Parameter"]["Version"], 1);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_endpoint_at_a_time_uses_a_state_folder() {
    let endpoint = endpoint().await;
    let refused = common::bind(&endpoint.state_dir().join("state")).await.unwrap_err();
    assert!(std::error::Error::source(&refused).unwrap().to_string().ends_with("is used by another endpoint"));
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_folder_with_other_files_is_rejected_and_nothing_in_it_is_removed() {
    let folder = tempfile::tempdir().unwrap();
    let precious = folder.path().join("layers/precious");
    std::fs::create_dir_all(precious.parent().unwrap()).unwrap();
    std::fs::write(&precious, "model").unwrap();
    let refused = common::bind(folder.path()).await.unwrap_err();
    let why = std::error::Error::source(&refused).unwrap().to_string();
    assert!(why.contains("is not empty and is not a folder of the local EC2"), "{why}");
    assert!(goldsmith_local::remove_state(folder.path()).is_err());
    assert_eq!(std::fs::read_to_string(precious).unwrap(), "model");
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_can_be_made_to_fail() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    client.admin("POST", "faults", &json!([{"when": {"action": "CopyImage"}, "do": "fail-image"}]));
    let copy = [("SourceRegion", "eu-west-1"), ("SourceImageId", &*source(client)), ("Name", "doomed")];
    let id = client.ec2_value("CopyImage", &copy, "imageId");
    let answer = common::until("failed", || {
        let answer = client.ec2("DescribeImages", &[("ImageId.1", &id)]);
        answer.body.contains("<imageState>failed</imageState>").then_some(answer)
    })
    .await;
    assert!(answer.element("stateReason").unwrap().contains("Server.InternalError"));
    assert_eq!(client.ec2_error("RunInstances", &[("ImageId", &id)]), "InvalidAMIID.Unavailable");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn long_lists_come_in_pages() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let image = source(client);
    for _ in 0..6 {
        client.ec2_value("RunInstances", &[("ImageId", &image), ("InstanceType", "t3.small")], "instanceId");
    }
    let first = client.ec2("DescribeInstances", &[("MaxResults", "5")]);
    let token = first.element("nextToken").unwrap();
    let second = client.ec2("DescribeInstances", &[("MaxResults", "5"), ("NextToken", &token)]);
    assert_eq!(second.element("nextToken"), None);
    let mut found = [first.elements("instanceId"), second.elements("instanceId")].concat();
    found.dedup();
    assert_eq!(found.len(), 6);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_that_are_kept_from_the_caller_may_be_listed_with_spaces() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let (image, key) = (source(client), client.ec2_value("ResetEbsDefaultKmsKeyId", &[], "kmsKeyId"));
    let lists = [(" , ,".to_owned(), "available"), (format!("arn:aws:kms:::key/other , {key} ,"), "failed")];
    for (number, (denied, state)) in lists.into_iter().enumerate() {
        let form =
            format!("Action=CopyImage&SourceRegion=eu-west-1&SourceImageId={image}&Name=copy-{number}&Encrypted=true");
        let header = format!("x-goldsmith-denied-keys: {denied}\r\n");
        let copy = client.send("POST", "/", "ec2", &header, &form).unwrap().element("imageId").unwrap();
        common::until(state, || {
            (client.ec2_value("DescribeImages", &[("ImageId.1", &copy)], "imageState") == state).then_some(())
        })
        .await;
    }
    endpoint.stop().await;
}
