//! Checks the Regions to which images go, and who may use the images there.

use std::collections::BTreeMap;

use goldsmith_cloud::aws::{SdkConfig, home_region};
use goldsmith_cloud_ec2::Ec2;

use super::definitions::Definitions;
use super::finding::{Finding, whole};
use crate::args::Globals;

const REGIONS: &str = "regions";
const PUBLIC: &str = "public-images";

pub(super) async fn examine(globals: &Globals, config: &SdkConfig, definitions: &Definitions) -> Vec<Finding> {
    let (ec2, home) = (Ec2::new(config), home_region(config));
    let enabled = match ec2.all_regions(&home).await {
        Ok(enabled) => enabled,
        Err(error) => return vec![Finding::unseen(REGIONS, "ec2:DescribeRegions", &error)],
    };
    let mut findings = vec![judge_regions(&globals.aws(), definitions, &enabled)];
    let mut blocked = Vec::new();
    // In a Region that is not enabled, EC2 rejects every call; the finding about Regions says that.
    for region in public(definitions).into_iter().filter(|region| enabled.get(*region) == Some(&true)) {
        match ec2.blocks_public_images(region).await {
            Ok(true) => blocked.push(region),
            Ok(false) => {}
            Err(error) => findings.push(Finding::unseen(PUBLIC, "ec2:GetImageBlockPublicAccessState", &error)),
        }
    }
    findings.extend(judge_public(globals, definitions, &blocked));
    whole(findings, "the parts marked unseen above")
}

/// Returns the Regions in which an image will be public.
fn public(definitions: &Definitions) -> Vec<&str> {
    let mut regions: Vec<&str> = definitions
        .places()
        .filter(|(_, place)| !place.ami_distribution_configuration.launch_permission.user_groups.is_empty())
        .map(|(_, place)| place.region.as_str())
        .collect();
    regions.sort_unstable();
    regions.dedup();
    regions
}

fn judge_regions(aws: &str, definitions: &Definitions, enabled: &BTreeMap<String, bool>) -> Finding {
    let wanted = definitions.regions();
    let of_state = |state: Option<bool>| {
        let there = wanted.iter().filter(|region| enabled.get(**region).copied() == state);
        there.copied().collect::<Vec<&str>>().join(", ")
    };
    let (off, unknown) = (of_state(Some(false)), of_state(None));
    let mut told = Vec::new();
    let mut help = Vec::new();
    if !off.is_empty() {
        told.push(format!("Images go to Regions that are not enabled in the account: {off}."));
        help.push(format!("`{aws} account enable-region --region-name REGION` enables one, within hours."));
    }
    if !unknown.is_empty() {
        told.push(format!("Images go to Regions that EC2 does not know: {unknown}."));
        help.push("Correct the distribution configuration.".to_owned());
    }
    if told.is_empty() {
        return Finding::good(REGIONS, "Every Region to which images go is enabled.");
    }
    Finding::problem(REGIONS, told.join(" "), help.join(" "))
}

fn judge_public(globals: &Globals, definitions: &Definitions, blocked: &[&str]) -> Option<Finding> {
    if public(definitions).is_empty() {
        return None;
    }
    let Some(first) = blocked.first() else {
        return Some(Finding::good(
            PUBLIC,
            "The account allows public images in every Region where images are to be public.",
        ));
    };
    let message = format!("Images are to be public in {}, but the account blocks that.", blocked.join(", "));
    let remedy = format!(
        "Allow it with `{} ec2 disable-image-block-public-access`, or remove `userGroups` from the distribution \
         configuration.",
        globals.aws_in(Some(first))
    );
    Some(Finding::problem(PUBLIC, message, remedy))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::finding::Verdict;
    use super::super::testing::{globals, going_to};
    use super::*;

    #[test]
    fn a_region_that_is_off_or_unknown_is_named() {
        let here = going_to(&json!([{"region": "eu-west-1"}, {"region": "ap-east-1"}, {"region": "eu-nowhere-1"}]));
        let enabled = |east| BTreeMap::from([("eu-west-1".to_owned(), true), ("ap-east-1".to_owned(), east)]);
        let found = judge_regions("aws", &here, &enabled(false));
        assert!(found.message.contains("account: ap-east-1.") && found.message.contains("know: eu-nowhere-1."));
        let home = going_to(&json!([{"region": "eu-west-1"}]));
        assert_eq!(judge_regions("aws", &home, &enabled(false)).verdict, Verdict::Good);
    }

    #[test]
    fn public_images_are_looked_at_only_where_they_are_wanted() {
        let private = going_to(&json!([{"region": "eu-west-1"}]));
        assert_eq!(judge_public(&globals(""), &private, &[]), None);
        let all = json!({"launchPermission": {"userGroups": ["all"]}});
        let open = going_to(&json!([{"region": "eu-west-1", "amiDistributionConfiguration": all}]));
        assert_eq!(public(&open), ["eu-west-1"]);
        assert_eq!(judge_public(&globals(""), &open, &[]).unwrap().verdict, Verdict::Good);
        assert_eq!(judge_public(&globals(""), &open, &["eu-west-1"]).unwrap().verdict, Verdict::Problem);
    }
}
