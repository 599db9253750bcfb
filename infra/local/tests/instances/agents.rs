//! Instances of images that bring no agent of Systems Manager's.

use base64::prelude::{BASE64_STANDARD, Engine as _};
use serde_json::json;

use crate::common::guests::{base_image, launch, run, source, wait_for_image, wait_for_state};
use crate::common::{TestEndpoint, until};

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_without_an_agent_runs_and_takes_no_commands() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let (_, answer) = client.ssm("GetParameter", &json!({"Name": "/aws/service/goldsmith-local/debian-12-no-agent"}));
    let image = answer["Parameter"]["Value"].as_str().unwrap();
    assert_ne!(image, source(client));
    let form = [("ImageId", image), ("InstanceType", "t3.small"), ("MinCount", "1"), ("MaxCount", "1")];
    let silent = client.ec2_value("RunInstances", &form, "instanceId");
    wait_for_state(client, &silent, "running").await;
    // By then the other one's agent is there.
    let other = launch(client, &source(client)).await;
    let (_, known) = client.ssm("DescribeInstanceInformation", &json!({}));
    let known = known["InstanceInformationList"].as_array().unwrap();
    assert_eq!(known.iter().map(|one| &one["InstanceId"]).collect::<Vec<_>>(), [&json!(other)]);
    let command =
        json!({"DocumentName": "AWS-RunShellScript", "InstanceIds": [silent], "Parameters": {"commands": ["id"]}});
    assert_eq!(client.ssm("SendCommand", &command).1["__type"], "InvalidInstanceId");
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_agent_from_user_data_registers_and_is_not_taken_as_the_images() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let (_, answer) = client.ssm("GetParameter", &json!({"Name": "/aws/service/goldsmith-local/debian-12-no-agent"}));
    let image = answer["Parameter"]["Value"].as_str().unwrap();
    let script = "#!/bin/sh\nprintf '#!/bin/sh\\nread -r _\\n' > /usr/bin/agent.new; chmod 755 /usr/bin/agent.new\n\
                  mv /usr/bin/agent.new /usr/bin/amazon-ssm-agent\n";
    let data = BASE64_STANDARD.encode(script);
    let form = [
        ("ImageId", image),
        ("InstanceType", "t3.small"),
        ("MinCount", "1"),
        ("MaxCount", "1"),
        ("UserData", data.as_str()),
    ];
    let instance = client.ec2_value("RunInstances", &form, "instanceId");
    until("the agent", || client.is_online(&instance).then_some(())).await;
    assert_eq!(run(client, &instance, "rm /usr/bin/amazon-ssm-agent").await["Status"], "Success");
    let form = [("InstanceId", instance.as_str()), ("Name", "without")];
    let made = client.ec2_value("CreateImage", &form, "imageId");
    wait_for_image(client, &made).await;
    let form = [("ImageId", made.as_str()), ("InstanceType", "t3.small"), ("MinCount", "1"), ("MaxCount", "1")];
    let silent = client.ec2_value("RunInstances", &form, "instanceId");
    wait_for_state(client, &silent, "running").await;
    // By then the other one's agent is there.
    launch(client, &source(client)).await;
    let (_, known) = client.ssm("DescribeInstanceInformation", &json!({}));
    assert!(!known.to_string().contains(&silent), "{known}");
    endpoint.end().await;
}
