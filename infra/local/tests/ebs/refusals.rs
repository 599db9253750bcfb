//! What EBS refuses, each with its exception and reason.

use serde_json::{Value, json};

use crate::caller::{BLOCK, Ebs, block, checksum, headers, json, started, written};
use crate::common::{Answer, Client, endpoint};

const FRIEND: &str = "111122223333";
const NO_SNAPSHOT: &str = "snap-0123456789abcdef0";
const KEY: &str = "arn:aws:kms:eu-west-1:000000000000:key/k1";

#[track_caller]
fn refused(answer: &Answer, status: u16, reason: &str) {
    let body = json(answer);
    assert_eq!((answer.status, body["Reason"].as_str()), (status, Some(reason)), "{body}");
    let exception = match status {
        400 => "ValidationException",
        402 => "ServiceQuotaExceededException",
        403 => "AccessDeniedException",
        _ => "ResourceNotFoundException",
    };
    assert_eq!(answer.header("x-amzn-errortype"), Some(exception));
    let message = body["Message"].as_str().unwrap();
    assert!(!message.is_empty() && message.len() <= 256, "{message}");
}

#[track_caller]
fn invalid(answer: &Answer, reason: &str) {
    refused(answer, 400, reason);
}

#[tokio::test(flavor = "multi_thread")]
async fn starts_that_are_refused() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let start = |more: Value| {
        let mut input = json!({"VolumeSize": 8});
        input.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        client.start(&input)
    };
    for size in [json!(0), json!(65_537), json!(-1), Value::Null] {
        invalid(&start(json!({"VolumeSize": size})), "INVALID_VOLUME_SIZE");
    }
    let long = "d".repeat(256);
    let wrong = [
        json!({"Timeout": 9}),
        json!({"Timeout": 4321}),
        json!({"Description": long}),
        json!({"ClientToken": "a b"}),
        json!({"ClientToken": long}),
        json!({"Tags": "none"}),
        json!({"Tags": [null]}),
        json!({"KmsKeyArn": KEY}),
        json!({"KmsKeyArn": KEY, "Encrypted": false}),
    ];
    for more in wrong {
        invalid(&start(more), "INVALID_PARAMETER_VALUE");
    }
    invalid(&start(json!({"KmsKeyArn": "alias/golden", "Encrypted": true})), "INVALID_CUSTOMER_KEY");
    let many: Vec<Value> = (0..51).map(|number| json!({"Key": number.to_string(), "Value": ""})).collect();
    let twice = json!([{"Key": "a", "Value": "1"}, {"Key": "a", "Value": "2"}]);
    for tags in [json!(many), twice, json!([{"Key": "aws:a"}]), json!([{"Key": ""}]), json!([{"Key": "k".repeat(128)}])]
    {
        invalid(&start(json!({"Tags": tags})), "INVALID_TAG");
    }
    refused(&start(json!({"ParentSnapshotId": NO_SNAPSHOT})), 404, "SNAPSHOT_NOT_FOUND");
    invalid(&start(json!({"ParentSnapshotId": "vol-1"})), "INVALID_SNAPSHOT_ID");
    let token = json!({"ClientToken": "once"});
    let first = started(client, token.clone());
    assert_eq!(started(client, token.clone()), first);
    let other = start(token);
    assert_eq!((other.status, other.header("x-amzn-errortype")), (409, Some("ConflictException")));
    invalid(&start(json!({"ParentSnapshotId": first})), "INVALID_SNAPSHOT_ID");
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn members_that_are_null_are_not_there() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let nulls = json!({"ParentSnapshotId": null, "Tags": null, "Description": null, "ClientToken": "once",
        "Encrypted": null, "KmsKeyArn": null, "Timeout": null});
    let id = started(client, nulls);
    assert_eq!(started(client, json!({"ClientToken": "once"})), id);
    let tagged = json!({"VolumeSize": 1, "Tags": [{"Key": "role", "Value": null}]});
    assert_eq!(json(&client.start(&tagged))["Tags"], json!([{"Key": "role", "Value": ""}]));
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_follows_the_parent_the_call_and_the_account() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let key = |more: Value| json(&client.start(&more))["KmsKeyArn"].clone();
    assert_eq!(key(json!({"VolumeSize": 1})), Value::Null);
    assert_eq!(key(json!({"VolumeSize": 1, "Encrypted": true, "KmsKeyArn": KEY})), KEY);
    let plain = written(client, json!({}), &[]).await;
    let encrypted = written(client, json!({"Encrypted": true, "KmsKeyArn": KEY}), &[(0, 'a')]).await;
    assert_eq!(key(json!({"VolumeSize": 1, "ParentSnapshotId": encrypted})), KEY);
    let both = json!({"VolumeSize": 1, "ParentSnapshotId": plain, "Encrypted": true});
    invalid(&client.start(&both), "INVALID_PARAMETER_VALUE");
    let other = json!({"VolumeSize": 1, "ParentSnapshotId": encrypted, "KmsKeyArn": KEY});
    invalid(&client.start(&other), "INVALID_PARAMETER_VALUE");
    client.ec2_value("EnableEbsEncryptionByDefault", &[], "ebsEncryptionByDefault");
    let default = client.ec2_value("ResetEbsDefaultKmsKeyId", &[], "kmsKeyId");
    assert_eq!(key(json!({"VolumeSize": 1})), default);
    invalid(&client.start(&json!({"VolumeSize": 1, "ParentSnapshotId": plain})), "INVALID_PARAMETER_VALUE");
    // A friend may see it, but not use its key.
    client.admin("POST", "resources", &json!({"region": "eu-west-1", "kmsKeys": [{"id": "k1"}]}));
    let share = [("SnapshotId", &*encrypted), ("CreateVolumePermission.Add.1.UserId", FRIEND)];
    client.ec2_value("ModifySnapshotAttribute", &share, "return");
    let list = client.account(FRIEND).get(&format!("{encrypted}/blocks"));
    refused(&list, 403, "DEPENDENCY_ACCESS_DENIED");
    let unknown = json!({"VolumeSize": 1, "Encrypted": true, "KmsKeyArn": KEY.replace("k1", "k2")});
    refused(&client.start(&unknown), 403, "DEPENDENCY_ACCESS_DENIED");
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_has_a_hundred_pending_snapshots() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let ids: Vec<String> = (0..100).map(|_| started(client, json!({}))).collect();
    refused(&client.start(&json!({"VolumeSize": 1})), 402, "DEPENDENCY_SERVICE_QUOTA_EXCEEDED");
    started(client.region("us-east-1"), json!({}));
    client.ec2_value("DeleteSnapshot", &[("SnapshotId", &ids[0])], "return");
    started(client, json!({}));
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn writes_that_are_refused() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let id = started(client, json!({}));
    let data = block('a');
    let put = |path: &str, headers: &str, data: &str| client.call("PUT", &format!("/snapshots/{path}"), headers, data);
    let (good, first) = (headers(&data), format!("{id}/blocks/0"));
    for index in ["2048", "-1", "x", "4294967296", "+1", "01", "1.0"] {
        invalid(&put(&format!("{id}/blocks/{index}"), &good, &data), "INVALID_BLOCK");
    }
    refused(&put(&format!("{NO_SNAPSHOT}/blocks/0"), &good, &data), 404, "SNAPSHOT_NOT_FOUND");
    invalid(&put("snap-X/blocks/0", &good, &data), "INVALID_SNAPSHOT_ID");
    let wrong = [
        good.replace(&BLOCK.to_string(), "1024"),
        good.replace("SHA256", "MD5"),
        good.replace(&checksum(data.as_bytes()), "AAAA"),
        good.replace("x-amz-Checksum:", "x-other:"),
        good.replace("x-amz-Data-Length", "x-other"),
        format!("{good}x-amz-Progress: 101\r\n"),
    ];
    for headers in wrong {
        invalid(&put(&first, &headers, &data), "INVALID_PARAMETER_VALUE");
    }
    invalid(&put(&first, &headers(&block('b')), &data), "INVALID_BLOCK");
    invalid(&put(&first, &headers("short"), "short"), "INVALID_BLOCK");
    assert_eq!(put(&first, &format!("{good}x-amz-Progress: 100\r\n"), &data).status, 201);
    invalid(&client.get(&format!("{id}/blocks")), "INVALID_SNAPSHOT_ID");

    for count in ["2", "01", "+1"] {
        let count = format!("x-amz-ChangedBlocksCount: {count}\r\n");
        let path = format!("/snapshots/completion/{id}");
        invalid(&client.call("POST", &path, &count, ""), "INVALID_PARAMETER_VALUE");
    }
    invalid(&client.call("POST", &format!("/snapshots/completion/{id}"), "", ""), "INVALID_PARAMETER_VALUE");
    let sum = |checksum: &str| format!("x-amz-Checksum: {checksum}\r\nx-amz-Checksum-Algorithm: SHA256\r\n");
    let linear = "x-amz-Checksum-Aggregation-Method: LINEAR\r\n";
    let right = checksum(&{
        use sha2::Digest;
        sha2::Sha256::digest(&data)
    });
    invalid(&client.complete(&id, 1, &sum(&right)), "INVALID_PARAMETER_VALUE");
    let other = checksum(data.as_bytes());
    invalid(&client.complete(&id, 1, &format!("{}{linear}", sum(&other))), "INVALID_PARAMETER_VALUE");
    assert_eq!(client.complete(&id, 1, &format!("{}{linear}", sum(&right))).status, 202);
    invalid(&client.put(&id, 1, 'a'), "INVALID_SNAPSHOT_ID");
    invalid(&client.complete(&id, 1, ""), "INVALID_SNAPSHOT_ID");
    endpoint.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn reads_that_are_refused() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    let id = written(client, json!({}), &[(0, 'a'), (1, 'b')]).await;
    let unrelated = written(client, json!({}), &[(0, 'a')]).await;
    for size in ["0", "10001", "x", "%2B100", "0100"] {
        invalid(&client.get(&format!("{id}/blocks?maxResults={size}")), "INVALID_PARAMETER_VALUE");
    }
    for index in ["-1", "%2B1", "01"] {
        invalid(&client.get(&format!("{id}/blocks?startingBlockIndex={index}")), "INVALID_PARAMETER_VALUE");
    }
    invalid(&client.get(&format!("{id}/blocks?pageToken=AAAA")), "INVALID_PAGE_TOKEN");
    invalid(&client.get(&format!("{id}/changedblocks")), "INVALID_PARAMETER_VALUE");
    let compare = |first: &str| client.get(&format!("{id}/changedblocks?firstSnapshotId={first}"));
    invalid(&compare(&unrelated), "UNRELATED_SNAPSHOTS");
    refused(&compare(NO_SNAPSHOT), 404, "SNAPSHOT_NOT_FOUND");
    invalid(&client.get(&format!("{id}/blocks/0")), "INVALID_PARAMETER_VALUE");
    let listed = json(&client.get(&format!("{id}/blocks")));
    let token = crate::caller::escaped(&listed["Blocks"][1]["BlockToken"]);
    assert_eq!(client.get(&format!("{id}/blocks/1?blockToken={token}")).status, 200);
    for other in [format!("{id}/blocks/0"), format!("{unrelated}/blocks/1"), format!("{id}/blocks/2")] {
        invalid(&client.get(&format!("{other}?blockToken={token}")), "INVALID_BLOCK_TOKEN");
    }
    invalid(&client.get(&format!("{id}/blocks/2048?blockToken={token}")), "INVALID_BLOCK");
    others(client, &id);
    endpoint.end().await;
}

/// Another account sees what is shared with it, and writes nothing. Another Region has nothing of it.
fn others(client: Client, id: &str) {
    let friend = client.account(FRIEND);
    let list = format!("{id}/blocks");
    for stranger in [friend, client.region("us-east-1")] {
        refused(&stranger.get(&list), 404, "SNAPSHOT_NOT_FOUND");
    }
    // What is public, everybody sees, unless its owner's account blocks that.
    let public = [("SnapshotId", id), ("CreateVolumePermission.Add.1.Group", "all")];
    client.ec2_value("ModifySnapshotAttribute", &public, "return");
    assert_eq!(friend.get(&list).status, 200);
    client.ec2_value("EnableSnapshotBlockPublicAccess", &[("State", "block-all-sharing")], "state");
    refused(&friend.get(&list), 404, "SNAPSHOT_NOT_FOUND");
    let share = [("SnapshotId", id), ("CreateVolumePermission.Add.1.UserId", FRIEND)];
    client.ec2_value("ModifySnapshotAttribute", &share, "return");
    assert_eq!(friend.get(&list).status, 200);
    refused(&friend.put(id, 0, 'a'), 403, "UNAUTHORIZED_ACCOUNT");
    let unknown = client.call("DELETE", &format!("/snapshots/{id}"), "", "");
    assert_eq!((unknown.status, unknown.header("x-amzn-errortype")), (400, Some("UnknownOperationException")));
}

#[tokio::test(flavor = "multi_thread")]
async fn faults_and_disabled_regions_reach_them() {
    let endpoint = endpoint().await;
    let client = endpoint.client;
    client.admin("POST", "faults", &json!([{"when": {"action": "StartSnapshot"}, "do": "throttle"}]));
    let throttled = client.start(&json!({"VolumeSize": 1}));
    assert_eq!((throttled.status, throttled.header("x-amzn-errortype")), (400, Some("RequestThrottledException")));
    started(client, json!({}));
    client.admin("POST", "settings", &json!({"regions": {"disabled": ["ap-east-1"]}}));
    let closed = client.region("ap-east-1").start(&json!({"VolumeSize": 1}));
    assert_eq!(closed.header("x-amzn-errortype"), Some("UnrecognizedClientException"));
    endpoint.end().await;
}
