//! The watched source images, each recorded once, and the pipelines that are rebuilt when a source changes.
//!
//! A pipeline watches at most one source. `SOURCES` lists the sources, so a check costs one Query, and one resolution
//! for each distinct source, no matter how many pipelines use it.

use goldsmith_model::{Name, RebuildOn, SourceImage};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::store::{encode, held, readable};
use crate::{Check, Item, Key, Result, Store, StoreError, Write};

/// Partition of the list of watched sources.
const SOURCES: &str = "SOURCES";
/// How many times an operation is repeated after a lost race with another `apply`, before it is reported as busy.
const RACES: u32 = 10;

/// `SOURCES / hash`: a source image that at least one pipeline watches.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WatchedSource {
    /// The hash of the source ([`SourceImage::hash`]).
    #[serde(rename = "sk", skip_serializing)]
    pub hash: String,
    /// The source.
    pub source: SourceImage,
}

/// `SOURCE#hash / SUB#pipeline`: a pipeline that is rebuilt when the source changes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Subscription {
    /// The pipeline.
    pub pipeline: Name,
    /// The `rebuildOn` value that makes the pipeline watch the source.
    pub why: RebuildOn,
    /// The AMI from which its last build on this source started. `None` if there was no such build since this pipeline
    /// began to watch the source.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_image: Option<String>,
}

/// `PIPELINE#n / SOURCE`: the source that the pipeline watches.
#[derive(Serialize, Deserialize)]
pub(crate) struct Watching {
    hash: String,
}

/// `SOURCE#hash / META`
#[derive(Serialize, Deserialize)]
pub(crate) struct Meta {
    source: SourceImage,
    /// Number of subscriptions that were ever made. It shows the removal of a source whether a new subscription was
    /// made.
    made: u64,
}

impl Store {
    /// Makes the pipeline watch this source and no other. Safe to repeat: `last_image` stays.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if other callers keep changing the same subscriptions.
    pub async fn subscribe(&self, pipeline: &Name, source: &SourceImage, why: RebuildOn) -> Result<()> {
        let hash = source.hash();
        for _ in 0..RACES {
            let before: Option<Watching> = self.read(&watching(pipeline)).await?;
            let there: Option<Subscription> = self.read(&subscription(&hash, pipeline)).await?;
            if before.as_ref().is_some_and(|before| before.hash == hash) && there.is_some_and(|there| there.why == why)
            {
                return Ok(());
            }
            let meta: Option<Meta> = self.read(&meta(&hash)).await?;
            let made = meta.map(|meta| meta.made);
            if held(self.write(subscribing(pipeline, source, why, before.as_ref(), made)?).await)? {
                return match before.filter(|before| before.hash != hash) {
                    Some(before) => self.forget_source(&before.hash).await,
                    None => Ok(()),
                };
            }
        }
        Err(StoreError::Busy { code: "SubscriptionContention".to_owned() })
    }

    /// Makes the pipeline watch no source. Safe to repeat.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if other callers keep changing the same subscription.
    pub async fn unsubscribe(&self, pipeline: &Name) -> Result<()> {
        for _ in 0..RACES {
            let Some(before) = self.read::<Watching>(&watching(pipeline)).await? else { return Ok(()) };
            // Another `apply` may have moved the pipeline to another source since the read. The check of the hash
            // notices it.
            let writes = vec![
                Write::Delete { key: subscription(&before.hash, pipeline), checks: vec![] },
                Write::Delete { key: watching(pipeline), checks: vec![Check::equals("hash", before.hash.as_str())] },
            ];
            if held(self.write(writes).await)? {
                return self.forget_source(&before.hash).await;
            }
        }
        Err(StoreError::Busy { code: "SubscriptionContention".to_owned() })
    }

    /// Returns every watched source. If a call was interrupted, a source without a subscriber may still be among them.
    pub async fn sources(&self) -> Result<Vec<WatchedSource>> {
        Ok(readable(self.table().query(SOURCES, "").await?))
    }

    /// Returns the pipelines that watch the source with this [`SourceImage::hash`].
    pub async fn subscribers(&self, hash: &str) -> Result<Vec<Subscription>> {
        self.read_all(&partition(hash), "SUB#").await
    }

    /// Records from which AMI the pipeline's last build on this source started. Does nothing if the pipeline no longer
    /// watches the source.
    pub async fn note_built(&self, hash: &str, pipeline: &Name, image_id: &str) -> Result<()> {
        let write = Write::Update {
            key: subscription(hash, pipeline),
            set: Item::from_iter([("lastImage".to_owned(), json!(image_id))]),
            remove: vec![],
            checks: vec![Check::Present],
        };
        held(self.write(vec![write]).await).map(drop)
    }

    /// Removes a source that no pipeline watches, unless a pipeline begins to watch it in the meantime.
    async fn forget_source(&self, hash: &str) -> Result<()> {
        let Some(known) = self.read::<Meta>(&meta(hash)).await? else { return Ok(()) };
        if !self.subscribers(hash).await?.is_empty() {
            return Ok(());
        }
        // No transaction can check that a partition is empty. But each subscription counts `made` up, so one that comes
        // after the query above makes this write fail.
        let writes = vec![
            Write::Delete { key: meta(hash), checks: vec![Check::equals("made", known.made)] },
            Write::Delete { key: Key::new(SOURCES, hash), checks: vec![] },
        ];
        held(self.write(writes).await).map(drop)
    }
}

/// Returns the writes of one transaction: they record the source, subscribe the pipeline to it, and remove the
/// pipeline's former subscription.
fn subscribing(
    pipeline: &Name,
    source: &SourceImage,
    why: RebuildOn,
    before: Option<&Watching>,
    made: Option<u64>,
) -> Result<Vec<Write>> {
    let hash = source.hash();
    let known = Meta { source: source.clone(), made: made.unwrap_or(0) + 1 };
    let listed = WatchedSource { hash: hash.clone(), source: source.clone() };
    let now = Watching { hash: hash.clone() };
    let as_read = |value: Option<Check>| vec![value.unwrap_or(Check::Absent)];
    let mut writes = vec![
        Write::Put {
            item: encode(meta(&hash), &known)?,
            // The removal of a source without subscriptions checks the same number. Of the two, one must read again.
            checks: as_read(made.map(|made| Check::equals("made", made))),
        },
        Write::Put { item: encode(Key::new(SOURCES, hash.as_str()), &listed)?, checks: vec![] },
        Write::Update {
            // An update keeps `lastImage`. After a put, the pipeline would take the next image that a check finds for
            // the one that it was built from, and miss a release.
            key: subscription(&hash, pipeline),
            set: Item::from_iter([("pipeline".to_owned(), json!(pipeline)), ("why".to_owned(), json!(why))]),
            remove: vec![],
            checks: vec![],
        },
        Write::Put {
            item: encode(watching(pipeline), &now)?,
            // Of two calls of `apply` at once that change the source of this pipeline, one must read again. Otherwise
            // the pipeline would watch both sources.
            checks: as_read(before.map(|before| Check::equals("hash", before.hash.as_str()))),
        },
    ];
    if let Some(former) = before.filter(|before| before.hash != hash) {
        writes.push(Write::Delete { key: subscription(&former.hash, pipeline), checks: vec![] });
    }
    Ok(writes)
}

fn partition(hash: &str) -> String {
    format!("SOURCE#{hash}")
}

fn meta(hash: &str) -> Key {
    Key::new(partition(hash), "META")
}

fn subscription(hash: &str, pipeline: &Name) -> Key {
    Key::new(partition(hash), format!("SUB#{pipeline}"))
}

fn watching(pipeline: &Name) -> Key {
    Key::new(format!("PIPELINE#{pipeline}"), "SOURCE")
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use goldsmith_model::{Name, RebuildOn, SourceImage};

    use super::{Subscription, WatchedSource};
    use crate::{Item, Key, MemoryTable, Result, Store, Table, Write};

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

    /// A table in which `api` begins to watch a source right after the subscribers of the source were read.
    struct Meanwhile {
        table: MemoryTable,
        source: SourceImage,
    }

    #[async_trait::async_trait]
    impl Table for Meanwhile {
        async fn get(&self, key: &Key) -> Result<Option<Item>> {
            self.table.get(key).await
        }
        async fn query(&self, pk: &str, prefix: &str) -> Result<Vec<Item>> {
            let found = self.table.query(pk, prefix).await;
            if prefix == "SUB#" {
                watch(&Store::new(Arc::new(self.table.clone())), "api", &self.source).await;
            }
            found
        }
        async fn last(&self, pk: &str, prefix: &str) -> Result<Option<Item>> {
            self.table.last(pk, prefix).await
        }
        async fn first_after(&self, pk: &str, sk: &str) -> Result<Option<Item>> {
            self.table.first_after(pk, sk).await
        }
        async fn due(&self, open: &str, until: &str) -> Result<Vec<Item>> {
            self.table.due(open, until).await
        }
        async fn write(&self, writes: Vec<Write>) -> Result<()> {
            self.table.write(writes).await
        }
    }

    #[tokio::test]
    async fn a_source_that_is_watched_anew_while_it_is_forgotten_stays() {
        let (table, a) = (MemoryTable::new(), source("ssm:/a"));
        let store = Store::new(Arc::new(table.clone()));
        watch(&store, "web", &a).await;
        let meanwhile = Store::new(Arc::new(Meanwhile { table, source: a.clone() }));
        meanwhile.unsubscribe(&name("web")).await.unwrap();
        assert_eq!(store.subscribers(&a.hash()).await.unwrap(), [sub("api", None)]);
        assert_eq!(store.sources().await.unwrap().len(), 1);
    }
}
