//! Deletes an image in all of its Regions.

use std::collections::BTreeMap;

use goldsmith_cloud::{Cloud, Kind, Protection};
use goldsmith_store::{ImageLife, ImageRecord, OwnedCopy, Store, stamp};
use serde::Serialize;

use super::references::{Reference, References};
use crate::{Result, TAG_BUILD};

/// An image that was deleted.
#[derive(Debug, Serialize)]
pub struct Deleted {
    /// `NAME/VERSION/BUILD`
    pub image: String,
    /// The AMIs, by Region.
    pub amis: BTreeMap<String, String>,
    /// AMIs of other accounts, which stay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub copies_left: Vec<OwnedCopy>,
    /// Snapshots that stay because another AMI uses them, by Region.
    pub snapshots_left: BTreeMap<String, Vec<String>>,
}

impl Deleted {
    /// Returns a line for each snapshot and each copy of another account that stays.
    pub fn left(&self) -> impl Iterator<Item = String> {
        let snapshots = self.snapshots_left.iter().flat_map(|(region, ids)| {
            ids.iter().map(move |id| format!("stays    {region}  {id}  another AMI uses this snapshot"))
        });
        snapshots.chain(self.copies_left.iter().map(stays))
    }
}

/// Returns a line about a copy that stays. The account owns it, and Goldsmith cannot see what uses it there.
#[must_use]
pub fn stays(copy: &OwnedCopy) -> String {
    let OwnedCopy { account, region, ami } = copy;
    format!("stays    {region}  {ami}  account {account} owns this copy; only that account deletes it")
}

/// The result of a deletion.
#[derive(Debug)]
pub enum Deletion {
    /// The image is gone.
    Done(Deleted),
    /// Something refers to the image, so nothing was deleted.
    Refused(Reference),
    /// A protection from deregistration holds it, for the reason that this sentence gives.
    Protected(String),
}

/// Deregisters the AMIs and deletes their snapshots. Deletes nothing if something refers to the image now, except the
/// launch permissions of those in `unshare`. Safe to repeat: a later call continues where this one stopped.
///
/// The protection from deregistration that the image's own build has switched on is switched off. If it has a cooldown,
/// nothing is deleted yet, and the sentence of [`Deletion::Protected`] says when to call again.
///
/// # Errors
/// Fails if a call to AWS or to the table fails.
pub async fn delete(
    cloud: &Cloud,
    store: &Store,
    references: &References,
    image: &ImageRecord,
    unshare: &[String],
) -> Result<Deletion> {
    let protected = match protected(cloud, store, image).await? {
        Ok(protected) => protected,
        Err(by_somebody) => return Ok(Deletion::Protected(by_somebody)),
    };
    // An image that may have lost some of its AMIs must not look complete. Builds do not start from it any more.
    if image.is_in_use() {
        store.set_life(&image.image, Some(ImageLife::Disabled)).await?;
    }
    // This look is the one that counts. The caller may have looked too, but somebody may have begun to use the image since
    // then, for example while a question waited for its answer. From here on, no build can.
    let references = references.of_now(image).await;
    let in_the_way = references.map(|found| found.into_iter().find(|one| !one.is_only_of(unshare)));
    if image.is_in_use() && !matches!(in_the_way, Ok(None)) {
        store.set_life(&image.image, None).await?;
    }
    if let Some(reference) = in_the_way? {
        return Ok(Deletion::Refused(reference));
    }
    if let Some(cooling) = unprotect(cloud, image, &protected).await? {
        return Ok(Deletion::Protected(cooling));
    }
    let mut snapshots_left = BTreeMap::new();
    let images = &cloud.images;
    for (region, ami) in &image.amis {
        // A role whose rights depend on tags would be denied the call for what an earlier call has removed, because that
        // has no tags any more. So each call is only for what is still there.
        if images.image(region, ami).await?.is_some() {
            images.deregister(region, ami).await?;
        }
        let mut left = Vec::new();
        for snapshot in still_there(cloud, image, region).await? {
            match images.delete_snapshot(region, &snapshot).await {
                Err(error) if error.kind == Kind::WrongState => left.push(snapshot),
                // EC2 may have listed it a moment after it was deleted with its AMI.
                Err(_) if !still_there(cloud, image, region).await?.contains(&snapshot) => {}
                other => other?,
            }
        }
        if !left.is_empty() {
            snapshots_left.insert(region.clone(), left);
        }
    }
    store.set_life(&image.image, Some(ImageLife::Deleted)).await?;
    let (amis, copies_left) = (image.amis.clone(), image.copies.clone());
    Ok(Deletion::Done(Deleted { image: image.image.to_string(), amis, copies_left, snapshots_left }))
}

/// Returns the image's snapshots in a Region that EC2 still lists. An AMI that is gone no longer names them.
async fn still_there(cloud: &Cloud, image: &ImageRecord, region: &str) -> Result<Vec<String>> {
    let mut listed = Vec::new();
    // A later distribution has given its snapshots the tag of its own run.
    for build in std::iter::once(&image.build).chain(image.distributed_by.iter().map(|run| &run.build)) {
        listed.extend(cloud.images.snapshots_tagged(region, TAG_BUILD, build).await?);
    }
    let own = image.snapshots.get(region).into_iter().flatten();
    Ok(own.filter(|id| listed.iter().any(|one| one.id == **id)).cloned().collect())
}

/// An AMI that is protected from deregistration.
struct Protected {
    region: String,
    ami: String,
    protection: Protection,
}

/// Returns the protected AMIs of an image, or a sentence about a protection that neither the image's own build nor a
/// later distribution has switched on: a person wants to keep the AMI.
async fn protected(
    cloud: &Cloud,
    store: &Store,
    image: &ImageRecord,
) -> Result<std::result::Result<Vec<Protected>, String>> {
    let builds = store.builds_of(image).await?;
    let mut protected = Vec::new();
    for (region, ami) in &image.amis {
        let found = cloud.images.image(region, ami).await?;
        let protection = found.map(|found| found.protection).unwrap_or_default();
        let planned = builds.iter().find_map(|build| build.plan.region(region)?.protection);
        match protection {
            Protection::Off => continue,
            Protection::On { .. } if planned.is_none() || image.overridden => {
                let message = format!(
                    "{} was not deleted: somebody has protected {ami} in {region} from deregistration. `aws ec2 \
                     disable-image-deregistration-protection` switches that off",
                    image.image
                );
                return Ok(Err(message));
            }
            Protection::On { .. } | Protection::Cooling { .. } => {
                protected.push(Protected { region: region.clone(), ami: ami.clone(), protection });
            }
        }
    }
    Ok(Ok(protected))
}

/// Switches the protection of these AMIs off, all of them before any AMI goes: so their cooldowns end at the same time.
/// Returns a sentence about those that EC2 still protects.
async fn unprotect(cloud: &Cloud, image: &ImageRecord, protected: &[Protected]) -> Result<Option<String>> {
    let mut cooling = Vec::new();
    for Protected { region, ami, protection } in protected {
        if let Protection::On { .. } = protection {
            cloud.switches.unprotect(region, ami).await?;
        }
        let time = match protection {
            Protection::Off | Protection::On { cooldown: false } => continue,
            Protection::On { cooldown: true } => "for another 24 hours".to_owned(),
            Protection::Cooling { until: Some(until) } => format!("until {}", stamp(*until)),
            Protection::Cooling { until: None } => "for at most another 24 hours".to_owned(),
        };
        cooling.push(format!("{ami} in {region} {time}"));
    }
    if cooling.is_empty() {
        return Ok(None);
    }
    Ok(Some(format!(
        "{} is disabled, and not deleted yet: the protection from deregistration is switched off, but EC2 protects {}. Call \
         the command again after that",
        image.image,
        cooling.join(" and ")
    )))
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
        stack.store().image(&"web/1.0.0/1".parse().unwrap()).await.unwrap().unwrap()
    }

    async fn delete(stack: &Stack) -> Deletion {
        let (cloud, store) = (stack.cloud.cloud(), stack.store());
        super::delete(&cloud, &store, &stack.references(), &image(stack).await, &[]).await.unwrap()
    }

    /// A published image in two Regions, with these protections. `planned` contains the protections that the image's
    /// build has enabled.
    async fn published(planned: [Option<&str>; 2], protections: [Protection; 2]) -> Stack {
        let stack = Stack::new().await;
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
        assert!(matches!(delete(&stack).await, Deletion::Done(_)));
        assert_eq!(image(&stack).await.life, Some(ImageLife::Deleted));
        assert!(stack.cloud.inventory().region(AWAY).images.is_empty());
    }

    #[tokio::test]
    async fn an_image_with_a_cooldown_goes_when_it_has_ended() {
        let cooling = [Protection::On { cooldown: false }, Protection::On { cooldown: true }];
        let stack = published([Some("untilOff"), Some("withCooldown")], cooling).await;
        let ami = image(&stack).await.amis[AWAY].clone();
        for time in ["for another 24 hours", "until 2026-11-25T03:00:00.000Z"] {
            let Deletion::Protected(error) = delete(&stack).await else { panic!("nothing protects it") };
            let expected = format!("EC2 protects {ami} in {AWAY} {time}. Call the command again after that");
            assert!(error.starts_with("web/1.0.0/1 is disabled, and not deleted yet"), "{error}");
            assert!(error.contains(&expected), "{error}");
            assert_eq!(image(&stack).await.life, Some(ImageLife::Disabled));
            assert_eq!(stack.cloud.inventory().region(HOME).images.len(), 1, "no AMI goes before the others");
        }
        stack.cloud.edit_image(AWAY, &ami, |image| image.protection = Protection::Off);
        assert!(matches!(delete(&stack).await, Deletion::Done(_)));
        assert_eq!(image(&stack).await.life, Some(ImageLife::Deleted));
    }

    #[tokio::test]
    async fn an_image_that_somebody_else_has_protected_stays_as_it_was() {
        let protections = [Protection::On { cooldown: false }, Protection::Off];
        let stack = published([None; 2], protections).await;
        let Deletion::Protected(error) = delete(&stack).await else { panic!("nothing protects it") };
        assert!(error.starts_with("web/1.0.0/1 was not deleted: somebody has protected ami-"), "{error}");
        assert_eq!(image(&stack).await.life, None);
        assert_eq!(
            stack.cloud.image(HOME, &image(&stack).await.amis[HOME]).await.unwrap().unwrap().protection,
            protections[0]
        );
    }
}
