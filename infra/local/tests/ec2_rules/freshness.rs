//! What is new and not known everywhere yet.

use serde_json::json;

use crate::common::guests::{base_image, launch, run};
use crate::common::{TestEndpoint, until};
use crate::{endpoint, source};

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_name_a_fresh_image_may_not_know_it() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let image = source(client);
    client.admin("POST", "settings", &json!({"unknownFor": 300}));
    let copy = |image, name| [("SourceRegion", "eu-west-1"), ("SourceImageId", image), ("Name", name)];
    let id = client.ec2_value("CopyImage", &copy(image.as_str(), "fresh"), "imageId");
    // A describe shows it, and that it is available.
    let by_id = [("ImageId.1", id.as_str())];
    until("available", || client.ec2("DescribeImages", &by_id).body.contains(">available<").then_some(())).await;
    let named = [
        ("RunInstances", vec![("ImageId", id.as_str()), ("InstanceType", "t3.small")]),
        ("CopyImage", copy(id.as_str(), "again").to_vec()),
        ("ModifyImageAttribute", vec![("ImageId", &id), ("LaunchPermission.Add.1.UserId", "111122223333")]),
        ("CreateTags", vec![("ResourceId.1", id.as_str()), ("Tag.1.Key", "k"), ("Tag.1.Value", "v")]),
    ];
    for (action, form) in &named {
        assert_eq!(client.ec2_error(action, form), "InvalidAMIID.NotFound", "{action}");
    }
    client.admin("POST", "settings", &json!({"unknownFor": 0}));
    for (action, form) in &named {
        assert_eq!(client.ec2(action, form).status, 200, "{action}");
    }
    let refused = client.send("POST", "/_local/settings", "ec2", "", r#"{"unknownFor": 301}"#).unwrap();
    assert!(refused.status == 400 && refused.body.contains("0 to 300"), "{}", refused.body);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn run_command_may_hear_of_a_fresh_agent_late() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    client.admin("POST", "settings", &json!({"unknownFor": 300}));
    // DescribeInstanceInformation shows it as online.
    let instance = launch(client, &source(client)).await;
    let command = json!({"DocumentName": "AWS-RunShellScript", "InstanceIds": [instance],
        "Parameters": {"commands": ["echo known"]}});
    let (status, answer) = client.ssm("SendCommand", &command);
    assert_eq!((status, answer["__type"].as_str()), (400, Some("InvalidInstanceId")));
    client.admin("POST", "settings", &json!({"unknownFor": 0}));
    assert_eq!(run(client, &instance, "echo known").await["StandardOutputContent"], "known\n");
    endpoint.end().await;
}
