//! Faults of events on their way to the emulator.

use serde_json::json;

use crate::common::emulator::FakeEmulator;
use crate::common::guests::source;
use crate::common::{TestEndpoint, until};

#[tokio::test(flavor = "multi_thread")]
async fn events_are_dropped_doubled_and_swapped_on_demand() {
    let emulator = FakeEmulator::start();
    let endpoint = TestEndpoint::start("/nonexistent/base.tar".as_ref(), Some(emulator.url.clone())).await;
    let client = endpoint.client.region("us-east-1");
    let image = source(client);
    let kind = "EC2 AMI State Change";
    let faults = json!([
        {"when": {"event": format!("{kind}/pending"), "nth": 1}, "do": "drop"},
        {"when": {"event": format!("{kind}/available"), "nth": 1}, "do": "double"},
        {"when": {"event": format!("{kind}/pending"), "nth": 2}, "do": "swap"},
    ]);
    client.admin("POST", "faults", &faults);
    for name in ["one", "two"] {
        let form = [("SourceRegion", "us-east-1"), ("SourceImageId", &image), ("Name", name)];
        let id = client.ec2_value("CopyImage", &form, "imageId");
        let look = || client.ec2("DescribeImages", &[("ImageId.1", &id)]).body.contains(">available<").then_some(());
        until("available", look).await;
    }
    until("four events", || (emulator.events().len() == 4).then_some(())).await;
    let states = ["available", "available", "available", "pending"];
    let expected = states.map(|state| ("us-east-1".to_owned(), kind.to_owned(), state.to_owned()));
    assert_eq!(emulator.events(), expected);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn swapped_events_that_nothing_follows_are_sent_when_the_endpoint_ends() {
    let emulator = FakeEmulator::start();
    let endpoint = TestEndpoint::start("/nonexistent/base.tar".as_ref(), Some(emulator.url.clone())).await;
    let client = endpoint.client.region("us-east-1");
    client.admin("POST", "faults", &json!([{"when": {"event": "EC2 AMI State Change", "times": 2}, "do": "swap"}]));
    let form = [("SourceRegion", "us-east-1"), ("SourceImageId", &*source(client)), ("Name", "copy")];
    let id = client.ec2_value("CopyImage", &form, "imageId");
    let look = || client.ec2("DescribeImages", &[("ImageId.1", &id)]).body.contains(">available<").then_some(());
    until("available", look).await;
    assert_eq!(emulator.events(), []);
    endpoint.stop().await;
    let states: Vec<String> = emulator.events().into_iter().map(|(_, _, state)| state).collect();
    assert_eq!(states, ["pending", "available"]);
}
