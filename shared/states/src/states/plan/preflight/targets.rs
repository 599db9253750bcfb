//! Checks the accounts that get copies of their own: whether another account may copy the image, whether the stack can act
//! there, and whether the Region is enabled and the AMI's name is free there.

use goldsmith_cloud::{Image, Kind, TargetAccount, target_role_name};
use goldsmith_store::PlannedRegion;

use super::{Look, answer};
use crate::states::plan::finding::{Finding, Place};
use crate::states::plan::problem::Problem;
use crate::states::plan::resolve::Viewer;
use crate::{Error, Result};

/// Longest name of a role (IAM user guide, "IAM and AWS STS quotas").
const LONGEST_ROLE: usize = 64;
/// What EC2 returns as the usage operation of an image whose platform costs nothing.
const PLAIN: &str = "RunInstances";

pub(super) async fn check(look: &Look<'_>, planned: &PlannedRegion, findings: &mut Vec<Finding>) -> Result<()> {
    if planned.target_accounts.is_empty() {
        return Ok(());
    }
    let place = look.inputs.region_place(&planned.region, "amiDistributionConfiguration.targetAccounts");
    findings
        .extend(look.source.into_iter().flat_map(|source| billed(source, &planned.region)).map(|one| place.has(one)));
    let config = &look.context.config;
    let role = target_role_name(&config.stack, &config.region);
    if role.len() > LONGEST_ROLE {
        findings.push(place.has(Problem::TargetRoleName { role }));
        return Ok(());
    }
    for (index, target) in planned.target_accounts.iter().enumerate() {
        let field = format!("amiDistributionConfiguration.targetAccounts[{index}].account");
        let place = look.inputs.region_place(&planned.region, &field);
        if target.account == look.context.config.account() {
            let (account, region) = (target.account.clone(), planned.region.clone());
            findings.push(place.has(Problem::TargetAccountOwn { account, region }));
            continue;
        }
        if let Some(other) = enter(look, &target.account, &place, findings).await? {
            there(look, planned, &target.account, &other, &place, findings).await?;
        }
    }
    Ok(())
}

/// Returns why EC2 may not let another account copy the image.
fn billed(source: &Image, region: &str) -> Vec<Problem> {
    let (region, id) = (region.to_owned(), source.id.clone());
    let mut problems = Vec::new();
    if !["", PLAIN].contains(&source.usage_operation.as_str()) {
        let operation = source.usage_operation.clone();
        problems.push(Problem::TargetLicense { region: region.clone(), id: id.clone(), operation });
    }
    if !source.product_codes.is_empty() {
        problems.push(Problem::TargetProduct { region, id, code: source.product_codes.join(", ") });
    }
    problems
}

/// Takes on the stack's role in an account. The role trusts the stack's functions. It need not trust a person who makes
/// a plan, so a person's denial says nothing about the build.
async fn enter(
    look: &Look<'_>,
    account: &str,
    place: &Place,
    findings: &mut Vec<Finding>,
) -> Result<Option<TargetAccount>> {
    match look.context.cloud.target_accounts.enter(account).await {
        Ok(other) => Ok(Some(other)),
        Err(error) if error.is_transient() => Err(Error::from(error)),
        Err(error) => {
            let is_known = look.viewer == Viewer::Stack && error.kind == Kind::Denied;
            let (account, error) = (account.to_owned(), error.to_string());
            findings.push(place.has(match is_known {
                true => Problem::TargetAccountClosed { account, error },
                false => Problem::Unchecked { error },
            }));
            Ok(None)
        }
    }
}

async fn there(
    look: &Look<'_>,
    planned: &PlannedRegion,
    account: &str,
    other: &TargetAccount,
    place: &Place,
    findings: &mut Vec<Finding>,
) -> Result<()> {
    let known = other.account.known_regions(&look.inputs.home_region).await;
    if let Some(known) = answer(known, || place.clone(), findings)?
        && known.get(&planned.region) == Some(&false)
    {
        let (account, region) = (account.to_owned(), planned.region.clone());
        findings.push(place.has(Problem::TargetRegionDisabled { account, region }));
        return Ok(());
    }
    let taken = other.images.named(&planned.region, &planned.name).await;
    if let Some(taken) = answer(taken, || place.clone(), findings)?.flatten() {
        let (name, region, id) = (planned.name.clone(), planned.region.clone(), taken.id);
        findings.push(place.has(Problem::AmiNameTaken { name, region, id: format!("{id} of account {account}") }));
    }
    Ok(())
}
