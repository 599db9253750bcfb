//! The checkpoint of a pipeline: an AMI with which its next builds may begin.

use goldsmith_model::Name;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::builds::verify_open;
use crate::store::{encode, held};
use crate::{BuildRecord, Check, Result, Store, Write, keys};

/// How long builds begin with a checkpoint. Its components have installed what was new when they ran, and a digest of
/// the inputs cannot see that a package has an update.
const USED: SignedDuration = SignedDuration::from_hours(7 * 24);
/// How long the AMI stays. A build that was planned in the last moment may need it for LaunchAgain, after hours without room
/// and two days in which documents ran on a spot instance.
const KEPT: SignedDuration = SignedDuration::from_hours(10 * 24);

/// `PIPELINE#n / CHECKPOINT`
///
/// The last checkpoint of a pipeline. An AMI that is not in this record is no checkpoint, no matter which tags it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct CheckpointRecord {
    /// Digest of everything before it: the source AMI, the documents with their parameters, the working directory, the
    /// volumes, and the infrastructure configuration without its tags and topic.
    pub digest: String,
    /// SHA-256 of the agent that ran the documents, in hexadecimal.
    pub agent: String,
    /// Id of the AMI in the home Region.
    pub image: String,
    /// The build that made it.
    pub build: String,
    /// When it was made (RFC 3339).
    pub created_at: String,
}

impl CheckpointRecord {
    /// Returns whether a build that is planned now may begin with it.
    #[must_use]
    pub fn is_fresh(&self, now: Timestamp) -> bool {
        self.is_younger(USED, now)
    }

    /// Returns whether its AMI stays. The AMI of a checkpoint that a newer one has replaced does not stay.
    #[must_use]
    pub fn is_kept(&self, now: Timestamp) -> bool {
        self.is_younger(KEPT, now)
    }

    fn is_younger(&self, age: SignedDuration, now: Timestamp) -> bool {
        self.created_at.parse::<Timestamp>().is_ok_and(|made| now.duration_since(made) < age)
    }
}

impl Store {
    /// Returns the last checkpoint of a pipeline, or `None` if it has none.
    pub async fn checkpoint(&self, pipeline: &Name) -> Result<Option<CheckpointRecord>> {
        self.read(&keys::checkpoint(pipeline)).await
    }

    /// Records the checkpoint of a build's pipeline instead of the one before. Returns false if the build is closed: then
    /// nothing keeps its AMI. Safe to repeat.
    pub async fn note_checkpoint(&self, record: &BuildRecord, checkpoint: &CheckpointRecord) -> Result<bool> {
        let item = encode(keys::checkpoint(&record.pipeline), checkpoint)?;
        let put = Write::Put { item, checks: vec![] };
        held(self.write(vec![put, verify_open(record)]).await)
    }

    /// Forgets the checkpoint of a pipeline if it still is this AMI. The sweep then removes the AMI.
    pub async fn forget_checkpoint(&self, pipeline: &Name, image: &str) -> Result<()> {
        let checks = vec![Check::equals("image", image)];
        held(self.write(vec![Write::Delete { key: keys::checkpoint(pipeline), checks }]).await).map(drop)
    }
}

/// Returns the write that forgets the checkpoint of a pipeline. The sweep then removes its AMI.
pub(crate) fn forget(pipeline: &Name) -> Write {
    Write::Delete { key: keys::checkpoint(pipeline), checks: Vec::new() }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::CheckpointRecord;
    use crate::stamp;

    #[test]
    fn the_image_outlives_the_last_build_that_may_begin_with_it() {
        let now: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
        let record = |age: SignedDuration| CheckpointRecord {
            digest: String::new(),
            agent: String::new(),
            image: "ami-1".to_owned(),
            build: "b".to_owned(),
            created_at: stamp(now - age),
        };
        let days = |days: i64| SignedDuration::from_hours(24 * days);
        let told = |age| (record(age).is_fresh(now), record(age).is_kept(now));
        let moment = SignedDuration::from_secs(1);
        assert_eq!(told(days(7) - moment), (true, true));
        assert_eq!(told(days(7)), (false, true));
        assert_eq!(told(days(10) - moment), (false, true));
        assert_eq!(told(days(10)), (false, false));
        let unreadable = CheckpointRecord { created_at: "yesterday".to_owned(), ..record(days(1)) };
        assert!(!unreadable.is_fresh(now) && !unreadable.is_kept(now));
    }
}
