//! Build, BuildRest, BuildAgain and ExecuteTest: run the documents on an instance.
//!
//! Input: the plan's documents, and the instance that Launch or LaunchTest made. Output: nothing except the log. Error:
//! `CommandFailed` with the document, phase, step, action, exit code and last lines, `RebootLimit`, `Timeout`,
//! `AuditFailed`; of Build and BuildRest also `Interrupted`, if EC2 has taken their spot
//! instance back.
//!
//! The image is audited on the first test instance, before the documents run. The documents may write files that do not
//! come from the image, or remove files that do. One instance is enough, since all instances are launched from one
//! image. The contents of the image are collected there too, for the same reasons. If that fails, the build goes
//! on, unless its policy for vulnerabilities needs them.

use async_trait::async_trait;
use goldsmith_executor::{AuditOrder, OrderDocument, WorkOrder};
use goldsmith_model::ImageAudit;
use goldsmith_store::{Effect, EffectKind, PlannedDocument, Scope};
use jiff::Timestamp;

use crate::engine::drive::{Progress, Scene, Waiting};
use crate::error_names::ErrorName;
use crate::parts::builder;
use crate::parts::command::{self, CommandProgress};
use crate::parts::contents;
use crate::parts::passed::require_built;
use crate::{Error, Result, State};

/// Longest time that an audit may take, in seconds.
const LONGEST_AUDIT: u64 = 15 * 60;

/// The states that this function runs.
pub(crate) struct ExecutePhase;

#[async_trait]
impl Waiting for ExecutePhase {
    async fn advance(&self, scene: &Scene<'_>) -> Result<Progress> {
        let (launched, instance) = instance(scene).await?;
        let looked = command::run(scene, 0, &instance, async || order(scene).await).await;
        // A step fails if its machine goes down, so this is asked first.
        let has_ended = matches!(looked, Ok(CommandProgress::Ended(_)));
        if let Some(launched) = launched
            && !has_ended
            && let Some(found) = builder::taken_back(scene, &launched, &instance).await?
        {
            return Err(builder::interrupted(scene, &found.id, &builder::reclaimed(&found)));
        }
        match looked? {
            CommandProgress::Running(pending) => Ok(Progress::Waiting(pending)),
            CommandProgress::Ended(result) => Ok(Progress::Done(ran(result.executed_step_count))),
        }
    }
}

/// Returns the instance of this state. For Build and BuildRest, also returns its launch.
async fn instance(scene: &Scene<'_>) -> Result<(Option<Effect>, String)> {
    match (scene.scope.state, &scene.scope.item) {
        (State::Build | State::BuildRest, None) => {
            let (launched, id) = builder::launched_first(scene).await?;
            Ok((Some(launched), id))
        }
        (_, None) => Ok((None, scene.made_by(State::LaunchAgain, None, EffectKind::is_instance).await?)),
        (_, Some(item)) => Ok((None, scene.made_by(State::LaunchTest, Some(item), EffectKind::is_instance).await?)),
    }
}

fn ran(steps: u32) -> String {
    if steps == 1 { "1 step ran".to_owned() } else { format!("{steps} steps ran") }
}

/// Returns the documents of this state. Those of a checkpoint are on the disk from which the instance was launched, or
/// come before those of BuildRest. Every test instance runs all of them.
fn documents<'s>(scene: &'s Scene<'_>) -> &'s [PlannedDocument] {
    let plan = &scene.record.plan;
    let (before, after) = plan.documents_around_checkpoint();
    match (scene.scope.state, plan.makes_checkpoint()) {
        _ if scene.scope.item.is_some() => &plan.documents,
        (State::Build, Some(_)) => before,
        (State::BuildRest, Some(_)) => after,
        _ => plan.documents_to_run(),
    }
}

/// Returns the work order: the documents in recipe order, with the phases of this state.
async fn order(scene: &Scene<'_>) -> Result<WorkOrder> {
    if scene.scope.state == State::BuildRest {
        require_built(scene.context, &scene.record, State::BuildRest).await?;
    }
    let phases: &[&str] = if scene.scope.item.is_some() { &["test"] } else { &["build", "validate"] };
    let mut ordered = Vec::new();
    let is_for_documents = scene.scope.item.is_none() || !scene.record.plan.audit_only;
    for planned in documents(scene).iter().filter(|_| is_for_documents) {
        ordered.push(document(scene, planned).await?);
    }
    let execution = match &scene.scope.item {
        Some(item) => format!("{}/{}/{item}", scene.record.build, scene.scope.state),
        None => format!("{}/{}", scene.record.build, scene.scope.state),
    };
    let mut order = WorkOrder::documents(execution, phases.iter().map(|&phase| phase.to_owned()).collect(), ordered);
    order.on_instance = true;
    if is_first_test(scene) {
        let image_made = image_made(scene).await?;
        order.audit = audit(scene, image_made);
        order.contents = Some(contents::order(scene, image_made).await?);
    }
    order.working_directory = scene.record.plan.working_directory.clone().map(Into::into);
    Ok(order)
}

/// Returns whether this instance is the first test instance. All test instances have the same image, so what is found on
/// one is enough.
fn is_first_test(scene: &Scene<'_>) -> bool {
    scene.scope.item.is_some() && scene.scope.item.as_ref() == scene.record.plan.tests.first()
}

/// Returns when the image of this test instance existed.
async fn image_made(scene: &Scene<'_>) -> Result<Option<Timestamp>> {
    let made = match &scene.record.plan.verifies {
        Some(verified) => Some(verified.created.clone()),
        // Snapshot ends after the AMI is made and before an instance is launched from it. So this time separates the
        // files of the image from those that the instance itself writes.
        None => {
            let made = Scope::from(State::Snapshot);
            scene.context.store.state(&scene.record.build, &made).await?.and_then(|state| state.ended_at)
        }
    };
    Ok(made.and_then(|made| made.parse().ok()))
}

/// Returns how this instance is audited, or `None` if it is not audited.
fn audit(scene: &Scene<'_>, image_made: Option<Timestamp>) -> Option<AuditOrder> {
    let plan = &scene.record.plan;
    // The documents need most of the test's time.
    let quarter = u64::from(plan.test_timeout_minutes) * 60 / 4;
    (plan.audit != ImageAudit::Off).then(|| AuditOrder {
        limit_seconds: Some(quarter.clamp(15, LONGEST_AUDIT)),
        image_made,
        fails: plan.audit == ImageAudit::Fail,
    })
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
    use crate::testing::{Stack, Task, check_state, check_state_of, whole_build_with_checkpoint};

    #[tokio::test]
    async fn build_survives_every_fault() {
        check_state(Task::new(State::Build), &["PutObject", "PutObject", "SendCommand", "SendTaskSuccess"]).await;
    }

    #[tokio::test]
    async fn build_rest_survives_every_fault() {
        let (run, task) = (whole_build_with_checkpoint(), Task::new(State::BuildRest));
        let effects = ["PutObject", "SendCommand", "SendTaskSuccess"];
        check_state_of(Stack::with_checkpoint, &run, task, &effects).await;
    }

    #[tokio::test]
    async fn execute_test_survives_every_fault() {
        check_state(Task::item(State::ExecuteTest, "t3.small"), &["PutObject", "SendCommand", "SendTaskSuccess"]).await;
    }
}
