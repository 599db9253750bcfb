//! Bits of snapshots that are flipped on request.

use serde_json::{Value, json};

use crate::caller::{Ebs, block, started, written};
use crate::common::{TestEndpoint, endpoint};

#[tokio::test(flavor = "multi_thread")]
async fn a_flipped_bit_is_in_one_snapshot_until_it_is_flipped_back() {
    let folder = tempfile::tempdir().unwrap();
    let base = std::path::Path::new("/nonexistent/base.tar");
    let first = TestEndpoint::start_in(folder.path(), base).await;
    let client = first.client;
    let id = written(client, json!({}), &[(1, 'a'), (2, 'a')]).await;
    let child = written(client, json!({"ParentSnapshotId": id}), &[]).await;
    let flip = |snapshot: &str, bit: u32| json!({"snapshot": snapshot, "block": 1, "bit": bit});
    let answer = client.admin("POST", "flip-bit", &flip(&id, 17));
    assert_eq!(answer, json!({"snapshot": id, "block": 1, "bit": 17, "flipped": true}));
    first.end().await;

    let second = TestEndpoint::start_in(folder.path(), base).await;
    let client = second.client;
    // The second bit of the third byte: 'a' is 0x61.
    let damaged = format!("aac{}", &block('a')[3..]);
    let intact = block('a');
    // `data` compares each block with its checksum.
    assert!(client.data(&id, 1) == damaged && client.data(&id, 2) == intact && client.data(&child, 1) == intact);
    assert_eq!(client.admin("POST", "flip-bit", &flip(&id, 17))["flipped"], false);
    assert!(client.data(&id, 1) == intact);
    second.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bit_that_no_block_has_is_not_flipped() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let (id, open) = (written(client, json!({}), &[(1, 'a')]).await, started(client, json!({})));
    let refused = |body: Value| {
        let answer = client.send("POST", "/_local/flip-bit", "ec2", "", &body.to_string()).unwrap();
        (answer.status, serde_json::from_str::<Value>(&answer.body).unwrap()["error"].as_str().unwrap().to_owned())
    };
    for (body, status, says) in [
        (json!({"snapshot": id, "block": 0, "bit": 0}), 400, "no block 0"),
        (json!({"snapshot": id, "block": 1, "bit": 4_194_304}), 400, "from 0 to 4194303"),
        (json!({"snapshot": id, "block": 1, "bit": -1}), 400, "bit"),
        (json!({"snapshot": id, "block": 1}), 400, "missing field `bit`"),
        (json!({"snapshot": id, "block": 1, "bit": 1, "times": 2}), 400, "unknown field `times`"),
        (json!({"snapshot": open, "block": 1, "bit": 1}), 400, "not 'completed'"),
        (json!({"snapshot": "snap-0123456789abcdef0", "block": 1, "bit": 1}), 404, "no snapshot"),
    ] {
        let (found, said) = refused(body);
        assert!(found == status && said.contains(says), "{found}: {said}");
    }
    endpoint.end().await;
}
