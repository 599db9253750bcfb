//! Tests that every table must pass. They run on the table in memory and on DynamoDB.

use serde_json::{Value, json};

use crate::{Check, Item, Key, StoreError, Table, Write};

/// Runs every test, each on its own partitions.
pub(crate) async fn check(table: &dyn Table) {
    keeps_values(table).await;
    queries_in_order_and_every_page(table).await;
    finds_the_first_after(table).await;
    puts_under_conditions(table).await;
    compares_attributes(table).await;
    updates_attributes(table).await;
    deletes_and_verifies(table).await;
    writes_all_or_nothing(table).await;
    names_the_failed_writes(table).await;
    finds_due_items(table).await;
    refuses_invalid_requests(table).await;
}

fn item(value: Value) -> Item {
    value.as_object().expect("an object").clone()
}

fn put(value: Value, checks: Vec<Check>) -> Write {
    Write::Put { item: item(value), checks }
}

fn update(key: &Key, set: Value, remove: &[&str], checks: Vec<Check>) -> Write {
    let remove = remove.iter().map(ToString::to_string).collect();
    Write::Update { key: key.clone(), set: item(set), remove, checks }
}

async fn write(table: &dyn Table, write: Write) {
    table.write(vec![write]).await.expect("written");
}

async fn get(table: &dyn Table, key: &Key) -> Option<Value> {
    table.get(key).await.expect("read").map(Value::Object)
}

/// Returns the indexes of the writes whose checks failed.
async fn conflict(table: &dyn Table, writes: Vec<Write>) -> Vec<usize> {
    match table.write(writes).await {
        Err(StoreError::Conflict { failed }) => failed,
        other => panic!("a conflict was expected, not {other:?}"),
    }
}

async fn keeps_values(table: &dyn Table) {
    let stored = json!({
        "pk": "keeps", "sk": "a", "text": "ü", "empty": "", "yes": true, "none": null,
        "zero": 0, "minus": -7, "most": u64::MAX, "least": i64::MIN, "half": 0.5,
        "list": [1, "two", [], {}], "map": {"size": {"with.dot": [false]}},
    });
    write(table, put(stored.clone(), vec![])).await;
    assert_eq!(get(table, &Key::new("keeps", "a")).await, Some(stored));
    assert_eq!(get(table, &Key::new("keeps", "b")).await, None);

    write(table, put(json!({"pk": "keeps", "sk": "a", "whole": 2.0}), vec![])).await;
    assert_eq!(get(table, &Key::new("keeps", "a")).await, Some(json!({"pk": "keeps", "sk": "a", "whole": 2})));
}

async fn queries_in_order_and_every_page(table: &dyn Table) {
    // Four items of 300 KB are more than one page of 1 MB.
    let large = "x".repeat(300_000);
    for sk in ["V#3", "V#1", "W", "V#2", "V#4", "U"] {
        write(table, put(json!({"pk": "query", "sk": sk, "large": large}), vec![])).await;
    }
    write(table, put(json!({"pk": "query2", "sk": "V#0"}), vec![])).await;
    assert_eq!(sort_keys(&table.query("query", "V#").await.expect("read")), ["V#1", "V#2", "V#3", "V#4"]);
    assert_eq!(sort_keys(&table.query("query", "").await.expect("read")), ["U", "V#1", "V#2", "V#3", "V#4", "W"]);
    assert!(table.query("query", "X").await.expect("read").is_empty());
    for (prefix, last) in [("V#", Some("V#4")), ("V#2", Some("V#2")), ("", Some("W")), ("X", None)] {
        let found = table.last("query", prefix).await.expect("read");
        assert_eq!(sort_keys(found.as_slice()), last.as_slice(), "{prefix}");
    }
}

async fn finds_the_first_after(table: &dyn Table) {
    for sk in ["A#1", "A#2", "B#1", "ü"] {
        write(table, put(json!({"pk": "first", "sk": sk}), vec![])).await;
    }
    write(table, put(json!({"pk": "first2", "sk": "Z"}), vec![])).await;
    for (after, first) in [
        ("", Some("A#1")),
        ("A", Some("A#1")),
        ("A#1", Some("A#2")),
        ("A$", Some("B#1")),
        ("B#1", Some("ü")),
        ("ü", None),
    ] {
        let found = table.first_after("first", after).await.expect("read");
        assert_eq!(sort_keys(found.as_slice()), first.as_slice(), "{after}");
    }
    assert!(table.first_after("first0", "").await.expect("read").is_none());
}

fn sort_keys(items: &[Item]) -> Vec<&str> {
    items.iter().map(|item| item["sk"].as_str().expect("text")).collect()
}

async fn puts_under_conditions(table: &dyn Table) {
    let key = Key::new("put", "a");
    let version = |n: u8| json!({"pk": "put", "sk": "a", "n": n});
    assert_eq!(conflict(table, vec![put(version(0), vec![Check::Present])]).await, [0]);
    write(table, put(version(1), vec![Check::Absent])).await;
    assert_eq!(conflict(table, vec![put(version(2), vec![Check::Absent])]).await, [0]);
    assert_eq!(get(table, &key).await, Some(version(1)));
    write(table, put(version(3), vec![Check::Present])).await;
    assert_eq!(get(table, &key).await, Some(version(3)));
}

async fn compares_attributes(table: &dyn Table) {
    let stored = json!({"pk": "compare", "sk": "a", "text": "m", "size": 2, "name": true, "null": null});
    write(table, put(stored, vec![])).await;
    let earlier = || Check::before("text", "n");
    let held = [
        Check::equals("text", "m"),
        Check::equals("size", 2),
        Check::equals("size", 2.0),
        Check::equals("name", true),
        Check::missing("other"),
        earlier(),
        Check::Any(vec![Check::Absent, Check::Any(vec![earlier()])]),
    ];
    let not_held = [
        Check::equals("text", "n"),
        Check::equals("size", "2"),
        Check::equals("name", false),
        Check::equals("other", "m"),
        Check::missing("null"),
        Check::before("text", "m"),
        Check::before("size", "n"),
        Check::before("other", "n"),
        Check::Any(vec![Check::Absent, Check::missing("text")]),
        Check::Any(vec![]),
    ];
    let key = Key::new("compare", "a");
    let verify = |checks: Vec<Check>| Write::Verify { key: key.clone(), checks };
    for check in held {
        write(table, verify(vec![check.clone()])).await;
        write(table, update(&key, json!({"seen": true}), &[], vec![check.clone(), Check::Present])).await;
    }
    for check in not_held {
        assert_eq!(conflict(table, vec![verify(vec![check.clone()])]).await, [0], "{check:?}");
        let two = vec![Check::Present, check.clone()];
        assert_eq!(conflict(table, vec![update(&key, json!({"seen": false}), &[], two)]).await, [0], "{check:?}");
    }
    write(table, verify(vec![])).await;
    let absent = Key::new("compare", "b");
    write(table, Write::Verify { key: absent.clone(), checks: vec![Check::missing("text"), Check::Absent] }).await;
}

async fn updates_attributes(table: &dyn Table) {
    let key = Key::new("update", "a");
    assert_eq!(conflict(table, vec![update(&key, json!({"n": 1}), &[], vec![Check::Present])]).await, [0]);
    write(table, update(&key, json!({"n": 1, "status": "open", "map": {"a": 1}}), &["gone"], vec![Check::Absent]))
        .await;
    let changed = update(&key, json!({"n": 2, "map": {"b": []}}), &["status"], vec![Check::equals("n", 1)]);
    write(table, changed.clone()).await;
    assert_eq!(conflict(table, vec![changed]).await, [0]);
    let stored = json!({"pk": "update", "sk": "a", "n": 2, "map": {"b": []}});
    assert_eq!(get(table, &key).await, Some(stored));
    write(table, update(&key, json!({}), &["map", "n"], vec![Check::Present])).await;
    assert_eq!(get(table, &key).await, Some(json!({"pk": "update", "sk": "a"})));
}

async fn deletes_and_verifies(table: &dyn Table) {
    let key = Key::new("delete", "a");
    let delete = |checks| Write::Delete { key: key.clone(), checks };
    write(table, delete(vec![])).await;
    assert_eq!(conflict(table, vec![delete(vec![Check::Present])]).await, [0]);
    write(table, put(json!({"pk": "delete", "sk": "a", "n": 1}), vec![])).await;
    assert_eq!(conflict(table, vec![delete(vec![Check::equals("n", 2)])]).await, [0]);
    write(table, delete(vec![Check::equals("n", 1)])).await;
    assert_eq!(get(table, &key).await, None);
}

async fn writes_all_or_nothing(table: &dyn Table) {
    let [a, b, c] = ["a", "b", "c"].map(|sk| Key::new("transaction", sk));
    write(table, put(json!({"pk": "transaction", "sk": "a", "fence": 1}), vec![])).await;
    write(table, put(json!({"pk": "transaction", "sk": "c"}), vec![])).await;
    let all = |fence: u8| {
        vec![
            Write::Verify { key: a.clone(), checks: vec![Check::equals("fence", fence)] },
            put(json!({"pk": "transaction", "sk": "b"}), vec![Check::Absent]),
            Write::Delete { key: c.clone(), checks: vec![] },
        ]
    };
    assert_eq!(conflict(table, all(2)).await, [0]);
    assert!(get(table, &b).await.is_none() && get(table, &c).await.is_some());
    table.write(all(1)).await.expect("written");
    assert!(get(table, &b).await.is_some() && get(table, &c).await.is_none());
    table.write(vec![]).await.expect("nothing to write");
}

async fn names_the_failed_writes(table: &dyn Table) {
    let writes = vec![
        put(json!({"pk": "failed", "sk": "a"}), vec![Check::Present]),
        put(json!({"pk": "failed", "sk": "b"}), vec![]),
        update(&Key::new("failed", "c"), json!({"n": 1}), &[], vec![Check::equals("n", 0)]),
    ];
    assert_eq!(conflict(table, writes).await, [0, 2]);
    assert!(table.query("failed", "").await.expect("read").is_empty());
}

async fn finds_due_items(table: &dyn Table) {
    let waits =
        [("c", "wait", "03"), ("a", "wait", "01"), ("b", "wait", "02"), ("d", "wait", "04"), ("e", "build", "01")];
    for (sk, open, next_look) in waits {
        let stored = json!({"pk": "due", "sk": sk, "open": open, "nextLook": next_look, "n": [1]});
        write(table, put(stored, vec![])).await;
    }
    write(table, put(json!({"pk": "due", "sk": "f", "open": "wait"}), vec![])).await;
    let due = table.due("wait", "03").await.expect("read");
    assert_eq!(sort_keys(&due), ["a", "b", "c"]);
    assert_eq!(due[0]["n"], json!([1]), "the index holds whole items");
    write(table, update(&Key::new("due", "a"), json!({"nextLook": "05"}), &[], vec![])).await;
    write(table, update(&Key::new("due", "b"), json!({}), &["open", "nextLook"], vec![Check::Present])).await;
    assert_eq!(sort_keys(&table.due("wait", "03").await.expect("read")), ["c"]);
    assert!(table.due("nothing", "99").await.expect("read").is_empty());
}

async fn refuses_invalid_requests(table: &dyn Table) {
    let key = Key::new("invalid", "a");
    let invalid = [
        vec![put(json!({"pk": "invalid"}), vec![])],
        vec![put(json!({"pk": "invalid", "sk": ""}), vec![])],
        vec![put(json!({"pk": "invalid", "sk": "a", "open": 1, "nextLook": "1"}), vec![])],
        vec![put(json!({"pk": "invalid", "sk": "a", "large": "x".repeat(420_000)}), vec![])],
        vec![update(&key, json!({"pk": "other"}), &[], vec![])],
        vec![update(&key, json!({"n": 1}), &["n"], vec![])],
        vec![update(&key, json!({}), &[], vec![])],
        vec![update(&key, json!({"n": 1}), &[], vec![]), Write::Delete { key: key.clone(), checks: vec![] }],
        (0..101).map(|n| put(json!({"pk": "invalid", "sk": n.to_string()}), vec![])).collect(),
    ];
    for writes in invalid {
        let first = format!("{:.200?}", writes[0]);
        let error = table.write(writes).await.expect_err(&first);
        assert!(
            matches!(&error, StoreError::Refused { code, .. } if code == "ValidationException"),
            "{error:?}: {first}"
        );
    }
    assert!(table.query("invalid", "").await.expect("read").is_empty());
}
