//! The request that launches an instance.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::primitives::DateTime;
use aws_sdk_ec2::types::{
    HttpTokensState, IamInstanceProfileSpecification, InstanceInterruptionBehavior, InstanceMarketOptionsRequest,
    InstanceMetadataEndpointState, InstanceMetadataOptionsRequest, InstanceType, MarketType, Placement, ResourceType,
    SpotInstanceType, SpotMarketOptions, Tenancy,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use goldsmith_cloud::{Hardware, Launch, Market, MetadataOptions};

use crate::requests::{block_device_mappings, tag_specifications};

/// Kinds of resources that RunInstances creates. The last kind is created only for spot instances.
static MADE_BY_LAUNCH: [ResourceType; 4] =
    [ResourceType::Instance, ResourceType::Volume, ResourceType::NetworkInterface, ResourceType::SpotInstancesRequest];

/// Returns the request for one instance.
pub(crate) fn request(client: &Client, launch: &Launch) -> RunInstancesFluentBuilder {
    // Without the parameter, EC2 takes the default security group of the VPC.
    let groups = (!launch.security_groups.is_empty()).then(|| launch.security_groups.clone());
    let profile =
        launch.instance_profile.as_ref().map(|name| IamInstanceProfileSpecification::builder().name(name).build());
    let made = match launch.market {
        Market::OnDemand => &MADE_BY_LAUNCH[..3],
        Market::Spot | Market::StoppableSpot { .. } => &MADE_BY_LAUNCH[..],
    };
    client
        .run_instances()
        .client_token(&launch.token)
        .min_count(1)
        .max_count(1)
        .image_id(&launch.image)
        .instance_type(InstanceType::from(launch.instance_type.as_str()))
        .set_subnet_id(launch.subnet.clone())
        .set_placement(placement(launch))
        .set_instance_market_options(market_options(launch.market))
        .set_key_name(launch.key_pair.clone())
        .set_security_group_ids(groups)
        .set_iam_instance_profile(profile)
        .metadata_options(metadata_options(&launch.metadata))
        .set_user_data(launch.user_data.as_ref().map(|text| BASE64_STANDARD.encode(text)))
        .set_block_device_mappings(block_device_mappings(&launch.block_devices))
        // Everything that the call creates is tagged: a policy of the organization may deny untagged resources.
        .set_tag_specifications(tag_specifications(made, &launch.tags))
}

/// Returns the placement. A host resource group implies the tenancy, which EC2 accepts together with it (EC2 API
/// reference, Placement).
fn placement(launch: &Launch) -> Option<Placement> {
    let placement = Placement::builder().set_availability_zone(launch.zone.clone());
    let placement = match &launch.hardware {
        Hardware::Shared if launch.zone.is_none() => return None,
        Hardware::Shared => placement,
        Hardware::Dedicated => placement.tenancy(Tenancy::Dedicated),
        Hardware::Host { id, group } => {
            placement.tenancy(Tenancy::Host).set_host_id(id.clone()).set_host_resource_group_arn(group.clone())
        }
    };
    Some(placement.build())
}

/// Returns the options of a spot request. There is no maximum price, because it would only make interruptions more
/// frequent (EC2 API reference, SpotMarketOptions).
fn market_options(market: Market) -> Option<InstanceMarketOptionsRequest> {
    let options = SpotMarketOptions::builder();
    let options = match market {
        Market::OnDemand => return None,
        Market::Spot => options
            .spot_instance_type(SpotInstanceType::OneTime)
            .instance_interruption_behavior(InstanceInterruptionBehavior::Terminate),
        Market::StoppableSpot { until } => options
            .spot_instance_type(SpotInstanceType::Persistent)
            .instance_interruption_behavior(InstanceInterruptionBehavior::Stop)
            .valid_until(DateTime::from_secs(until.as_second())),
    };
    Some(InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).spot_options(options.build()).build())
}

fn metadata_options(options: &MetadataOptions) -> InstanceMetadataOptionsRequest {
    let tokens = if options.tokens_required { HttpTokensState::Required } else { HttpTokensState::Optional };
    InstanceMetadataOptionsRequest::builder()
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .http_tokens(tokens)
        .http_put_response_hop_limit(i32::from(options.hop_limit))
        .build()
}
