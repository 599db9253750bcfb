//! Permissions of a role, as IAM itself evaluates them.

use aws_sdk_iam::Client;
use aws_sdk_iam::types::PolicyEvaluationDecisionType;
use goldsmith_cloud::Result;
use goldsmith_cloud::aws::{SdkConfig, failure, home_region, known};

/// IAM.
#[derive(Debug)]
pub struct Iam {
    client: Client,
    region: String,
}

impl Iam {
    /// Creates the client with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config), region: home_region(config) }
    }

    /// Returns the ARN of the role in an instance profile, given the profile's name, or `None` if the profile has no
    /// role or does not exist.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn role_of(&self, profile: &str) -> Result<Option<String>> {
        let answer = self.client.get_instance_profile().instance_profile_name(profile).send().await;
        let answer = known(answer.map_err(failure("GetInstanceProfile", &self.region)))?;
        let roles = answer.and_then(|answer| answer.instance_profile).map(|profile| profile.roles).unwrap_or_default();
        Ok(roles.into_iter().next().map(|role| role.arn))
    }

    /// Returns the Region of the calls.
    #[must_use]
    pub fn region(&self) -> &str {
        &self.region
    }

    /// Returns which of these actions on a resource the role is denied, also by its permissions boundary and by the
    /// organization's policies.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn refused(&self, role: &str, actions: &[&str], resource: &str) -> Result<Vec<String>> {
        let request = self.client.simulate_principal_policy().policy_source_arn(role).resource_arns(resource);
        let actions = actions.iter().map(|action| (*action).to_owned()).collect();
        let mut pages = request.set_action_names(Some(actions)).into_paginator().send();
        let mut refused = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("SimulatePrincipalPolicy", &self.region))?;
            let results = page.evaluation_results.unwrap_or_default().into_iter();
            let denied = results.filter(|one| one.eval_decision != PolicyEvaluationDecisionType::Allowed);
            refused.extend(denied.map(|one| one.eval_action_name));
        }
        Ok(refused)
    }
}
