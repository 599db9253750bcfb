//! Cancels exports to S3 that are in progress. The object of a completed export stays in its bucket: no function of the
//! stack may remove objects of other buckets, and the records name it.

use goldsmith_cloud::{ExportStatus, Kind};
use goldsmith_store::{Effect, EffectKind, ImageRecord};

use super::Undoing;
use crate::parts::export::description;
use crate::{Context, Error, Result};

/// Cancels an export task if it is in progress. Returns whether it is complete.
///
/// # Errors
/// Fails if a call to AWS fails, and with `Throttled` while the task transfers its image to S3: the caller tries again
/// later.
pub(super) async fn cancel(context: &Context, region: &str, id: &str) -> Result<bool> {
    let exports = &context.cloud.exports;
    // A task that AWS does not know is neither in progress nor complete.
    let Some(task) = exports.export_task(region, id).await? else { return Ok(false) };
    match task.status {
        ExportStatus::Completed => return Ok(true),
        ExportStatus::Deleting | ExportStatus::Deleted => return Ok(false),
        ExportStatus::Active => {}
    }
    match exports.cancel_export(region, id).await {
        Ok(()) => Ok(false),
        // EC2 does not cancel a task while it transfers its image. Such a task ends soon.
        Err(mut error) if error.kind == Kind::WrongState => {
            error.kind = Kind::Throttled;
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

impl Undoing<'_> {
    /// Cancels the exports that the journal names, except those whose objects are published, and records which of them
    /// are complete.
    pub(super) async fn exports(&mut self, effects: &[Effect], image: Option<&ImageRecord>) -> Result<()> {
        for effect in effects {
            let (Some(id), Some(object)) = (&effect.id, effect.exported()) else { continue };
            if image.is_some_and(|image| image.exports.contains(&object)) {
                continue;
            }
            let ended = cancel(self.context, &effect.region, id).await;
            if self.tolerate(ended, &effect.region, id)? == Some(true) {
                self.exported.push(object);
            }
        }
        Ok(())
    }

    /// Cancels the exports whose answer was lost. EC2 shows the description of the call that has begun an export, and nobody
    /// can change it.
    pub(super) async fn lost_exports(&mut self, effects: &[Effect]) -> Result<()> {
        for effect in effects.iter().filter(|effect| effect.id.is_none() && effect.may_exist()) {
            let EffectKind::Export { image, .. } = &effect.kind else { continue };
            let active = self.context.cloud.exports.active_exports(&effect.region).await;
            let Some(active) = self.tolerate(active.map_err(Error::from), &effect.region, "exports")? else { continue };
            let own = description(self.record);
            for task in active.into_iter().filter(|task| task.image == *image && task.description == own) {
                let ended = cancel(self.context, &effect.region, &task.id).await;
                self.tolerate(ended, &effect.region, &task.id)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{Fault, HOME, NEVER};
    use goldsmith_cloud::{ExportStatus, Exports as _, Kind};
    use goldsmith_store::Keep;

    use crate::testing::{AWAY, Stack, Task, reach_on};
    use crate::{ErrorInfo, State};

    /// A stack that exports the image of both Regions, before the state that distributes it to the second one.
    async fn exporting() -> Stack {
        let stack = Stack::new().await;
        stack.export_images().await;
        reach_on(stack, &Task::item(State::DistributeRegion, AWAY)).await
    }

    async fn fail(stack: &Stack) {
        let error = ErrorInfo { error: "Goldsmith.CopyFailed".to_owned(), cause: "it failed".to_owned() };
        stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
    }

    #[tokio::test]
    async fn an_export_in_progress_ends_with_its_build_and_a_complete_one_is_named() {
        let stack = exporting().await;
        stack.cloud.pace(|pace| pace.until_export = NEVER);
        let token = stack.start(&Task::item(State::DistributeRegion, AWAY)).await;
        stack.cloud.close_token(&token);
        assert_eq!(stack.inventory().region(AWAY).exports.len(), 1);
        fail(&stack).await;
        assert!(stack.inventory().regions.values().all(|region| region.exports.is_empty()), "{:?}", stack.inventory());
        let image = stack.image().await;
        let exported: Vec<&str> = image.exports.iter().map(|object| object.region.as_str()).collect();
        assert_eq!(exported, [HOME], "only the export at home was complete");
        assert!(!matches!(stack.record().await.ending.unwrap().keep, Keep::Published));
    }

    #[tokio::test]
    async fn an_export_whose_answer_was_lost_is_found_and_canceled() {
        let stack = exporting().await;
        stack.cloud.pace(|pace| pace.until_export = NEVER);
        stack.cloud.fail_next("ExportImage", Fault::KillAfter);
        stack.run_until_killed(&[Task::item(State::DistributeRegion, AWAY)]).await;
        assert_eq!(stack.inventory().region(AWAY).exports.len(), 1);
        fail(&stack).await;
        assert!(stack.inventory().region(AWAY).exports.is_empty(), "{:?}", stack.inventory());
    }

    #[tokio::test]
    async fn an_export_that_cannot_be_canceled_is_reported_until_it_can() {
        let stack = exporting().await;
        stack.cloud.pace(|pace| pace.until_export = NEVER);
        let token = stack.start(&Task::item(State::DistributeRegion, AWAY)).await;
        stack.cloud.close_token(&token);
        stack.cloud.fail_always("CancelExportTask", AWAY, Fault::Refuse(Kind::Denied));
        fail(&stack).await;
        let (id, _) = stack.cloud.exports(AWAY).remove(0);
        let left = stack.record().await.after.left;
        assert!(left.iter().any(|one| one.what == id), "{left:?}");
        stack.cloud.heal();
        stack.clock.advance(jiff::SignedDuration::from_mins(20));
        crate::events::reap::handle(&stack.context(), serde_json::json!({})).await.unwrap();
        let task = stack.cloud.export_task(AWAY, &id).await.unwrap().unwrap();
        assert_eq!(task.status, ExportStatus::Deleted);
        let left = stack.record().await.after.left;
        assert!(left.iter().all(|one| one.what != id), "{left:?}");
    }
}
