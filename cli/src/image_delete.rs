//! Deletes an image in all of its Regions.

use std::collections::BTreeMap;

use anyhow::Result;
use goldsmith_cloud::{Kind, Protection};
use goldsmith_store::{ImageLife, ImageRecord, OwnedCopy};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::{Exit, Stop};
use crate::output::Show;
use crate::references::{Reference, References};
use crate::tags::TAG_BUILD;

/// An image that was deleted.
#[derive(Debug, Serialize)]
pub(crate) struct Deleted {
    image: String,
    /// The AMIs, by Region.
    amis: BTreeMap<String, String>,
    /// AMIs that other accounts own, which stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    copies_left: Vec<OwnedCopy>,
    /// Snapshots that stay because another AMI uses them, by Region.
    snapshots_left: BTreeMap<String, Vec<String>>,
}

impl Deleted {
    /// Returns a line for each snapshot and each copy of another account that stays.
    pub(crate) fn left(&self) -> impl Iterator<Item = String> {
        let snapshots = self.snapshots_left.iter().flat_map(|(region, ids)| {
            ids.iter().map(move |id| format!("stays    {region}  {id}  another AMI uses this snapshot"))
        });
        snapshots.chain(self.copies_left.iter().map(stays))
    }
}

impl Show for Deleted {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let amis = self.amis.iter().map(|(region, ami)| format!("deleted  {region}  {ami}"));
        amis.chain(self.left()).chain([format!("{} is deleted", self.image)]).collect()
    }
}

/// Returns a line about a copy that stays. The other account owns the copy, and Goldsmith cannot see what uses it
/// there.
pub(crate) fn stays(copy: &OwnedCopy) -> String {
    let OwnedCopy { account, region, ami } = copy;
    format!("stays    {region}  {ami}  account {account} owns this copy; only that account deletes it")
}

/// The result of a deletion.
#[derive(Debug)]
pub(crate) enum Deletion {
    /// The image was deleted.
    Done(Deleted),
    /// Something refers to the image, so nothing was deleted.
    Refused(Reference),
}

/// Deregisters the AMIs and deletes their snapshots. Deletes nothing if something refers to the image now, except the
/// launch permissions of those in `unshare`. Safe to repeat: a later call continues where this one stopped.
///
/// If the image's own build has enabled the protection from deregistration, this disables it. If the protection has a
/// cooldown, nothing is deleted yet, and the error says when to call again.
pub(crate) async fn delete(
    connection: &Connection,
    references: &References,
    image: &ImageRecord,
    unshare: &[String],
) -> Result<Deletion> {
    let protected = protected(connection, image).await?;
    // An image of which some AMIs may be gone must not look like a whole one. Builds do not start from it any more.
    if image.is_in_use() {
        connection.store.set_life(&image.image, Some(ImageLife::Disabled)).await?;
    }
    // This look is the one that counts. The caller may have looked too, but somebody may have begun to use the image since
    // then, for example while a question waited for its answer. From here on, no build can.
    let references = references.of(image).await;
    let in_the_way = references.map(|found| found.into_iter().find(|one| !one.is_only_of(unshare)));
    if image.is_in_use() && !matches!(in_the_way, Ok(None)) {
        connection.store.set_life(&image.image, None).await?;
    }
    if let Some(reference) = in_the_way? {
        return Ok(Deletion::Refused(reference));
    }
    unprotect(connection, image, &protected).await?;
    let mut snapshots_left = BTreeMap::new();
    let images = &connection.cloud.images;
    for (region, ami) in &image.amis {
        // A role whose rights depend on tags would be denied the call for what an earlier call has removed, because that
        // has no tags any more. So each call is only for what is still there.
        if images.image(region, ami).await?.is_some() {
            images.deregister(region, ami).await?;
        }
        let mut left = Vec::new();
        for snapshot in still_there(connection, image, region).await? {
            match images.delete_snapshot(region, &snapshot).await {
                Err(error) if error.kind == Kind::WrongState => left.push(snapshot),
                // EC2 may have listed it a moment after it was deleted with its AMI.
                Err(_) if !still_there(connection, image, region).await?.contains(&snapshot) => {}
                other => other?,
            }
        }
        if !left.is_empty() {
            snapshots_left.insert(region.clone(), left);
        }
    }
    connection.store.set_life(&image.image, Some(ImageLife::Deleted)).await?;
    let (amis, copies_left) = (image.amis.clone(), image.copies.clone());
    Ok(Deletion::Done(Deleted { image: image.image.to_string(), amis, copies_left, snapshots_left }))
}

/// Returns the image's snapshots in a Region that still exist in EC2. A deregistered AMI no longer names them.
async fn still_there(connection: &Connection, image: &ImageRecord, region: &str) -> Result<Vec<String>> {
    let listed = connection.cloud.images.snapshots_tagged(region, TAG_BUILD, &image.build).await?;
    let own = image.snapshots.get(region).into_iter().flatten();
    Ok(own.filter(|id| listed.iter().any(|one| one.id == **id)).cloned().collect())
}

/// An AMI that is protected from deregistration.
struct Protected {
    region: String,
    ami: String,
    protection: Protection,
}

/// Returns the protected AMIs of an image.
///
/// # Errors
/// Fails if an AMI has a protection that the image's own build has not enabled: a person wants to keep the AMI.
async fn protected(connection: &Connection, image: &ImageRecord) -> Result<Vec<Protected>> {
    let plan = connection.store.build(&image.build).await?.map(|build| build.plan);
    let mut protected = Vec::new();
    for (region, ami) in &image.amis {
        let found = connection.cloud.images.image(region, ami).await?;
        let protection = found.map(|found| found.protection).unwrap_or_default();
        let planned = plan.as_ref().and_then(|plan| plan.region(region)?.protection);
        match protection {
            Protection::Off => continue,
            Protection::On { .. } if planned.is_none() || image.overridden => {
                let message = format!(
                    "{} was not deleted: somebody has protected {ami} in {region} from deregistration. `aws ec2 \
                     disable-image-deregistration-protection` switches that off",
                    image.image
                );
                return Err(Stop { exit: Exit::Failed, message }.into());
            }
            Protection::On { .. } | Protection::Cooling => {
                protected.push(Protected { region: region.clone(), ami: ami.clone(), protection });
            }
        }
    }
    Ok(protected)
}

/// Disables the protection of all these AMIs before any AMI is deregistered, so that the cooldowns end at the same
/// time.
async fn unprotect(connection: &Connection, image: &ImageRecord, protected: &[Protected]) -> Result<()> {
    let mut cooling = Vec::new();
    for Protected { region, ami, protection } in protected {
        if let Protection::On { .. } = protection {
            connection.switches.unprotect(region, ami).await?;
        }
        if *protection != (Protection::On { cooldown: false }) {
            cooling.push(format!("{ami} in {region}"));
        }
    }
    if cooling.is_empty() {
        return Ok(());
    }
    let message = format!(
        "{} is disabled, and not deleted yet: the protection from deregistration was switched off, but EC2 protects {} \
         for another 24 hours after that. Call the command again after that",
        image.image,
        cooling.join(" and ")
    );
    Err(Stop { exit: Exit::Failed, message }.into())
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::HOME;
    use goldsmith_cloud::{Images as _, Protection};
    use goldsmith_store::{ImageLife, ImageRecord};
    use serde_json::json;

    use super::Deletion;
    use crate::testing::Stack;

    const AWAY: &str = "us-east-1";

    async fn image(stack: &Stack) -> ImageRecord {
        stack.connection.store.image(&"web/1.0.0/1".parse().unwrap()).await.unwrap().unwrap()
    }

    async fn delete(stack: &Stack) -> anyhow::Result<Deletion> {
        super::delete(&stack.connection, &stack.connection.references(), &image(stack).await, &[]).await
    }

    /// A published image in two Regions, with these protections. `planned` contains the protections that the image's
    /// build has enabled.
    async fn published(planned: [Option<&str>; 2], protections: [Protection; 2]) -> Stack {
        let stack = Stack::new();
        let mut amis = json!({});
        for (region, protection) in [HOME, AWAY].into_iter().zip(protections) {
            let ami = stack.cloud.add_image(region, "self", "web 1");
            stack.cloud.edit_image(region, &ami, |image| image.protection = protection);
            amis[region] = json!(ami);
        }
        stack.closed_build(json!({"status": "AVAILABLE", "amis": amis})).await;
        let regions = [HOME, AWAY].into_iter().zip(planned);
        let regions: Vec<_> = regions
            .map(|(region, protection)| {
                json!({"region": region, "name": "", "description": "", "tags": {}, "kmsKeyId": null,
                       "launchPermission": {}, "parameters": [], "protection": protection})
            })
            .collect();
        stack.plan_regions(json!(regions)).await;
        stack
    }

    #[tokio::test]
    async fn a_protection_that_the_build_has_switched_on_is_switched_off_first() {
        let stack = published([Some("untilOff"); 2], [Protection::On { cooldown: false }; 2]).await;
        delete(&stack).await.unwrap();
        assert_eq!(image(&stack).await.life, Some(ImageLife::Deleted));
        assert!(stack.cloud.inventory().region(AWAY).images.is_empty());
    }

    #[tokio::test]
    async fn an_image_with_a_cooldown_goes_when_it_has_ended() {
        let cooling = [Protection::On { cooldown: false }, Protection::On { cooldown: true }];
        let stack = published([Some("untilOff"), Some("withCooldown")], cooling).await;
        let ami = image(&stack).await.amis[AWAY].clone();
        for _ in 0..2 {
            let error = delete(&stack).await.unwrap_err().to_string();
            let expected = format!("EC2 protects {ami} in {AWAY} for another 24 hours");
            assert!(error.starts_with("web/1.0.0/1 is disabled, and not deleted yet"), "{error}");
            assert!(error.contains(&expected), "{error}");
            assert_eq!(image(&stack).await.life, Some(ImageLife::Disabled));
            assert_eq!(stack.cloud.inventory().region(HOME).images.len(), 1, "no AMI goes before the others");
        }
        stack.cloud.edit_image(AWAY, &ami, |image| image.protection = Protection::Off);
        delete(&stack).await.unwrap();
        assert_eq!(image(&stack).await.life, Some(ImageLife::Deleted));
    }

    #[tokio::test]
    async fn an_image_that_somebody_else_has_protected_stays_as_it_was() {
        let protections = [Protection::On { cooldown: false }, Protection::Off];
        let stack = published([None; 2], protections).await;
        let error = delete(&stack).await.unwrap_err().to_string();
        assert!(error.starts_with("web/1.0.0/1 was not deleted: somebody has protected ami-"), "{error}");
        assert_eq!(image(&stack).await.life, None);
        assert_eq!(
            stack.cloud.image(HOME, &image(&stack).await.amis[HOME]).await.unwrap().unwrap().protection,
            protections[0]
        );
    }
}
