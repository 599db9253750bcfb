//! Disables or revokes an image in all of its Regions, or enables it again.

use anyhow::{Context, Result};
use goldsmith_cloud::{Kind, Tags};
use goldsmith_states::life::{Reference, TAG_KEEP, launch_permission};
use goldsmith_store::{ImageLife, ImageRecord, ImageStatus, Revocation, StoreError};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::{invalid, plain};
use crate::output::Show;
use crate::render::{columns, status, who};

/// An image that was switched.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SwitchedImage {
    image: ImageRecord,
    /// What refers to the image.
    references: Vec<Reference>,
    /// Whether the build's record is missing. Only that record says who may launch the image.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    lacks_permissions: bool,
    /// Whether its retention had disabled it, so that its AMIs have the tag that keeps it now.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_kept: bool,
}

impl Show for SwitchedImage {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let amis = self.image.amis.iter();
        let mut rows: Vec<Vec<String>> = amis.map(|(region, ami)| vec![region.clone(), ami.clone()]).collect();
        rows.insert(0, vec![self.image.image.to_string(), status(&self.image)]);
        columns(&rows)
    }

    fn remarks(&self, globals: &Globals) -> Vec<String> {
        let mut said = Vec::new();
        if self.is_kept {
            said.push(format!(
                "Its AMIs have the tag {TAG_KEEP} now, so its retention leaves it alone until you remove the tag."
            ));
        }
        if self.lacks_permissions {
            let by_hand = "The record of its build is gone, so only this account can launch it: give others their launch \
                           permissions by hand.";
            said.push(by_hand.to_owned());
        }
        if self.image.life.is_none() {
            return said;
        }
        if self.references.is_empty() {
            return Vec::new();
        }
        let mut lines = vec!["These still refer to it, and can launch nothing from it now:".to_owned()];
        lines.extend(columns(&self.references.iter().map(Reference::row).collect::<Vec<_>>()));
        lines.push(format!("`{} enable {}` undoes this.", globals.again(), self.image.image));
        lines
    }
}

/// Disables an image: nobody can launch it, and builds do not start from it. Its instances keep running. Safe to
/// repeat.
pub(crate) async fn disable(connection: &Connection, image: &ImageRecord) -> Result<SwitchedImage> {
    refuse(connection, image).await?;
    // The references come first, because a disabled AMI has no launch permissions any more.
    let references = connection.references().of(image).await.map_err(plain)?;
    // The record comes before the AMIs: no build may find an image that it cannot start from.
    connection.store.set_life(&image.image, Some(ImageLife::Disabled)).await?;
    disable_amis(connection, image).await?;
    Ok(SwitchedImage { image: read(connection, image).await?, references, lacks_permissions: false, is_kept: false })
}

/// Revokes an image, which disables it until somebody removes the revocation. Safe to repeat.
pub(crate) async fn revoke(connection: &Connection, image: &ImageRecord, revocation: &Revocation) -> Result<()> {
    refuse(connection, image).await?;
    connection.store.revoke(&image.image, revocation).await?;
    disable_amis(connection, image).await
}

async fn disable_amis(connection: &Connection, image: &ImageRecord) -> Result<()> {
    for (region, ami) in &image.amis {
        // A role whose rights depend on tags would be denied the call for an AMI that is gone, and has no tags.
        if connection.cloud.images.image(region, ami).await?.is_some() {
            connection.cloud.switches.disable(region, ami).await?;
        }
    }
    Ok(())
}

/// Enables an image again, and gives it the launch permissions that its build and later distributions have given it. If
/// its retention had disabled it, the image gets the tag that keeps it: the next round would disable it again. Safe to
/// repeat.
pub(crate) async fn enable(connection: &Connection, image: &ImageRecord) -> Result<SwitchedImage> {
    refuse(connection, image).await?;
    if let Some(Revocation { at, by, reason }) = &image.revoked {
        return Err(invalid(format!(
            "{} was revoked at {at} by {}: {reason}; `goldsmith revoke {} --undo` lets it be used again",
            image.image,
            who(by),
            image.image
        )));
    }
    let builds = connection.store.builds_of(image).await?;
    let is_build_known = builds.iter().any(|build| build.build == image.build);
    let permissions = image.done_by(builds);
    let is_kept = image.surplus.is_some();
    for (region, ami) in &image.amis {
        connection.cloud.switches.enable(region, ami).await.map_err(|error| match error.kind {
            Kind::NotFound => invalid(format!(
                "{ami} in {region} does not exist anymore, so {} cannot be enabled: `goldsmith delete` removes the \
                 rest",
                image.image
            )),
            _ => error.into(),
        })?;
        let given = permissions.iter().filter(|planned| planned.region == *region && image.is_published());
        for planned in given {
            connection.cloud.images.share(region, ami, &launch_permission(planned)).await?;
        }
    }
    if is_kept {
        let kept = Tags::from([(TAG_KEEP.to_owned(), String::new())]);
        for (region, ami) in &image.amis {
            connection.cloud.images.tag(region, std::slice::from_ref(ami), &kept).await?;
        }
    }
    if let Err(error) = connection.store.set_life(&image.image, None).await {
        // Somebody has revoked or deleted the image in the meantime. Nobody may launch what this call has enabled since.
        if matches!(error, StoreError::Conflict { .. }) {
            disable_amis(connection, image).await?;
        }
        return Err(error.into());
    }
    let image = read(connection, image).await?;
    Ok(SwitchedImage {
        lacks_permissions: !is_build_known && image.is_published(),
        is_kept,
        image,
        references: Vec::new(),
    })
}

async fn read(connection: &Connection, image: &ImageRecord) -> Result<ImageRecord> {
    connection.store.image(&image.image).await?.with_context(|| format!("{} has no record anymore", image.image))
}

/// Rejects an image without AMIs, or whose build may still change its record.
pub(crate) async fn refuse(connection: &Connection, image: &ImageRecord) -> Result<()> {
    // The end of the build writes the whole record, and would write over what is changed here.
    if connection.store.running_build(&image.pipeline).await?.is_some_and(|build| build == image.build) {
        return Err(invalid(format!("the build of {} has not ended: wait until it has ended", image.image)));
    }
    if image.status != ImageStatus::Available || image.life == Some(ImageLife::Deleted) {
        return Err(invalid(format!("{} is {}, and has no AMIs to enable or disable", image.image, status(image))));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_cloud::{ImageState, Images as _, Kind};
    use goldsmith_store::{ImageLife, ImageRecord};
    use serde_json::json;

    use super::{disable, enable};
    use crate::output::Show;
    use crate::testing::{Stack, globals};

    async fn image(stack: &Stack) -> ImageRecord {
        stack.connection.store.image(&"web/1.0.0/1".parse().unwrap()).await.unwrap().unwrap()
    }

    async fn published() -> (Stack, String) {
        let stack = Stack::new();
        let ami = stack.cloud.add_image(HOME, "self", "web 1");
        stack.closed_build(json!({"status": "AVAILABLE", "amis": {HOME: ami}})).await;
        (stack, ami)
    }

    #[tokio::test]
    async fn an_image_is_disabled_and_enabled_again_also_after_a_failure() {
        let (stack, ami) = published().await;
        stack.cloud.add_launch_template(HOME, "lt-1", &ami);
        let connection = &stack.connection;
        stack.cloud.fail_next("DisableImage", Fault::Refuse(Kind::Throttled));
        assert!(disable(connection, &image(&stack).await).await.is_err());
        for _ in 0..2 {
            let switched = disable(connection, &image(&stack).await).await.unwrap();
            assert_eq!(switched.lines(&globals(""))[0], "web/1.0.0/1  DISABLED");
            assert_eq!(switched.remarks(&globals(""))[1], format!("{HOME}  {ami}  the launch template lt-1"));
            assert_eq!(stack.cloud.image(HOME, &ami).await.unwrap().unwrap().state, ImageState::Failed);
        }
        let web = "web".parse().unwrap();
        assert_eq!(connection.store.newest_published(&web, &web).await.unwrap(), None, "no build starts from it");
        stack.cloud.fail_next("EnableImage", Fault::LoseAnswer);
        assert!(enable(connection, &image(&stack).await).await.is_err());
        for _ in 0..2 {
            let switched = enable(connection, &image(&stack).await).await.unwrap();
            assert_eq!(switched.lines(&globals(""))[0], "web/1.0.0/1  AVAILABLE");
            assert!(switched.remarks(&globals("")).is_empty());
            assert_eq!(stack.cloud.image(HOME, &ami).await.unwrap().unwrap().state, ImageState::Available);
        }
    }

    #[tokio::test]
    async fn an_image_without_the_record_of_its_build_is_enabled_without_launch_permissions_and_says_so() {
        let (stack, ami) = published().await;
        stack.forget_build("b").await;
        for _ in 0..2 {
            disable(&stack.connection, &image(&stack).await).await.unwrap();
            let switched = enable(&stack.connection, &image(&stack).await).await.unwrap();
            let expected = "The record of its build is gone, so only this account can launch it: give others their launch \
                            permissions by hand.";
            assert_eq!(switched.remarks(&globals("")), [expected]);
        }
        assert_eq!(stack.cloud.image(HOME, &ami).await.unwrap().unwrap().state, ImageState::Available);
    }

    #[tokio::test]
    async fn an_image_whose_amis_are_gone_is_not_enabled() {
        let (stack, ami) = published().await;
        disable(&stack.connection, &image(&stack).await).await.unwrap();
        stack.cloud.deregister(HOME, &ami).await.unwrap();
        let error = enable(&stack.connection, &image(&stack).await).await.unwrap_err().to_string();
        assert!(error.starts_with(&format!("{ami} in {HOME} does not exist anymore")), "{error}");
        stack.connection.store.set_life(&"web/1.0.0/1".parse().unwrap(), Some(ImageLife::Deleted)).await.unwrap();
        let error = disable(&stack.connection, &image(&stack).await).await.unwrap_err().to_string();
        assert_eq!(error, "web/1.0.0/1 is DELETED, and has no AMIs to enable or disable");
    }
}
