//! `goldsmith delete IMAGE`: deletes an image only if nothing refers to it.

use anyhow::Result;
use goldsmith_states::life::{Deleted, Deletion, Reference, References, delete, stays};
use goldsmith_store::{ImageRecord, ImageStatus};

use crate::args::Globals;
use crate::ask::consents;
use crate::connection::Connection;
use crate::exit::{Exit, Stop, invalid, plain};
use crate::output::{self, Show};
use crate::render::{columns, status};

/// Deletes an image if nothing refers to it, except the launch permissions of those in `unshare`.
pub(super) async fn run(
    globals: &Globals,
    connection: &Connection,
    image: &ImageRecord,
    unshare: &[String],
    yes: bool,
) -> Result<Exit> {
    refuse_unpublished(image)?;
    let references = connection.references();
    let found = references.of(image).await.map_err(plain)?;
    columns(&found.iter().map(Reference::row).collect::<Vec<_>>()).iter().for_each(|line| output::say(line));
    refuse_referred_to(globals, image, &found, unshare)?;
    for (region, ami) in &image.amis {
        output::say(&format!("{region}  {ami}"));
    }
    image.copies.iter().for_each(|copy| output::say(&stays(copy)));
    for object in &image.exports {
        output::say(&format!("{}  {} stays in its bucket", object.region, object.location));
    }
    if !consents(&format!("Delete {} and its snapshots?", image.image), "nothing was deleted", yes)? {
        output::say("Nothing was deleted.");
        return Ok(Exit::Success);
    }
    output::show(globals, &delete_or_fail(connection, &references, image, unshare).await?)?;
    Ok(Exit::Success)
}

impl Show for Deleted {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let amis = self.amis.iter().map(|(region, ami)| format!("deleted  {region}  {ami}"));
        amis.chain(self.left()).chain([format!("{} is deleted", self.image)]).collect()
    }
}

/// Deletes an image to which nothing has referred before the question.
async fn delete_or_fail(
    connection: &Connection,
    references: &References,
    image: &ImageRecord,
    unshare: &[String],
) -> Result<Deleted> {
    match delete(&connection.cloud, &connection.store, references, image, unshare).await.map_err(plain)? {
        Deletion::Done(deleted) => Ok(deleted),
        Deletion::Protected(message) => Err(Stop { exit: Exit::Failed, message }.into()),
        Deletion::Refused(reference) => {
            let message = format!("{} was not deleted: {} refers to it now", image.image, reference.by);
            Err(Stop { exit: Exit::Failed, message }.into())
        }
    }
}

/// Rejects an image that was never published: Goldsmith itself removes what the build of such an image keeps.
fn refuse_unpublished(image: &ImageRecord) -> Result<()> {
    match image.status {
        ImageStatus::Available => Ok(()),
        ImageStatus::Building => Err(invalid(format!("{} is being built: cancel its build first", image.image))),
        ImageStatus::Verified => {
            let tested = &image.source_image;
            Err(invalid(format!("{} is not an image but a run that has tested {tested}", image.image)))
        }
        _ if image.distributes.is_some() => {
            Err(invalid(format!("{} is no image, but a run that has distributed one", image.image)))
        }
        ImageStatus::Distributed | ImageStatus::Failed | ImageStatus::Cancelled => {
            let why = "was not published, and what its build keeps is removed when it expires";
            Err(invalid(format!("{} is {}: it {why}", image.image, status(image))))
        }
    }
}

fn refuse_referred_to(
    globals: &Globals,
    image: &ImageRecord,
    references: &[Reference],
    unshare: &[String],
) -> Result<()> {
    let shared: Vec<&str> = references.iter().filter_map(Reference::shared_with).collect();
    // This comes first: after a mistyped account, nothing may be deleted that was not meant.
    if let Some(unknown) = unshare.iter().find(|whose| !shared.contains(&whose.as_str())) {
        return Err(invalid(format!("--unshare names {unknown}, which has no launch permission for {}", image.image)));
    }
    let in_the_way: Vec<&Reference> = references.iter().filter(|one| !one.is_only_of(unshare)).collect();
    if in_the_way.is_empty() {
        return Ok(());
    }
    let (image, again) = (&image.image, globals.again());
    let mut message = format!("something still refers to {image}, so it was not deleted");
    if in_the_way.iter().all(|one| one.shared_with().is_some()) {
        message += ": Goldsmith cannot see whether those with a launch permission use it; --unshare WHO, once for \
                    each of them, deletes it anyway";
    } else {
        message += &format!(": `{again} disable {image}` prevents new instances, and can be undone");
    }
    Err(Stop { exit: Exit::Failed, message }.into())
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{Fault, HOME};
    use goldsmith_cloud::{Images as _, Kind, LaunchPermission};
    use goldsmith_store::{ImageLife, ImageRecord, OwnedCopy};
    use serde_json::json;

    use super::{delete_or_fail, refuse_unpublished, run};
    use crate::output::Show as _;
    use crate::testing::{Stack, globals};

    async fn image(stack: &Stack) -> ImageRecord {
        stack.connection.store.image(&"web/1.0.0/1".parse().unwrap()).await.unwrap().unwrap()
    }

    /// A published image in two Regions.
    async fn published() -> Stack {
        let stack = Stack::new();
        let (mut amis, mut snapshots) = (json!({}), json!({}));
        for region in [HOME, "us-east-1"] {
            let ami = stack.cloud.add_image(region, "self", "web 1");
            let found = stack.cloud.image(region, &ami).await.unwrap().unwrap();
            (amis[region], snapshots[region]) = (json!(ami), json!(found.snapshots));
        }
        stack.closed_build(json!({"status": "AVAILABLE", "amis": amis, "snapshots": snapshots})).await;
        stack
    }

    async fn deleted(stack: &Stack, unshare: &[String]) -> Result<(), String> {
        let image = image(stack).await;
        let ended = run(&globals(""), &stack.connection, &image, unshare, true).await;
        ended.map(drop).map_err(|error| error.to_string())
    }

    #[tokio::test]
    async fn an_image_that_nothing_refers_to_goes_from_every_region() {
        let stack = published().await;
        for _ in 0..2 {
            deleted(&stack, &[]).await.unwrap();
            assert_eq!(image(&stack).await.life, Some(ImageLife::Deleted));
        }
        let left = stack.cloud.inventory();
        assert!(left.region(HOME).images.is_empty() && left.region("us-east-1").images.is_empty(), "{left:?}");
        assert!(left.region(HOME).snapshots.is_empty() && left.region("us-east-1").snapshots.is_empty(), "{left:?}");
    }

    #[tokio::test]
    async fn a_copy_that_another_account_owns_stays_and_is_named() {
        let stack = published().await;
        let copy = OwnedCopy { account: "222233334444".to_owned(), region: HOME.to_owned(), ami: "ami-9".to_owned() };
        let record = ImageRecord { copies: vec![copy], ..image(&stack).await };
        let references = stack.connection.references();
        let deleted = delete_or_fail(&stack.connection, &references, &record, &[]).await.unwrap();
        let lines = deleted.lines(&globals(""));
        let stays =
            format!("stays    {HOME}  ami-9  account 222233334444 owns this copy; only that account deletes it");
        assert!(lines.contains(&stays), "{lines:?}");
        assert!(stack.cloud.effects().iter().all(|effect| effect.detail != "ami-9"), "{:?}", stack.cloud.effects());
    }

    #[tokio::test]
    async fn a_deletion_that_failed_is_finished_by_the_next_one() {
        for fault in [Fault::Refuse(Kind::Throttled), Fault::LoseAnswer] {
            let stack = published().await;
            stack.cloud.fail_next("DeregisterImage", fault);
            assert!(
                delete_or_fail(&stack.connection, &stack.connection.references(), &image(&stack).await, &[])
                    .await
                    .is_err(),
                "{fault:?}"
            );
            assert_eq!(image(&stack).await.life, Some(ImageLife::Disabled), "no build starts from it");
            deleted(&stack, &[]).await.unwrap();
            assert_eq!(image(&stack).await.life, Some(ImageLife::Deleted));
            assert!(stack.cloud.inventory().region("us-east-1").snapshots.is_empty());
        }
    }

    #[tokio::test]
    async fn an_image_in_use_stays_and_one_that_is_shared_needs_consent_by_name() {
        let stack = published().await;
        let ami = image(&stack).await.amis["us-east-1"].clone();
        let with = LaunchPermission { users: vec!["111122223333".to_owned()], ..LaunchPermission::default() };
        stack.cloud.share("us-east-1", &ami, &with).await.unwrap();
        let shared = "something still refers to web/1.0.0/1, so it was not deleted: Goldsmith cannot see whether those \
                      with a launch permission use it; --unshare WHO, once for each of them, deletes it anyway";
        assert_eq!(deleted(&stack, &[]).await.unwrap_err(), shared);
        let unknown = "--unshare names 111122224444, which has no launch permission for web/1.0.0/1";
        assert_eq!(deleted(&stack, &["111122224444".to_owned()]).await.unwrap_err(), unknown);
        stack.cloud.add_launch_template("us-east-1", "lt-1", &ami);
        let used = "something still refers to web/1.0.0/1, so it was not deleted: `goldsmith disable web/1.0.0/1` \
                    prevents new instances, and can be undone";
        assert_eq!(deleted(&stack, &["111122223333".to_owned()]).await.unwrap_err(), used);
        assert_eq!(image(&stack).await.life, None);
        stack.cloud.remove_launch_template("us-east-1", "lt-1");
        deleted(&stack, &["111122223333".to_owned()]).await.unwrap();
    }

    #[tokio::test]
    async fn an_image_that_somebody_begins_to_use_meanwhile_stays_as_it_was() {
        let stack = published().await;
        let record = image(&stack).await;
        // The look before the question has found nothing.
        stack.cloud.add_launch_template("us-east-1", "lt-1", &record.amis["us-east-1"]);
        let error = delete_or_fail(&stack.connection, &stack.connection.references(), &record, &[])
            .await
            .unwrap_err()
            .to_string();
        assert_eq!(error, "web/1.0.0/1 was not deleted: the launch template lt-1 refers to it now");
        assert_eq!(image(&stack).await.life, None);
        // A look that fails says nothing about the image, either.
        stack.cloud.fail_next("DescribeImageAttribute", Fault::Refuse(Kind::Throttled));
        assert!(delete_or_fail(&stack.connection, &stack.connection.references(), &record, &[]).await.is_err());
        assert_eq!(image(&stack).await.life, None);
        assert!(stack.cloud.inventory().region(HOME).images.contains_key(&record.amis[HOME]));
    }

    #[tokio::test]
    async fn a_deleted_image_is_never_enabled_and_a_running_build_of_the_pipeline_keeps_all() {
        let stack = published().await;
        let store = &stack.connection.store;
        stack.put("PIPELINE#web", "LEASE", json!({"build": "c", "fence": 2})).await;
        if store.running_build(&"web".parse().unwrap()).await.unwrap().is_some() {
            let why = deleted(&stack, &[]).await.unwrap_err();
            assert!(why.starts_with("something still refers to web/1.0.0/1"), "{why}");
        } else {
            panic!("the lease of this test is not where the store reads it");
        }
        stack.put("PIPELINE#web", "LEASE", json!({"fence": 2})).await;
        deleted(&stack, &[]).await.unwrap();
        for life in [None, Some(ImageLife::Disabled)] {
            assert!(store.set_life(&"web/1.0.0/1".parse().unwrap(), life).await.is_err());
        }
        assert_eq!(image(&stack).await.life, Some(ImageLife::Deleted));
    }

    #[tokio::test]
    async fn the_snapshots_of_a_later_distribution_go_too() {
        let stack = published().await;
        let snapshot = image(&stack).await.snapshots["us-east-1"][0].clone();
        let later = [("goldsmith:build".to_owned(), "run-1".to_owned())].into();
        stack.cloud.tag("us-east-1", std::slice::from_ref(&snapshot), &later).await.unwrap();
        let mut item = stack.table_item("IMAGE#web", "V#0000000001.0000000000.0000000000#0000000001").await;
        item["distributedBy"] = json!([{"build": "run-1", "regions": ["us-east-1"]}]);
        stack.put("IMAGE#web", "V#0000000001.0000000000.0000000000#0000000001", item).await;
        deleted(&stack, &[]).await.unwrap();
        assert!(stack.cloud.inventory().region("us-east-1").snapshots.is_empty());
    }

    #[tokio::test]
    async fn only_a_published_image_can_be_deleted() {
        let stack = Stack::new();
        stack.closed_build(json!({"status": "DISTRIBUTED", "distributes": "web/1.0.0/7"})).await;
        let why = "web/1.0.0/1 is no image, but a run that has distributed one";
        assert_eq!(refuse_unpublished(&image(&stack).await).unwrap_err().to_string(), why);
        stack.closed_build(json!({"status": "FAILED"})).await;
        let why = "web/1.0.0/1 is FAILED: it was not published, and what its build keeps is removed when it expires";
        assert_eq!(refuse_unpublished(&image(&stack).await).unwrap_err().to_string(), why);
    }
}
