//! What instances read of their metadata, and their role's credentials. Needs what instances need: without, it says so and
//! passes, unless `GOLDSMITH_REQUIRE_E2E=1`.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use common::emulator::FakeEmulator;
use common::guests::{base_image, launch, launch_with, run, send, source, wait_for_state};
use common::{Answer, Client, TestEndpoint, until};
use serde_json::{Value, json};

const ROLE: &str = "/latest/meta-data/iam/security-credentials/";
const ASSUME: &str = "AWSSecurityTokenServiceV20110615.AssumeRole";

/// The metadata service of an instance, as its commands find it.
async fn service(client: Client, instance: &str) -> Client {
    let said = run(client, instance, "echo \"$AWS_EC2_METADATA_SERVICE_ENDPOINT\"").await;
    let url = said["StandardOutputContent"].as_str().unwrap().trim();
    Client::at(url.strip_prefix("http://").unwrap().parse().unwrap())
}

fn ask(service: Client, method: &str, path: &str, headers: &str) -> Answer {
    service.send(method, path, "ec2", headers, "").expect("no answer")
}

fn token(service: Client) -> String {
    let answer = ask(service, "PUT", "/latest/api/token", "x-aws-ec2-metadata-token-ttl-seconds: 60\r\n");
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body
}

/// Status and text at a path, read with a new token.
fn read(service: Client, path: &str) -> (u16, String) {
    let answer = ask(service, "GET", path, &format!("x-aws-ec2-metadata-token: {}\r\n", token(service)));
    (answer.status, answer.body)
}

fn text(service: Client, path: &str) -> String {
    let (status, body) = read(service, path);
    assert_eq!(status, 200, "{path}: {body}");
    body
}

fn object(service: Client, path: &str) -> Value {
    serde_json::from_str(&text(service, path)).unwrap()
}

/// Makes known a profile with a role.
fn hand_over(client: Client, role: &str) {
    let profile = json!({"name": "build", "role": format!("arn:aws:iam::000000000000:role/{role}")});
    client.admin("POST", "resources", &json!({"region": "eu-west-1", "instanceProfiles": [profile]}));
}

async fn launch_with_profile(client: Client, more: &[(&str, &str)]) -> String {
    let image = source(client);
    let form = [("ImageId", image.as_str()), ("InstanceType", "t3.small"), ("IamInstanceProfile.Name", "build")];
    launch_with(client, &[&form, more].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_reads_who_and_where_it_is() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    let image = source(client);
    let instance = launch(client, &image).await;
    let service = service(client, &instance).await;
    let said = run(client, &instance, "env | grep ^AWS_ENDPOINT_URL= || echo none").await;
    assert_eq!(said["StandardOutputContent"], "none\n", "nothing to call without an emulator");
    let listed = text(service, "/latest/meta-data/");
    assert!(listed.lines().any(|name| name == "placement/") && listed.lines().any(|name| name == "ami-id"), "{listed}");
    assert!(!listed.contains("iam"), "{listed}");
    let of = |name: &str| text(service, &format!("/latest/meta-data/{name}"));
    assert_eq!(
        (of("instance-id"), of("ami-id"), of("instance-type")),
        (instance.clone(), image, "t3.small".to_owned())
    );
    let described = client.ec2("DescribeInstances", &[("InstanceId.1", &instance)]);
    for (name, element) in [
        ("local-ipv4", "privateIpAddress"),
        ("local-hostname", "privateDnsName"),
        ("placement/availability-zone", "availabilityZone"),
        ("placement/availability-zone/", "availabilityZone"),
        ("reservation-id", "reservationId"),
    ] {
        assert_eq!(Some(of(name)), described.element(element), "{name}");
    }
    assert_eq!((of("placement/region"), of("security-groups")), ("eu-west-1".to_owned(), "default".to_owned()));
    let identity = object(service, "/latest/dynamic/instance-identity/document");
    assert_eq!((&identity["accountId"], &identity["region"]), (&json!("000000000000"), &json!("eu-west-1")));
    assert_eq!((&identity["instanceId"], &identity["architecture"]), (&json!(instance), &json!("x86_64")));
    for nothing in
        ["/latest/user-data", "/latest/meta-data/iam/info", ROLE, "/latest/meta-data/nothing", "/2021-03-23/"]
    {
        assert_eq!(read(service, nothing).0, 404, "{nothing}");
    }
    // A command that somebody still waits for keeps nothing open.
    send(client, &instance, "trap '' TERM; sleep 1000", 600);
    client.ec2_value("TerminateInstances", &[("InstanceId.1", &instance)], "instanceId");
    wait_for_state(client, &instance, "terminated").await;
    let address = service.url().trim_start_matches("http://").to_owned();
    until("the listener to end", || std::net::TcpStream::connect(&address).err().map(drop)).await;
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn metadata_takes_a_token_as_the_instance_demands() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    // "#!/bin/sh\n" in Base64.
    let data = [
        ("UserData", "IyEvYmluL3NoCg=="),
        ("MetadataOptions.InstanceMetadataTags", "enabled"),
        ("TagSpecification.1.ResourceType", "instance"),
        ("TagSpecification.1.Tag.1.Key", "Name"),
        ("TagSpecification.1.Tag.1.Value", "one"),
    ];
    let instance = launch_with_profile(client, &data).await;
    let service = service(client, &instance).await;
    assert_eq!(text(service, "/latest/user-data"), "#!/bin/sh\n");
    assert_eq!(text(service, "/latest/meta-data/tags/instance/Name"), "one");
    let path = "/latest/meta-data/instance-id";
    let get = |headers: &str| ask(service, "GET", path, headers).status;
    let wrong = "x-aws-ec2-metadata-token: made-up\r\n";
    assert_eq!((get(""), get(wrong)), (401, 401));
    let put = |headers: &str| ask(service, "PUT", "/latest/api/token", headers).status;
    let seconds = |seconds: u32| format!("x-aws-ec2-metadata-token-ttl-seconds: {seconds}\r\n");
    assert_eq!((put(""), put(&seconds(0)), put(&seconds(21_601))), (400, 400, 400));
    assert_eq!(put(&(seconds(60) + "x-forwarded-for: 192.0.2.1\r\n")), 403);
    assert_eq!(ask(service, "PUT", path, &seconds(60)).status, 403);
    assert_eq!(ask(service, "POST", path, "").status, 405);
    let change = |name, value| {
        client.ec2_value("ModifyInstanceMetadataOptions", &[("InstanceId", &instance), (name, value)], "instanceId");
    };
    change("HttpTokens", "optional");
    assert_eq!((get(""), get(wrong)), (200, 401));
    change("HttpEndpoint", "disabled");
    assert_eq!((get(""), put(&seconds(60))), (403, 403));
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_has_the_credentials_of_its_role() {
    let Some(base) = base_image().await else { return };
    let emulator = FakeEmulator::start();
    let endpoint = TestEndpoint::start(&base, Some(emulator.url.clone())).await;
    let client = endpoint.client;
    hand_over(client, "builder");
    let instance = launch_with_profile(client, &[]).await;
    let service = service(client, &instance).await;
    let said = run(client, &instance, "echo \"$AWS_ENDPOINT_URL\"").await;
    assert_eq!(said["StandardOutputContent"], format!("{}\n", emulator.url));
    let info = object(service, "/latest/meta-data/iam/info");
    assert_eq!(info["InstanceProfileArn"], "arn:aws:iam::000000000000:instance-profile/build");
    assert_eq!(text(service, ROLE), "builder");
    let path = format!("{ROLE}builder");
    let found = object(service, &path);
    let part = |name: &str| found[name].as_str().unwrap().to_owned();
    assert_eq!((part("Code"), part("Type")), ("Success".to_owned(), "AWS-HMAC".to_owned()));
    let keys = (part("AccessKeyId"), part("SecretAccessKey"), part("Token"));
    assert_eq!(keys, ("ASIAEXAMPLE".to_owned(), "secret".to_owned(), "session".to_owned()));
    assert_eq!(part("Expiration"), "2030-03-17T17:46:40Z");
    assert_eq!(object(service, &path), found);
    let sessions = emulator.calls(ASSUME);
    assert_eq!(sessions.len(), 1, "the same are shown again");
    let asked = json!({"RoleArn": "arn:aws:iam::000000000000:role/builder", "RoleSessionName": instance});
    assert_eq!((&sessions[0].body, sessions[0].region.as_str()), (&asked, "eu-west-1"));
    assert_eq!(read(service, &format!("{ROLE}other")).0, 404);

    client.admin("POST", "settings", &json!({"credentialsAfter": 300}));
    assert_eq!((read(service, ROLE).0, read(service, &path).0), (404, 404));
    client.admin("POST", "settings", &json!({"credentialsAfter": 0}));
    assert_eq!(read(service, ROLE).0, 200);
    client.admin("POST", "settings", &json!({"credentialsAfter": 300}));
    let again = run(client, &instance, "[ -e /var/once ] && exit 0\ntouch /var/once\nexit 194").await;
    assert_eq!((&again["Status"], read(service, ROLE).0), (&json!("Success"), 404), "not yet, after the reboot");
    client.admin("POST", "settings", &json!({"credentialsAfter": 0}));
    until("the role after the reboot", || (read(service, &path).0 == 200).then_some(())).await;

    hand_over(client, "untrusting");
    let refused = object(service, &format!("{ROLE}untrusting"));
    assert_eq!(refused["Code"], "AssumeRoleUnauthorizedAccess");
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn there_are_no_credentials_without_an_emulator() {
    let Some(base) = base_image().await else { return };
    let endpoint = TestEndpoint::start(&base, None).await;
    let client = endpoint.client;
    hand_over(client, "builder");
    let instance = launch_with_profile(client, &[]).await;
    let service = service(client, &instance).await;
    assert_eq!((read(service, ROLE).0, read(service, &format!("{ROLE}builder")).0), (404, 404));
    assert_eq!(object(service, "/latest/meta-data/iam/info")["Code"], "Success");
    endpoint.end().await;
}
