//! The status of an AMI, as a tag on the AMI and its snapshots. A user who looks up the newest image by name can filter
//! out unpublished images, as the sources of pipelines do.

use goldsmith_cloud::{PUBLISHED, TAG_STATUS, Tags};
use goldsmith_store::{BuildRecord, Keep};

/// The build of the image continues: the AMI may be neither tested nor distributed yet.
const BUILDING: &str = "building";
/// The build of the image has succeeded, and nobody has approved the image yet.
const UNAPPROVED: &str = "unapproved";
/// The distribution of the image failed. The image is kept for a while.
const UNPUBLISHED: &str = "unpublished";
/// The AMI is a checkpoint, with which later builds may begin. It is never published.
const CHECKPOINT: &str = "checkpoint";
/// The start of the build has overridden something. The image is never published.
const OVERRIDDEN: &str = "overridden";

/// Returns the status of a new image.
pub(crate) fn of_new(record: &BuildRecord) -> Tags {
    tag(if record.plan.overridden { OVERRIDDEN } else { BUILDING })
}

/// Returns the status of a checkpoint.
pub(crate) fn of_checkpoint() -> Tags {
    tag(CHECKPOINT)
}

/// Returns the status of an image that its build keeps. `is_approved` matters only if the image needs an approval.
pub(crate) fn of_kept(record: &BuildRecord, keep: &Keep, is_approved: bool) -> Tags {
    tag(match keep {
        _ if record.plan.overridden => OVERRIDDEN,
        Keep::Published if record.plan.approval.is_some() && !is_approved => UNAPPROVED,
        Keep::Published => PUBLISHED,
        Keep::Nothing | Keep::Instance { .. } | Keep::Images { .. } => UNPUBLISHED,
    })
}

fn tag(status: &str) -> Tags {
    Tags::from([(TAG_STATUS.to_owned(), status.to_owned())])
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_cloud::{Image, Kind, TAG_STATUS, Tags};
    use goldsmith_store::ImageStatus;
    use jiff::SignedDuration;
    use serde_json::json;

    use crate::State;
    use crate::events::reap;
    use crate::testing::{AWAY, Stack, Task, good, kept_for_a_while, reach};

    /// The status of every image and snapshot in a Region.
    fn statuses(stack: &Stack, region: &str) -> Vec<String> {
        let there = stack.inventory().region(region);
        let status = |tags: &Tags| tags.get(TAG_STATUS).cloned().unwrap_or_default();
        there.images.values().chain(there.snapshots.values()).map(status).collect()
    }

    /// Returns the images that a source with this owner and pattern finds.
    async fn found(stack: &Stack, name: &str) -> Option<Image> {
        stack.cloud.cloud().images.newest(HOME, &["self".to_owned()], name).await.unwrap()
    }

    #[tokio::test]
    async fn an_image_is_found_by_its_name_as_soon_as_it_is_published() {
        let publish = good(State::Publish);
        let stack = reach(&publish).await;
        for region in [HOME, AWAY] {
            assert_eq!(statuses(&stack, region), ["building"; 2], "{region}");
        }
        assert_eq!(found(&stack, "*").await, None);
        stack.run(&publish).await.unwrap();
        for region in [HOME, AWAY] {
            assert_eq!(statuses(&stack, region), ["published"; 2], "{region}");
        }
        assert_eq!(found(&stack, "web *").await.unwrap().id, stack.image().await.amis[HOME]);
    }

    #[tokio::test]
    async fn a_failed_mark_as_published_is_made_after_the_builds_end() {
        let publish = good(State::Publish);
        let stack = reach(&publish).await;
        stack.cloud.fail_always("CreateTags", AWAY, Fault::Refuse(Kind::Denied));
        stack.run(&publish).await.unwrap();
        stack.run(&Task::new(State::Finish)).await.unwrap();
        assert_eq!(
            (statuses(&stack, HOME), statuses(&stack, AWAY)),
            (vec!["published".to_owned(); 2], vec!["building".to_owned(); 2])
        );
        stack.cloud.heal();
        stack.clock.advance(SignedDuration::from_mins(20));
        reap::handle(&stack.context(), json!({})).await.unwrap();
        assert_eq!(statuses(&stack, AWAY), ["published"; 2]);
        assert!(stack.record().await.after.is_over());
    }

    #[tokio::test]
    async fn what_a_failed_distribution_keeps_is_not_found() {
        let stack = kept_for_a_while().await;
        assert_eq!(statuses(&stack, HOME), ["unpublished"; 2]);
        assert_eq!(found(&stack, "*").await, None);
    }

    #[tokio::test]
    async fn an_overridden_image_stays_in_the_home_region_without_parameters() {
        let stack = Stack::new().await;
        let input = json!({"pipeline": "web", "parameters": {"nginx": {"port": "8080"}}});
        stack.run(&Task { input: Some(input), ..Task::new(State::Plan) }).await.unwrap();
        stack.execute().await.unwrap();
        let image = stack.image().await;
        assert_eq!((image.status, image.overridden), (ImageStatus::Available, true));
        let inventory = stack.inventory();
        assert_eq!(inventory.regions.keys().collect::<Vec<_>>(), [HOME]);
        assert!(inventory.region(HOME).parameters.is_empty());
        assert_eq!(statuses(&stack, HOME), ["overridden"; 2]);
        let id = &image.amis[HOME];
        let made = stack.cloud.cloud().images.image(HOME, id).await.unwrap().unwrap();
        assert_eq!(made.name, "overridden web 1.0.0-1");
        assert!(stack.cloud.launch_permission(HOME, id).is_empty());
        assert_eq!(found(&stack, "*").await, None);
        assert!(stack.record().await.after.is_over());
    }
}
