//! The account's own settings, which the pre-flight of a build reads.

use std::collections::{BTreeMap, BTreeSet};

use async_trait::async_trait;
use aws_sdk_ec2::types::LocationType;
use goldsmith_cloud::aws::failure;
use goldsmith_cloud::{Account, DedicatedHost, DefaultEncryption, Result, Subnet};

use crate::Ec2;
use crate::requests::filter;

#[async_trait]
impl Account for Ec2 {
    async fn known_regions(&self, home: &str) -> Result<BTreeMap<String, bool>> {
        self.all_regions(home).await
    }

    async fn public_images_are_blocked(&self, region: &str) -> Result<bool> {
        self.blocks_public_images(region).await
    }

    async fn public_snapshots_are_blocked(&self, region: &str) -> Result<bool> {
        self.blocks_public_snapshots(region).await
    }

    async fn default_encryption(&self, region: &str) -> Result<DefaultEncryption> {
        let storage = self.storage(region).await?;
        Ok(DefaultEncryption { always: storage.encrypted_by_default, key: storage.default_key })
    }

    async fn subnets_of(&self, region: &str, ids: &[String]) -> Result<Vec<Subnet>> {
        if ids.is_empty() {
            return Ok(Vec::new()); // without ids, EC2 would describe every subnet of the account
        }
        let subnets = self.subnets(region, "subnet-id", &texts(ids)).await?.into_iter();
        Ok(subnets.map(|one| Subnet { id: one.id, vpc: one.vpc, zone: one.zone }).collect())
    }

    async fn vpcs_of_groups(&self, region: &str, ids: &[String]) -> Result<BTreeMap<String, String>> {
        if ids.is_empty() {
            return Ok(BTreeMap::new()); // as for subnets
        }
        let groups = self.security_groups(region, &texts(ids)).await?.into_iter();
        Ok(groups.map(|group| (group.id, group.vpc)).collect())
    }

    async fn zones_of_types(&self, region: &str, types: &[String]) -> Result<BTreeMap<String, BTreeSet<String>>> {
        let mut zones: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        if types.is_empty() {
            return Ok(zones); // without a filter, EC2 would list some thousand offerings
        }
        let request = self.0.client(region).describe_instance_type_offerings();
        let request = request.location_type(LocationType::AvailabilityZone);
        let mut pages = request.filters(filter("instance-type", &texts(types))).into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeInstanceTypeOfferings", region))?;
            for one in page.instance_type_offerings() {
                let pair = one.instance_type().map(|name| name.as_str().to_owned()).zip(one.location());
                if let Some((name, zone)) = pair {
                    zones.entry(name).or_default().insert(zone.to_owned());
                }
            }
        }
        Ok(zones)
    }

    async fn hosts(&self, region: &str, id: Option<&str>) -> Result<Vec<DedicatedHost>> {
        self.dedicated_hosts(region, id).await
    }
}

fn texts(ids: &[String]) -> Vec<&str> {
    ids.iter().map(String::as_str).collect()
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::Account;
    use goldsmith_cloud::aws::replay::Canned;

    use crate::testing::{ec2, form};

    #[tokio::test]
    async fn the_zones_of_types_come_from_every_page() {
        let page = |items: &str, next: &str| {
            let name = "DescribeInstanceTypeOfferings";
            let set = format!("<instanceTypeOfferingSet>{items}</instanceTypeOfferingSet>");
            Canned::ok(format!("<{name}Response>{set}{next}</{name}Response>"))
        };
        let item = |name: &str, zone: &str| {
            format!("<item><instanceType>{name}</instanceType><location>{zone}</location></item>")
        };
        let first = page(&item("t3.small", "eu-west-1a"), "<nextToken>more</nextToken>");
        let (ec2, replay) = ec2([first, page(&item("t3.small", "eu-west-1b"), "")]);
        let types = ["t3.small".to_owned(), "m9.large".to_owned()];
        let zones = ec2.zones_of_types("eu-west-1", &types).await.unwrap();
        let expected = ["eu-west-1a", "eu-west-1b"].map(str::to_owned).into();
        assert_eq!(zones, [("t3.small".to_owned(), expected)].into());
        let sent = form(&replay, 0);
        assert_eq!(
            (sent["LocationType"].as_str(), sent["Filter.1.Name"].as_str()),
            ("availability-zone", "instance-type")
        );
        assert_eq!(sent["Filter.1.Value.2"], "m9.large");
    }

    #[tokio::test]
    async fn both_blocks_of_public_snapshots_count() {
        let state = |state: &str| {
            let name = "GetSnapshotBlockPublicAccessState";
            Canned::ok(format!("<{name}Response><state>{state}</state></{name}Response>"))
        };
        let (ec2, _) = ec2(["block-new-sharing", "block-all-sharing", "unblocked"].map(state));
        for expected in [true, true, false] {
            assert_eq!(ec2.public_snapshots_are_blocked("eu-west-1").await.unwrap(), expected);
        }
    }

    #[tokio::test]
    async fn nothing_is_asked_about_nothing() {
        let (ec2, replay) = ec2([]);
        assert_eq!(ec2.subnets_of("eu-west-1", &[]).await.unwrap(), []);
        assert!(ec2.vpcs_of_groups("eu-west-1", &[]).await.unwrap().is_empty());
        assert!(ec2.zones_of_types("eu-west-1", &[]).await.unwrap().is_empty());
        assert!(replay.sent().is_empty());
    }

    #[tokio::test]
    async fn subnets_and_groups_have_their_vpc() {
        let subnet = "<DescribeSubnetsResponse><subnetSet><item><subnetId>subnet-1</subnetId><vpcId>vpc-1</vpcId>\
             <availabilityZone>eu-west-1b</availabilityZone></item></subnetSet></DescribeSubnetsResponse>";
        let group = "<DescribeSecurityGroupsResponse><securityGroupInfo><item><groupId>sg-1</groupId><vpcId>vpc-1</vpcId>\
             </item></securityGroupInfo></DescribeSecurityGroupsResponse>";
        let (ec2, replay) = ec2([Canned::ok(subnet), Canned::ok(group)]);
        let found = ec2.subnets_of("eu-west-1", &["subnet-1".to_owned()]).await.unwrap().remove(0);
        assert_eq!((found.vpc.as_str(), found.zone.as_str()), ("vpc-1", "eu-west-1b"));
        let groups = ec2.vpcs_of_groups("eu-west-1", &["sg-1".to_owned()]).await.unwrap();
        assert_eq!(groups, [("sg-1".to_owned(), "vpc-1".to_owned())].into());
        assert_eq!(form(&replay, 0)["Filter.1.Name"], "subnet-id");
        assert_eq!(form(&replay, 1)["Filter.1.Value.1"], "sg-1");
    }
}
