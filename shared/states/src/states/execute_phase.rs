//! Build and ExecuteTest: run the documents on an instance.
//!
//! Input: the plan's documents, and the instance that Launch or LaunchTest made. Output: nothing except the log. Error:
//! `CommandFailed` with the document, phase, step, action, exit code and last lines, `RebootLimit`, `Timeout`,
//! `AuditFailed`.
//!
//! The image is audited on the first test instance, before the documents run. The documents may write files that do not
//! come from the image, or remove files that do. One instance is enough, since all instances are launched from one
//! image.

use async_trait::async_trait;
use goldsmith_executor::{AuditOrder, OrderDocument, WorkOrder};
use goldsmith_model::ImageAudit;
use goldsmith_store::{EffectKind, PlannedDocument, Scope};

use crate::engine::drive::{Progress, Scene, Waiting};
use crate::error_names::ErrorName;
use crate::parts::command::{self, CommandProgress};
use crate::{Error, Result, State};

/// Longest time that an audit may take, in seconds.
const LONGEST_AUDIT: u64 = 15 * 60;

/// The states that this function runs.
pub(crate) struct ExecutePhase;

#[async_trait]
impl Waiting for ExecutePhase {
    async fn advance(&self, scene: &Scene<'_>) -> Result<Progress> {
        let launched_by = if scene.scope.item.is_some() { State::LaunchTest } else { State::Launch };
        let instance = scene.made_by(launched_by, scene.scope.item.as_deref(), EffectKind::is_instance).await?;
        match command::run(scene, 0, &instance, async || order(scene).await).await? {
            CommandProgress::Running(pending) => Ok(Progress::Waiting(pending)),
            CommandProgress::Ended(result) => Ok(Progress::Done(ran(result.executed_step_count))),
        }
    }
}

fn ran(steps: u32) -> String {
    if steps == 1 { "1 step ran".to_owned() } else { format!("{steps} steps ran") }
}

/// Returns the work order: all documents in recipe order, with the phases of this state.
async fn order(scene: &Scene<'_>) -> Result<WorkOrder> {
    let phases: &[&str] = if scene.scope.item.is_some() { &["test"] } else { &["build", "validate"] };
    let mut documents = Vec::new();
    let is_for_documents = scene.scope.item.is_none() || !scene.record.plan.audit_only;
    for planned in scene.record.plan.documents.iter().filter(|_| is_for_documents) {
        documents.push(document(scene, planned).await?);
    }
    let execution = match &scene.scope.item {
        Some(item) => format!("{}/{}/{item}", scene.record.build, scene.scope.state),
        None => format!("{}/{}", scene.record.build, scene.scope.state),
    };
    let mut order = WorkOrder::documents(execution, phases.iter().map(|&phase| phase.to_owned()).collect(), documents);
    order.on_instance = true;
    order.audit = audit(scene).await?;
    order.working_directory = scene.record.plan.working_directory.clone().map(Into::into);
    Ok(order)
}

/// Returns how this instance is audited, or `None` if it is not audited.
async fn audit(scene: &Scene<'_>) -> Result<Option<AuditOrder>> {
    let plan = &scene.record.plan;
    if plan.audit == ImageAudit::Off || scene.scope.item.is_none() || scene.scope.item.as_ref() != plan.tests.first() {
        return Ok(None);
    }
    let made = match &plan.verifies {
        Some(verified) => Some(verified.created.clone()),
        // Snapshot ends after the AMI is made and before an instance is launched from it. So this time separates the
        // files of the image from those that the instance itself writes.
        None => {
            let made = Scope::from(State::Snapshot);
            scene.context.store.state(&scene.record.build, &made).await?.and_then(|state| state.ended_at)
        }
    };
    // The documents need most of the test's time.
    let quarter = u64::from(plan.test_timeout_minutes) * 60 / 4;
    Ok(Some(AuditOrder {
        limit_seconds: Some(quarter.clamp(15, LONGEST_AUDIT)),
        image_made: made.and_then(|made| made.parse().ok()),
        fails: plan.audit == ImageAudit::Fail,
    }))
}

async fn document(scene: &Scene<'_>, planned: &PlannedDocument) -> Result<OrderDocument> {
    let lost = || {
        let message = format!("component {} {} is no longer in the table", planned.name, planned.version);
        Error::failed(ErrorName::Refused, message)
    };
    let component = scene.context.store.component(&planned.name, planned.version).await?.ok_or_else(lost)?;
    // A version never changes, so somebody has written it past `apply`. The agent would run as root what Plan has not
    // seen.
    if component.digest != planned.digest {
        return Err(lost());
    }
    Ok(OrderDocument {
        name: planned.name.to_string(),
        version: planned.version.to_string(),
        digest: planned.digest.clone(),
        body: component.document,
        parameters: planned.parameters.clone(),
    })
}

#[cfg(test)]
mod tests {
    use crate::State;
    use crate::testing::{Task, check_state};

    #[tokio::test]
    async fn build_survives_every_fault() {
        check_state(Task::new(State::Build), &["PutObject", "PutObject", "SendCommand", "SendTaskSuccess"]).await;
    }

    #[tokio::test]
    async fn execute_test_survives_every_fault() {
        check_state(Task::item(State::ExecuteTest, "t3.small"), &["PutObject", "SendCommand", "SendTaskSuccess"]).await;
    }
}
