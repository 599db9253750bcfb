//! Faults on demand, those that need no booted instance and those that do.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::emulator::FakeEmulator;
use common::guests::{base_image, launch, source, wait_for_state};
use common::{Client, TestEndpoint, until};
use serde_json::{Value, json};

async fn endpoint() -> TestEndpoint {
    TestEndpoint::start("/nonexistent/base.tar".as_ref(), None).await
}

fn arm(client: Client, faults: &Value) {
    client.admin("POST", "faults", faults);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_call_that_is_cut_has_no_effect_and_one_that_loses_its_answer_has() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let group = |name: &str| format!("Action=CreateSecurityGroup&GroupName={name}&GroupDescription=d");
    let faults = json!([
        {"when": {"action": "CreateSecurityGroup", "nth": 1}, "do": "cut"},
        {"when": {"action": "CreateSecurityGroup", "nth": 2}, "do": "drop-answer"},
    ]);
    arm(client, &faults);
    for name in ["cut", "dropped"] {
        assert!(client.send("POST", "/", "ec2", "", &group(name)).is_none());
    }
    assert_eq!(client.ec2("DescribeSecurityGroups", &[]).elements("groupName"), ["default", "dropped"]);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_fail_by_chance_the_same_way_for_the_same_seed() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let pattern = || -> Vec<u16> {
        client.admin("DELETE", "faults", &json!([]));
        arm(client, &json!([{"when": {"action": "*", "probability": 0.5, "seed": 7}, "do": "throttle"}]));
        (0..30).map(|_| client.ec2("DescribeVpcs", &[]).status).collect()
    };
    let first = pattern();
    assert_eq!(pattern(), first);
    assert!(first.contains(&200) && first.contains(&503), "{first:?}");
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn capacity_lacks_by_type_and_by_subnet() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let (image, subnet) = (source(client), client.ec2_value("DescribeSubnets", &[], "subnetId"));
    let faults = json!([
        {"when": {"action": "RunInstances", "instanceType": "t3.large", "probability": 1}, "do": "capacity"},
        {"when": {"action": "RunInstances", "subnet": subnet, "probability": 1}, "do": "capacity"},
    ]);
    arm(client, &faults);
    let run = |kind: &'static str| [("ImageId", image.clone()), ("InstanceType", kind.to_owned())];
    let form = |fields: &[(&'static str, String)]| fields.to_vec();
    let send = |fields: Vec<(&'static str, String)>| {
        let plain: Vec<(&str, &str)> = fields.iter().map(|(name, value)| (*name, value.as_str())).collect();
        client.ec2("RunInstances", &plain).element("Code")
    };
    let lacking = Some("InsufficientInstanceCapacity".to_owned());
    assert_eq!(send(form(&run("t3.large"))), lacking);
    assert_eq!(send(form(&run("t3.small"))), None);
    let in_subnet = [form(&run("t3.small")), vec![("SubnetId", subnet.clone())]].concat();
    assert_eq!(send(in_subnet), lacking);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_fails_for_its_key() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    arm(client, &json!([{"when": {"action": "CopyImage"}, "do": "fail-image-kms"}]));
    let form = [("SourceRegion", "eu-west-1"), ("SourceImageId", &*source(client)), ("Name", "locked")];
    let id = client.ec2_value("CopyImage", &form, "imageId");
    let answer = until("failed", || {
        let answer = client.ec2("DescribeImages", &[("ImageId.1", &id)]);
        answer.body.contains("<imageState>failed</imageState>").then_some(answer)
    })
    .await;
    let reason = answer.element("stateReason").unwrap();
    assert!(reason.contains("<code>Client.InvalidKMSKey</code>") && reason.contains("not accessible"), "{reason}");
    let snapshots = client.ec2("DescribeSnapshots", &[("Owner.1", "self")]);
    assert_eq!(snapshots.elements("status"), ["error"]);
    endpoint.stop().await;
}

/// Sends the two calls that are the emulator's: status and body of their answers; none when there is no answer.
fn hand_on(client: Client) -> [Option<(u16, Value)>; 2] {
    ["PutParameter", "DeleteParameter"].map(|action| {
        let target = format!("x-amz-target: AmazonSSM.{action}\r\n");
        let answer = client.send("POST", "/", "ssm", &target, &json!({"Name": action}).to_string())?;
        Some((answer.status, serde_json::from_str(&answer.body).unwrap()))
    })
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_reach_the_two_calls_that_the_emulator_serves() {
    let emulator = FakeEmulator::start();
    let endpoint = TestEndpoint::start("/nonexistent/base.tar".as_ref(), Some(emulator.url.clone())).await;
    let client = endpoint.client.account("111122223333").region("us-east-1");
    let calls = || ["AmazonSSM.PutParameter", "AmazonSSM.DeleteParameter"].map(|target| emulator.calls(target));
    let arm_both = |act: &str| {
        let when = |action: &str| json!({"when": {"action": action}, "do": act, "code": "Mine"});
        arm(client, &json!([when("PutParameter"), when("DeleteParameter")]));
    };
    arm_both("cut");
    assert_eq!(hand_on(client), [None, None]);
    arm_both("fail");
    for answer in hand_on(client) {
        let (status, body) = answer.unwrap();
        assert_eq!((status, &body["__type"]), (400, &"Mine".into()));
    }
    assert!(calls().iter().all(Vec::is_empty), "{:?}", calls());
    arm_both("drop-answer");
    assert_eq!(hand_on(client), [None, None]);
    assert_eq!(calls().map(|calls| calls.len()), [1, 1]);
    let unharmed = [(200, json!({"FailedEntryCount": 0})), (400, json!({"__type": "ParameterNotFound"}))];
    assert_eq!(hand_on(client), unharmed.map(Some));
    for (calls, name) in calls().iter().zip(["PutParameter", "DeleteParameter"]) {
        assert_eq!(calls.len(), 2);
        for call in calls {
            assert_eq!(
                (&*call.account, &*call.region, &call.body),
                ("111122223333", "us-east-1", &json!({"Name": name}))
            );
        }
    }
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_emulator_that_is_gone_is_told_with_its_cause() {
    let nobody = "127.0.0.1:1"; // no port that is given to anybody
    let endpoint = TestEndpoint::start("/nonexistent/base.tar".as_ref(), Some(format!("http://{nobody}"))).await;
    for answer in hand_on(endpoint.client) {
        let (status, body) = answer.unwrap();
        assert_eq!((status, &body["__type"]), (500, &"InternalServerError".into()));
        let message = body["message"].as_str().unwrap();
        assert!(message.starts_with(&format!("cannot reach the emulator at {nobody}: ")), "{message}");
    }
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn agents_stay_away_and_commands_get_lost() {
    let Some(base) = base_image().await else { return };
    let emulator = FakeEmulator::start();
    let endpoint = TestEndpoint::start(&base, Some(emulator.url.clone())).await;
    let client = endpoint.client;
    arm(client, &json!([{"when": {"action": "RunInstances"}, "do": "no-agent"}]));
    let form = [("ImageId", &*source(client)), ("InstanceType", "t3.small")];
    let silent = client.ec2_value("RunInstances", &form, "instanceId");
    wait_for_state(client, &silent, "running").await;
    let instance = launch(client, &source(client)).await;
    assert!(!client.is_online(&silent));
    let faults = json!([
        {"when": {"action": "SendCommand", "nth": 1}, "do": "undeliverable"},
        {"when": {"action": "SendCommand", "nth": 2}, "do": "delivery-timed-out"},
    ]);
    arm(client, &faults);
    for (status, details) in [("Failed", "Undeliverable"), ("TimedOut", "DeliveryTimedOut")] {
        let command = common::guests::send(client, &instance, "true", 600);
        let got = common::guests::ended(client, &command, &instance).await;
        assert_eq!((got["Status"].as_str(), got["StatusDetails"].as_str()), (Some(status), Some(details)));
    }
    let registrations = emulator.events().iter().filter(|event| event.1 == "SSM Managed Instance Registration").count();
    assert_eq!(registrations, 1);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spot_instance_is_taken_back_after_a_warning() {
    let Some(base) = base_image().await else { return };
    let emulator = FakeEmulator::start();
    let endpoint = TestEndpoint::start(&base, Some(emulator.url.clone())).await;
    let client = endpoint.client.account("111122223333").region("us-east-1");
    let instance = launch(client, &source(client)).await;
    arm(client, &json!([{"when": {"action": "DescribeInstances", "account": "111122223333"}, "do": "interrupt"}]));
    client.ec2("DescribeInstances", &[("InstanceId.1", &instance)]);
    wait_for_state(client, &instance, "terminated").await;
    let answer = client.ec2("DescribeInstances", &[("InstanceId.1", &instance)]);
    assert!(answer.element("stateReason").unwrap().contains("Server.SpotInstanceTermination"));
    until("the end's event", || emulator.events().iter().any(|event| event.2 == "terminated").then_some(())).await;
    let kinds: Vec<String> = emulator.events().into_iter().map(|event| event.1).collect();
    let warning = kinds.iter().position(|kind| kind == "EC2 Spot Instance Interruption Warning").unwrap();
    assert!(warning < kinds.len() - 1);
    assert!(emulator.scopes().iter().all(|scope| scope == "111122223333/us-east-1"), "{:?}", emulator.scopes());
    endpoint.end().await;
}
