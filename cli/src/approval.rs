//! Approvals of images: each publishes its image.

use anyhow::Result;
use goldsmith_cloud::{PUBLISHED, TAG_STATUS, Tags};
use goldsmith_model::Name;
use goldsmith_states::life::grant;
use goldsmith_store::{Approved, ImageRecord, stamp};
use jiff::Timestamp;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::invalid;
use crate::image_switch::refuse;
use crate::render::who;

/// Returns whether a promotion to this channel approves the image, or an error if the image cannot be approved now.
pub(crate) async fn is_needed(connection: &Connection, image: &ImageRecord, channel: &Name) -> Result<bool> {
    if image.awaited() != Some(channel) {
        return Ok(false);
    }
    refuse(connection, image).await?;
    Ok(true)
}

/// Gives other accounts the permissions that the image's distribution plans, marks the image as published, and records
/// who has approved it. Does nothing if a promotion to this channel does not approve the image. Safe to repeat.
pub(crate) async fn approve(
    connection: &Connection,
    image: &ImageRecord,
    channel: &Name,
    by: &str,
    reason: Option<&str>,
) -> Result<()> {
    if image.approval.as_ref() != Some(channel) {
        return Ok(());
    }
    let Some(build) = connection.store.build(&image.build).await? else {
        return Err(invalid(format!(
            "the record of the build of {} is gone, so nobody knows who may launch it: build it again",
            image.image
        )));
    };
    let images = &connection.cloud.images;
    let published = Tags::from([(TAG_STATUS.to_owned(), PUBLISHED.to_owned())]);
    // The record comes last. So only a person who may change the AMIs can approve an image, and a call that was interrupted
    // is finished by the next one.
    for (region, ami) in &image.amis {
        let snapshots = image.snapshots.get(region).cloned().unwrap_or_default();
        if let Some(planned) = build.plan.region(region) {
            grant(&**images, planned, ami, &snapshots).await?;
        }
        let ids: Vec<String> = std::iter::once(ami.clone()).chain(snapshots).collect();
        images.tag(region, &ids, &published).await?;
    }
    let approved = Approved { at: stamp(Timestamp::now()), by: by.to_owned(), reason: reason.map(str::to_owned) };
    Ok(connection.store.approve(image, &approved).await?)
}

/// Returns who has approved an image or how to approve it, or `None` if the image needs no approval.
pub(crate) fn in_words(globals: &Globals, image: &ImageRecord) -> Option<String> {
    if let Some(Approved { at, by, reason }) = &image.approved {
        let reason = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
        return Some(format!("{at} by {}{reason}", who(by)));
    }
    let again = globals.again();
    let how = |channel| format!("needed: `{again} promote {} --to {channel}` publishes the image", image.image);
    image.awaited().map(how)
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_cloud::{Images as _, Kind, TAG_STATUS};
    use goldsmith_model::Name;
    use goldsmith_store::ImageRecord;
    use serde_json::json;

    use super::{approve, in_words, is_needed};
    use crate::channel_move::{plan, plan_back_to};
    use crate::image_switch::{disable, enable};
    use crate::render::status;
    use crate::testing::{Stack, globals};

    const OTHER: &str = "111122223333";

    /// An image and its AMI. A promotion to `stable` approves the image, and its distribution shares it with another
    /// account.
    async fn waiting() -> (Stack, String) {
        let stack = Stack::new();
        let ami = stack.cloud.add_image(HOME, "self", "web 1");
        let snapshots = stack.cloud.image(HOME, &ami).await.unwrap().unwrap().snapshots;
        stack
            .closed_build(json!({"status": "AVAILABLE", "amis": {HOME: ami}, "snapshots": {HOME: snapshots},
                                 "approval": "stable"}))
            .await;
        let region = json!({"region": HOME, "name": "web", "description": "", "tags": {}, "shareSnapshots": true,
                            "launchPermission": {"userIds": [OTHER]}, "parameters": []});
        stack.plan_regions(json!([region])).await;
        (stack, ami)
    }

    async fn image(stack: &Stack) -> ImageRecord {
        stack.connection.store.image(&"web/1.0.0/1".parse().unwrap()).await.unwrap().unwrap()
    }

    fn channel(name: &str) -> Name {
        name.parse().unwrap()
    }

    /// Returns whether the other account may launch the AMI and copy its snapshots, and the AMI's status.
    async fn given(stack: &Stack, ami: &str) -> (bool, bool, Option<String>) {
        let launches = stack.cloud.launch_permission(HOME, ami).users == [OTHER];
        let (shared, _) = stack.cloud.terms(HOME, ami);
        let copies = !shared.is_empty() && shared.iter().all(|with| with.contains(OTHER));
        (launches, copies, stack.cloud.image(HOME, ami).await.unwrap().unwrap().tags.get(TAG_STATUS).cloned())
    }

    #[tokio::test]
    async fn an_approval_gives_the_image_to_others_and_is_recorded_also_after_a_failure() {
        let (stack, ami) = waiting().await;
        let (connection, stable) = (&stack.connection, channel("stable"));
        let before = image(&stack).await;
        let how = "needed: `goldsmith promote web/1.0.0/1 --to stable` publishes the image";
        assert_eq!(in_words(&globals(""), &before).as_deref(), Some(how));
        assert!(is_needed(connection, &before, &stable).await.unwrap());
        assert!(!is_needed(connection, &before, &channel("candidate")).await.unwrap());
        approve(connection, &before, &channel("candidate"), "anna", None).await.unwrap();
        assert_eq!(given(&stack, &ami).await, (false, false, None), "another channel approves nothing");
        stack.cloud.fail_next("CreateTags", Fault::Refuse(Kind::Denied));
        assert!(approve(connection, &before, &stable, "anna", Some("tested")).await.is_err());
        assert_eq!(image(&stack).await.approved, None, "who may not change the AMI approves nothing");
        for by in ["anna", "bert"] {
            approve(connection, &image(&stack).await, &stable, by, Some("tested")).await.unwrap();
            assert_eq!(given(&stack, &ami).await, (true, true, Some("published".to_owned())));
            let approved = image(&stack).await.approved.unwrap();
            assert_eq!((approved.by.as_str(), approved.reason.as_deref()), ("anna", Some("tested")));
        }
        let words = in_words(&globals(""), &image(&stack).await).unwrap();
        assert!(words.ends_with(" by anna: tested"), "{words}");
        let web = channel("web");
        assert_eq!(connection.store.newest_published(&web, &web).await.unwrap().unwrap(), image(&stack).await);
    }

    #[tokio::test]
    async fn an_image_that_waits_is_neither_shared_by_a_switch_nor_approved_by_a_rollback() {
        let (stack, ami) = waiting().await;
        let connection = &stack.connection;
        assert_eq!(status(&image(&stack).await), "AVAILABLE (needs approval)");
        disable(connection, &image(&stack).await).await.unwrap();
        enable(connection, &image(&stack).await).await.unwrap();
        assert_eq!(given(&stack, &ami).await, (false, false, None));
        let (web, stable) = (channel("web"), channel("stable"));
        let step = goldsmith_store::ChannelMove::after(
            None,
            &stable,
            Some(image(&stack).await.image),
            String::new(),
            String::new(),
        );
        connection.store.move_channel(&web, &step).await.unwrap();
        let error = plan_back_to(connection, &image(&stack).await, &stable).await.unwrap_err().to_string();
        let expected = "nobody has approved web/1.0.0/1: `goldsmith promote web/1.0.0/1 --to stable` approves it";
        assert_eq!(error, expected);
        plan(connection, &image(&stack).await, &channel("candidate")).await.expect("another channel may point to it");
        stack.forget_build("b").await;
        let error = approve(connection, &image(&stack).await, &stable, "anna", None).await.unwrap_err().to_string();
        assert!(error.starts_with("the record of the build of web/1.0.0/1 is gone"), "{error}");
    }
}
