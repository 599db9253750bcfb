//! Spot instances of persistent requests: what EC2 does with them after a call.

use serde_json::json;

use crate::common::emulator::FakeEmulator;
use crate::common::guests::{base_image, launch_with, source, wait_for_state};
use crate::common::{Client, TestEndpoint, until};

/// A launch for a persistent request.
const PERSISTENT: [(&str, &str); 5] = [
    ("InstanceType", "t3.small"),
    ("InstanceMarketOptions.MarketType", "spot"),
    ("InstanceMarketOptions.SpotOptions.SpotInstanceType", "persistent"),
    ("InstanceMarketOptions.SpotOptions.InstanceInterruptionBehavior", "stop"),
    ("TagSpecification.1.ResourceType", "spot-instances-request"),
];

/// Launches an instance and waits until it takes commands. Returns the ids of the instance and of its request.
async fn launch(client: Client) -> (String, String) {
    let image = source(client);
    let tag = [("TagSpecification.1.Tag.1.Key", "role"), ("TagSpecification.1.Tag.1.Value", "builder")];
    let form = [&PERSISTENT[..], &tag, &[("ImageId", &image)]].concat();
    let instance = launch_with(client, &form).await;
    let described = client.ec2("DescribeInstances", &[("InstanceId.1", &instance)]);
    assert_eq!(described.element("instanceLifecycle").as_deref(), Some("spot"));
    (instance, described.element("spotInstanceRequestId").unwrap())
}

/// The state of a request, its status and its instance.
fn request(client: Client, id: &str) -> (String, String, Option<String>) {
    let answer = client.ec2("DescribeSpotInstanceRequests", &[("SpotInstanceRequestId.1", id)]);
    (answer.element("state").unwrap(), answer.element("code").unwrap(), answer.element("instanceId"))
}

/// Waits until a request is in a state with a status.
async fn becomes(client: Client, id: &str, state: &str, status: &str) {
    let look = || (request(client, id).0 == state && request(client, id).1 == status).then_some(());
    until(&format!("{state} {status}, not {:?}", request(client, id)), look).await;
}

/// An endpoint with short delays.
async fn endpoint(events: Option<String>) -> Option<TestEndpoint> {
    let base = base_image().await?;
    let endpoint = TestEndpoint::start(&base, events).await;
    endpoint.client.admin("POST", "settings", &json!({"delays": {"profile": "realistic", "speedUp": 600.0}}));
    Some(endpoint)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persons_stop_disables_a_persistent_request_until_a_start() {
    let Some(endpoint) = endpoint(None).await else { return };
    let client = endpoint.client;
    let (instance, id) = launch(client).await;
    assert_eq!(request(client, &id), ("active".into(), "fulfilled".into(), Some(instance.clone())));
    let by_tag = [("Filter.1.Name", "tag:role"), ("Filter.1.Value.1", "builder")];
    assert_eq!(client.ec2_value("DescribeSpotInstanceRequests", &by_tag, "spotInstanceRequestId"), id);
    client.ec2("StopInstances", &[("InstanceId.1", &instance)]);
    wait_for_state(client, &instance, "stopped").await;
    becomes(client, &id, "disabled", "instance-stopped-by-user").await;
    client.ec2_value("StartInstances", &[("InstanceId.1", &instance)], "instanceId");
    wait_for_state(client, &instance, "running").await;
    becomes(client, &id, "active", "fulfilled").await;
    // Without its request, an instance goes on, and can only be terminated.
    let cancelled = client.ec2_value("CancelSpotInstanceRequests", &[("SpotInstanceRequestId.1", &id)], "state");
    assert_eq!(cancelled, "cancelled");
    becomes(client, &id, "cancelled", "request-canceled-and-instance-running").await;
    assert_eq!(client.ec2_error("StopInstances", &[("InstanceId.1", &instance)]), "IncorrectSpotRequestState");
    client.ec2("TerminateInstances", &[("InstanceId.1", &instance)]);
    wait_for_state(client, &instance, "terminated").await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert_eq!(client.admin("GET", "inventory", &json!(null))["instances"], json!([]));
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_persistent_request_launches_again_unless_it_is_cancelled_first() {
    let Some(endpoint) = endpoint(None).await else { return };
    let client = endpoint.client;
    let (instance, id) = launch(client).await;
    client.ec2("TerminateInstances", &[("InstanceId.1", &instance)]);
    until("another instance", || (request(client, &id).2? != instance).then_some(())).await;
    let (state, _, again) = request(client, &id);
    assert_eq!(state, "active");
    let again = again.unwrap();
    let described = client.ec2("DescribeInstances", &[("InstanceId.1", &again)]);
    assert_eq!((described.element("clientToken"), described.element("tagSet")), (None, None));
    assert_eq!(client.admin("GET", "inventory", &json!(null))["spotRequests"][0]["id"], json!(id));
    // A stopped instance ends with its request.
    wait_for_state(client, &again, "running").await;
    client.ec2("StopInstances", &[("InstanceId.1", &again)]);
    wait_for_state(client, &again, "stopped").await;
    client.ec2("CancelSpotInstanceRequests", &[("SpotInstanceRequestId.1", &id)]);
    wait_for_state(client, &again, "terminated").await;
    assert_eq!(request(client, &id).0, "cancelled");
    let inventory = client.admin("GET", "inventory", &json!(null));
    assert_eq!((&inventory["instances"], &inventory["spotRequests"]), (&json!([]), &json!([])));
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_interruption_stops_an_instance_until_ec2_starts_it_again() {
    let emulator = FakeEmulator::start();
    let Some(endpoint) = endpoint(Some(emulator.url.clone())).await else { return };
    let client = endpoint.client;
    let (instance, id) = launch(client).await;
    client.admin("POST", "settings", &json!({"delays": {"profile": "instant"}}));
    client.admin("POST", "faults", &json!([{"when": {"action": "DescribeInstances"}, "do": "interrupt"}]));
    client.ec2("DescribeInstances", &[("InstanceId.1", &instance)]);
    wait_for_state(client, &instance, "stopped").await;
    let described = client.ec2("DescribeInstances", &[("InstanceId.1", &instance)]);
    let reason = described.element("stateReason").unwrap();
    assert!(reason.contains("<code>Server.SpotInstanceShutdown</code>"), "{reason}");
    becomes(client, &id, "disabled", "instance-stopped-no-capacity").await;
    assert_eq!(client.ec2_error("StartInstances", &[("InstanceId.1", &instance)]), "IncorrectSpotRequestState");
    let kinds: Vec<String> = emulator.events().into_iter().map(|event| event.1).collect();
    for kind in ["EC2 Spot Instance Request Fulfillment", "EC2 Spot Instance Interruption Warning"] {
        assert!(kinds.iter().any(|sent| sent == kind), "{kind}: {kinds:?}");
    }
    client.ec2("CancelSpotInstanceRequests", &[("SpotInstanceRequestId.1", &id)]);
    wait_for_state(client, &instance, "terminated").await;

    // The next one comes back by itself.
    client.admin("POST", "settings", &json!({"delays": {"profile": "realistic", "speedUp": 600.0}}));
    let (instance, id) = launch(client).await;
    client.admin("POST", "faults", &json!([{"when": {"action": "DescribeInstances"}, "do": "interrupt"}]));
    client.ec2("DescribeInstances", &[("InstanceId.1", &instance)]);
    until("the stop", || (request(client, &id).0 == "disabled").then_some(())).await;
    becomes(client, &id, "active", "fulfilled").await;
    wait_for_state(client, &instance, "running").await;
    endpoint.end().await;
}
