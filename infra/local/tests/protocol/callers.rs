//! Who may call: neither pages in a browser, nor anybody who does not know the secret.

use serde_json::json;

use crate::common::endpoint;
use crate::common::guests::source;

/// What a page in a browser of this machine's user can send, or has sent for it: heads of requests, by POST.
const OF_PAGES: [&str; 5] = [
    "origin: https://page.example\r\n",
    "origin: null\r\n",
    "sec-fetch-site: cross-site\r\n",
    "sec-fetch-site: same-site\r\n",
    "host: page.example\r\n",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_page_in_a_browser_drives_or_reads_it() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let form = format!("Action=RunInstances&ImageId={}&InstanceType=t3.small&MinCount=1&MaxCount=1", source(client));
    let before = client.admin("GET", "inventory", &json!(null));
    let by_get = client.send("GET", &format!("/?{form}"), "ec2", "", "").unwrap();
    assert_eq!(by_get.status, 405);
    for head in OF_PAGES {
        for (method, path, target, body) in [
            ("POST", "/", "", form.as_str()),
            ("POST", "/", "x-amz-target: AmazonSSM.PutParameter\r\n", "{}"),
            ("GET", "/snapshots/snap-0123456789abcdef0/blocks", "", ""),
            ("GET", "/_local/inventory", "", ""),
            ("POST", "/_local/reset", "", ""),
            ("OPTIONS", "/", "access-control-request-method: POST\r\n", ""),
        ] {
            let answer = client.send(method, path, "ec2", &format!("{head}{target}"), body).unwrap();
            assert_eq!(answer.status, 403, "{method} {path} {head}: {}", answer.body);
            assert_eq!(answer.header("access-control-allow-origin"), None);
        }
    }
    assert_eq!(client.admin("GET", "inventory", &json!(null)), before);
    assert_eq!(client.send("POST", "/", "ec2", "", &form).unwrap().status, 200);
    endpoint.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_without_the_secret_neither_drives_nor_reads_it() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let form = format!("Action=RunInstances&ImageId={}&InstanceType=t3.small&MinCount=1&MaxCount=1", source(client));
    let before = client.admin("GET", "inventory", &json!(null));
    // The test client's own signature is none.
    for head in ["x-goldsmith-local: \r\n", "x-goldsmith-local: 1\r\n", "x-goldsmith-local: tes\r\n"] {
        for (method, path, target, body, status, code) in [
            ("POST", "/", "", form.as_str(), 401, "AuthFailure"),
            ("POST", "/", "x-amz-target: AmazonSSM.SendCommand\r\n", "{}", 403, "UnrecognizedClientException"),
            ("GET", "/snapshots/snap-0123456789abcdef0/blocks", "", "", 403, ""),
            ("GET", "/_local/inventory", "", "", 403, "x-goldsmith-local"),
            ("POST", "/_local/reset", "", "", 403, "x-goldsmith-local"),
        ] {
            let answer = client.send(method, path, "ec2", &format!("{head}{target}"), body).unwrap();
            assert_eq!(answer.status, status, "{method} {path}: {}", answer.body);
            assert!(answer.body.contains(code), "{}", answer.body);
        }
    }
    assert_eq!(client.admin("GET", "inventory", &json!(null)), before);
    endpoint.stop().await;
}
