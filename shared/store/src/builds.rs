//! Builds. A build is opened with its lease, number and image in one transaction, closed once, and published once.

use std::collections::BTreeMap;

use goldsmith_model::{ImageRef, Name, Version};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::retirement::verify_in_service;
use crate::store::{attribute, attributes, encode, held, readable};
use crate::{
    Aftermath, BuildRecord, BuildStatus, Check, Ending, ImageRecord, ImageStatus, Item, Result, Store, StoreError,
    Write, keys, stamp,
};

/// How many times an operation is repeated after a lost race, such as one for a lease or a number, before it is
/// reported as busy.
pub(crate) const RACES: u32 = 10;

/// Partition of the index `open` for builds that must be looked at: those that are not closed, and a few closed ones.
pub const OPEN_BUILDS: &str = "BUILD";

/// The shortest time between two automatic builds of a pipeline. Without this limit, pipelines that start each other in
/// an undetected circle would build forever.
const FLOOR: SignedDuration = SignedDuration::from_hours(1);

/// `PIPELINE#n / LEASE`
#[derive(Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Lease {
    /// The fencing number, which grows with every build.
    fence: u64,
    /// The build that holds the lease.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub build: Option<String>,
    /// When the last automatic build began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    automatic_at: Option<String>,
}

impl Lease {
    /// Returns the time before which no automatic build starts, or `None` if one may start now.
    #[must_use]
    pub fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        let last: Timestamp = self.automatic_at.as_ref()?.parse().ok()?;
        Some(last + FLOOR).filter(|until| now < *until)
    }
}

/// Result of opening a build.
#[derive(Debug, Clone, PartialEq)]
pub enum Opened {
    /// This build holds the lease, and its record is written.
    Build(Box<BuildRecord>),
    /// Another build of the pipeline is running.
    Busy {
        /// Its id.
        build: String,
    },
    /// The last automatic build of the pipeline began too recently.
    TooSoon {
        /// Time until which the build must wait.
        until: Timestamp,
    },
    /// The stack is being retired.
    Retired,
}

impl Store {
    /// Returns the build that holds a pipeline's lease.
    pub async fn running_build(&self, pipeline: &Name) -> Result<Option<String>> {
        Ok(self.lease(pipeline).await?.build)
    }

    /// Returns a pipeline's lease, whether a build holds it or not.
    pub async fn lease(&self, pipeline: &Name) -> Result<Lease> {
        Ok(self.read(&keys::lease(pipeline)).await?.unwrap_or_default())
    }

    /// Returns the build with this id.
    pub async fn build(&self, id: &str) -> Result<Option<BuildRecord>> {
        self.read(&keys::build(id)).await
    }

    /// Returns the number that the next build of this image gets, unless another build begins first.
    pub async fn next_number(&self, image: &Name, version: Version) -> Result<u32> {
        Ok(number_after(self.count(image, version).await?))
    }

    /// Returns the number of the last build of this image, or `None` if there was none.
    async fn count(&self, image: &Name, version: Version) -> Result<Option<u64>> {
        let counter = self.table().get(&keys::counter(image, &version.padded())).await?;
        Ok(counter.and_then(|item| item.get("last")?.as_u64()))
    }

    /// Takes the pipeline's lease, assigns the build number and writes the build, all or nothing. `draft` creates the
    /// record from the build number and the fencing number. Safe to repeat: the same build gets its own record again.
    pub async fn open_build(
        &self,
        id: &str,
        pipeline: &Name,
        image: &Name,
        version: Version,
        draft: impl Fn(u32, u64) -> BuildRecord,
    ) -> Result<Opened> {
        for _ in 0..RACES {
            if let Some(record) = self.build(id).await? {
                return Ok(Opened::Build(Box::new(record)));
            }
            if self.is_retired().await? {
                return Ok(Opened::Retired);
            }
            let lease: Option<Lease> = self.read(&keys::lease(pipeline)).await?;
            if let Some(build) = lease.as_ref().and_then(|lease| lease.build.clone()) {
                return Ok(Opened::Busy { build });
            }
            let fence = lease.as_ref().map_or(0, |lease| lease.fence) + 1;
            let counter = keys::counter(image, &version.padded());
            let count = self.count(image, version).await?;
            let number = number_after(count);
            let record = draft(number, fence);
            if let Some(until) = too_soon(&record, lease.as_ref()) {
                return Ok(Opened::TooSoon { until });
            }
            // The lease does not protect the number: several pipelines may build images of one name, each under its own
            // lease.
            let number_write = Write::Update {
                key: counter,
                set: attributes([("last", json!(number))]),
                remove: vec![],
                checks: vec![count.map_or(Check::missing("last"), |last| Check::equals("last", last))],
            };
            if held(self.write(opening_writes(&record, lease.as_ref(), number_write)?).await)? {
                return Ok(Opened::Build(Box::new(record)));
            }
            // Another build has taken the lease or the number, or an earlier try of this call was written although its
            // answer was lost. The reads above tell these cases apart.
        }
        Err(StoreError::Busy { code: "LeaseContention".to_owned() })
    }

    /// Closes the build for new effects, and decides its ending. Safe to repeat: only the first ending counts.
    pub async fn close_build(&self, id: &str, ending: &Ending) -> Result<Option<BuildRecord>> {
        let key = keys::build(id);
        let fixed = attribute(&key, ending)?;
        let set = attributes([("status", json!(BuildStatus::Closing)), ("ending", fixed)]);
        // A build that was published in the meantime must not end as a failure. Nothing is written then, and the caller
        // decides again from the record that is returned.
        let published = ending.keep == crate::Keep::Published;
        let checks = vec![
            Check::equals("status", BuildStatus::Open.as_str()),
            if published { Check::equals("published", true) } else { Check::equals("published", false) },
        ];
        let write = Write::Update { key, set, remove: vec![], checks };
        held(self.write(vec![write]).await)?;
        self.build(id).await
    }

    /// Writes the final image, releases the lease and closes the build. The build stays in the index `open` until no
    /// work remains for it, and is looked at again at `look_again`. Safe to repeat.
    pub async fn finish_build(
        &self,
        record: &BuildRecord,
        image: &ImageRecord,
        after: &Aftermath,
        look_again: Timestamp,
    ) -> Result<()> {
        let mut set = owed(record, after)?;
        set.insert("status".to_owned(), json!(BuildStatus::Closed));
        set.insert("nextLook".to_owned(), json!(stamp(look_again)));
        // This is one transaction, because nobody would come back for the rest: Finish does nothing more for a closed
        // build, and nothing but Finish releases its lease.
        let closed = Write::Update {
            key: keys::build(&record.build),
            set,
            remove: vec![],
            checks: vec![Check::equals("status", BuildStatus::Closing.as_str())],
        };
        let release = Write::Update {
            key: keys::lease(&record.pipeline),
            set: Item::new(),
            remove: vec!["build".to_owned()],
            // The lease may belong to the next build by now, if an earlier call has released it.
            checks: vec![Check::equals("build", record.build.as_str())],
        };
        let put_image = Write::Put { item: encode(image_key(&image.image), image)?, checks: vec![] };
        match self.write(vec![closed, release, put_image]).await {
            Err(StoreError::Conflict { failed }) => match self.build(&record.build).await? {
                // An earlier call has done all of this.
                Some(now) if now.status == BuildStatus::Closed => Ok(()),
                _ => Err(StoreError::Conflict { failed }),
            },
            other => other,
        }
    }

    /// Records what work remains for a closed build, and when the build is looked at again, if it is in the index
    /// `open`. If `at` is `None`, the build is not looked at again. Safe to repeat.
    pub async fn look_again(&self, record: &BuildRecord, after: &Aftermath, at: Option<Timestamp>) -> Result<()> {
        let mut set = owed(record, after)?;
        let remove = match at {
            Some(time) => {
                // First the journal: each later look needs it to know what to remove.
                self.keep_journal(&record.build, time).await?;
                set.insert("nextLook".to_owned(), json!(stamp(time)));
                vec![]
            }
            None => vec!["open".to_owned(), "nextLook".to_owned()],
        };
        // A build that somebody else has finished looking after must not return to the index.
        let checks = vec![Check::equals("open", OPEN_BUILDS)];
        held(self.write(vec![Write::Update { key: keys::build(&record.build), set, remove, checks }]).await).map(drop)
    }

    /// Records that a closed build has left something behind after all, although it was no longer looked at. The build
    /// is looked at again from now on. Safe to repeat.
    pub async fn owe_again(&self, record: &BuildRecord, after: &Aftermath, now: Timestamp) -> Result<()> {
        let mut set = owed(record, after)?;
        set.insert("open".to_owned(), json!(OPEN_BUILDS));
        set.insert("nextLook".to_owned(), json!(stamp(now)));
        // A build that is still in the index has a list of its own, which this one must not replace.
        let checks = vec![Check::equals("status", BuildStatus::Closed.as_str()), Check::missing("open")];
        let write = Write::Update { key: keys::build(&record.build), set, remove: vec![], checks };
        held(self.write(vec![write]).await).map(drop)
    }

    /// Publishes the image: from now on the image stays, no matter what ends the execution. Returns false if the build
    /// is closed.
    pub async fn publish_build(&self, record: &BuildRecord, image: &ImageRecord) -> Result<bool> {
        // This is one transaction: an image that is marked as published is never removed, so its record must be there.
        let mut checks = open_checks(record);
        // A repeated call writes nothing: it would move a channel back that a person has moved on in the meantime.
        checks.push(Check::equals("published", false));
        let mark = Write::Update {
            key: keys::build(&record.build),
            set: attributes([("published", json!(true))]),
            remove: vec![],
            checks,
        };
        let put_image = Write::Put { item: encode(image_key(&image.image), image)?, checks: vec![] };
        for _ in 0..RACES {
            let mut writes = vec![mark.clone(), put_image.clone(), crate::newest::note(image)];
            // In the same transaction, because nobody would come back for the channel of an image that is published.
            writes.extend(self.channel_writes(record, image).await?);
            if held(self.write(writes).await)? {
                return Ok(true);
            }
            match self.build(&record.build).await? {
                // A person has moved the channel since it was read.
                Some(now) if is_open(&now, record) => {}
                // An earlier call may have published it. Then the image stays, even if the build is closed by now.
                now => return Ok(now.is_some_and(|now| now.published)),
            }
        }
        Err(StoreError::Busy { code: "ChannelContention".to_owned() })
    }

    /// Returns one image.
    pub async fn image(&self, image: &ImageRef) -> Result<Option<ImageRecord>> {
        self.read(&image_key(image)).await
    }

    /// Returns all images of this name, the oldest version and build first.
    pub async fn images(&self, name: &str) -> Result<Vec<ImageRecord>> {
        self.read_all(&format!("IMAGE#{name}"), "V#").await
    }

    /// Returns the names under which images were ever built.
    pub async fn image_names(&self) -> Result<Vec<String>> {
        let items = self.table().query("IMAGES", "").await?;
        Ok(items.iter().filter_map(|item| Some(item.get("sk")?.as_str()?.to_owned())).collect())
    }

    /// Returns builds that are not closed, ordered by their start, and closed builds that must be looked at again.
    /// Builds that cannot be read are left out.
    pub async fn open_builds(&self, now: Timestamp) -> Result<Vec<BuildRecord>> {
        Ok(readable(self.table().due(OPEN_BUILDS, &stamp(now)).await?))
    }
}

/// Returns the time until which an automatic build must wait.
fn too_soon(record: &BuildRecord, lease: Option<&Lease>) -> Option<Timestamp> {
    let now: Timestamp = record.created_at.parse().ok()?;
    lease.filter(|_| record.cause.is_automatic())?.rests_until(now)
}

/// Returns the remaining work of a build, as a field of its item.
fn owed(record: &BuildRecord, after: &Aftermath) -> Result<Item> {
    let after = attribute(&keys::build(&record.build), after)?;
    Ok(attributes([("after", after)]))
}

/// Returns the condition under which a build may make an effect.
pub(crate) fn open_checks(record: &BuildRecord) -> Vec<Check> {
    // The fence rejects a function that has read the record of an earlier lease and was held up since.
    vec![Check::equals("status", BuildStatus::Open.as_str()), Check::equals("fence", record.fence)]
}

/// Returns whether a build may still have an effect, according to its newest record,, and is not published.
fn is_open(now: &BuildRecord, record: &BuildRecord) -> bool {
    now.status == BuildStatus::Open && now.fence == record.fence && !now.published
}

/// Returns the same condition as a separate write for transactions.
pub(crate) fn verify_open(record: &BuildRecord) -> Write {
    Write::Verify { key: keys::build(&record.build), checks: open_checks(record) }
}

/// Returns the number that follows the last one. The first number is 1.
fn number_after(count: Option<u64>) -> u32 {
    u32::try_from(count.unwrap_or(0) + 1).unwrap_or(u32::MAX)
}

pub(crate) fn image_key(image: &ImageRef) -> crate::Key {
    keys::image(&image.name, &image.version.padded(), image.build)
}

fn opening_writes(record: &BuildRecord, lease: Option<&Lease>, number: Write) -> Result<Vec<Write>> {
    // A build by hand does not move the time from which the hour counts, so it makes no automatic build wait.
    let automatic_at = match record.cause.is_automatic() {
        true => Some(record.created_at.clone()),
        false => lease.and_then(|lease| lease.automatic_at.clone()),
    };
    let taken = Lease { fence: record.fence, build: Some(record.build.clone()), automatic_at };
    let lease_checks = match lease {
        None => vec![Check::Absent],
        // A lease that was taken and released since it was read looks free again. Only its fence has changed.
        Some(old) => vec![Check::missing("build"), Check::equals("fence", old.fence)],
    };
    let mut build = encode(keys::build(&record.build), record)?;
    build.insert("open".to_owned(), json!(OPEN_BUILDS));
    build.insert("nextLook".to_owned(), json!(record.created_at));
    let name = keys::image_name(&record.image.name);
    let listed = attributes([("pk", json!(name.pk)), ("sk", json!(name.sk))]);
    Ok(vec![
        Write::Put { item: encode(keys::lease(&record.pipeline), &taken)?, checks: lease_checks },
        number,
        Write::Put { item: build, checks: vec![Check::Absent] },
        Write::Put { item: encode(image_key(&record.image), &building(record))?, checks: vec![Check::Absent] },
        Write::Put { item: listed, checks: vec![] },
        // `open_build` has found the stack in service, but its retirement may have begun since then.
        verify_in_service(),
    ])
}

/// Returns the image's record while its build is running.
fn building(record: &BuildRecord) -> ImageRecord {
    ImageRecord {
        image: record.image.clone(),
        build: record.build.clone(),
        pipeline: record.pipeline.clone(),
        cause: record.cause.clone(),
        status: ImageStatus::Building,
        source_image: record.plan.source_image.clone(),
        input_digest: record.plan.input_digest.clone(),
        overridden: record.plan.overridden,
        copies: Vec::new(),
        exports: Vec::new(),
        amis: BTreeMap::new(),
        snapshots: BTreeMap::new(),
        created_at: record.created_at.clone(),
        ended_at: None,
        failure: None,
        life: None,
        surplus: None,
        told: None,
        is_verification: record.plan.verifies.is_some(),
        distributes: record.plan.distributes.as_ref().map(|distributed| distributed.image.clone()),
        distributed_by: Vec::new(),
        revoked: None,
        contents: None,
        provenance: None,
        approval: record.plan.approval.clone(),
        approved: None,
    }
}
