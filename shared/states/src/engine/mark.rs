//! Marks what a build keeps, and protects the images that it has published.

use std::collections::BTreeSet;

use goldsmith_cloud::{Images, Protection, Tags};
use goldsmith_model::DeregistrationProtection;
use goldsmith_store::{BuildRecord, Keep};

use crate::engine::undo::Kept;
use crate::parts::status;
use crate::{Context, Result, TAG_BUILD, TAG_EXPIRES};

/// Marks the resources that are kept: sets the status of the images and, if the resources are kept only for a while,
/// the time from which they may be removed.
pub(crate) async fn mark_kept(context: &Context, record: &BuildRecord, keep: &Keep, kept: &Kept) -> Result<()> {
    let expiry = match keep {
        Keep::Instance { until } | Keep::Images { until } => Tags::from([(TAG_EXPIRES.to_owned(), until.clone())]),
        Keep::Nothing | Keep::Published => Tags::new(),
    };
    let home = &record.plan.home_region;
    // A mark that AWS has rejected is made again later. A person may have approved the image by then.
    let image = if record.plan.approval.is_some() { context.store.image(&record.image).await? } else { None };
    let is_approved = image.is_some_and(|image| image.approved.is_some());
    // Every place is tried, and the first error is returned.
    let mut tagged = Ok(());
    for id in &kept.instances {
        tagged = tagged.and(context.cloud.images.tag(home, std::slice::from_ref(id), &expiry).await);
    }
    let tags: Tags = expiry.into_iter().chain(status::of_kept(record, keep, is_approved)).collect();
    for planned in record.plan.regions.iter().filter(|_| !kept.images.is_empty()) {
        let images = &*context.cloud.images;
        tagged = tagged.and(tag_images(images, record, &planned.region, &kept.images, &tags).await);
        for target in &planned.target_accounts {
            tagged = tagged.and(match context.cloud.target_accounts.enter(&target.account).await {
                Ok(other) => tag_images(&*other.images, record, &planned.region, &kept.images, &tags).await,
                Err(error) => Err(error),
            });
        }
        if *keep == Keep::Published {
            tagged = tagged.and(protect_images(context, record, &planned.region, &kept.images).await);
        }
    }
    Ok(tagged?)
}

async fn tag_images(
    images: &dyn Images,
    record: &BuildRecord,
    region: &str,
    kept: &BTreeSet<String>,
    tags: &Tags,
) -> goldsmith_cloud::Result<()> {
    for image in images.tagged(region, TAG_BUILD, &record.build).await? {
        // Finish may run again, and CreateTags has a rate of its own.
        let is_marked = tags.iter().all(|(key, value)| image.tags.get(key) == Some(value));
        if kept.contains(&image.id) && !is_marked {
            let ids: Vec<String> = std::iter::once(image.id).chain(image.snapshots).collect();
            images.tag(region, &ids, tags).await?;
        }
    }
    Ok(())
}

/// Protects the published images of a Region that the plan protects and that have no protection yet.
async fn protect_images(
    context: &Context,
    record: &BuildRecord,
    region: &str,
    kept: &BTreeSet<String>,
) -> goldsmith_cloud::Result<()> {
    let images = &context.cloud.images;
    if record.plan.region(region).is_none_or(|planned| planned.protection.is_none()) {
        return Ok(());
    }
    for image in images.tagged(region, TAG_BUILD, &record.build).await? {
        if kept.contains(&image.id) && image.protection == Protection::Off {
            protect(context, record, region, &image.id).await?;
        }
    }
    Ok(())
}

/// Protects a published image as the plan of its Region says.
pub(crate) async fn protect(
    context: &Context,
    record: &BuildRecord,
    region: &str,
    ami: &str,
) -> goldsmith_cloud::Result<()> {
    let Some(protection) = record.plan.region(region).and_then(|planned| planned.protection) else { return Ok(()) };
    let cooldown = protection == DeregistrationProtection::WithCooldown;
    context.cloud.images.protect(region, ami, cooldown).await
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_cloud::{Images as _, Kind, Protection};
    use goldsmith_model::DeregistrationProtection;

    use crate::State;
    use crate::testing::{AWAY, Stack, Task, check_state_on, good, reach_on};

    async fn stack() -> Stack {
        let stack = Stack::new().await;
        stack.protect_images([DeregistrationProtection::UntilOff, DeregistrationProtection::WithCooldown]).await;
        stack
    }

    /// Returns the protection of the image in both Regions.
    async fn protections(stack: &Stack) -> [Protection; 2] {
        let amis = stack.image().await.amis;
        let mut found = [Protection::Off; 2];
        for (at, region) in [HOME, AWAY].into_iter().enumerate() {
            found[at] = stack.cloud.image(region, &amis[region]).await.unwrap().unwrap().protection;
        }
        found
    }

    const PROTECTED: [Protection; 2] = [Protection::On { cooldown: false }, Protection::On { cooldown: true }];

    #[tokio::test]
    async fn publish_survives_every_fault_with_protected_images() {
        const PROTECT: &str = "EnableImageDeregistrationProtection";
        let effects = ["PutParameter", "CreateTags", PROTECT, "CreateTags", PROTECT, "CreateTags"];
        check_state_on(stack, good(State::Publish), &effects).await;
    }

    #[tokio::test]
    async fn published_images_are_protected_as_each_region_says() {
        let stack = reach_on(stack().await, &good(State::Publish)).await;
        stack.run(&good(State::Publish)).await.unwrap();
        assert_eq!(protections(&stack).await, PROTECTED);
    }

    #[tokio::test]
    async fn finish_protects_what_publish_could_not() {
        let stack = reach_on(stack().await, &good(State::Publish)).await;
        stack.cloud.fail_next("EnableImageDeregistrationProtection", Fault::Refuse(Kind::Denied));
        stack.run(&good(State::Publish)).await.unwrap();
        assert_eq!(protections(&stack).await, [Protection::Off, PROTECTED[1]]);
        stack.run(&Task::new(State::Finish)).await.unwrap();
        assert_eq!(protections(&stack).await, PROTECTED);
    }

    #[tokio::test]
    async fn images_of_a_failed_build_are_not_protected() {
        let stack = reach_on(stack().await, &good(State::Publish)).await;
        stack.cloud.fail_always("PutParameter", HOME, Fault::Refuse(Kind::Denied));
        let error = stack.run(&good(State::Publish)).await.unwrap_err();
        stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
        for (region, there) in stack.inventory().regions {
            for id in there.images.keys() {
                let image = stack.cloud.image(&region, id).await.unwrap().unwrap();
                assert_eq!(image.protection, Protection::Off);
            }
        }
    }
}
