//! Checks the target accounts: whether the stack can assume its role there, whether the Region is enabled, and whether
//! the AMI's name is free there.

use goldsmith_cloud::{Kind, TargetAccount};
use goldsmith_store::PlannedRegion;

use super::{Look, answer};
use crate::states::plan::finding::{Finding, Place};
use crate::states::plan::problem::Problem;
use crate::states::plan::resolve::Viewer;
use crate::{Error, Result};

pub(super) async fn check(look: &Look<'_>, planned: &PlannedRegion, findings: &mut Vec<Finding>) -> Result<()> {
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

/// Assumes the stack's role in an account. The role trusts the stack's functions. It need not trust a person who makes
/// a plan, so if that person is denied, this says nothing about the build.
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
