//! Checks the KMS keys that encrypt a build's volumes and copies: whether they exist in their Region and can encrypt,
//! and whether those with whom the image is shared may use them.
//!
//! EC2 accepts a launch or a copy with any key, and finds out only afterwards that the key cannot be used.

use std::collections::BTreeSet;

use goldsmith_cloud::{Key, is_aws_key};
use goldsmith_store::PlannedRegion;

use super::others::names_others;
use super::{Look, answer};
use crate::Result;
use crate::states::plan::finding::{Finding, Place};
use crate::states::plan::problem::Problem;

/// Checks the keys that the recipe names for the volumes. The AMI in the home Region keeps them.
pub(super) async fn of_volumes(look: &Look<'_>, findings: &mut Vec<Finding>) -> Result<()> {
    let [home, ..] = look.regions else { return Ok(()) };
    let mappings = look.inputs.recipe.block_device_mappings.iter().enumerate();
    for (index, key) in mappings.filter_map(|(index, mapping)| Some((index, mapping.ebs.kms_key_id.as_ref()?))) {
        let place = look.inputs.recipe_place(format!("blockDeviceMappings[{index}].ebs.kmsKeyId"));
        check(look, home, key, place, findings).await?;
    }
    Ok(())
}

/// Checks the key that the distribution configuration names for a copy.
pub(super) async fn of_copy(look: &Look<'_>, planned: &PlannedRegion, findings: &mut Vec<Finding>) -> Result<()> {
    // At home there is no copy: the key itself is the problem.
    let Some(key) = planned.kms_key_id.as_ref().filter(|_| planned.region != look.inputs.home_region) else {
        return Ok(());
    };
    let place = look.inputs.region_place(&planned.region, "amiDistributionConfiguration.kmsKeyId");
    check(look, planned, key, place, findings).await
}

/// Checks one key of a Region to which the image goes.
pub(super) async fn check(
    look: &Look<'_>,
    planned: &PlannedRegion,
    name: &str,
    place: Place,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let region = &planned.region;
    let (key, in_region) = (|| name.to_owned(), || region.clone());
    let is_shared = names_others(planned);
    let of_aws = || Problem::SharedWithAwsKey { region: in_region(), key: key() };
    if is_aws_key(name) {
        // AWS makes its own key when it is first used, so that this name always stands for a key that works.
        findings.extend(is_shared.then(|| place.has(of_aws())));
        return Ok(());
    }
    let found = look.context.cloud.keys.key(region, name).await;
    let Some(found) = answer(found, || place.clone(), findings)? else { return Ok(()) };
    let problem = match found {
        None => Problem::KeyMissing { key: key(), region: in_region() },
        Some(found) => match why_not(&found) {
            Some(reason) => Problem::KeyUnusable { key: key(), region: in_region(), reason },
            None if found.managed_by_aws && is_shared => of_aws(),
            None => return closed(look, planned, (name, &found), place, findings).await,
        },
    };
    findings.push(place.has(problem));
    Ok(())
}

/// Returns why a key cannot encrypt, or `None` if it can.
fn why_not(key: &Key) -> Option<String> {
    match key {
        Key { symmetric: false, .. } => Some("it is not a symmetric encryption key".to_owned()),
        Key { enabled: false, state, .. } => Some(format!("its state is {state}")),
        _ => None,
    }
}

/// Warns if the image is shared with accounts that neither the key's policy nor a grant names.
async fn closed(
    look: &Look<'_>,
    planned: &PlannedRegion,
    (name, key): (&str, &Key),
    place: Place,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let own = look.context.config.account();
    let targets = planned.target_accounts.iter().map(|target| &target.account);
    let accounts: BTreeSet<&String> = planned.launch_permission.user_ids.iter().chain(targets).collect();
    // A policy names an organization only by a condition, which is not evaluated here. No account may read the policy of
    // another account's key (KMS developer guide, "GetKeyPolicy").
    if accounts.is_empty() || key.arn.split(':').nth(4) != Some(own) {
        return Ok(());
    }
    let users = look.context.cloud.keys.key_users(&planned.region, &key.arn).await;
    let Some(users) = answer(users, || place.clone(), findings)?.filter(|users| !users.everyone) else { return Ok(()) };
    let closed = |account: &&String| !users.accounts.contains(*account) && **account != own;
    let closed: Vec<&str> = accounts.into_iter().filter(closed).map(String::as_str).collect();
    if !closed.is_empty() {
        let (key, region, accounts) = (name.to_owned(), planned.region.clone(), closed.join(" or "));
        findings.push(place.has(Problem::KeyClosed { key, region, accounts }));
    }
    Ok(())
}
