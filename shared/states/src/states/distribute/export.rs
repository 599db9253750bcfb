//! The export of a Region's image to S3, which EC2 makes with a role of the user. It is the last thing that happens in a
//! Region, since nothing takes an object back from its bucket.

use goldsmith_cloud::{ExportStatus, ImageExport};
use goldsmith_model::S3Export;
use goldsmith_store::{Effect, EffectKind, PlannedRegion};

use super::{failed, pending};
use crate::Result;
use crate::engine::drive::{Progress, Scene};
use crate::engine::effect::{effect, made_id};
use crate::parts::export::description;
use crate::parts::token::token;

/// Number of the effect, behind those of the copies for other accounts.
fn number(planned: &PlannedRegion) -> u32 {
    u32::try_from(planned.target_accounts.len()).unwrap_or(u32::MAX - 1) + 1
}

/// Looks at the export that this Region has begun. Returns `None` if it has begun none.
pub(super) async fn watch(scene: &Scene<'_>, planned: &PlannedRegion) -> Result<Option<Progress>> {
    let effects = scene.effects().await?;
    let Some(begun) = effects.iter().find(|effect| effect.kind.is_export()) else { return Ok(None) };
    let (EffectKind::Export { image, to }, Some(id)) = (&begun.kind, &begun.id) else { return Ok(None) };
    let Some(task) = scene.context.cloud.exports.export_task(&planned.region, id).await? else {
        return Ok(Some(pending(planned, id, format!("{id} is not visible yet"))));
    };
    Ok(Some(match task.status {
        ExportStatus::Completed => Progress::Done(format!("{image} is exported to {}", to.object(id))),
        // EC2 names the reason once it has removed what the task has made.
        ExportStatus::Deleting => pending(planned, id, format!("EC2 removes what {id} has made: {}", task.message)),
        ExportStatus::Active => {
            let doing = [task.message.as_str(), task.progress.as_str()].map(str::trim);
            let percent = if doing[1].is_empty() { String::new() } else { format!(", {} %", doing[1]) };
            pending(planned, id, format!("{image} is being exported to {to}: {}{percent}", doing[0]))
        }
        ExportStatus::Deleted => {
            let reason = if task.message.is_empty() { "EC2 gives no reason" } else { &task.message };
            let message = format!("the export {id} of {image} to {to} failed: {reason}");
            return Err(failed(planned, id, &message, str::to_owned));
        }
    }))
}

/// Begins the export if the Region has one. `done` says what has happened before.
pub(super) async fn begin(scene: &Scene<'_>, planned: &PlannedRegion, image: &str, done: String) -> Result<Progress> {
    let Some(to) = &planned.export else { return Ok(Progress::Done(done)) };
    let request = request(scene, image, to);
    let kind = EffectKind::Export { image: image.to_owned(), to: to.clone() };
    let intended = Effect::intended(&scene.scope, number(planned), kind, &planned.region, &request.token);
    let exports = &scene.context.cloud.exports;
    // ExportImage takes a client token, so a repeated call returns the first task. If too many exports are in progress, the
    // error is transient, and the state tries again until its deadline.
    let made = effect(scene.context, &scene.record, intended, |_| async {
        Ok(exports.export(&planned.region, &request).await?)
    });
    let id = made_id(made.await?)?;
    Ok(pending(planned, &id, format!("{image} is being exported to {to}")))
}

fn request(scene: &Scene<'_>, image: &str, to: &S3Export) -> ImageExport {
    ImageExport {
        token: token(&[&scene.record.execution, &scene.scope.to_string(), "export"]),
        image: image.to_owned(),
        format: to.disk_image_format.as_str().to_owned(),
        role: to.role_name.clone(),
        bucket: to.s3_bucket.clone(),
        prefix: to.s3_prefix.clone(),
        description: description(&scene.record),
        tags: scene.context.tags(&scene.record),
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::HOME;
    use goldsmith_model::DiskImageFormat;
    use jiff::SignedDuration;
    use serde_json::json;

    use crate::State;
    use crate::states::distribute::tests::A_COPY;
    use crate::testing::{AWAY, Stack, Task, check_state_on, reach_on};

    async fn exporting() -> Stack {
        let stack = Stack::new().await;
        stack.export_images().await;
        stack
    }

    #[tokio::test]
    async fn an_export_survives_every_fault_and_comes_last() {
        let effects = ["PutEvents", "ModifyImageAttribute", "ExportImage", "SendTaskSuccess"];
        check_state_on(exporting, Task::item(State::DistributeRegion, HOME), &effects).await;
        let effects = [&A_COPY[..], &["ExportImage", "SendTaskSuccess"]].concat();
        check_state_on(exporting, Task::item(State::DistributeRegion, AWAY), &effects).await;
    }

    #[tokio::test]
    async fn the_image_names_its_objects_and_the_event_of_the_end_too() {
        let stack = exporting().await;
        stack.execute().await.unwrap();
        let image = stack.image().await;
        let places: Vec<(&str, DiskImageFormat)> =
            image.exports.iter().map(|object| (object.region.as_str(), object.format)).collect();
        assert_eq!(places, [(HOME, DiskImageFormat::Vhd), (AWAY, DiskImageFormat::Vhd)]);
        for object in &image.exports {
            let (id, request) = stack.cloud.exports(&object.region).remove(0);
            assert_eq!(object.location, format!("s3://images-{}/golden/{id}.vhd", object.region));
            assert_eq!((request.role.as_str(), &request.image), ("vmimport", &image.amis[&object.region]));
        }
        let told = stack.cloud.events().into_iter().find(|event| event.detail_type == "Goldsmith Image State Change");
        let detail: serde_json::Value = serde_json::from_str(&told.unwrap().detail).unwrap();
        assert_eq!(detail["exports"], json!(image.exports));
    }

    #[tokio::test]
    async fn an_export_waits_for_a_free_slot_and_fails_with_the_reason_of_ec2() {
        let task = Task::item(State::DistributeRegion, AWAY);
        let stack = reach_on(exporting().await, &task).await;
        stack.cloud.pace(|pace| pace.exports_at_once = 0);
        stack.cloud.next_export_fails(AWAY, "ClientError: the bucket is gone");
        let token = stack.start(&task).await;
        for _ in 0..10 {
            stack.tick_after(SignedDuration::from_mins(20)).await;
            assert_eq!(stack.answer(&token), None, "three hours, of twenty-four");
        }
        stack.cloud.pace(|pace| pace.exports_at_once = 5);
        for _ in 0..2 {
            stack.tick_after(SignedDuration::from_mins(1)).await;
        }
        let error = stack.answer(&token).unwrap().unwrap_err();
        assert_eq!(error.error, "Goldsmith.CopyFailed");
        assert!(error.cause.contains("failed: ClientError: the bucket is gone"), "{}", error.cause);
    }

    #[tokio::test]
    async fn an_image_whose_start_has_overridden_something_is_not_exported() {
        let stack = exporting().await;
        let source = stack.source().await;
        stack.start_and_execute("build-1", json!({"pipeline": "web", "sourceImage": source})).await.unwrap();
        assert!(stack.cloud.exports(HOME).is_empty());
    }
}
