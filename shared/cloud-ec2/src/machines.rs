//! Instances.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    HttpTokensState, IamInstanceProfileSpecification, Instance as SdkInstance, InstanceMetadataEndpointState,
    InstanceMetadataOptionsRequest, InstanceStateName, InstanceType, ResourceType,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use goldsmith_cloud::aws::{failure, incomplete, known};
use goldsmith_cloud::{Instance, InstanceState, Launch, Machines, MetadataOptions, Result, Volume};

use crate::Ec2;
use crate::account::architectures_of;
use crate::requests::{block_device_mappings, filter, from_sdk_tags, tag_filter, tag_specifications, to_time};

/// Every state except `terminated`.
pub(crate) const NOT_TERMINATED: [&str; 5] = ["pending", "running", "stopping", "stopped", "shutting-down"];

/// Kinds of resources that RunInstances creates.
const MADE_BY_LAUNCH: [ResourceType; 3] =
    [ResourceType::Instance, ResourceType::Volume, ResourceType::NetworkInterface];

#[async_trait]
impl Machines for Ec2 {
    async fn launch(&self, region: &str, launch: &Launch) -> Result<Instance> {
        const OPERATION: &str = "RunInstances";
        let groups = (!launch.security_groups.is_empty()).then(|| launch.security_groups.clone());
        let profile =
            launch.instance_profile.as_ref().map(|name| IamInstanceProfileSpecification::builder().name(name).build());
        let request = self
            .0
            .client(region)
            .run_instances()
            .client_token(&launch.token)
            .min_count(1)
            .max_count(1)
            .image_id(&launch.image)
            .instance_type(InstanceType::from(launch.instance_type.as_str()))
            .set_subnet_id(launch.subnet.clone())
            .set_security_group_ids(groups)
            .set_iam_instance_profile(profile)
            .metadata_options(metadata_options(&launch.metadata))
            .set_user_data(launch.user_data.as_ref().map(|text| BASE64_STANDARD.encode(text)))
            .set_block_device_mappings(block_device_mappings(&launch.block_devices))
            // Everything that the call creates is tagged: a policy of the organization may deny untagged resources.
            .set_tag_specifications(tag_specifications(&MADE_BY_LAUNCH, &launch.tags));
        let answer = request.send().await.map_err(failure(OPERATION, region))?;
        let instance = answer.instances().first().and_then(to_instance);
        instance.ok_or_else(|| incomplete(OPERATION, region, "instance"))
    }

    async fn instance(&self, region: &str, id: &str) -> Result<Option<Instance>> {
        let answer = self.0.client(region).describe_instances().instance_ids(id).send().await;
        let answer = known(answer.map_err(failure("DescribeInstances", region)))?;
        let reservations = answer.as_ref().map(|answer| answer.reservations()).unwrap_or_default();
        Ok(reservations.iter().flat_map(|reservation| reservation.instances()).find_map(to_instance))
    }

    async fn tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Instance>> {
        let request = self.0.client(region).describe_instances().filters(tag_filter(key, value));
        let mut pages = request.filters(filter("instance-state-name", &NOT_TERMINATED)).into_paginator().send();
        let mut instances = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeInstances", region))?;
            let found = page.reservations().iter().flat_map(|reservation| reservation.instances());
            instances.extend(found.filter_map(to_instance));
        }
        Ok(instances)
    }

    async fn architectures(&self, region: &str, types: &[String]) -> Result<BTreeMap<String, Vec<String>>> {
        let wanted: Vec<&str> = types.iter().map(String::as_str).collect();
        self.described_types(region, &wanted, architectures_of).await
    }

    async fn console(&self, region: &str, id: &str) -> Result<String> {
        let answer = self.0.client(region).get_console_output().instance_id(id).send().await;
        let answer = known(answer.map_err(failure("GetConsoleOutput", region)))?;
        let encoded = answer.and_then(|answer| answer.output).unwrap_or_default();
        // Output that EC2 did not encode well is no reason to fail: only people read it.
        let bytes = BASE64_STANDARD.decode(encoded).unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }

    async fn stop(&self, region: &str, id: &str) -> Result<()> {
        let request = self.0.client(region).stop_instances().instance_ids(id);
        request.send().await.map_err(failure("StopInstances", region))?;
        Ok(())
    }

    async fn terminate(&self, region: &str, id: &str) -> Result<()> {
        let answer = self.0.client(region).terminate_instances().instance_ids(id).send().await;
        known(answer.map_err(failure("TerminateInstances", region)))?;
        Ok(())
    }

    async fn volumes_left(&self, region: &str, key: &str, value: &str) -> Result<Vec<Volume>> {
        let request = self.0.client(region).describe_volumes().filters(tag_filter(key, value));
        let mut pages = request.filters(filter("status", &["available"])).into_paginator().send();
        let mut volumes = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeVolumes", region))?;
            volumes.extend(page.volumes().iter().filter_map(|volume| {
                Some(Volume {
                    id: volume.volume_id()?.to_owned(),
                    created: volume.create_time().and_then(to_time),
                    tags: from_sdk_tags(volume.tags()),
                })
            }));
        }
        Ok(volumes)
    }

    async fn delete_volume(&self, region: &str, id: &str) -> Result<()> {
        let answer = self.0.client(region).delete_volume().volume_id(id).send().await;
        known(answer.map_err(failure("DeleteVolume", region)))?;
        Ok(())
    }
}

fn metadata_options(options: &MetadataOptions) -> InstanceMetadataOptionsRequest {
    let tokens = if options.tokens_required { HttpTokensState::Required } else { HttpTokensState::Optional };
    InstanceMetadataOptionsRequest::builder()
        .http_endpoint(InstanceMetadataEndpointState::Enabled)
        .http_tokens(tokens)
        .http_put_response_hop_limit(i32::from(options.hop_limit))
        .build()
}

/// Converts an instance. Returns `None` if EC2 leaves out the id or the state, which it never does.
fn to_instance(instance: &SdkInstance) -> Option<Instance> {
    let reason = instance.state_reason().and_then(|reason| reason.message()).or(instance.state_transition_reason());
    let state = match instance.state()?.name()? {
        InstanceStateName::Pending => InstanceState::Pending,
        InstanceStateName::Running => InstanceState::Running,
        InstanceStateName::Stopping => InstanceState::Stopping,
        InstanceStateName::Stopped => InstanceState::Stopped,
        InstanceStateName::ShuttingDown => InstanceState::ShuttingDown,
        InstanceStateName::Terminated => InstanceState::Terminated,
        _ => return None,
    };
    let volumes = instance.block_device_mappings().iter().filter_map(|mapping| mapping.ebs());
    Some(Instance {
        id: instance.instance_id()?.to_owned(),
        state,
        state_reason: reason.unwrap_or_default().to_owned(),
        image: instance.image_id().unwrap_or_default().to_owned(),
        instance_type: instance.instance_type().map(InstanceType::as_str).unwrap_or_default().to_owned(),
        tags: from_sdk_tags(instance.tags()),
        launched: instance.launch_time().and_then(to_time),
        token: instance.client_token().unwrap_or_default().to_owned(),
        volumes: volumes.filter_map(|ebs| ebs.volume_id().map(str::to_owned)).collect(),
    })
}
