//! VPC, subnets, security groups and instance profiles that launches may name.

use super::Tags;
use crate::api::{ApiError, Scope};
use crate::ids;

/// A subnet.
#[derive(Debug, Clone)]
pub(crate) struct Subnet {
    pub(crate) id: String,
    pub(crate) vpc_id: String,
    pub(crate) zone: String,
    pub(crate) cidr: String,
    pub(crate) default: bool,
    pub(crate) tags: Tags,
}

/// A security group.
#[derive(Debug, Clone)]
pub(crate) struct SecurityGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) vpc_id: String,
    pub(crate) tags: Tags,
}

/// The network of one account in one Region.
#[derive(Debug, Clone)]
pub(crate) struct Network {
    pub(crate) vpc_id: String,
    pub(crate) subnets: Vec<Subnet>,
    pub(crate) security_groups: Vec<SecurityGroup>,
    /// Names or ARNs of instance profiles that exist. None handed over: any name is taken.
    pub(crate) instance_profiles: Vec<String>,
}

impl Network {
    /// What every account has: a default VPC with one subnet and its default security group.
    pub(crate) fn default_of(scope: &Scope) -> Self {
        let vpc_id = ids::derived("vpc", &format!("{scope}"));
        let subnet = Subnet {
            id: ids::derived("subnet", &format!("{scope}")),
            vpc_id: vpc_id.clone(),
            zone: format!("{}a", scope.region),
            cidr: "172.31.0.0/20".to_owned(),
            default: true,
            tags: Tags::new(),
        };
        let group = SecurityGroup {
            id: ids::derived("sg", &format!("{scope}")),
            name: "default".to_owned(),
            vpc_id: vpc_id.clone(),
            tags: Tags::new(),
        };
        Network { vpc_id, subnets: vec![subnet], security_groups: vec![group], instance_profiles: Vec::new() }
    }

    /// The named subnet, or the default one.
    pub(crate) fn subnet(&self, id: Option<&str>) -> Result<&Subnet, ApiError> {
        let found = self.subnets.iter().find(|subnet| id.map_or(subnet.default, |id| subnet.id == id));
        found.ok_or_else(|| match id {
            Some(id) => ApiError::new("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist")),
            None => ApiError::new("MissingInput", "No subnets found for the default VPC."),
        })
    }

    /// The named groups, or the default one.
    pub(crate) fn groups(&self, ids: &[String]) -> Result<Vec<String>, ApiError> {
        if ids.is_empty() {
            return Ok(self.security_groups.iter().take(1).map(|group| group.id.clone()).collect());
        }
        match ids.iter().find(|id| !self.security_groups.iter().any(|group| group.id == **id)) {
            None => Ok(ids.to_vec()),
            Some(id) => {
                Err(ApiError::new("InvalidGroup.NotFound", format!("The security group '{id}' does not exist")))
            }
        }
    }

    /// Checks an instance profile's name or ARN against those handed over.
    pub(crate) fn check_profile(&self, asked: &str) -> Result<(), ApiError> {
        let name = |text: &str| text.rsplit('/').next().unwrap_or_default().to_owned();
        let known = |profile: &String| name(profile) == name(asked);
        if self.instance_profiles.is_empty() || self.instance_profiles.iter().any(known) {
            return Ok(());
        }
        let message = format!(
            "Value ({asked}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
        );
        Err(ApiError::new("InvalidParameterValue", message))
    }
}
