//! Failures in a row: how many automatic builds of a pipeline have failed since its last successful build, and whether
//! this has stopped its automatic starts.
//!
//! The pipeline's definition stays as it is, because only people write definitions. So a separate record stores the
//! stop.

use goldsmith_model::{ImagePipeline, ImageRef, Name};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::builds::RACES;
use crate::store::{encode, held};
use crate::{BuildRecord, Check, Key, Result, Store, StoreError, Write, keys, stamp};

/// `PIPELINE#n / FAILURES`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Failures {
    /// Number of automatic builds that have failed in a row.
    pub count: u32,
    /// The last of these builds.
    pub build: String,
    /// The image that this build would have made.
    pub image: ImageRef,
    /// When the failures stopped the automatic starts (RFC 3339), or `None` if they have not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped_at: Option<String>,
}

impl Store {
    /// Returns how often a pipeline has failed in a row. `None` if its last build succeeded, or if its failures are not
    /// counted.
    pub async fn failures(&self, pipeline: &Name) -> Result<Option<Failures>> {
        self.read(&keys::failures(pipeline)).await
    }

    /// Returns whether failures have stopped the automatic starts of a pipeline.
    pub async fn is_stopped(&self, pipeline: &Name) -> Result<bool> {
        Ok(self.failures(pipeline).await?.is_some_and(|failures| failures.stopped_at.is_some()))
    }

    /// Counts a failed automatic build, if its pipeline has a policy. If the count reaches the number in the policy,
    /// the pipeline no longer starts automatically. Returns whether the pipeline has stopped. Safe to repeat: a build
    /// is counted once.
    ///
    /// # Errors
    /// [`StoreError::Busy`] if other callers keep changing the record.
    pub async fn count_failure(&self, pipeline: &ImagePipeline, build: &BuildRecord, now: Timestamp) -> Result<bool> {
        let Some(policy) = pipeline.auto_disable_policy else { return Ok(false) };
        for _ in 0..RACES {
            let before = self.failures(&pipeline.name).await?;
            if let Some(before) = before.as_ref().filter(|before| before.build == build.build) {
                return Ok(before.stopped_at.is_some());
            }
            let count = before.as_ref().map_or(0, |before| before.count).saturating_add(1);
            let stopped_at = before.as_ref().and_then(|before| before.stopped_at.clone());
            // The first time counts: a failure of a build that was already running must not move it.
            let stopped_at = stopped_at.or_else(|| (count >= policy.failure_count).then(|| stamp(now)));
            let is_stopped = stopped_at.is_some();
            let (image, build) = (build.image.clone(), build.build.clone());
            let item = encode(keys::failures(&pipeline.name), &Failures { count, build, image, stopped_at })?;
            let check = before.map_or(Check::Absent, |before| Check::equals("build", before.build));
            if held(self.write(vec![Write::Put { item, checks: vec![check] }]).await)? {
                return Ok(is_stopped);
            }
        }
        Err(StoreError::Busy { code: "FailureContention".to_owned() })
    }

    /// Forgets the failures of a pipeline, because one of its builds was published. If the failures have stopped its
    /// automatic starts, they stay until a person enables the pipeline. Safe to repeat.
    pub async fn forget_failures(&self, pipeline: &Name) -> Result<()> {
        let Some(before) = self.failures(pipeline).await? else { return Ok(()) };
        if before.stopped_at.is_some() {
            return Ok(());
        }
        let checks = vec![Check::equals("build", before.build)];
        // After a conflict, a failure was counted in the meantime, so the good build is not the last one.
        held(self.write(vec![Write::Delete { key: keys::failures(pipeline), checks }]).await).map(drop)
    }

    /// Lets a pipeline start automatically again, and counts its failures from zero. Safe to repeat.
    pub async fn resume(&self, pipeline: &Name) -> Result<()> {
        self.write(vec![forget(pipeline)]).await
    }
}

/// Returns the write that removes a pipeline's failures and the stop that they caused.
pub(crate) fn forget(pipeline: &Name) -> Write {
    let key: Key = keys::failures(pipeline);
    Write::Delete { key, checks: Vec::new() }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use goldsmith_model::ImagePipeline;
    use goldsmith_model::definitions::Definitions;
    use jiff::Timestamp;
    use serde_json::json;

    use crate::{BuildRecord, MemoryTable, Store};

    fn pipeline(limit: Option<u32>) -> ImagePipeline {
        let mut json = json!({"name": "web", "imageRecipe": "web/1.x.x", "infrastructureConfiguration": "small"});
        if let Some(limit) = limit {
            json["autoDisablePolicy"] = json!({"failureCount": limit});
        }
        serde_json::from_value(json).unwrap()
    }

    /// A build with that id.
    fn build(id: &str) -> BuildRecord {
        let sample = include_str!("../tests/records/v1/BuildRecord-least.json");
        let mut record: BuildRecord = serde_json::from_str(sample).unwrap();
        record.build = id.to_owned();
        record
    }

    async fn count(store: &Store, limit: Option<u32>, id: &str) -> bool {
        store.count_failure(&pipeline(limit), &build(id), Timestamp::UNIX_EPOCH).await.unwrap()
    }

    fn store() -> Store {
        Store::new(Arc::new(MemoryTable::new()))
    }

    #[tokio::test]
    async fn failures_in_a_row_stop_a_pipeline_and_each_build_counts_once() {
        let (store, web) = (store(), pipeline(None).name);
        for id in ["a", "a", "b", "b"] {
            assert!(!count(&store, Some(3), id).await, "{id}");
        }
        assert_eq!(store.failures(&web).await.unwrap().unwrap().count, 2);
        for id in ["c", "c", "d"] {
            assert!(count(&store, Some(3), id).await && store.is_stopped(&web).await.unwrap(), "{id}");
        }
        store.resume(&web).await.unwrap();
        assert_eq!(store.failures(&web).await.unwrap(), None);
        assert!(!count(&store, Some(3), "e").await, "it is counted from zero");
    }

    #[tokio::test]
    async fn a_good_build_resets_the_count_but_enables_nothing() {
        let (store, web) = (store(), pipeline(None).name);
        count(&store, Some(2), "a").await;
        for _ in 0..2 {
            store.forget_failures(&web).await.unwrap();
        }
        assert!(!count(&store, Some(2), "b").await);
        assert!(count(&store, Some(2), "c").await);
        store.forget_failures(&web).await.unwrap();
        assert!(store.is_stopped(&web).await.unwrap());
    }

    #[tokio::test]
    async fn without_a_policy_nothing_is_counted() {
        let (store, web) = (store(), pipeline(None).name);
        assert!(!count(&store, None, "a").await);
        assert_eq!(store.failures(&web).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_changed_pipeline_starts_by_itself_again_and_an_unchanged_one_does_not() {
        let (store, web) = (store(), pipeline(None).name);
        let apply = async |limit| {
            let pipelines = vec![pipeline(limit)];
            store.apply(&Definitions { pipelines, ..Definitions::default() }).await.unwrap();
        };
        apply(Some(1)).await;
        assert!(count(&store, Some(1), "a").await);
        apply(Some(1)).await;
        assert!(store.is_stopped(&web).await.unwrap());
        apply(Some(2)).await;
        assert_eq!(store.failures(&web).await.unwrap(), None);
    }
}
