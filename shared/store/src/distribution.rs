//! Distributions of an image after its build: each is a run of its own, which adds what it has made to the image's
//! record.

use serde_json::json;

use crate::builds::{image_key, open_checks};
use crate::image_life::can_be_used;
use crate::store::{attributes, encode};
use crate::{BuildRecord, ImageRecord, LaterDistribution, PlannedRegion, Result, Store, StoreError, Write, keys};

/// Result of publishing a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Distributed {
    /// The image has what the run has made.
    Published,
    /// The run is closed.
    Closed,
    /// The image was disabled or deleted in the meantime.
    Unavailable,
}

impl Store {
    /// Adds to an image what a run has made for it, and marks the run as published: from now on this stays, whatever
    /// ends the execution. `run` is the record of the run, and `regions` are those in which it has succeeded. Safe to
    /// repeat.
    pub async fn publish_distribution(
        &self,
        record: &BuildRecord,
        run: &ImageRecord,
        regions: &[String],
    ) -> Result<Distributed> {
        let Some(image) = &run.distributes else { return Ok(Distributed::Unavailable) };
        let Some(before) = self.image(image).await? else { return Ok(Distributed::Unavailable) };
        let after = with(before, run, regions);
        let set = attributes([
            ("amis", json!(after.amis)),
            ("snapshots", json!(after.snapshots)),
            ("copies", json!(after.copies)),
            ("exports", json!(after.exports)),
            ("distributedBy", json!(after.distributed_by)),
        ]);
        // An image that is being deleted must not get another AMI, which nobody would delete.
        let checks = can_be_used();
        let writes = vec![
            Write::Update {
                key: keys::build(&record.build),
                set: attributes([("published", json!(true))]),
                remove: vec![],
                checks: open_checks(record),
            },
            Write::Put { item: encode(image_key(&run.image), run)?, checks: vec![] },
            Write::Update { key: image_key(image), set, remove: vec![], checks },
        ];
        match self.write(writes).await {
            Ok(()) => Ok(Distributed::Published),
            Err(StoreError::Conflict { failed }) => match self.build(&record.build).await? {
                // An earlier call may have published it. Then it stays, even if the run is closed by now.
                Some(now) if now.published => Ok(Distributed::Published),
                _ if failed.contains(&0) => Ok(Distributed::Closed),
                _ => Ok(Distributed::Unavailable),
            },
            Err(other) => Err(other),
        }
    }

    /// Returns the build of an image, and then the runs that have distributed it later. Those whose records have
    /// expired are left out.
    pub async fn builds_of(&self, image: &ImageRecord) -> Result<Vec<BuildRecord>> {
        let later = image.distributed_by.iter().map(|run| &run.build);
        let mut builds = Vec::new();
        for id in std::iter::once(&image.build).chain(later) {
            builds.extend(self.build(id).await?);
        }
        Ok(builds)
    }

    /// Returns what was done for an image in each of its Regions, by its build and by later runs. A Region may occur
    /// more than once.
    pub async fn distributed(&self, image: &ImageRecord) -> Result<Vec<PlannedRegion>> {
        Ok(image.done_by(self.builds_of(image).await?))
    }
}

impl ImageRecord {
    /// Returns what these of its builds have done for the image in each of its Regions. A Region may occur more than once.
    #[must_use]
    pub fn done_by(&self, builds: Vec<BuildRecord>) -> Vec<PlannedRegion> {
        let is_done = |build: &str, region: &str| match self.distributed_by.iter().find(|run| run.build == build) {
            Some(run) => run.regions.iter().any(|done| done == region),
            None => self.amis.contains_key(region),
        };
        let mut done = Vec::new();
        for BuildRecord { build, plan, .. } in builds {
            done.extend(plan.regions.into_iter().filter(|planned| is_done(&build, &planned.region)));
        }
        done
    }
}

/// Returns an image with what a run has made for it.
fn with(mut image: ImageRecord, run: &ImageRecord, regions: &[String]) -> ImageRecord {
    image.amis.extend(run.amis.clone());
    image.snapshots.extend(run.snapshots.clone());
    image.copies.retain(|old| run.copies.iter().all(|new| (&new.account, &new.region) != (&old.account, &old.region)));
    image.copies.extend(run.copies.clone());
    image.exports.retain(|old| !run.exports.contains(old));
    image.exports.extend(run.exports.clone());
    image.distributed_by.retain(|later| later.build != run.build);
    image.distributed_by.push(LaterDistribution { build: run.build.clone(), regions: regions.to_vec() });
    image
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use goldsmith_model::DiskImageFormat;
    use serde_json::json;

    use super::Distributed;
    use crate::builds::image_key;
    use crate::samples;
    use crate::store::encode;
    use crate::{
        BuildRecord, BuildStatus, ExportedObject, ImageLife, ImageRecord, MemoryTable, OwnedCopy, Store, Table as _,
        Write, keys,
    };

    /// An image in one Region, and an open run that has copied it to another.
    async fn run() -> (Store, BuildRecord, ImageRecord) {
        let table = Arc::new(MemoryTable::new());
        let store = Store::new(table.clone());
        let mut image = samples::image("web", 1, false);
        image.build = "web-0".to_owned();
        image.amis = [("eu-west-1".to_owned(), "ami-1".to_owned())].into();
        let mut record = samples::build();
        record.image = "web/1.0.0/2".parse().unwrap();
        let copy =
            OwnedCopy { account: "222233334444".to_owned(), region: "us-east-1".to_owned(), ami: "ami-3".to_owned() };
        let location = "s3://images/export-ami-1.raw".to_owned();
        let export = ExportedObject { region: "us-east-1".to_owned(), format: DiskImageFormat::Raw, location };
        let run = ImageRecord {
            build: record.build.clone(),
            distributes: Some(image.image.clone()),
            amis: [("us-east-1".to_owned(), "ami-2".to_owned())].into(),
            copies: vec![copy],
            exports: vec![export],
            ..samples::image("web", 2, false)
        };
        let put = |key, item: serde_json::Value| Write::Put { item: encode(key, &item).unwrap(), checks: vec![] };
        let items = vec![put(keys::build(&record.build), json!(record)), put(image_key(&image.image), json!(image))];
        table.write(items).await.unwrap();
        (store, record, run)
    }

    async fn published(store: &Store, record: &BuildRecord, run: &ImageRecord) -> Distributed {
        store.publish_distribution(record, run, &["us-east-1".to_owned()]).await.unwrap()
    }

    #[tokio::test]
    async fn a_run_adds_what_it_has_made_once() {
        let (store, record, run) = run().await;
        for _ in 0..2 {
            assert_eq!(published(&store, &record, &run).await, Distributed::Published);
            let image = store.image(run.distributes.as_ref().unwrap()).await.unwrap().unwrap();
            assert_eq!(image.amis.values().collect::<Vec<_>>(), ["ami-1", "ami-2"]);
            assert_eq!((image.copies.len(), image.exports.len(), image.distributed_by.len()), (1, 1, 1));
            assert!(store.build(&record.build).await.unwrap().unwrap().published);
            let builds = store.builds_of(&image).await.unwrap();
            assert_eq!(builds.iter().map(|build| build.build.as_str()).collect::<Vec<_>>(), [record.build.as_str()]);
        }
    }

    #[tokio::test]
    async fn an_image_that_was_disabled_or_deleted_gets_nothing() {
        for life in [ImageLife::Disabled, ImageLife::Deleted] {
            let (store, record, run) = run().await;
            let image = run.distributes.as_ref().unwrap();
            store.set_life(image, Some(life)).await.unwrap();
            assert_eq!(published(&store, &record, &run).await, Distributed::Unavailable);
            assert_eq!(store.image(image).await.unwrap().unwrap().amis.len(), 1);
            assert!(!store.build(&record.build).await.unwrap().unwrap().published);
        }
    }

    #[tokio::test]
    async fn a_closed_run_publishes_nothing() {
        let (store, record, run) = run().await;
        let stale = BuildRecord { fence: record.fence + 1, status: BuildStatus::Open, ..record };
        assert_eq!(published(&store, &stale, &run).await, Distributed::Closed);
        assert_eq!(store.image(run.distributes.as_ref().unwrap()).await.unwrap().unwrap().amis.len(), 1);
    }
}
