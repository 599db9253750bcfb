//! What snapshots by blocks keep: what was written, what their parents have, over a restart and not longer than they live.

use std::fs::File;
use std::io::Write;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::caller::{Ebs, block, checksum, completed, escaped, headers, in_state, json, started, written};
use crate::common::{TestEndpoint, endpoint, until};

fn indexes(list: &Value) -> Vec<u64> {
    list.as_array().unwrap().iter().map(|block| block["BlockIndex"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_has_what_was_written_to_it_and_what_its_parent_has() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let id = started(client, json!({"Description": "disk", "Tags": [{"Key": "role", "Value": "web"}]}));
    for (index, letter) in [(0, 'a'), (3, 'x'), (3, 'b'), (2047, 'c')] {
        assert_eq!(client.put(&id, index, letter).status, 201);
    }
    let described = client.ec2("DescribeSnapshots", &[("Filter.1.Name", "tag:role"), ("Filter.1.Value.1", "web")]);
    assert_eq!(described.elements("status"), ["pending"]);
    assert_eq!(described.element("volumeId").as_deref(), Some("vol-ffffffff"));
    let all: Vec<u8> = ['a', 'b', 'c'].iter().flat_map(|one| digest(*one)).collect();
    let sum = format!(
        "x-amz-Checksum: {}\r\nx-amz-Checksum-Algorithm: SHA256\r\nx-amz-Checksum-Aggregation-Method: LINEAR\r\n",
        checksum(&all)
    );
    let answer = client.complete(&id, 3, &sum);
    assert_eq!((answer.status, answer.body.as_str()), (202, r#"{"Status":"pending"}"#));
    in_state(client, &id, "completed").await;
    let listed = json(&client.get(&format!("{id}/blocks")));
    assert_eq!((indexes(&listed["Blocks"]), &listed["BlockSize"]), (vec![0, 3, 2047], &json!(524_288)));
    assert_eq!(client.data(&id, 3), block('b'));

    let child = written(client, json!({"ParentSnapshotId": id}), &[(3, 'd'), (9, 'e')]).await;
    assert_eq!((client.data(&child, 0), client.data(&child, 3)), (block('a'), block('d')));
    assert_eq!(client.data(&id, 3), block('b'), "the parent does not change");
    let changed = json(&client.get(&format!("{child}/changedblocks?firstSnapshotId={id}")));
    assert_eq!(indexes(&changed["ChangedBlocks"]), [3, 9]);
    assert!(changed["ChangedBlocks"][0]["FirstBlockToken"].is_string());
    assert!(changed["ChangedBlocks"][1]["FirstBlockToken"].is_null());
    let token = escaped(&changed["ChangedBlocks"][0]["FirstBlockToken"]);
    assert_eq!(client.get(&format!("{id}/blocks/3?blockToken={token}")).body, block('b'));

    client.ec2_value("DeleteSnapshot", &[("SnapshotId", &id)], "return");
    assert_eq!(client.data(&child, 0), block('a'), "a child outlives its parent");
    client.ec2_value("DeleteSnapshot", &[("SnapshotId", &child)], "return");
    let left = std::fs::read_dir(endpoint.state_dir().join("state/blocks")).unwrap();
    assert_eq!(left.count(), 0);
    endpoint.end().await;
}

fn digest(letter: char) -> Vec<u8> {
    use sha2::Digest;
    sha2::Sha256::digest(block(letter)).to_vec()
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_come_in_pages() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let blocks: Vec<(u32, char)> = (0..101).map(|index| (index * 2, 'a')).collect();
    let id = written(client, json!({}), &blocks).await;
    let first = json(&client.get(&format!("{id}/blocks?maxResults=100")));
    let token = escaped(&first["NextToken"]);
    let second = json(&client.get(&format!("{id}/blocks?maxResults=100&pageToken={token}&startingBlockIndex=7")));
    assert_eq!((indexes(&first["Blocks"]).len(), indexes(&second["Blocks"])), (100, vec![200]));
    assert_eq!(second["NextToken"], Value::Null);
    let rest = json(&client.get(&format!("{id}/blocks?startingBlockIndex=197")));
    assert_eq!(indexes(&rest["Blocks"]), [198, 200]);
    let other = written(client, json!({"ParentSnapshotId": id}), &[]).await;
    let answer = client.get(&format!("{other}/blocks?pageToken={token}"));
    assert_eq!(json(&answer)["Reason"], "INVALID_PAGE_TOKEN");
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn they_survive_a_restart_and_are_given_up_when_nothing_is_written() {
    let folder = tempfile::tempdir().unwrap();
    let base = std::path::Path::new("/nonexistent/base.tar");
    let first = TestEndpoint::start_in(folder.path(), base).await;
    let client = first.client;
    let kept = written(client, json!({}), &[(5, 'a')]).await;
    let open = started(client, json!({"ParentSnapshotId": kept, "ClientToken": "once", "Timeout": 4320}));
    assert_eq!(client.put(&open, 6, 'b').status, 201);
    let idle = started(client, json!({"Timeout": 10}));
    let sealed = started(client, json!({}));
    client.admin("POST", "settings", &json!({"delays": {"profile": "realistic", "speedUp": 1e-6}}));
    assert_eq!(client.complete(&sealed, 0, "").status, 202);
    first.end().await;
    let blocks = folder.path().join("state/blocks");
    std::fs::create_dir(blocks.join("snap-0123456789abcdef0")).unwrap();
    let long_ago = SystemTime::now() - Duration::from_secs(3600);
    File::open(blocks.join(&idle).join("own")).unwrap().set_modified(long_ago).unwrap();

    let second = TestEndpoint::start_in(folder.path(), base).await;
    let client = second.client;
    assert_eq!(client.data(&kept, 5), block('a'));
    let again = json!({"ParentSnapshotId": kept, "ClientToken": "once", "Timeout": 4320});
    assert_eq!(started(client, again), open, "the client token is remembered");
    assert_eq!(client.put(&open, 7, 'c').status, 201);
    completed(client, &open, 2).await;
    assert_eq!((client.data(&open, 5), client.data(&open, 6)), (block('a'), block('b')));
    in_state(client, &sealed, "completed").await;
    in_state(client, &idle, "error").await;
    let refused = client.put(&idle, 0, 'a');
    assert_eq!((refused.status, json(&refused)["Reason"].as_str()), (400, Some("INVALID_SNAPSHOT_ID")));
    assert!(!blocks.join("snap-0123456789abcdef0").exists(), "what belongs to no snapshot is removed");
    client.admin("POST", "reset", &json!({}));
    assert_eq!(std::fs::read_dir(&blocks).unwrap().count(), 0);
    second.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_deleted_while_a_block_arrives_leaves_nothing() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let data = block('a');
    let good = headers(&data);
    // At another moment of the call each time.
    for moment in 0..30 {
        let id = started(client, json!({}));
        let (path, good, data) = (format!("/snapshots/{id}/blocks/0"), good.clone(), data.clone());
        let put = tokio::task::spawn_blocking(move || client.call("PUT", &path, &good, &data));
        tokio::time::sleep(Duration::from_millis(moment)).await;
        client.ec2_value("DeleteSnapshot", &[("SnapshotId", &id)], "return");
        let answer = put.await.unwrap();
        assert!([201, 404].contains(&answer.status), "{}: {}", answer.status, answer.body);
    }
    let left = std::fs::read_dir(endpoint.state_dir().join("state/blocks")).unwrap();
    assert_eq!(left.count(), 0);
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_calls_go_on_while_many_blocks_are_counted() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let id = started(client, json!({}));
    assert_eq!(client.put(&id, 0, 'a').status, 201);
    // A block whose digest can only be read when somebody gives it: as if there were no end of blocks.
    let file = endpoint.state_dir().join("state/blocks").join(&id).join("own/0");
    let digest = std::fs::read(&file).unwrap();
    std::fs::remove_file(&file).unwrap();
    rustix::fs::mkfifoat(rustix::fs::CWD, &file, rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR).unwrap();
    let counted = id.clone();
    let complete = tokio::task::spawn_blocking(move || client.complete(&counted, 1, "").status);
    // It is open for writing once the endpoint reads it.
    let mut pipe = tokio::task::spawn_blocking(move || File::options().write(true).open(file)).await.unwrap().unwrap();
    let described = tokio::task::spawn_blocking(move || client.ec2("DescribeSnapshots", &[]).elements("status"));
    until("another call's answer", || described.is_finished().then_some(())).await;
    assert_eq!(described.await.unwrap(), ["pending"]);
    assert!(!complete.is_finished());
    pipe.write_all(&digest[..32]).unwrap();
    assert_eq!(complete.await.unwrap(), 202);
    in_state(client, &id, "completed").await;
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn one_order_that_comes_many_times_at_once_makes_one_child() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let parent = written(client, json!({}), &[(0, 'a'), (1, 'b')]).await;
    let order = json!({"ParentSnapshotId": parent, "ClientToken": "once"});
    let calls: Vec<_> = (0..8)
        .map(|_| {
            let order = order.clone();
            tokio::task::spawn_blocking(move || started(client, order))
        })
        .collect();
    let mut ids = std::collections::BTreeSet::new();
    for call in calls {
        ids.insert(call.await.unwrap());
    }
    assert_eq!(ids.len(), 1, "{ids:?}");
    let left = std::fs::read_dir(endpoint.state_dir().join("state/blocks")).unwrap();
    assert_eq!(left.count(), 2);
    endpoint.end().await;
}
