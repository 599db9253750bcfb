//! Tests of subscriptions: again, at the same time as others, and with a table that fails.

mod earlier;
mod races;

use std::sync::Arc;

use goldsmith_model::{Name, RebuildOn, SourceImage};

use super::{Subscription, WatchedSource};
use crate::around::{Call, Moment, meanwhile};
use crate::{MemoryTable, Store, Table as _, Write};

fn name(text: &str) -> Name {
    text.parse().unwrap()
}

fn source(text: &str) -> SourceImage {
    text.parse().unwrap()
}

fn sub(pipeline: &str, last: Option<&str>) -> Subscription {
    Subscription { pipeline: name(pipeline), why: RebuildOn::SourceUpdate, last_image: last.map(str::to_owned) }
}

async fn watch(store: &Store, pipeline: &str, source: &SourceImage) {
    store.subscribe(&name(pipeline), source, RebuildOn::SourceUpdate).await.unwrap();
}

#[tokio::test]
async fn a_source_is_listed_once_whoever_watches_it() {
    let store = Store::new(Arc::new(MemoryTable::new()));
    let (a, newest) = (source("ssm:/a"), SourceImage::newest(vec!["amazon".into()], "al*".into()).unwrap());
    watch(&store, "web", &a).await;
    watch(&store, "api", &a).await;
    watch(&store, "job", &newest).await;
    let mut listed = store.sources().await.unwrap();
    listed.sort_by_key(|watched| watched.source.written());
    let watched = |source: &SourceImage| WatchedSource { hash: source.hash(), source: source.clone() };
    assert_eq!(listed, [watched(&a), watched(&newest)]);
    assert_eq!(store.subscribers(&a.hash()).await.unwrap(), [sub("api", None), sub("web", None)]);
}

#[tokio::test]
async fn subscribing_again_keeps_what_was_built_and_changes_the_reason() {
    let (table, a) = (MemoryTable::new(), source("pipeline:base"));
    let store = Store::new(Arc::new(table.clone()));
    watch(&store, "web", &a).await;
    store.note_built(&a.hash(), &name("web"), "ami-1").await.unwrap();
    store.subscribe(&name("web"), &a, RebuildOn::Dependency).await.unwrap();
    let expected = Subscription { why: RebuildOn::Dependency, ..sub("web", Some("ami-1")) };
    assert_eq!(store.subscribers(&a.hash()).await.unwrap(), [expected]);
}

#[tokio::test]
async fn a_replaced_source_is_forgotten_with_its_last_subscriber() {
    let (table, a, b) = (MemoryTable::new(), source("ssm:/a"), source("ssm:/b"));
    let store = Store::new(Arc::new(table.clone()));
    watch(&store, "web", &a).await;
    watch(&store, "api", &a).await;
    watch(&store, "web", &b).await;
    assert_eq!(store.subscribers(&a.hash()).await.unwrap(), [sub("api", None)]);
    assert_eq!(store.subscribers(&b.hash()).await.unwrap(), [sub("web", None)]);
    watch(&store, "api", &b).await;
    let left: Vec<SourceImage> = store.sources().await.unwrap().into_iter().map(|watched| watched.source).collect();
    assert_eq!(left, [b]);
    for pipeline in ["web", "api", "web"] {
        store.unsubscribe(&name(pipeline)).await.unwrap();
    }
    assert!(table.dump().is_empty(), "{:?}", table.dump());
}

#[tokio::test]
async fn a_build_of_a_source_that_is_no_longer_watched_is_not_recorded() {
    let table = MemoryTable::new();
    let store = Store::new(Arc::new(table.clone()));
    store.note_built("0123456789abcdef", &name("web"), "ami-1").await.unwrap();
    assert!(table.dump().is_empty());
}

#[tokio::test]
async fn a_source_that_is_watched_anew_while_it_is_forgotten_stays() {
    let (table, a) = (MemoryTable::new(), source("ssm:/a"));
    let store = Store::new(Arc::new(table.clone()));
    watch(&store, "web", &a).await;
    let (other, same) = (store.clone(), a.clone());
    let watched = async move { watch(&other, "api", &same).await };
    // Right after the look for other subscribers of the source.
    let meanwhile = meanwhile(&table, Moment::After(|call| call == Call::FirstAfter), watched);
    meanwhile.unsubscribe(&name("web")).await.unwrap();
    assert_eq!(store.subscribers(&a.hash()).await.unwrap(), [sub("api", None)]);
    assert_eq!(store.sources().await.unwrap().len(), 1);
}

/// Makes this many pipelines watch the source. Each name begins with `name`, and each was built from `last`.
async fn watch_many(store: &Store, many: usize, name_of: &str, source: &SourceImage, last: Option<&str>) {
    for n in 0..many {
        let pipeline = format!("{name_of}-{n:03}");
        watch(store, &pipeline, source).await;
        if let Some(last) = last {
            store.note_built(&source.hash(), &name(&pipeline), last).await.unwrap();
        }
    }
}

#[tokio::test]
async fn those_that_are_up_to_date_cost_one_read_together() {
    for up_to_date in [1, 500] {
        let (table, a) = (MemoryTable::new(), source("ssm:/a"));
        let store = Store::new(Arc::new(table.clone()));
        watch_many(&store, up_to_date, "web", &a, Some("ami-2")).await;
        let read = async |image: &str| {
            let before = table.reads();
            let behind = store.subscribers_behind(&a.hash(), image).await.unwrap();
            let after = table.reads();
            (behind.len(), after.calls - before.calls, after.items - before.items)
        };
        assert_eq!(read("ami-2").await, (0, 2, 1), "the first one, and a look for more");
        watch_many(&store, 2, "old", &a, Some("ami-1")).await;
        watch_many(&store, 1, "older", &a, Some("ami-0")).await;
        assert_eq!(read("ami-2").await, (3, 6, 6), "each other image costs a look and a query");
        watch_many(&store, 2, "new", &a, None).await;
        watch_many(&store, 1, "another", &a, None).await;
        assert_eq!(read("ami-2").await, (6, 10, 11), "so does each first letter");
        assert_eq!(read("ami-3").await, (up_to_date + 6, 11, up_to_date + 11), "one query for all that are behind");
    }
}

#[tokio::test]
async fn what_is_no_id_of_an_image_is_compared_too() {
    let (table, a) = (MemoryTable::new(), source("ssm:/a"));
    let (store, hash) = (Store::new(Arc::new(table.clone())), a.hash());
    watch(&store, "web", &a).await;
    let long = "a".repeat(2_000);
    for value in ["ami-1", "a#b", "", "ami 1", "ami-2", &long, "a#b"] {
        for _ in 0..2 {
            store.note_built(&hash, &name("web"), value).await.unwrap();
            assert_eq!(store.subscribers(&hash).await.unwrap(), [sub("web", Some(value))]);
        }
        assert_eq!(store.subscribers_behind(&hash, value).await.unwrap(), []);
        for other in ["ami-3", "a", "a#"] {
            assert_eq!(store.subscribers_behind(&hash, other).await.unwrap(), [sub("web", Some(value))], "{value}");
        }
    }
    assert_eq!(table.dump().len(), 4);
    store.unsubscribe(&name("web")).await.unwrap();
    assert!(table.dump().is_empty(), "{:?}", table.dump());
}

#[tokio::test]
async fn a_key_that_a_person_has_made_ends_the_search_too() {
    let (table, a) = (MemoryTable::new(), source("ssm:/a"));
    let store = Store::new(Arc::new(table.clone()));
    watch(&store, "web", &a).await;
    for sk in ["SUB#w\u{fc}", "SUB##ami-1#\u{fc}", "SUB##", "SUB##x", "Z"] {
        let Ok(serde_json::Value::Object(item)) = serde_json::to_value(sub("odd", Some("ami-1"))) else { panic!() };
        let key = [("pk", format!("SOURCE#{}", a.hash())), ("sk", sk.to_owned())];
        let item = key.map(|(name, part)| (name.to_owned(), part.into())).into_iter().chain(item).collect();
        table.write(vec![Write::Put { item, checks: vec![] }]).await.unwrap();
    }
    for image in ["ami-1", "ami-2"] {
        let behind = store.subscribers_behind(&a.hash(), image).await.unwrap();
        assert!(behind.contains(&sub("web", None)), "{behind:?}");
    }
}
