//! What is new and not known everywhere yet.

use serde_json::json;

use crate::common::until;
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
