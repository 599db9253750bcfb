//! Where the contents of an image are stored, and who may write them.

use std::time::Duration;

use goldsmith_executor::{ContentsOrder, ContentsReport};
use goldsmith_store::{BuildRecord, ContentsRecord, Scope};
use jiff::Timestamp;

use crate::engine::drive::Scene;
use crate::{Context, Error, Result, State};

/// How long after the order was sent the contents can be written. The instance first finishes its boot.
const URL_VALID: Duration = Duration::from_secs(3_600);
/// The time limit of the collection in seconds. Usually it takes a second or two; the first reads from a volume that was
/// just made from a snapshot may be slow.
const LIMIT: u64 = 120;

/// Returns the key of the contents of a build's image in the stack's bucket. It does not depend on the attempt, so an
/// order that is sent again overwrites what the lost one may have written.
fn key(scene: &Scene<'_>) -> String {
    format!("contents/{}.json.gz", scene.record.build)
}

/// Returns where the contents of a build's image are, as its first test or its clean-up has recorded it.
pub(crate) async fn recorded(context: &Context, record: &BuildRecord) -> Result<Option<ContentsRecord>> {
    let scope = match record.plan.tests.first() {
        Some(item) => Scope { state: State::ExecuteTest, item: Some(item.clone()) },
        None => Scope::from(State::Snapshot),
    };
    Ok(context.store.state(&record.build, &scope).await?.and_then(|state| state.contents))
}

/// Returns how an instance collects the contents. `image_made` is the time at which its image existed, if the instance
/// was launched from the image.
pub(crate) async fn order(scene: &Scene<'_>, image_made: Option<Timestamp>) -> Result<ContentsOrder> {
    let url = scene.context.cloud.objects.presign_put(&key(scene), URL_VALID).await?;
    Ok(ContentsOrder { url, image_made, limit_seconds: Some(LIMIT) })
}

/// Records where the contents are, or why they are nowhere.
pub(crate) async fn note(scene: &Scene<'_>, report: &ContentsReport) -> Result<()> {
    let record = ContentsRecord::of(&key(scene), report)
        .map_err(|error| Error::internal(format!("the report about the contents cannot be recorded: {error}")))?;
    if !record.is_stored() {
        tracing::warn!(build = scene.record.build, failure = record.failure, "the contents are not stored");
    }
    scene.context.store.note_contents(&scene.record, &scene.scope, &record).await.map_err(Error::from)
}
