//! Clients that stop in the middle of a request, and requests that are too large. No instance boots.
#![expect(clippy::unwrap_used, clippy::expect_used, reason = "a test fails by panicking")]

mod common;

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use common::{Client, TestEndpoint};
use goldsmith_local::RequestLimits;
use serde_json::{Value, json};

/// Less than anybody waits for, but enough for a request that comes.
const SOON: Duration = Duration::from_secs(2);
const NEVER: Duration = Duration::from_secs(100_000);

async fn endpoint(head: Duration, body: Duration) -> TestEndpoint {
    TestEndpoint::start_limited(RequestLimits { head, body, bytes: 1000 }).await
}

/// What comes after these bytes, in which the host is filled in, until the endpoint closes the connection, which it must.
async fn said_to(client: Client, bytes: &'static str) -> String {
    let address: SocketAddr = client.url().trim_start_matches("http://").parse().unwrap();
    let talk = move || {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(120))).unwrap();
        stream.write_all(bytes.replace("{host}", &address.to_string()).as_bytes()).unwrap();
        let mut said = String::new();
        stream.read_to_string(&mut said).unwrap();
        said
    };
    tokio::task::spawn_blocking(talk).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_for_the_rest_of_a_head_is_limited() {
    let endpoint = endpoint(SOON, NEVER).await;
    let said = said_to(endpoint.client, "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-le").await;
    assert!(!said.contains("200 OK"), "{said}");
    assert_eq!(said_to(endpoint.client, "").await, "", "nor is a connection without a request");
    assert_eq!(endpoint.client.ec2("DescribeVpcs", &[]).status, 200);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_for_the_rest_of_a_body_is_limited() {
    let endpoint = endpoint(NEVER, SOON).await;
    let head = "POST / HTTP/1.1\r\nhost: {host}\r\ncontent-length: 500\r\n\r\nAction=Desc";
    assert_eq!(said_to(endpoint.client, head).await, "");
    assert_eq!(endpoint.client.ec2("DescribeVpcs", &[]).status, 200);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_may_take_longer_than_its_request() {
    let endpoint = endpoint(SOON, SOON).await;
    let client = endpoint.client;
    client.admin("POST", "faults", &json!([{"when": {"action": "DescribeVpcs"}, "do": "delay", "milliseconds": 5000}]));
    let answer = tokio::task::spawn_blocking(move || client.ec2("DescribeVpcs", &[]).status).await.unwrap();
    assert_eq!(answer, 200);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_is_too_large_is_refused_as_each_service_does() {
    let endpoint = endpoint(NEVER, NEVER).await;
    let client = endpoint.client;
    // More than the buffers between the two hold: the client sees the answer because all of it is read.
    for length in [1001, 16 * 1024 * 1024] {
        let body = "a".repeat(length);
        let answer = client.ec2("CreateSecurityGroup", &[("GroupName", &body)]);
        assert_eq!((answer.status, answer.element("Code").as_deref()), (400, Some("InvalidInput")));
        let (status, answer) = client.ssm("SendCommand", &json!({"Comment": body}));
        assert_eq!((status, answer["__type"].as_str()), (413, Some("RequestEntityTooLargeException")));
        let answer = client.send("PUT", "/snapshots/snap-1/blocks/0", "ebs", "", &body).unwrap();
        assert_eq!((answer.status, answer.header("x-amzn-errortype")), (413, Some("RequestEntityTooLargeException")));
    }
    assert_eq!(client.ec2("DescribeSecurityGroups", &[]).elements("groupName"), ["default"]);
    client.admin("GET", "inventory", &Value::Null);
    endpoint.end().await;
}
