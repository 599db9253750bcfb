//! Tests how many items are read for a pipeline with a long history.

use std::sync::Arc;

use goldsmith_model::{Cause, Name};
use jiff::Timestamp;
use serde_json::json;

use crate::{CauseStatus, Item, MemoryTable, Store, Table as _, Write};

fn at(second: i64) -> Cause {
    Cause::Schedule { scheduled_time: Timestamp::from_second(second).unwrap().to_string() }
}

#[tokio::test]
async fn only_the_pending_ones_of_ten_thousand_causes_are_read() {
    let table = MemoryTable::new();
    let store = Store::new(Arc::new(table.clone()));
    let web: Name = "web".parse().unwrap();
    let now = "2026-11-24T03:00:00Z".parse().unwrap();
    for second in 0..10_000 {
        store.keep_cause(&web, &at(second), now).await.unwrap();
        store.serve_cause(&web, &at(second), now).await.unwrap();
    }
    let pending = [store.keep_cause(&web, &at(10_000), now).await.unwrap()];
    let before = table.reads();
    assert_eq!(store.pending_causes(&web).await.unwrap(), pending);
    assert_eq!(store.due_causes(Timestamp::MAX).await.unwrap(), pending);
    let after = table.reads();
    assert_eq!((after.calls - before.calls, after.items - before.items), (2, 2));
    // However late one is delivered again, it is not built again; and it may be served twice.
    store.serve_cause(&web, &at(7), now).await.unwrap();
    let again = store.keep_cause(&web, &at(7), now).await.unwrap();
    assert_eq!(again.status, CauseStatus::Served);
    let kept = table.look(|items| items.iter().filter(|(key, _)| key.pk == "PIPELINE#web").count());
    assert_eq!(kept, 10_001);
    let expire = |item: &Item| item.contains_key("expiresAt") && !item.contains_key("open");
    assert!(table.dump().iter().all(|item| expire(item) == (item["status"] == "served")));
}

#[tokio::test]
async fn causes_that_an_older_version_served_are_not_pending() {
    let table = MemoryTable::new();
    let store = Store::new(Arc::new(table.clone()));
    let web: Name = "web".parse().unwrap();
    let now = "2026-11-24T03:00:00Z".parse().unwrap();
    store.keep_cause(&web, &at(0), now).await.unwrap();
    let mut item = table.dump().pop().unwrap();
    item.extend([("status".to_owned(), json!("served")), ("expiresAt".to_owned(), json!(2_000_000_000))]);
    item.retain(|name, _| name != "open" && name != "nextLook");
    table.write(vec![Write::Put { item: item.clone(), checks: vec![] }]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(store.keep_cause(&web, &at(0), now).await.unwrap().status, CauseStatus::Served);
        assert!(store.pending_causes(&web).await.unwrap().is_empty());
        store.serve_cause(&web, &at(0), now).await.unwrap();
    }
    assert_eq!(table.dump(), [item]);
}
