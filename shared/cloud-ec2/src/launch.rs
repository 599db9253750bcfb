//! The request that launches an instance.

use aws_sdk_ec2::Client;
use aws_sdk_ec2::operation::run_instances::builders::RunInstancesFluentBuilder;
use aws_sdk_ec2::types::{
    HttpTokensState, IamInstanceProfileSpecification, InstanceInterruptionBehavior, InstanceMarketOptionsRequest,
    InstanceMetadataEndpointState, InstanceMetadataOptionsRequest, InstanceType, MarketType, Placement, ResourceType,
    SpotInstanceType, SpotMarketOptions, Tenancy,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use goldsmith_cloud::{Launch, Market, MetadataOptions};

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
        Market::Spot => &MADE_BY_LAUNCH[..],
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

fn placement(launch: &Launch) -> Option<Placement> {
    let tenancy = launch.is_dedicated.then_some(Tenancy::Dedicated);
    let placement = Placement::builder().set_availability_zone(launch.zone.clone()).set_tenancy(tenancy).build();
    (launch.zone.is_some() || launch.is_dedicated).then_some(placement)
}

/// Returns the options of a spot request. There is no maximum price, because it would only make interruptions more
/// frequent (EC2 API reference, SpotMarketOptions).
fn market_options(market: Market) -> Option<InstanceMarketOptionsRequest> {
    let once = SpotMarketOptions::builder()
        .spot_instance_type(SpotInstanceType::OneTime)
        .instance_interruption_behavior(InstanceInterruptionBehavior::Terminate)
        .build();
    let spot = InstanceMarketOptionsRequest::builder().market_type(MarketType::Spot).spot_options(once).build();
    (market == Market::Spot).then_some(spot)
}

fn metadata_options(options: &MetadataOptions) -> InstanceMetadataOptionsRequest {
    let tokens = if options.tokens_required { HttpTokensState::Required } else { HttpTokensState::Optional };
    InstanceMetadataOptionsRequest::builder()
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .http_tokens(tokens)
        .http_put_response_hop_limit(i32::from(options.hop_limit))
        .build()
}
