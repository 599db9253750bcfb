//! Copies that other accounts own: each target account copies the AMI of a Region in the same Region, so that the copy,
//! its snapshots and their key are its own.
//!
//! An account may copy an image only while it has the launch permission and the permission for the snapshots. So the
//! stack grants both, waits until every account has its copy, and takes back what the definition does not grant for
//! good: with a launch permission that nobody needs, the image would look as if it were in use. It does the same before it
//! fails, because the image may be kept for a while, or may have been published before.

use goldsmith_cloud::{Image, ImageCopy, ImageState, Images, LaunchPermission, TargetAccount as Other};
use goldsmith_model::TargetAccount;
use goldsmith_store::{Effect, EffectKind, PlannedRegion};

use crate::engine::drive::Scene;
use crate::engine::effect::{effect, made_id};
use crate::engine::pending::Pending;
use crate::parts::firmware;
use crate::parts::image_tags::image_tags;
use crate::parts::token::token;
use crate::{Error, Result};

/// Number of the first effect for another account. The copy in the stack's own account has the number 0.
const FIRST: u32 = 1;

/// Has each target account copy the AMI of this Region. Returns what the state waits for, or `None` if every account
/// has its copy.
pub(super) async fn bring(scene: &Scene<'_>, planned: &PlannedRegion, original: &str) -> Result<Option<Pending>> {
    if planned.target_accounts.is_empty() {
        return Ok(None);
    }
    let effects = scene.effects().await?;
    let made = |target: &TargetAccount| {
        let is_its = |effect: &&Effect| effect.kind.target_account() == Some(&target.account);
        effects.iter().find(is_its).and_then(|effect| effect.id.clone())
    };
    let missing: Vec<String> =
        planned.target_accounts.iter().filter(|one| made(one).is_none()).map(|one| one.account.clone()).collect();
    // Lending again is safe, and an attempt that died between the two permissions has lent only one of them.
    if !missing.is_empty() && !lend(scene, planned, original, missing).await? {
        let detail = format!("the snapshots of {original} are not visible yet");
        return Ok(Some(Pending::in_region(planned, original, detail)));
    }
    match copies(scene, planned, original, made).await {
        // EC2 reads the shared snapshots until the last copy is whole.
        Ok(None) if !take_back(scene, planned, original).await? => {
            let detail = format!("the snapshots of {original} are not visible");
            Ok(Some(Pending::in_region(planned, original, detail)))
        }
        // This fails the state, so that nobody would take the permissions back later.
        Err(error) if !error.is_transient() && !error.may_settle() => {
            match take_back(scene, planned, original).await {
                Err(again) if again.is_transient() => return Err(again),
                Err(denied) => tracing::warn!(%denied, original, "permissions that no copy needs stay"),
                Ok(_) => {}
            }
            Err(error)
        }
        other => other,
    }
}

/// Has each account make its copy. Returns what this waits for; `None` if every account has its copy.
async fn copies(
    scene: &Scene<'_>,
    planned: &PlannedRegion,
    original: &str,
    made: impl Fn(&TargetAccount) -> Option<String>,
) -> Result<Option<Pending>> {
    let mut waiting = None;
    for (n, target) in (FIRST..).zip(&planned.target_accounts) {
        let other = scene.context.cloud.target_accounts.enter(&target.account).await?;
        let id = match made(target) {
            Some(id) => id,
            None => copy(scene, planned, n, target, &other, original).await?,
        };
        if !complete(scene, &other, planned, target, (original, &id)).await? {
            let detail = format!("{id} is being copied in account {}", target.account);
            // All accounts copy at the same time, but a state waits for one resource at a time.
            waiting = waiting.or(Some(Pending::in_region(planned, id, detail)));
        }
    }
    Ok(waiting)
}

/// Lets these accounts copy the AMI. Returns false if its snapshots are not visible yet.
async fn lend(scene: &Scene<'_>, planned: &PlannedRegion, id: &str, users: Vec<String>) -> Result<bool> {
    let images = &scene.context.cloud.images;
    let snapshots = snapshots(images.image(&planned.region, id).await?);
    if snapshots.is_empty() {
        return Ok(false);
    }
    let with = LaunchPermission { users, ..LaunchPermission::default() };
    images.share(&planned.region, id, &with).await?;
    images.share_snapshots(&planned.region, &snapshots, &with).await?;
    Ok(true)
}

/// Removes the permissions that only the copies needed. Returns false if the snapshots are not visible.
async fn take_back(scene: &Scene<'_>, planned: &PlannedRegion, id: &str) -> Result<bool> {
    let images = &scene.context.cloud.images;
    let lasting = &planned.launch_permission.user_ids;
    let targets = planned.target_accounts.iter().map(|one| one.account.clone());
    let launches: Vec<String> = targets.clone().filter(|one| !lasting.contains(one)).collect();
    let reads: Vec<String> = targets.filter(|one| !planned.shares_snapshots_with(one)).collect();
    if !launches.is_empty() {
        images.unshare(&planned.region, id, &launches).await?;
    }
    if !reads.is_empty() {
        let snapshots = snapshots(images.image(&planned.region, id).await?);
        if snapshots.is_empty() {
            return Ok(false);
        }
        images.unshare_snapshots(&planned.region, &snapshots, &reads).await?;
    }
    Ok(true)
}

fn snapshots(image: Option<Image>) -> Vec<String> {
    image.map(|image| image.snapshots).unwrap_or_default()
}

async fn copy(
    scene: &Scene<'_>,
    planned: &PlannedRegion,
    n: u32,
    target: &TargetAccount,
    other: &Other,
    original: &str,
) -> Result<String> {
    let request = ImageCopy {
        token: token(&[&scene.record.execution, &scene.scope.to_string(), &target.account]),
        source_region: planned.region.clone(),
        source_image: original.to_owned(),
        name: planned.name.clone(),
        description: planned.description.clone(),
        kms_key_id: target.kms_key.clone(),
        // No account sees the tags that another account has put on a resource, so a copy has its own.
        tags: image_tags(scene, planned),
    };
    let kind = EffectKind::TargetImage { account: target.account.clone() };
    let intended = Effect::intended(&scene.scope, n, kind, &planned.region, &request.token);
    // As for a copy into another Region, the client token makes a repeated call return the first copy.
    let made = effect(scene.context, &scene.record, intended, |_| async {
        Ok(other.images.copy(&planned.region, &request).await?)
    });
    made_id(made.await?)
}

/// Tags another account's copy in the same way as the stack's own image. Returns false if the copy is not available
/// yet.
async fn complete(
    scene: &Scene<'_>,
    other: &Other,
    planned: &PlannedRegion,
    target: &TargetAccount,
    (original, id): (&str, &str),
) -> Result<bool> {
    let images: &dyn Images = &*other.images;
    let Some(image) = images.image(&planned.region, id).await? else { return Ok(false) };
    match image.state {
        ImageState::Pending => return Ok(false),
        ImageState::Failed => return Err(failed(planned, target, id, &image.state_reason)),
        ImageState::Available => {}
    }
    if let Some(lost) = firmware::lost(scene, (&planned.region, original), &image, None).await? {
        let message = format!("the copy {id} in account {} does not boot like its original: {lost}", target.account);
        return Err(super::failed(planned, id, &message, str::to_owned));
    }
    images.require_imdsv2(&planned.region, id).await?;
    if let Some(time) = &planned.deprecate_at {
        images.deprecate(&planned.region, id, time).await?;
    }
    Ok(true)
}

fn failed(planned: &PlannedRegion, target: &TargetAccount, id: &str, reason: &str) -> Error {
    let account = &target.account;
    let key = target.kms_key.as_deref().unwrap_or("its default KMS key for EBS");
    let advise = |message: &str| {
        format!(
            "{message}. A possible cause is that account {account} is not allowed to use {key}, or the key that encrypts the \
             original: check the policies of both keys and of the role in that account"
        )
    };
    super::failed(planned, id, &format!("the copy {id} in account {account} failed: {reason}"), advise)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use goldsmith_cloud::fake::{Fault, place};
    use goldsmith_cloud::{Kind, TAG_STATUS, Tags};
    use goldsmith_model::{DistributionConfiguration, TargetAccount};
    use goldsmith_store::OwnedCopy;
    use serde_json::json;

    use crate::events::reap;
    use crate::testing::{AWAY, Stack, TARGET, Task, before_copy, good, kept_for_a_while, reach};
    use crate::{State, TAG_BUILD};

    /// Returns the statuses of the images and snapshots of the target account.
    fn statuses(stack: &Stack) -> Vec<String> {
        let there = stack.inventory().region(&place(AWAY, TARGET));
        let status = |tags: &Tags| tags.get(TAG_STATUS).cloned().unwrap_or_default();
        there.images.values().chain(there.snapshots.values()).map(status).collect()
    }

    /// A stack before its distribution to [`AWAY`], where `change` has changed what the image gets.
    async fn before_distribution(change: fn(&mut goldsmith_model::AmiDistribution)) -> Stack {
        before_copy(|to| change(&mut to.distributions[1].ami_distribution_configuration)).await
    }

    /// Those who may launch the stack's own copy in [`AWAY`], and those who may read its snapshots.
    fn permitted(stack: &Stack) -> (Vec<String>, Vec<BTreeSet<String>>) {
        let original = stack.inventory().region(AWAY).images.into_keys().next().unwrap();
        (stack.cloud.launch_permission(AWAY, &original).users, stack.cloud.terms(AWAY, &original).0)
    }

    #[tokio::test]
    async fn a_published_image_names_the_copy_that_the_account_owns_with_its_tags() {
        let stack = Stack::new().await;
        stack.execute().await.unwrap();
        let image = stack.image().await;
        let there = stack.inventory().region(&place(AWAY, TARGET));
        let (ami, tags) = there.images.first_key_value().unwrap();
        let copy = OwnedCopy { account: TARGET.to_owned(), region: AWAY.to_owned(), ami: ami.clone() };
        assert_eq!(image.copies, [copy]);
        assert_eq!((tags["Name"].as_str(), &tags[TAG_BUILD]), ("web 1.0.0-1", &image.build));
        assert_eq!(statuses(&stack), ["published"; 2]);
    }

    #[tokio::test]
    async fn permissions_that_only_the_copy_needs_are_taken_back() {
        let stack = reach(&good(State::Publish)).await;
        let lasting = "111122223333".to_owned();
        assert_eq!(permitted(&stack), (vec![lasting.clone()], vec![BTreeSet::from([lasting])]));
    }

    #[tokio::test]
    async fn an_account_that_may_launch_the_original_anyway_keeps_that_permission() {
        let stack = before_distribution(|ami| {
            ami.launch_permission.user_ids = vec![TARGET.to_owned()];
            ami.share_snapshots = false;
        });
        let stack = stack.await;
        stack.run(&Task::item(State::DistributeRegion, AWAY)).await.unwrap();
        assert_eq!(permitted(&stack), (vec![TARGET.to_owned()], vec![BTreeSet::new()]));
    }

    #[tokio::test]
    async fn an_account_keeps_what_an_earlier_plan_has_given_it_when_it_copies_the_image_later() {
        for (shared, launches) in [(true, true), (true, false), (false, true), (false, false)] {
            let stack = Stack::new().await;
            let first = |to: &mut DistributionConfiguration| {
                let ami = &mut to.distributions[1].ami_distribution_configuration;
                ami.target_accounts.clear();
                (ami.launch_permission.user_ids, ami.share_snapshots) = (vec![TARGET.to_owned()], shared);
            };
            stack.edit_distribution(first).await;
            stack.start_and_execute("build-1", json!({"pipeline": "web"})).await.unwrap();
            let before = permitted(&stack);
            assert_eq!(before.1[0].contains(TARGET), shared);
            // Later, the definition shares no snapshots, and lets the account copy the image.
            let later = |to: &mut DistributionConfiguration| {
                let ami = &mut to.distributions[1].ami_distribution_configuration;
                ami.target_accounts.push(TargetAccount { account: TARGET.to_owned(), kms_key: None });
                ami.launch_permission.user_ids.retain(|_| launches);
                ami.share_snapshots = false;
            };
            stack.edit_distribution(later).await;
            for run in ["run-1", "run-2"] {
                let input = json!({"pipeline": "web", "from": {"at": "distribute", "image": "web/1.0.0/1"}});
                stack.start_and_execute(run, input).await.unwrap();
                assert_eq!(statuses(&stack), ["published"; 2], "the account has its copy");
                assert_eq!(permitted(&stack), before, "{shared} {launches}");
            }
        }
    }

    #[tokio::test]
    async fn the_account_encrypts_its_copy_with_its_own_key() {
        let stack = before_distribution(|ami| ami.target_accounts[0].kms_key = Some("alias/theirs".to_owned())).await;
        stack.run(&Task::item(State::DistributeRegion, AWAY)).await.unwrap();
        let copies = stack.cloud.requests().copies;
        let keys: Vec<_> = copies.iter().map(|(place, copy)| (place.as_str(), copy.kms_key_id.as_deref())).collect();
        assert_eq!(keys, [(AWAY, None), (&*place(AWAY, TARGET), Some("alias/theirs"))]);
    }

    #[tokio::test]
    async fn a_copy_that_fails_names_the_account_and_the_keys() {
        let stack = reach(&Task::item(State::DistributeRegion, AWAY)).await;
        stack.cloud.next_image_fails(&place(AWAY, TARGET), "Given key ID is not accessible");
        let error = stack.run(&Task::item(State::DistributeRegion, AWAY)).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.CopyFailed");
        let expected = format!("account {TARGET} is not allowed to use its default KMS key for EBS");
        assert!(error.cause.contains(&expected), "{}", error.cause);
        stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
        assert_eq!(statuses(&stack), [""; 0], "a failed image is removed too");
    }

    #[tokio::test]
    async fn a_failed_copy_leaves_no_permission_on_the_image_that_is_kept() {
        let stack = reach(&Task::item(State::DistributeRegion, AWAY)).await;
        stack.cloud.next_image_fails(&place(AWAY, TARGET), "it failed");
        let error = stack.run(&Task::item(State::DistributeRegion, AWAY)).await.unwrap_err();
        assert_eq!(error.error, "Goldsmith.CopyFailed");
        let lasting = "111122223333".to_owned();
        assert_eq!(permitted(&stack), (vec![lasting.clone()], vec![BTreeSet::from([lasting])]));
    }

    #[tokio::test]
    async fn an_unpublished_build_leaves_no_copy_in_the_account() {
        let stack = kept_for_a_while().await;
        assert_eq!(statuses(&stack), [""; 0]);
        assert_eq!(stack.inventory().region(AWAY).images.len(), 1, "the stack's own copy stays for a while");
    }

    #[tokio::test]
    async fn a_copy_that_cannot_be_removed_is_reported_until_the_account_opens_again() {
        let stack = reach(&Task::new(State::Publish)).await;
        stack.cloud.fail_always("AssumeRole", goldsmith_cloud::fake::HOME, Fault::Refuse(Kind::Denied));
        let error = crate::ErrorInfo { error: "Goldsmith.AwsRefused".to_owned(), cause: "it failed".to_owned() };
        stack.run(&Task { error: Some(error), ..Task::new(State::FinishFailed) }).await.unwrap();
        let left = stack.record().await.after.left;
        let copy = stack.inventory().region(&place(AWAY, TARGET)).images.into_keys().next().unwrap();
        assert!(left.iter().any(|one| one.what == format!("copies in account {TARGET}: {copy}")), "{left:?}");
        assert_eq!(statuses(&stack).len(), 2);
        stack.cloud.heal();
        stack.clock.advance(jiff::SignedDuration::from_mins(20));
        reap::handle(&stack.context(), json!({})).await.unwrap();
        assert_eq!(statuses(&stack), [""; 0]);
        assert!(stack.record().await.after.is_over());
    }
}
