//! Calls of the EBS direct APIs.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::common::{Answer, Client, until};

/// Bytes of a block.
pub(crate) const BLOCK: usize = 512 * 1024;

/// A block full of one letter.
pub(crate) fn block(letter: char) -> String {
    letter.to_string().repeat(BLOCK)
}

pub(crate) fn checksum(data: &[u8]) -> String {
    STANDARD.encode(Sha256::digest(data))
}

/// The headers of a good PutSnapshotBlock.
pub(crate) fn headers(data: &str) -> String {
    let checksum = checksum(data.as_bytes());
    format!("x-amz-Data-Length: {BLOCK}\r\nx-amz-Checksum: {checksum}\r\nx-amz-Checksum-Algorithm: SHA256\r\n")
}

/// What is done to snapshots.
pub(crate) trait Ebs: Copy {
    fn call(self, method: &str, path: &str, more: &str, body: &str) -> Answer;

    fn get(self, path: &str) -> Answer {
        self.call("GET", &format!("/snapshots/{path}"), "", "")
    }

    fn start(self, input: &Value) -> Answer {
        self.call("POST", "/snapshots", "", &input.to_string())
    }

    /// Puts a block of one letter.
    fn put(self, snapshot: &str, index: u32, letter: char) -> Answer {
        let data = block(letter);
        self.call("PUT", &format!("/snapshots/{snapshot}/blocks/{index}"), &headers(&data), &data)
    }

    fn complete(self, snapshot: &str, count: usize, more: &str) -> Answer {
        let count = format!("x-amz-ChangedBlocksCount: {count}\r\n{more}");
        self.call("POST", &format!("/snapshots/completion/{snapshot}"), &count, "")
    }

    /// The data of a block, by a token that a list has.
    fn data(self, snapshot: &str, index: u32) -> String {
        let listed = json(&self.get(&format!("{snapshot}/blocks")));
        let blocks = listed["Blocks"].as_array().unwrap();
        let found = blocks.iter().find(|block| block["BlockIndex"] == index).unwrap();
        let answer = self.get(&format!("{snapshot}/blocks/{index}?blockToken={}", escaped(&found["BlockToken"])));
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert_eq!(answer.header("x-amz-checksum"), Some(&*checksum(answer.body.as_bytes())));
        answer.body
    }
}

impl Ebs for Client {
    fn call(self, method: &str, path: &str, more: &str, body: &str) -> Answer {
        self.send(method, path, "ebs", more, body).expect("no answer")
    }
}

/// A token as a part of a query.
pub(crate) fn escaped(token: &Value) -> String {
    form_urlencoded::byte_serialize(token.as_str().unwrap().as_bytes()).collect()
}

pub(crate) fn json(answer: &Answer) -> Value {
    serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{}", answer.body))
}

/// A new snapshot of 1 GiB.
pub(crate) fn started(client: Client, more: Value) -> String {
    let mut input = json!({"VolumeSize": 1});
    input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let answer = client.start(&input);
    assert_eq!(answer.status, 201, "{}", answer.body);
    json(&answer)["SnapshotId"].as_str().unwrap().to_owned()
}

/// Completes a snapshot and waits until it is.
pub(crate) async fn completed(client: Client, snapshot: &str, count: usize) {
    let answer = client.complete(snapshot, count, "");
    assert_eq!(answer.status, 202, "{}", answer.body);
    in_state(client, snapshot, "completed").await;
}

pub(crate) async fn in_state(client: Client, snapshot: &str, state: &str) {
    let by_id = [("SnapshotId.1", snapshot)];
    until(state, || (client.ec2_value("DescribeSnapshots", &by_id, "status") == state).then_some(())).await;
}

/// A completed snapshot with these blocks.
pub(crate) async fn written(client: Client, more: Value, blocks: &[(u32, char)]) -> String {
    let id = started(client, more);
    for (index, letter) in blocks {
        assert_eq!(client.put(&id, *index, *letter).status, 201);
    }
    completed(client, &id, blocks.len()).await;
    id
}
