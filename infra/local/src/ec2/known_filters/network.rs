//! Filters of the describe calls about networks.

use super::super::filters::Known;

/// Filters of DescribeSecurityGroups.
pub(crate) const GROUPS: Known = Known {
    fields: &[
        ("description", "groupDescription"),
        ("egress.ip-permission.cidr", "ipPermissionsEgress/item/ipRanges/item/cidrIp"),
        ("egress.ip-permission.from-port", "ipPermissionsEgress/item/fromPort"),
        ("egress.ip-permission.group-id", "ipPermissionsEgress/item/groups/item/groupId"),
        ("egress.ip-permission.group-name", "ipPermissionsEgress/item/groups/item/groupName"),
        ("egress.ip-permission.ipv6-cidr", "ipPermissionsEgress/item/ipv6Ranges/item/cidrIpv6"),
        ("egress.ip-permission.prefix-list-id", "ipPermissionsEgress/item/prefixListIds/item/prefixListId"),
        ("egress.ip-permission.protocol", "ipPermissionsEgress/item/ipProtocol"),
        ("egress.ip-permission.to-port", "ipPermissionsEgress/item/toPort"),
        ("egress.ip-permission.user-id", "ipPermissionsEgress/item/groups/item/userId"),
        ("group-id", "groupId"),
        ("group-name", "groupName"),
        ("ip-permission.cidr", "ipPermissions/item/ipRanges/item/cidrIp"),
        ("ip-permission.from-port", "ipPermissions/item/fromPort"),
        ("ip-permission.group-id", "ipPermissions/item/groups/item/groupId"),
        ("ip-permission.group-name", "ipPermissions/item/groups/item/groupName"),
        ("ip-permission.ipv6-cidr", "ipPermissions/item/ipv6Ranges/item/cidrIpv6"),
        ("ip-permission.prefix-list-id", "ipPermissions/item/prefixListIds/item/prefixListId"),
        ("ip-permission.protocol", "ipPermissions/item/ipProtocol"),
        ("ip-permission.to-port", "ipPermissions/item/toPort"),
        ("ip-permission.user-id", "ipPermissions/item/groups/item/userId"),
        ("owner-id", "ownerId"),
        ("vpc-id", "vpcId"),
    ],
    unanswered: "",
    tags: true,
};

/// Filters of DescribeSubnets. The filter's description names the other spellings.
pub(crate) const SUBNETS: Known = Known {
    fields: &[
        ("availability-zone", "availabilityZone"),
        ("availability-zone-id", "availabilityZoneId"),
        ("availabilityZone", "availabilityZone"),
        ("available-ip-address-count", "availableIpAddressCount"),
        ("cidr", "cidrBlock"),
        ("cidr-block", "cidrBlock"),
        ("cidrBlock", "cidrBlock"),
        ("customer-owned-ipv4-pool", "customerOwnedIpv4Pool"),
        ("default-for-az", "defaultForAz"),
        ("defaultForAz", "defaultForAz"),
        ("enable-dns64", "enableDns64"),
        ("enable-lni-at-device-index", "enableLniAtDeviceIndex"),
        ("ipv6-cidr-block-association.association-id", "ipv6CidrBlockAssociationSet/item/associationId"),
        ("ipv6-cidr-block-association.ipv6-cidr-block", "ipv6CidrBlockAssociationSet/item/ipv6CidrBlock"),
        ("ipv6-cidr-block-association.state", "ipv6CidrBlockAssociationSet/item/ipv6CidrBlockState/state"),
        ("ipv6-native", "ipv6Native"),
        ("map-customer-owned-ip-on-launch", "mapCustomerOwnedIpOnLaunch"),
        ("map-public-ip-on-launch", "mapPublicIpOnLaunch"),
        ("outpost-arn", "outpostArn"),
        ("owner-id", "ownerId"),
        (
            "private-dns-name-options-on-launch.enable-resource-name-dns-a-record",
            "privateDnsNameOptionsOnLaunch/enableResourceNameDnsARecord",
        ),
        (
            "private-dns-name-options-on-launch.enable-resource-name-dns-aaaa-record",
            "privateDnsNameOptionsOnLaunch/enableResourceNameDnsAAAARecord",
        ),
        ("private-dns-name-options-on-launch.hostname-type", "privateDnsNameOptionsOnLaunch/hostnameType"),
        ("state", "state"),
        ("subnet-arn", "subnetArn"),
        ("subnet-id", "subnetId"),
        ("vpc-id", "vpcId"),
    ],
    unanswered: "",
    tags: true,
};

/// Filters of DescribeVpcs; `isDefault` is the spelling of old clients.
pub(crate) const VPCS: Known = Known {
    fields: &[
        ("cidr", "cidrBlock"),
        ("cidr-block-association.association-id", "cidrBlockAssociationSet/item/associationId"),
        ("cidr-block-association.cidr-block", "cidrBlockAssociationSet/item/cidrBlock"),
        ("cidr-block-association.state", "cidrBlockAssociationSet/item/cidrBlockState/state"),
        ("ipv6-cidr-block-association.association-id", "ipv6CidrBlockAssociationSet/item/associationId"),
        ("ipv6-cidr-block-association.ipv6-cidr-block", "ipv6CidrBlockAssociationSet/item/ipv6CidrBlock"),
        ("ipv6-cidr-block-association.ipv6-pool", "ipv6CidrBlockAssociationSet/item/ipv6Pool"),
        ("ipv6-cidr-block-association.state", "ipv6CidrBlockAssociationSet/item/ipv6CidrBlockState/state"),
        ("is-default", "isDefault"),
        ("isDefault", "isDefault"),
        ("owner-id", "ownerId"),
        ("state", "state"),
        ("vpc-id", "vpcId"),
    ],
    unanswered: "dhcp-options-id",
    tags: true,
};

/// Filters of DescribeRegions.
pub(crate) const REGIONS: Known = Known {
    fields: &[("endpoint", "regionEndpoint"), ("opt-in-status", "optInStatus"), ("region-name", "regionName")],
    unanswered: "",
    tags: false,
};

/// Filters of DescribeAvailabilityZones.
pub(crate) const ZONES: Known = Known {
    fields: &[
        ("group-long-name", "groupLongName"),
        ("group-name", "groupName"),
        ("message", "messageSet/item/message"),
        ("opt-in-status", "optInStatus"),
        ("parent-zone-id", "parentZoneId"),
        ("parent-zone-name", "parentZoneName"),
        ("region-name", "regionName"),
        ("state", "zoneState"),
        ("zone-id", "zoneId"),
        ("zone-name", "zoneName"),
        ("zone-type", "zoneType"),
    ],
    unanswered: "",
    tags: false,
};

/// Filters of DescribeRouteTables.
pub(crate) const ROUTE_TABLES: Known = Known {
    fields: &[
        ("association.gateway-id", "associationSet/item/gatewayId"),
        ("association.main", "associationSet/item/main"),
        ("association.route-table-association-id", "associationSet/item/routeTableAssociationId"),
        ("association.route-table-id", "associationSet/item/routeTableId"),
        ("association.subnet-id", "associationSet/item/subnetId"),
        ("owner-id", "ownerId"),
        ("route-table-id", "routeTableId"),
        ("route.destination-cidr-block", "routeSet/item/destinationCidrBlock"),
        ("route.destination-ipv6-cidr-block", "routeSet/item/destinationIpv6CidrBlock"),
        ("route.destination-prefix-list-id", "routeSet/item/destinationPrefixListId"),
        ("route.egress-only-internet-gateway-id", "routeSet/item/egressOnlyInternetGatewayId"),
        ("route.gateway-id", "routeSet/item/gatewayId"),
        ("route.instance-id", "routeSet/item/instanceId"),
        ("route.nat-gateway-id", "routeSet/item/natGatewayId"),
        ("route.origin", "routeSet/item/origin"),
        ("route.state", "routeSet/item/state"),
        ("route.transit-gateway-id", "routeSet/item/transitGatewayId"),
        ("route.vpc-peering-connection-id", "routeSet/item/vpcPeeringConnectionId"),
        ("vpc-id", "vpcId"),
    ],
    unanswered: "",
    tags: true,
};

/// Filters of DescribeVpcEndpoints.
pub(crate) const VPC_ENDPOINTS: Known = Known {
    fields: &[
        ("ip-address-type", "ipAddressType"),
        ("service-name", "serviceName"),
        ("service-region", "serviceRegion"),
        ("vpc-endpoint-id", "vpcEndpointId"),
        ("vpc-endpoint-state", "state"),
        ("vpc-endpoint-type", "vpcEndpointType"),
        ("vpc-id", "vpcId"),
    ],
    unanswered: "",
    tags: true,
};
