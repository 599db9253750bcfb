//! A table that an earlier version has written, and a table that it goes on to write: an older command line, or a stack
//! that has returned to an earlier release. It knows only the keys `SUB#pipeline`.

use std::sync::Arc;

use goldsmith_model::{Name, RebuildOn, SourceImage};
use serde_json::{Value, json};

use super::{name, source, sub};
use crate::{Check, Item, Key, MemoryTable, Store, Table, Write};

fn item(value: Value) -> Item {
    let Value::Object(item) = value else { panic!("no object") };
    item
}

async fn put(table: &MemoryTable, value: Value) {
    table.write(vec![Write::Put { item: item(value), checks: vec![] }]).await.unwrap();
}

/// Makes a pipeline watch a source, as the earlier version did. `last` is the AMI from which it was built.
pub(super) async fn watch(table: &MemoryTable, pipeline: &str, source: &SourceImage, last: Option<&str>) {
    let hash = source.hash();
    put(table, json!({"pk": format!("SOURCE#{hash}"), "sk": "META", "source": source, "made": 1, "recordVersion": 1}))
        .await;
    put(table, json!({"pk": "SOURCES", "sk": hash, "source": source, "recordVersion": 1})).await;
    let update = Write::Update {
        key: Key::new(format!("SOURCE#{hash}"), format!("SUB#{pipeline}")),
        set: item(json!({"pipeline": pipeline, "why": "source-update"})),
        remove: vec![],
        checks: vec![],
    };
    table.write(vec![update]).await.unwrap();
    put(table, json!({"pk": format!("PIPELINE#{pipeline}"), "sk": "SOURCE", "hash": hash, "recordVersion": 1})).await;
    if let Some(last) = last {
        note_built(table, pipeline, source, last).await;
    }
}

/// Notes from which AMI a pipeline was built, as the earlier version did.
async fn note_built(table: &MemoryTable, pipeline: &str, source: &SourceImage, last: &str) {
    let key = Key::new(format!("SOURCE#{}", source.hash()), format!("SUB#{pipeline}"));
    let set = item(json!({"lastImage": last}));
    let _ = table.write(vec![Write::Update { key, set, remove: vec![], checks: vec![Check::Present] }]).await;
}

/// Lets a pipeline watch nothing, as the earlier version did.
pub(super) async fn unwatch(table: &dyn Table, pipeline: &str, source: &SourceImage) {
    let keys = [
        (format!("SOURCE#{}", source.hash()), format!("SUB#{pipeline}")),
        (format!("PIPELINE#{pipeline}"), "SOURCE".to_owned()),
    ];
    for (pk, sk) in keys {
        table.write(vec![Write::Delete { key: Key::new(pk, sk), checks: vec![] }]).await.unwrap();
    }
}

fn sort_keys(table: &MemoryTable, source: &SourceImage) -> Vec<String> {
    let of = format!("SOURCE#{}", source.hash());
    let found = table.look(|items| items.keys().filter(|key| key.pk == of).map(|key| key.sk.clone()).collect());
    let keys: Vec<String> = found;
    keys.into_iter().filter(|sk| sk != "META").collect()
}

fn fixture() -> (MemoryTable, Store, SourceImage, Name) {
    let table = MemoryTable::new();
    let store = Store::new(Arc::new(table.clone()));
    (table, store, source("ssm:/a"), name("web"))
}

#[tokio::test]
async fn its_items_are_read_and_move_when_they_are_next_written() {
    let (table, store, a, web) = fixture();
    for (pipeline, last) in [("web", Some("ami-1")), ("api", Some("ami-2")), ("ami-2", None)] {
        watch(&table, pipeline, &a, last).await;
    }
    let hash = a.hash();
    let behind = store.subscribers_behind(&hash, "ami-2").await.unwrap();
    assert_eq!(behind, [sub("ami-2", None), sub("web", Some("ami-1"))]);
    assert!(store.still_watches(&hash, &behind[1]).await.unwrap());
    store.note_built(&hash, &web, "ami-2").await.unwrap();
    assert_eq!(sort_keys(&table, &a), ["SUB##ami-2#web", "SUB#ami-2", "SUB#api"]);
    // What is up to date moves too, so that the next check no longer reads it by itself.
    store.note_built(&hash, &name("api"), "ami-2").await.unwrap();
    store.note_built(&hash, &name("ami-2"), "ami-2").await.unwrap();
    assert_eq!(sort_keys(&table, &a), ["SUB##ami-2#ami-2", "SUB##ami-2#api", "SUB##ami-2#web"]);
    assert_eq!(store.subscribers_behind(&hash, "ami-2").await.unwrap(), []);
}

#[tokio::test]
async fn a_thousand_of_its_items_are_read_by_their_first_letters() {
    let (table, store, a, _) = fixture();
    for n in 0..1_000 {
        watch(&table, &format!("{}eb-{n}", ["w", "x"][n % 2]), &a, Some(if n < 10 { "ami-1" } else { "ami-2" })).await;
    }
    let before = table.reads();
    assert_eq!(store.subscribers_behind(&a.hash(), "ami-2").await.unwrap().len(), 10);
    let after = table.reads();
    assert_eq!((after.calls - before.calls, after.items - before.items), (5, 1_002));
}

#[tokio::test]
async fn its_items_are_subscribed_again_moved_and_removed() {
    let (table, store, a, web) = fixture();
    watch(&table, "web", &a, Some("ami-1")).await;
    let hash = a.hash();
    store.subscribe(&web, &a, RebuildOn::Dependency).await.unwrap();
    let expected = [crate::Subscription { why: RebuildOn::Dependency, ..sub("web", Some("ami-1")) }];
    assert_eq!(store.subscribers(&hash).await.unwrap(), expected);
    assert_eq!(store.subscribers_behind(&hash, "ami-2").await.unwrap(), expected);
    store.subscribe(&web, &source("ssm:/b"), RebuildOn::SourceUpdate).await.unwrap();
    assert_eq!(sort_keys(&table, &a), [""; 0]);
    assert_eq!(store.sources().await.unwrap().len(), 1);
    store.unsubscribe(&web).await.unwrap();
    assert!(table.dump().is_empty(), "{:?}", table.dump());
}

#[tokio::test]
async fn it_reads_what_this_version_has_written() {
    let (table, store, a, web) = fixture();
    store.subscribe(&web, &a, RebuildOn::SourceUpdate).await.unwrap();
    note_built(&table, "web", &a, "ami-1").await;
    assert_eq!(store.subscribers(&a.hash()).await.unwrap(), [sub("web", Some("ami-1"))]);
    store.note_built(&a.hash(), &web, "ami-2").await.unwrap();
    // It misses what it has built from then on, and the cause says that the release was built.
    note_built(&table, "web", &a, "ami-3").await;
    assert_eq!(table.query(&format!("SOURCE#{}", a.hash()), "SUB#").await.unwrap().len(), 1);
    assert_eq!(store.subscribers_behind(&a.hash(), "ami-3").await.unwrap(), [sub("web", Some("ami-2"))]);
}

#[tokio::test]
async fn a_pipeline_that_it_subscribes_again_misses_no_release() {
    let (table, store, a, web) = fixture();
    super::watch(&store, "web", &a).await;
    store.note_built(&a.hash(), &web, "ami-1").await.unwrap();
    watch(&table, "web", &a, None).await;
    assert_eq!(sort_keys(&table, &a), ["SUB##ami-1#web", "SUB#web"]);
    let behind = store.subscribers_behind(&a.hash(), "ami-2").await.unwrap();
    assert_eq!(behind, [sub("web", Some("ami-1"))], "it was built");
    assert!(store.still_watches(&a.hash(), &behind[0]).await.unwrap());
    store.note_built(&a.hash(), &web, "ami-2").await.unwrap();
    let behind = store.subscribers_behind(&a.hash(), "ami-2").await.unwrap();
    assert!(!store.still_watches(&a.hash(), &behind[0]).await.unwrap(), "another subscription counts");
    assert_eq!(sort_keys(&table, &a), ["SUB##ami-2#web"]);
    // If there is no release in the meantime, both are the same again.
    watch(&table, "web", &a, None).await;
    for new in store.subscribers_behind(&a.hash(), "ami-2").await.unwrap() {
        store.note_built(&a.hash(), &new.pipeline, "ami-2").await.unwrap();
    }
    assert_eq!(sort_keys(&table, &a), ["SUB##ami-2#web"]);
}

#[tokio::test]
async fn a_subscription_that_it_has_left_behind_starts_nothing_and_goes() {
    for moves in [false, true] {
        let (table, store, a, web) = fixture();
        super::watch(&store, "web", &a).await;
        store.note_built(&a.hash(), &web, "ami-1").await.unwrap();
        unwatch(&table, "web", &a).await;
        if moves {
            watch(&table, "web", &source("ssm:/b"), Some("ami-1")).await;
        }
        let behind = store.subscribers_behind(&a.hash(), "ami-2").await.unwrap();
        assert_eq!(behind, [sub("web", Some("ami-1"))]);
        assert!(!store.still_watches(&a.hash(), &behind[0]).await.unwrap());
        assert_eq!(sort_keys(&table, &a), [""; 0]);
        let left = store.sources().await.unwrap();
        assert_eq!(left.len(), usize::from(moves), "its source is forgotten");
    }
}
