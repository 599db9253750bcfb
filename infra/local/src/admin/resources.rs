//! Handed-over networks, instance profiles and keys, which exist elsewhere: CloudFormation created them in the
//! emulator.

use serde::Deserialize;
use serde_json::{Value, json};

use super::subnets::{self, HandedSubnet};
use crate::api::{ApiError, DEFAULT_ACCOUNT, Scope};
use crate::endpoint::Endpoint;
use crate::world::{KmsKey, Network, SecurityGroup, World, key_arn, profile_name, split};

/// End of the ARN of the service-linked role of EC2 Spot.
const SPOT_ROLE: &str = ":role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot";

/// Resources that are handed over for one account and Region, in addition to those that already exist. Handing over is
/// idempotent.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Handed {
    account: Option<String>,
    region: String,
    #[serde(default)]
    subnets: Vec<HandedSubnet>,
    #[serde(default)]
    security_groups: Vec<HandedGroup>,
    /// Once a profile is known, a launch with an unknown profile is rejected.
    #[serde(default)]
    instance_profiles: Vec<HandedProfile>,
    /// Id of the default VPC, if another endpoint shows it too; `false` if there is no default VPC anymore.
    default_vpc: Option<DefaultVpc>,
    /// Once a key is known, encryption with a key that is unknown, or that the account may not use, fails.
    #[serde(default)]
    kms_keys: Vec<HandedKey>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HandedKey {
    id: Option<String>,
    arn: Option<String>,
    alias: Option<String>,
    #[serde(default)]
    manager: Manager,
    /// Accounts, or ARNs of their roles: only the account counts, except for the role of EC2 Spot, whose grants are
    /// separate. `None` means the key's own account.
    grants: Option<Vec<String>>,
}

#[derive(Default, PartialEq, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
enum Manager {
    Aws,
    #[default]
    Customer,
}

/// An instance profile by its name or ARN. If instances are to have the credentials of its role, the role's ARN is
/// given too.
#[derive(Deserialize)]
#[serde(
    untagged,
    deny_unknown_fields,
    expecting = "expected the name or ARN of an instance profile, or both its `name` and the ARN of its `role`"
)]
enum HandedProfile {
    Named(String),
    WithRole { name: String, role: String },
}

#[derive(Deserialize)]
#[serde(untagged, expecting = "expected the id of the default VPC, or `false` if there is none")]
enum DefaultVpc {
    Id(String),
    Exists(bool),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct HandedGroup {
    id: String,
    name: Option<String>,
    vpc_id: Option<String>,
}

/// Adds all handed-over resources, or none of them if one is invalid.
pub(super) fn take_over(endpoint: &Endpoint, handed: Handed) -> Result<Value, ApiError> {
    let account = handed.account.unwrap_or_else(|| DEFAULT_ACCOUNT.to_owned());
    let scope = Scope { account, region: handed.region };
    let keys = handed.kms_keys.into_iter().map(|key| read_key(&scope, key)).collect::<Result<Vec<_>, _>>()?;
    let mut world = endpoint.world();
    let mut network = world.network(&scope);
    match handed.default_vpc {
        Some(DefaultVpc::Id(id)) => network.rename_default_vpc(&id),
        Some(DefaultVpc::Exists(false)) => network.delete_default_vpc(),
        Some(DefaultVpc::Exists(true)) | None => {}
    }
    for (number, subnet) in handed.subnets.into_iter().enumerate() {
        subnets::add(&mut network, &scope, number, subnet)?;
    }
    for group in handed.security_groups {
        add_group(&mut network, group);
    }
    for profile in handed.instance_profiles {
        add_profile(&mut network, profile);
    }
    keys.into_iter().for_each(|key| add_key(&mut world, &scope, key));
    let counts = json!({
        "kmsKeys": world.storage(&scope).keys.len(),
        "subnets": network.subnets.len(),
        "securityGroups": network.security_groups.len(),
        "instanceProfiles": network.instance_profiles.len(),
    });
    world.networks.insert(scope.to_string(), network);
    Ok(counts)
}

fn add_group(network: &mut Network, group: HandedGroup) {
    network.security_groups.retain(|one| one.id != group.id);
    let vpc_id = group.vpc_id.unwrap_or_else(|| network.vpc_id.clone());
    let name = group.name.unwrap_or_else(|| group.id.clone());
    network.security_groups.push(SecurityGroup::new(group.id, &name, &vpc_id));
}

fn add_profile(network: &mut Network, profile: HandedProfile) {
    let name = match profile {
        HandedProfile::Named(name) => name,
        HandedProfile::WithRole { name, role } => {
            network.profile_roles.insert(profile_name(&name).to_owned(), role);
            name
        }
    };
    if !network.instance_profiles.contains(&name) {
        network.instance_profiles.push(name);
    }
}

fn read_key(scope: &Scope, handed: HandedKey) -> Result<KmsKey, ApiError> {
    let named = handed.arn.as_ref().or(handed.id.as_ref()).or(handed.alias.as_ref());
    let named = named.ok_or_else(|| ApiError::new("ValidationError", "a key has an id, an arn or an alias"))?;
    let (owner, name) = split(scope, named);
    if owner != *scope {
        return Err(ApiError::new("ValidationError", format!("{named} is not a key of {scope}")));
    }
    let account = |grant: String| grant.split(':').nth(4).map(str::to_owned).unwrap_or(grant);
    let grants = handed.grants.unwrap_or_else(|| vec![scope.account.clone()]);
    let (for_spot, grants): (Vec<_>, Vec<_>) = grants.into_iter().partition(|grant| grant.ends_with(SPOT_ROLE));
    Ok(KmsKey {
        arn: key_arn(scope, name),
        alias: handed.alias,
        managed: handed.manager == Manager::Aws,
        accounts: grants.into_iter().map(account).collect(),
        spot_accounts: for_spot.into_iter().map(account).collect(),
    })
}

fn add_key(world: &mut World, scope: &Scope, key: KmsKey) {
    let keys = &mut world.change_storage(scope).keys;
    keys.retain(|one| one.arn != key.arn);
    keys.push(key);
}
