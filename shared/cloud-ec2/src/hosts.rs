//! Dedicated Hosts, and what instances of a type can be.

use aws_sdk_ec2::types::{AutoPlacement, Host, InstanceTypeInfo, NitroTpmSupport};
use goldsmith_cloud::aws::{failure, known};
use goldsmith_cloud::{DedicatedHost, Result, TypeTraits};

use crate::Ec2;
use crate::account::architectures_of;

impl Ec2 {
    /// Returns the Dedicated Host with this id, or all of them. A host that does not exist is left out.
    pub(crate) async fn dedicated_hosts(&self, region: &str, id: Option<&str>) -> Result<Vec<DedicatedHost>> {
        let request = self.0.client(region).describe_hosts().set_host_ids(id.map(|id| vec![id.to_owned()]));
        let mut pages = request.into_paginator().send();
        let mut hosts = Vec::new();
        while let Some(page) = pages.next().await {
            let page = known(page.map_err(failure("DescribeHosts", region)))?;
            hosts.extend(page.iter().flat_map(|page| page.hosts()).filter_map(to_host));
        }
        Ok(hosts)
    }
}

/// Converts a host. Returns `None` if EC2's response has no id, which never happens.
fn to_host(host: &Host) -> Option<DedicatedHost> {
    let properties = host.host_properties();
    let capacity = host.available_capacity().map(|capacity| capacity.available_instance_capacity());
    let free = capacity.unwrap_or_default().iter().filter_map(|one| {
        let count = u32::try_from(one.available_capacity().unwrap_or_default()).unwrap_or_default();
        Some((one.instance_type()?.to_owned(), count))
    });
    Some(DedicatedHost {
        id: host.host_id()?.to_owned(),
        state: host.state().map(|state| state.as_str().to_owned()).unwrap_or_default(),
        zone: host.availability_zone().unwrap_or_default().to_owned(),
        instance_type: properties.and_then(|one| one.instance_type()).map(str::to_owned),
        family: properties.and_then(|one| one.instance_family()).map(str::to_owned),
        auto_placement: host.auto_placement() == Some(&AutoPlacement::On),
        free: free.collect(),
    })
}

/// Returns what instances of a type can be; `None` if EC2's response does not say for which architectures it is.
pub(crate) fn traits_of(described: &InstanceTypeInfo) -> Option<TypeTraits> {
    Some(TypeTraits {
        architectures: architectures_of(described)?,
        boot_modes: described.supported_boot_modes().iter().map(|mode| mode.as_str().to_owned()).collect(),
        has_tpm: described.nitro_tpm_support() == Some(&NitroTpmSupport::Supported),
        runs_on_hosts: described.dedicated_hosts_supported().unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::aws::replay::Canned;
    use goldsmith_cloud::{Account as _, DedicatedHost, Machines as _, TypeTraits};

    use crate::testing::{ec2, form};

    #[tokio::test]
    async fn reads_a_host_or_none() {
        let host = "<DescribeHostsResponse><hostSet><item><hostId>h-1</hostId><state>available</state>\
             <availabilityZone>eu-west-1a</availabilityZone><autoPlacement>on</autoPlacement><hostProperties>\
             <instanceFamily>m5</instanceFamily></hostProperties><availableCapacity><availableInstanceCapacity><item>\
             <instanceType>m5.large</instanceType><availableCapacity>2</availableCapacity><totalCapacity>48</totalCapacity>\
             </item></availableInstanceCapacity></availableCapacity></item></hostSet></DescribeHostsResponse>";
        let (ec2, replay) = ec2([Canned::ok(host), Canned::ec2_error(400, "InvalidHostID.NotFound")]);
        let expected = DedicatedHost {
            id: "h-1".to_owned(),
            state: "available".to_owned(),
            zone: "eu-west-1a".to_owned(),
            instance_type: None,
            family: Some("m5".to_owned()),
            auto_placement: true,
            free: [("m5.large".to_owned(), 2)].into(),
        };
        assert!(expected.takes("m5.xlarge") && !expected.takes("m5a.large") && !expected.takes("m5"));
        assert_eq!(ec2.hosts("eu-west-1", None).await.unwrap(), [expected]);
        assert_eq!(ec2.hosts("eu-west-1", Some("h-2")).await.unwrap(), []);
        assert!(!form(&replay, 0).contains_key("HostId.1"));
        assert_eq!(form(&replay, 1)["HostId.1"], "h-2");
    }

    #[tokio::test]
    async fn knows_how_a_type_boots_and_whether_it_has_a_tpm_and_hosts() {
        let described = "<DescribeInstanceTypesResponse><instanceTypeSet><item><instanceType>m5.large</instanceType>\
             <processorInfo><supportedArchitectures><item>x86_64</item></supportedArchitectures></processorInfo>\
             <dedicatedHostsSupported>true</dedicatedHostsSupported><nitroTpmSupport>supported</nitroTpmSupport>\
             <supportedBootModes><item>legacy-bios</item><item>uefi</item></supportedBootModes></item>\
             </instanceTypeSet></DescribeInstanceTypesResponse>";
        let (ec2, _) = ec2([Canned::ok(described)]);
        let expected = TypeTraits {
            architectures: vec!["x86_64".to_owned()],
            boot_modes: vec!["legacy-bios".to_owned(), "uefi".to_owned()],
            has_tpm: true,
            runs_on_hosts: true,
        };
        let found = ec2.type_traits("eu-west-1", &["m5.large".to_owned()]).await.unwrap();
        assert_eq!(found, [("m5.large".to_owned(), expected)].into());
    }
}
