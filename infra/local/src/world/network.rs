//! The VPC, subnets, security groups and instance profiles that launches may name.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::{Block, Subnet, Tags};
use crate::api::{ApiError, Scope};
use crate::ids;

/// A security group.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct SecurityGroup {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) vpc_id: String,
    pub(crate) ingress: Vec<Rule>,
    pub(crate) egress: Vec<Rule>,
    pub(crate) tags: Tags,
}

/// A rule of a security group: one protocol, ports and source. It is stored and shown, but nothing filters traffic
/// here.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Rule {
    pub(crate) id: String,
    pub(crate) protocol: String,
    pub(crate) from_port: Option<i32>,
    pub(crate) to_port: Option<i32>,
    pub(crate) peer: Peer,
    pub(crate) description: Option<String>,
}

impl Rule {
    /// Returns whether it allows the same traffic, whatever its id and description are.
    pub(crate) fn allows_as(&self, other: &Rule) -> bool {
        let facts = |rule: &Rule| (rule.protocol.clone(), rule.from_port, rule.to_port, rule.peer.clone());
        facts(self) == facts(other)
    }
}

/// The other side of the traffic that a rule allows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Peer {
    V4(String),
    V6(String),
    Group(String),
}

impl SecurityGroup {
    /// Returns a new group, which allows all outgoing and no incoming traffic.
    pub(crate) fn new(id: String, name: &str, vpc_id: &str) -> Self {
        let out = Rule {
            id: ids::derived("sgr", &id),
            protocol: "-1".to_owned(),
            from_port: None,
            to_port: None,
            peer: Peer::V4("0.0.0.0/0".to_owned()),
            description: None,
        };
        SecurityGroup {
            id,
            name: name.to_owned(),
            description: name.to_owned(),
            vpc_id: vpc_id.to_owned(),
            ingress: Vec::new(),
            egress: vec![out],
            tags: Tags::new(),
        }
    }
}

/// The network of one account in one Region.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Network {
    pub(crate) vpc_id: String,
    pub(crate) subnets: Vec<Subnet>,
    pub(crate) security_groups: Vec<SecurityGroup>,
    /// Names or ARNs of existing instance profiles. If none were handed over, every name is accepted.
    pub(crate) instance_profiles: Vec<String>,
    /// ARN of the role of an instance profile, by the profile's name, if it was handed over.
    #[serde(default)]
    pub(crate) profile_roles: BTreeMap<String, String>,
    /// Whether the default VPC is gone, as in accounts whose owner has deleted it.
    #[serde(default)]
    pub(crate) no_default_vpc: bool,
    /// Routes that leave a VPC, in its one route table, by destination: the id of a gateway. Without an entry, a VPC
    /// has its initial routes.
    #[serde(default)]
    pub(crate) routes: BTreeMap<String, BTreeMap<String, String>>,
}

impl Network {
    /// Returns what every account has: a default VPC with a subnet in each zone, and its default security group.
    pub(crate) fn default_of(scope: &Scope) -> Self {
        let vpc_id = ids::derived("vpc", &format!("{scope}"));
        let subnet = |(letter, third): (&str, u8)| Subnet {
            // When there was only one subnet, its id was derived without a letter.
            id: ids::derived("subnet", &format!("{scope}{}", if letter == "a" { "" } else { letter })),
            vpc_id: vpc_id.clone(),
            zone: format!("{}{letter}", scope.region),
            // A default subnet has a /20 of the default VPC's /16 (VPC user guide, "Default VPC components").
            cidr: format!("172.31.{third}.0/20"),
            default: true,
            public: None,
            tags: Tags::new(),
        };
        let subnets = [("a", 0), ("b", 16), ("c", 32)].map(subnet).to_vec();
        let group = SecurityGroup::new(ids::derived("sg", &format!("{scope}")), "default", &vpc_id);
        Network {
            vpc_id,
            subnets,
            security_groups: vec![group],
            instance_profiles: Vec::new(),
            profile_roles: BTreeMap::new(),
            no_default_vpc: false,
            routes: BTreeMap::new(),
        }
    }

    /// Returns the named subnet, or the default one.
    pub(crate) fn subnet(&self, id: Option<&str>) -> Result<&Subnet, ApiError> {
        let found = self.subnets.iter().find(|subnet| id.map_or(subnet.default, |id| subnet.id == id));
        found.ok_or_else(|| match id {
            Some(id) => ApiError::new("InvalidSubnetID.NotFound", format!("The subnet ID '{id}' does not exist")),
            None if self.no_default_vpc => no_default_vpc(),
            None => ApiError::new("MissingInput", "No subnets found for the default VPC."),
        })
    }

    /// Gives the default VPC another id. If the emulator has a default VPC too, both are the same VPC.
    pub(crate) fn rename_default_vpc(&mut self, id: &str) {
        let old = std::mem::replace(&mut self.vpc_id, id.to_owned());
        let subnets = self.subnets.iter_mut().map(|subnet| &mut subnet.vpc_id);
        let groups = self.security_groups.iter_mut().map(|group| &mut group.vpc_id);
        subnets.chain(groups).filter(|vpc| **vpc == old).for_each(|vpc| id.clone_into(vpc));
        // The gateway's id is derived from its VPC's.
        if self.routes.remove(&old).is_some_and(|routes| routes.is_empty()) {
            self.routes.insert(id.to_owned(), BTreeMap::new());
        }
    }

    /// Removes the default VPC, with its subnets and groups.
    pub(crate) fn delete_default_vpc(&mut self) {
        self.no_default_vpc = true;
        self.subnets.retain(|subnet| subnet.vpc_id != self.vpc_id);
        self.security_groups.retain(|group| group.vpc_id != self.vpc_id);
    }

    /// Returns whether there is a subnet in a zone.
    pub(crate) fn has_zone(&self, zone: &str) -> bool {
        self.subnets.iter().any(|subnet| subnet.zone == zone)
    }

    /// Returns the default subnet of a zone.
    pub(crate) fn default_subnet_in(&self, zone: &str) -> Option<&Subnet> {
        self.subnets.iter().find(|subnet| subnet.default && subnet.zone == zone)
    }

    /// Returns the group with this id.
    pub(crate) fn group(&self, id: &str) -> Result<&SecurityGroup, ApiError> {
        self.security_groups.iter().find(|group| group.id == id).ok_or_else(|| no_group(id))
    }

    /// Does the same for a change.
    pub(crate) fn group_mut(&mut self, id: &str) -> Result<&mut SecurityGroup, ApiError> {
        self.security_groups.iter_mut().find(|group| group.id == id).ok_or_else(|| no_group(id))
    }

    /// Returns the group with this name.
    pub(crate) fn group_named(&self, name: &str) -> Result<&SecurityGroup, ApiError> {
        self.security_groups.iter().find(|group| group.name == name).ok_or_else(|| no_group(name))
    }

    /// Returns whether this VPC is known: the default VPC, or one with a subnet or a group.
    pub(crate) fn has_vpc(&self, id: &str) -> bool {
        let groups = self.security_groups.iter().map(|group| &group.vpc_id);
        let mut known = self.subnets.iter().map(|subnet| &subnet.vpc_id).chain(groups);
        known.any(|vpc| vpc == id) || !self.no_default_vpc && self.vpc_id == id
    }

    /// Returns the addresses of a VPC if they are known: they are not handed over for VPCs other than the default one.
    pub(crate) fn block_of(&self, vpc: &str) -> Option<Block> {
        (!self.no_default_vpc && self.vpc_id == vpc).then_some(Block::OF_DEFAULT_VPC)
    }

    /// Returns every known VPC, in order.
    pub(crate) fn vpcs(&self) -> BTreeSet<String> {
        let groups = self.security_groups.iter().map(|group| &group.vpc_id);
        let own = Some(&self.vpc_id).filter(|_| !self.no_default_vpc);
        self.subnets.iter().map(|subnet| &subnet.vpc_id).chain(groups).chain(own).cloned().collect()
    }

    /// Returns the routes that leave a VPC. A default VPC has an internet gateway from the beginning; other VPCs have
    /// none (VPC user guide, "Default VPC components").
    pub(crate) fn routes_of(&self, vpc: &str) -> BTreeMap<String, String> {
        let at_first = || {
            let gateway = (self.vpc_id == vpc).then(|| ("0.0.0.0/0".to_owned(), gateway_of(vpc)));
            gateway.into_iter().collect()
        };
        self.routes.get(vpc).cloned().unwrap_or_else(at_first)
    }

    /// Returns the tags of a subnet or a security group.
    pub(crate) fn tags_of(&mut self, id: &str) -> Option<&mut Tags> {
        let group = self.security_groups.iter_mut().find(|group| group.id == id).map(|group| &mut group.tags);
        group.or(self.subnets.iter_mut().find(|subnet| subnet.id == id).map(|subnet| &mut subnet.tags))
    }

    /// Returns the named groups, or the default group of the subnet's VPC. All of them must belong to that VPC.
    pub(crate) fn groups_for(&self, subnet: &Subnet, ids: &[String]) -> Result<Vec<String>, ApiError> {
        if ids.is_empty() {
            let own = self.security_groups.iter().filter(|group| group.vpc_id == subnet.vpc_id);
            return Ok(own.filter(|group| group.name == "default").map(|group| group.id.clone()).collect());
        }
        ids.iter()
            .map(|id| match self.group(id)? {
                group if group.vpc_id == subnet.vpc_id => Ok(group.id.clone()),
                group => {
                    let message =
                        format!("Security group {} and subnet {} belong to different networks.", group.id, subnet.id);
                    Err(ApiError::new("InvalidParameter", message))
                }
            })
            .collect()
    }

    /// Checks an instance profile's name or ARN against those that were handed over.
    pub(crate) fn check_profile(&self, asked: &str) -> Result<(), ApiError> {
        let known = |profile: &String| profile_name(profile) == profile_name(asked);
        if self.instance_profiles.is_empty() || self.instance_profiles.iter().any(known) {
            return Ok(());
        }
        let message = format!(
            "Value ({asked}) for parameter iamInstanceProfile.name is invalid. Invalid IAM Instance Profile name"
        );
        Err(ApiError::new("InvalidParameterValue", message))
    }

    /// Returns the ARN of the role of an instance profile, which is given by name or ARN, if that role is known.
    pub(crate) fn role_of(&self, profile: &str) -> Option<&str> {
        self.profile_roles.get(profile_name(profile)).map(String::as_str)
    }
}

/// Returns the name of an instance profile or a role, which may be given by its ARN.
pub(crate) fn profile_name(name_or_arn: &str) -> &str {
    name_or_arn.rsplit('/').next().unwrap_or_default()
}

/// Returns the ARN of an instance profile, given by its name or ARN.
pub(crate) fn profile_arn(account: &str, profile: &str) -> String {
    format!("arn:aws:iam::{account}:instance-profile/{}", profile_name(profile))
}

/// Returns the id of an instance profile, in IAM's form. It is derived from the profile's ARN, since the emulator owns
/// the profiles.
pub(crate) fn profile_id(arn: &str) -> String {
    format!("AIPA{}", ids::digest(arn)[..17].to_uppercase())
}

/// Returns the id of a VPC's internet gateway.
pub(crate) fn gateway_of(vpc: &str) -> String {
    ids::derived("igw", vpc)
}

/// Returns the error for a call that needs the default VPC.
pub(crate) fn no_default_vpc() -> ApiError {
    ApiError::new("VPCIdNotSpecified", "No default VPC for this user")
}

fn no_group(id: &str) -> ApiError {
    ApiError::new("InvalidGroup.NotFound", format!("The security group '{id}' does not exist"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network() -> Network {
        let mut network = Network::default_of(&Scope { account: "000000000000".into(), region: "eu-west-1".into() });
        network.security_groups.push(SecurityGroup::new("sg-other".into(), "default", "vpc-other"));
        let other = Subnet {
            id: "subnet-other".into(),
            vpc_id: "vpc-other".into(),
            default: false,
            ..network.subnets[0].clone()
        };
        network.subnets.push(other);
        network
    }

    #[test]
    fn a_subnet_takes_the_groups_of_its_own_vpc() {
        let network = network();
        let (own, other) = (network.subnet(None).unwrap(), network.subnet(Some("subnet-other")).unwrap());
        assert_eq!(network.groups_for(own, &[]).unwrap(), [network.security_groups[0].id.clone()]);
        assert_eq!(network.groups_for(other, &[]).unwrap(), ["sg-other"]);
        let refused = network.groups_for(own, &["sg-other".into()]).unwrap_err();
        assert_eq!(refused.code, "InvalidParameter");
    }

    #[test]
    fn the_default_vpc_is_renamed_with_all_that_is_in_it() {
        let mut network = network();
        network.rename_default_vpc("vpc-new");
        let own = network.subnet(None).unwrap();
        assert_eq!((own.vpc_id.as_str(), network.groups_for(own, &[]).unwrap().len()), ("vpc-new", 1));
        assert_eq!(network.subnet(Some("subnet-other")).unwrap().vpc_id, "vpc-other");
    }

    #[test]
    fn without_a_default_vpc_a_launch_names_its_subnet() {
        let mut network = network();
        let gone = network.vpc_id.clone();
        network.delete_default_vpc();
        assert_eq!(network.subnet(None).unwrap_err().code, "VPCIdNotSpecified");
        assert!(network.subnet(Some("subnet-other")).is_ok());
        assert!(!network.has_vpc(&gone) && network.has_vpc("vpc-other"));
    }
}
