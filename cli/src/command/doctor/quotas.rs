//! Checks the quotas that matter for a first build.

use std::collections::BTreeMap;

use goldsmith_cloud::aws::{SdkConfig, home_region};
use goldsmith_cloud_account::functions::Lambda;
use goldsmith_cloud_account::quotas::{Quotas, STANDARD_VCPUS};
use goldsmith_cloud_ec2::Ec2;
use goldsmith_cloud_ec2::account::TypeFacts;

use super::definitions::Definitions;
use super::finding::Finding;
use crate::args::Globals;

const VCPUS: &str = "vcpus";
const CONCURRENCY: &str = "concurrency";
/// Families that count toward the quota of Standard instances (EC2 user guide, "Amazon EC2 instance type quotas").
const STANDARD: [char; 9] = ['a', 'c', 'd', 'h', 'i', 'm', 'r', 't', 'z'];
/// Families that begin with one of these letters but have their own quota: the accelerated `dl`, the HPC `hpc`, the
/// inference `inf` and the training `trn`. High Memory (`u`) does not begin with one of these letters.
const NOT_STANDARD: [&str; 4] = ["dl", "hpc", "inf", "trn"];
/// A possible limit of new accounts. Below it, even a few concurrent builds wait for each other's functions.
const FEW_FUNCTIONS: i32 = 50;
/// The limit of a new account. One build needs this much while the ticks run.
const ENOUGH_FOR_ONE_BUILD: i32 = 10;

pub(super) async fn examine(globals: &Globals, config: &SdkConfig, definitions: &Definitions) -> Vec<Finding> {
    let (ec2, home) = (Ec2::new(config), home_region(config));
    let types: Vec<&str> = definitions.types().into_keys().collect();
    // Without names, EC2 would describe all of its types, page after page.
    let known = match types.as_slice() {
        [] => Ok(BTreeMap::new()),
        types => ec2.types(&home, types).await,
    };
    let quota = Quotas::new(config).of_ec2(STANDARD_VCPUS).await;
    let vcpus = match (known, quota) {
        (Ok(known), Ok(quota)) => judge_vcpus(&globals.aws(), definitions, &known, quota),
        (Err(error), _) => Finding::unseen(VCPUS, "ec2:DescribeInstanceTypes", &error),
        (_, Err(error)) => Finding::unseen(VCPUS, "servicequotas:GetServiceQuota", &error),
    };
    let functions = match Lambda::new(config).concurrency().await {
        Ok(limit) => judge_concurrency(&globals.aws(), limit),
        Err(error) => Finding::unseen(CONCURRENCY, "lambda:GetAccountSettings", &error),
    };
    vec![vcpus, functions]
}

fn is_standard(name: &str) -> bool {
    let family: String = name.chars().take_while(char::is_ascii_lowercase).collect();
    family.starts_with(STANDARD) && !NOT_STANDARD.contains(&family.as_str())
}

fn judge_vcpus(aws: &str, definitions: &Definitions, known: &BTreeMap<String, TypeFacts>, quota: f64) -> Finding {
    let types = definitions.types();
    let missing: Vec<String> = types
        .iter()
        .filter(|(name, _)| !known.contains_key(**name))
        .map(|(name, infrastructure)| format!("{name} of {infrastructure}"))
        .collect();
    if !missing.is_empty() {
        let message = format!("EC2 has no such instance types in this Region: {}.", missing.join(", "));
        let remedy = format!("Name others: `{aws} ec2 describe-instance-type-offerings` lists them.");
        return Finding::problem(VCPUS, message, remedy);
    }
    let too_large: Vec<String> = types
        .iter()
        .filter(|(name, _)| is_standard(name))
        .filter_map(|(name, infrastructure)| Some((name, infrastructure, known.get(*name)?.vcpus)))
        .filter(|(_, _, vcpus)| f64::from(*vcpus) > quota)
        .map(|(name, infrastructure, vcpus)| format!("{name} of {infrastructure}, which has {vcpus}"))
        .collect();
    if too_large.is_empty() {
        return Finding::good(VCPUS, format!("Standard instances may use {quota} vCPUs at once."));
    }
    let message =
        format!("Standard instances may use only {quota} vCPUs at once, too few for {}.", too_large.join("; "));
    let remedy = format!(
        "Request more with `{aws} service-quotas request-service-quota-increase --service-code ec2 --quota-code \
         {STANDARD_VCPUS} --desired-value NUMBER`, or name smaller types."
    );
    Finding::problem(VCPUS, message, remedy)
}

fn judge_concurrency(aws: &str, limit: i32) -> Finding {
    let ask = format!(
        "`{aws} service-quotas request-service-quota-increase --service-code lambda --quota-code L-B99A9384 \
         --desired-value 1000` requests more."
    );
    if limit >= FEW_FUNCTIONS {
        return Finding::good(CONCURRENCY, format!("{limit} Lambda functions may run at once."));
    }
    let message = format!("Only {limit} Lambda functions may run at once in this Region");
    if limit < ENOUGH_FOR_ONE_BUILD {
        return Finding::problem(CONCURRENCY, format!("{message}: a single build needs more."), ask);
    }
    Finding::note(CONCURRENCY, format!("{message}: enough for a few builds at a time."), ask)
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::super::testing::launching;
    use super::*;

    #[test]
    fn a_type_with_more_vcpus_than_the_quota_is_a_problem() {
        let facts = |vcpus| TypeFacts { architectures: vec![], vcpus };
        let known: BTreeMap<_, _> = [("m5.large", 2), ("m5.metal", 96), ("p3.16xlarge", 64)]
            .map(|(name, vcpus)| (name.to_owned(), facts(vcpus)))
            .into();
        let judge = |types: &[&str]| judge_vcpus("aws", &launching(types, &[]), &known, 5.0);
        assert_eq!(judge(&["m5.large"]).verdict, Verdict::Good);
        assert_eq!(judge(&["p3.16xlarge"]).verdict, Verdict::Good, "it has a quota of its own");
        let found = judge(&["m5.large", "m5.metal"]);
        assert!(found.message.ends_with("too few for m5.metal of small, which has 96."), "{found:?}");
        assert!(judge(&["q9.huge"]).message.contains("q9.huge of small"));
    }

    #[test]
    fn a_new_accounts_functions_are_told() {
        assert_eq!(
            [5, 10, 20, 1000].map(|limit| judge_concurrency("aws", limit).verdict),
            [Verdict::Problem, Verdict::Note, Verdict::Note, Verdict::Good]
        );
    }

    #[test]
    fn other_families_are_not_standard() {
        assert_eq!(
            ["t3.micro", "c7g.large", "g5.large", "inf2.large", "hpc7a.large"].map(is_standard),
            [true, true, false, false, false]
        );
    }
}
