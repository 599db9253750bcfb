//! Reads what an account has set up in a Region before a launch: networks, storage, public access, types and Regions.

use std::collections::BTreeMap;

use aws_sdk_ec2::types::{
    InstanceTypeInfo, RouteState, RouteTable as SdkTable, SecurityGroup as SdkGroup, SnapshotBlockPublicAccessState,
    State, SubnetState, VpcEndpoint,
};
use goldsmith_cloud::Result;
use goldsmith_cloud::aws::failure;

use crate::Ec2;
use crate::requests::filter;

/// A subnet.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subnet {
    /// Its id.
    pub id: String,
    /// Its VPC.
    pub vpc: String,
    /// Availability Zone of the subnet.
    pub zone: String,
    /// Whether instances can be launched into the subnet.
    pub available: bool,
    /// Number of free addresses.
    pub free_addresses: i32,
    /// Whether the subnet's instances receive a public address.
    pub public_addresses: bool,
}

/// A route.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Route {
    /// The destination block, or the id if the destination is a prefix list.
    pub destination: String,
    /// Id of the target: a gateway, endpoint, interface or connection, or `local` within the VPC.
    pub target: String,
    /// Whether the target does not exist or cannot be reached.
    pub blackhole: bool,
}

/// A route table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteTable {
    /// Its id.
    pub id: String,
    /// Whether the table applies to each subnet of its VPC that names no table.
    pub main: bool,
    /// Subnets that name the table.
    pub subnets: Vec<String>,
    /// Its routes.
    pub routes: Vec<Route>,
}

/// A VPC endpoint.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoint {
    /// Service name, such as `com.amazonaws.eu-west-1.ssm`.
    pub service: String,
    /// Route tables that lead to the endpoint, if it is a gateway endpoint.
    pub route_tables: Vec<String>,
    /// Whether the service's own name resolves to the endpoint, if it is an interface endpoint.
    pub private_dns: bool,
}

/// The rules of a security group for outbound traffic.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SecurityGroup {
    /// Its id.
    pub id: String,
    /// Its VPC.
    pub vpc: String,
    /// Whether the group allows outbound HTTPS to everywhere, or to at least one block, list or group. If it does not,
    /// no HTTPS traffic can leave the instance.
    pub lets_https_out: bool,
}

/// Defaults for new volumes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Storage {
    /// Whether all of them are encrypted, regardless of the call.
    pub encrypted_by_default: bool,
    /// The key that is used if a call names none: an id, an ARN, or an alias such as `alias/aws/ebs`.
    pub default_key: String,
}

/// An instance type.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeFacts {
    /// Architectures in EC2's names: `x86_64`, `arm64`.
    pub architectures: Vec<String>,
    /// Number of virtual CPUs, which count toward quotas.
    pub vcpus: i32,
}

impl Ec2 {
    /// Returns the default VPC's id, if it exists.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn default_vpc(&self, region: &str) -> Result<Option<String>> {
        let request = self.0.client(region).describe_vpcs().filters(filter("is-default", &["true"]));
        let answer = request.send().await.map_err(failure("DescribeVpcs", region))?;
        Ok(answer.vpcs.unwrap_or_default().into_iter().find_map(|vpc| vpc.vpc_id))
    }

    /// Returns subnets by the values of a filter: `subnet-id`, which leaves out subnets that do not exist, or `vpc-id`.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn subnets(&self, region: &str, by: &str, values: &[&str]) -> Result<Vec<Subnet>> {
        let mut pages = self.0.client(region).describe_subnets().filters(filter(by, values)).into_paginator().send();
        let mut subnets = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeSubnets", region))?;
            subnets.extend(page.subnets().iter().map(|subnet| Subnet {
                id: subnet.subnet_id().unwrap_or_default().to_owned(),
                vpc: subnet.vpc_id().unwrap_or_default().to_owned(),
                zone: subnet.availability_zone().unwrap_or_default().to_owned(),
                available: subnet.state() == Some(&SubnetState::Available),
                free_addresses: subnet.available_ip_address_count().unwrap_or_default(),
                public_addresses: subnet.map_public_ip_on_launch().unwrap_or_default(),
            }));
        }
        Ok(subnets)
    }

    /// Returns the route tables of a VPC.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn route_tables(&self, region: &str, vpc: &str) -> Result<Vec<RouteTable>> {
        let request = self.0.client(region).describe_route_tables().filters(filter("vpc-id", &[vpc]));
        let mut pages = request.into_paginator().send();
        let mut tables = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeRouteTables", region))?;
            tables.extend(page.route_tables().iter().map(to_table));
        }
        Ok(tables)
    }

    /// Returns the usable endpoints of a VPC.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn vpc_endpoints(&self, region: &str, vpc: &str) -> Result<Vec<Endpoint>> {
        let request = self.0.client(region).describe_vpc_endpoints().filters(filter("vpc-id", &[vpc]));
        let mut pages = request.into_paginator().send();
        let mut endpoints = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeVpcEndpoints", region))?;
            endpoints.extend(page.vpc_endpoints().iter().filter(|one| is_usable(one)).map(|one| Endpoint {
                service: one.service_name().unwrap_or_default().to_owned(),
                route_tables: one.route_table_ids().to_vec(),
                private_dns: one.private_dns_enabled().unwrap_or_default(),
            }));
        }
        Ok(endpoints)
    }

    /// Returns security groups. Groups that do not exist are left out.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn security_groups(&self, region: &str, ids: &[&str]) -> Result<Vec<SecurityGroup>> {
        let request = self.0.client(region).describe_security_groups().filters(filter("group-id", ids));
        let mut pages = request.into_paginator().send();
        let mut groups = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeSecurityGroups", region))?;
            groups.extend(page.security_groups().iter().map(to_group));
        }
        Ok(groups)
    }

    /// Returns how new volumes are encrypted.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn storage(&self, region: &str) -> Result<Storage> {
        let client = self.0.client(region);
        let always = client.get_ebs_encryption_by_default().send().await;
        let always = always.map_err(failure("GetEbsEncryptionByDefault", region))?;
        let key = client.get_ebs_default_kms_key_id().send().await;
        let key = key.map_err(failure("GetEbsDefaultKmsKeyId", region))?;
        Ok(Storage {
            encrypted_by_default: always.ebs_encryption_by_default.unwrap_or_default(),
            default_key: key.kms_key_id.unwrap_or_default(),
        })
    }

    /// Returns whether new public sharing of images is blocked.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn blocks_public_images(&self, region: &str) -> Result<bool> {
        let answer = self.0.client(region).get_image_block_public_access_state().send().await;
        let answer = answer.map_err(failure("GetImageBlockPublicAccessState", region))?;
        Ok(answer.image_block_public_access_state() == Some("block-new-sharing"))
    }

    /// Returns whether new public sharing of snapshots is blocked.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn blocks_public_snapshots(&self, region: &str) -> Result<bool> {
        let answer = self.0.client(region).get_snapshot_block_public_access_state().send().await;
        let answer = answer.map_err(failure("GetSnapshotBlockPublicAccessState", region))?;
        // There are two states that block: `block-all-sharing` also hides what is public already.
        Ok(answer.state().is_some_and(|state| *state != SnapshotBlockPublicAccessState::Unblocked))
    }

    /// Returns every Region, and whether it is enabled in the account.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn all_regions(&self, home: &str) -> Result<BTreeMap<String, bool>> {
        let answer = self.0.client(home).describe_regions().all_regions(true).send().await;
        let answer = answer.map_err(failure("DescribeRegions", home))?;
        let regions = answer.regions.unwrap_or_default().into_iter();
        Ok(regions
            .filter_map(|one| Some((one.region_name?, one.opt_in_status.as_deref() != Some("not-opted-in"))))
            .collect())
    }

    /// Returns instance types. Types that the Region does not offer are left out.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn types(&self, region: &str, names: &[&str]) -> Result<BTreeMap<String, TypeFacts>> {
        let facts = |described: &InstanceTypeInfo| {
            let vcpus = described.v_cpu_info()?.default_v_cpus()?;
            Some(TypeFacts { architectures: architectures_of(described)?, vcpus })
        };
        self.described_types(region, names, facts).await
    }

    /// Returns what `take` reads from the descriptions of instance types. The call uses a filter, because EC2 rejects a
    /// list that contains an unknown type, whereas a filter leaves out that type.
    pub(crate) async fn described_types<T>(
        &self,
        region: &str,
        names: &[&str],
        take: impl Fn(&InstanceTypeInfo) -> Option<T>,
    ) -> Result<BTreeMap<String, T>> {
        let request = self.0.client(region).describe_instance_types().filters(filter("instance-type", names));
        let mut pages = request.into_paginator().send();
        let mut found = BTreeMap::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeInstanceTypes", region))?;
            let types = page.instance_types().iter();
            found.extend(types.filter_map(|one| Some((one.instance_type()?.as_str().to_owned(), take(one)?))));
        }
        Ok(found)
    }
}

/// Returns the architectures that instances of a type may have.
pub(crate) fn architectures_of(described: &InstanceTypeInfo) -> Option<Vec<String>> {
    let runs = described.processor_info()?.supported_architectures().iter();
    Some(runs.map(|architecture| architecture.as_str().to_owned()).collect())
}

fn to_table(table: &SdkTable) -> RouteTable {
    let routes = table.routes().iter().map(|route| {
        let destination = route.destination_cidr_block().or(route.destination_ipv6_cidr_block());
        let targets = [
            route.nat_gateway_id(),
            route.transit_gateway_id(),
            route.network_interface_id(),
            route.vpc_peering_connection_id(),
            route.egress_only_internet_gateway_id(),
            route.gateway_id(),
        ];
        Route {
            destination: destination.or(route.destination_prefix_list_id()).unwrap_or_default().to_owned(),
            target: targets.into_iter().flatten().next().unwrap_or_default().to_owned(),
            blackhole: route.state() == Some(&RouteState::Blackhole),
        }
    });
    let associations = table.associations();
    RouteTable {
        id: table.route_table_id().unwrap_or_default().to_owned(),
        main: associations.iter().any(|one| one.main() == Some(true)),
        subnets: associations.iter().filter_map(|one| one.subnet_id().map(str::to_owned)).collect(),
        routes: routes.collect(),
    }
}

fn is_usable(endpoint: &VpcEndpoint) -> bool {
    endpoint.state() == Some(&State::Available)
}

/// Converts a security group. Destinations are not examined: only AWS knows which addresses a service has behind an
/// endpoint or a prefix list.
fn to_group(group: &SdkGroup) -> SecurityGroup {
    let https = |protocol: &str, from: Option<i32>, to: Option<i32>| match protocol {
        "-1" => true,
        "tcp" | "6" => from.is_none_or(|from| from <= 443) && to.is_none_or(|to| to >= 443),
        _ => false,
    };
    let lets = |one: &aws_sdk_ec2::types::IpPermission| {
        https(one.ip_protocol().unwrap_or("-1"), one.from_port(), one.to_port())
    };
    SecurityGroup {
        id: group.group_id().unwrap_or_default().to_owned(),
        vpc: group.vpc_id().unwrap_or_default().to_owned(),
        lets_https_out: group.ip_permissions_egress().iter().any(lets),
    }
}
