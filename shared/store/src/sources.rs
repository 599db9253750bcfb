//! The watched source images, each recorded once, and the pipelines that are rebuilt when a source changes.
//!
//! A pipeline watches at most one source. `SOURCES` lists the sources, so a check costs one Query, and one resolution
//! for each distinct source, no matter how many pipelines use it. The subscriptions of a source are sorted by the AMI
//! of the last build, so a check passes over all pipelines that are up to date at the cost of one item (`behind`).

mod behind;

use goldsmith_model::{Name, RebuildOn, SourceImage};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::store::{attributes, encode, held, readable};
use crate::{Check, Key, Result, Store, StoreError, Write};

/// Partition of the list of watched sources.
const SOURCES: &str = "SOURCES";
/// What the sort keys of subscriptions begin with.
const SUBSCRIPTION: &str = "SUB#";
/// What the sort keys of subscriptions with an AMI begin with. They sort before those without one, because no name
/// begins with `#`.
const GROUPED: &str = "SUB##";
/// Longest AMI id, in bytes, that is part of a sort key. Those of EC2 have 21.
const LONGEST_IMAGE: usize = 64;
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

/// `SOURCE#hash / SUB##image#pipeline`: a pipeline that is rebuilt when the source changes. `SUB#pipeline` if there was
/// no build yet, and if an earlier version, which had only such keys, was the last to write the item.
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Watching {
    hash: String,
    /// The AMI in the key of the subscription. `None` if there is none: then its item may still have one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last_image: Option<String>,
}

impl Watching {
    /// Returns the key of the subscription.
    fn subscription(&self, pipeline: &Name) -> Key {
        subscription(&self.hash, pipeline, self.last_image.as_deref())
    }

    /// Returns the conditions that nobody has changed what the pipeline watches since this was read, nor moved its
    /// subscription.
    fn unchanged(&self) -> Vec<Check> {
        let image = as_read("lastImage", self.last_image.as_deref());
        vec![Check::equals("hash", self.hash.as_str()), image]
    }
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
            if let Some(same) = before.as_ref().filter(|before| before.hash == hash)
                && let Some(there) = self.read::<Subscription>(&same.subscription(pipeline)).await?
                && there.why == why
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
            // Another `apply` may have moved the pipeline to another source since the read, or the end of a build the
            // subscription to another key. The checks notice it.
            let writes = vec![
                Write::Delete { key: before.subscription(pipeline), checks: vec![] },
                Write::Delete { key: watching(pipeline), checks: before.unchanged() },
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
        self.read_all(&partition(hash), SUBSCRIPTION).await
    }

    /// Records from which AMI the pipeline's last build on this source started. Does nothing if the pipeline no longer
    /// watches the source. Safe to repeat.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if other callers keep changing the same subscription.
    pub async fn note_built(&self, hash: &str, pipeline: &Name, image_id: &str) -> Result<()> {
        let is_of = |found: &Watching| found.hash == hash;
        for _ in 0..RACES {
            let before = self.read::<Watching>(&watching(pipeline)).await?.filter(is_of);
            let Some(before) = before else { return Ok(()) };
            // If the item is no longer there, another caller has noted a build between the two reads, as if it came
            // after this one, or the pipeline no longer watches the source.
            let there: Option<Subscription> = self.read(&before.subscription(pipeline)).await?;
            let Some(there) = there else { return Ok(()) };
            let is_noted = [&before.last_image, &there.last_image].map(|last| last.as_deref() == Some(image_id));
            if is_noted == [true, true] || held(self.write(moving(pipeline, &before, &there, image_id)?).await)? {
                return Ok(());
            }
        }
        Err(StoreError::Busy { code: "SubscriptionContention".to_owned() })
    }

    /// Removes a source that no pipeline watches, unless a pipeline begins to watch it in the meantime.
    async fn forget_source(&self, hash: &str) -> Result<()> {
        let Some(known) = self.read::<Meta>(&meta(hash)).await? else { return Ok(()) };
        // No other item of the partition sorts after this.
        if self.table().first_after(&partition(hash), SUBSCRIPTION).await?.is_some() {
            return Ok(());
        }
        // No transaction can check that a partition is empty. But each subscription counts `made` up, so one that comes
        // after the read above makes this write fail.
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
    let same = before.filter(|before| before.hash == hash);
    let now = same.cloned().unwrap_or(Watching { hash: hash.clone(), last_image: None });
    let set = [("pipeline", json!(pipeline)), ("why", json!(why))];
    let last = now.last_image.iter().map(|last| ("lastImage", json!(last)));
    let mut writes = vec![
        Write::Put {
            item: encode(meta(&hash), &known)?,
            // The removal of a source without subscriptions checks the same number. Of the two, one must read again.
            checks: vec![made.map_or(Check::Absent, |made| Check::equals("made", made))],
        },
        Write::Put { item: encode(Key::new(SOURCES, hash.as_str()), &listed)?, checks: vec![] },
        Write::Update {
            // An update keeps `lastImage`. After a put, the pipeline would take the next image that a check finds for
            // the one that it was built from, and miss a release.
            key: now.subscription(pipeline),
            set: attributes(set.into_iter().chain(last)),
            remove: vec![],
            checks: vec![],
        },
        Write::Put {
            item: encode(watching(pipeline), &now)?,
            // Of two calls of `apply` at once that change the source of this pipeline, one must read again. Otherwise
            // the pipeline would watch both sources. The same holds for the end of a build, which moves the
            // subscription.
            checks: before.map_or(vec![Check::Absent], Watching::unchanged),
        },
    ];
    if let Some(former) = before.filter(|before| before.hash != hash) {
        writes.push(Write::Delete { key: former.subscription(pipeline), checks: vec![] });
    }
    Ok(writes)
}

/// Returns the writes of one transaction: they move a subscription that was read to the key with the AMI of the last
/// build.
fn moving(pipeline: &Name, before: &Watching, there: &Subscription, image: &str) -> Result<Vec<Write>> {
    let now = Watching { last_image: Some(image.to_owned()), ..before.clone() };
    let built = Subscription { last_image: now.last_image.clone(), ..there.clone() };
    let (from, to) = (before.subscription(pipeline), now.subscription(pipeline));
    // Another `apply` may have changed the reason, and a function of an earlier version the image: it knows only this
    // item.
    let unchanged = vec![Check::equals("why", json!(there.why)), as_read("lastImage", there.last_image.as_deref())];
    // An earlier version that lets the pipeline watch something else does not see an item with an AMI in its key.
    let mut writes = vec![Write::Put { item: encode(watching(pipeline), &now)?, checks: before.unchanged() }];
    if from == to {
        writes.push(Write::Put { item: encode(to, &built)?, checks: unchanged });
    } else {
        writes.push(Write::Delete { key: from, checks: unchanged });
        writes.push(Write::Put { item: encode(to, &built)?, checks: vec![] });
    }
    Ok(writes)
}

/// Returns the condition that a text is still as it was read.
fn as_read(attribute: &str, value: Option<&str>) -> Check {
    value.map_or_else(|| Check::missing(attribute), |value| Check::equals(attribute, value))
}

fn partition(hash: &str) -> String {
    format!("SOURCE#{hash}")
}

fn meta(hash: &str) -> Key {
    Key::new(partition(hash), "META")
}

fn subscription(hash: &str, pipeline: &Name, last: Option<&str>) -> Key {
    let sk = match last.filter(|last| is_groupable(last)) {
        Some(image) => format!("{GROUPED}{image}#{pipeline}"),
        None => format!("{SUBSCRIPTION}{pipeline}"),
    };
    Key::new(partition(hash), sk)
}

/// Returns whether a text can be part of a sort key. A parameter may have any text as its value.
fn is_groupable(image: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    (1..=LONGEST_IMAGE).contains(&image.len()) && image.bytes().all(is_part)
}

fn watching(pipeline: &Name) -> Key {
    Key::new(format!("PIPELINE#{pipeline}"), "SOURCE")
}

#[cfg(test)]
mod tests;
