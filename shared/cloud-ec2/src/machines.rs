//! Instances.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_sdk_ec2::types::{
    Instance as SdkInstance, InstanceStateName, InstanceType, SpotInstanceRequest as SdkSpotRequest,
};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use goldsmith_cloud::aws::{failure, incomplete, known};
use goldsmith_cloud::{Instance, InstanceState, Launch, Machines, Result, SpotRequest, TypeTraits, Volume};

use crate::Ec2;
use crate::hosts::traits_of;
use crate::launch::request;
use crate::requests::{filter, from_sdk_tags, tag_filter, to_time};

/// Every state except `terminated`.
pub(crate) const NOT_TERMINATED: [&str; 5] = ["pending", "running", "stopping", "stopped", "shutting-down"];

/// The states of a spot request that may still launch or start an instance.
const LIVE_REQUESTS: [&str; 3] = ["open", "active", "disabled"];

#[async_trait]
impl Machines for Ec2 {
    async fn launch(&self, region: &str, launch: &Launch) -> Result<Instance> {
        const OPERATION: &str = "RunInstances";
        let request = request(&self.0.client(region), launch);
        let answer = request.send().await.map_err(failure(OPERATION, region))?;
        let instance = answer.instances().first().ok_or_else(|| incomplete(OPERATION, region, "instance"))?;
        to_instance(instance, OPERATION, region)
    }

    async fn instance(&self, region: &str, id: &str) -> Result<Option<Instance>> {
        let answer = self.0.client(region).describe_instances().instance_ids(id).send().await;
        let answer = known(answer.map_err(failure("DescribeInstances", region)))?;
        let reservations = answer.as_ref().map(|answer| answer.reservations()).unwrap_or_default();
        let instance = reservations.iter().flat_map(|reservation| reservation.instances()).next();
        instance.map(|instance| to_instance(instance, "DescribeInstances", region)).transpose()
    }

    async fn tagged(&self, region: &str, key: &str, value: &str) -> Result<Vec<Instance>> {
        let request = self.0.client(region).describe_instances().filters(tag_filter(key, value));
        let mut pages = request.filters(filter("instance-state-name", &NOT_TERMINATED)).into_paginator().send();
        let mut instances = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeInstances", region))?;
            let found = page.reservations().iter().flat_map(|reservation| reservation.instances());
            for instance in found {
                instances.push(to_instance(instance, "DescribeInstances", region)?);
            }
        }
        Ok(instances)
    }

    async fn type_traits(&self, region: &str, types: &[String]) -> Result<BTreeMap<String, TypeTraits>> {
        let wanted: Vec<&str> = types.iter().map(String::as_str).collect();
        self.described_types(region, &wanted, traits_of).await
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

    async fn start(&self, region: &str, id: &str) -> Result<()> {
        let request = self.0.client(region).start_instances().instance_ids(id);
        request.send().await.map_err(failure("StartInstances", region))?;
        Ok(())
    }

    async fn terminate(&self, region: &str, id: &str) -> Result<()> {
        let answer = self.0.client(region).terminate_instances().instance_ids(id).send().await;
        known(answer.map_err(failure("TerminateInstances", region)))?;
        Ok(())
    }

    async fn spot_requests(&self, region: &str, key: &str, value: &str) -> Result<Vec<SpotRequest>> {
        let request = self.0.client(region).describe_spot_instance_requests().filters(tag_filter(key, value));
        let mut pages = request.filters(filter("state", &LIVE_REQUESTS)).into_paginator().send();
        let mut requests = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("DescribeSpotInstanceRequests", region))?;
            requests.extend(page.spot_instance_requests().iter().filter_map(to_spot_request));
        }
        Ok(requests)
    }

    async fn spot_request(&self, region: &str, id: &str) -> Result<Option<SpotRequest>> {
        let request = self.0.client(region).describe_spot_instance_requests().spot_instance_request_ids(id);
        let answer = known(request.send().await.map_err(failure("DescribeSpotInstanceRequests", region)))?;
        let requests = answer.as_ref().map(|answer| answer.spot_instance_requests()).unwrap_or_default();
        Ok(requests.first().and_then(to_spot_request))
    }

    async fn cancel_spot_request(&self, region: &str, id: &str) -> Result<bool> {
        let request = self.0.client(region).cancel_spot_instance_requests().spot_instance_request_ids(id);
        Ok(known(request.send().await.map_err(failure("CancelSpotInstanceRequests", region)))?.is_some())
    }

    async fn volumes_left(&self, region: &str, key: &str, value: &str) -> Result<Vec<Volume>> {
        let request = self.0.client(region).describe_volumes().filters(tag_filter(key, value));
        // A volume that is still attached belongs to an instance that ends with it.
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

/// Converts an instance. A missing or unknown id or state is an error: the instance may be running, and must not look
/// as if it did not exist.
fn to_instance(instance: &SdkInstance, operation: &'static str, region: &str) -> Result<Instance> {
    let lacks = |what| incomplete(operation, region, what);
    let state = instance.state().and_then(|state| state.name()).ok_or_else(|| lacks("instance state"))?;
    let state = match state {
        InstanceStateName::Pending => InstanceState::Pending,
        InstanceStateName::Running => InstanceState::Running,
        InstanceStateName::Stopping => InstanceState::Stopping,
        InstanceStateName::Stopped => InstanceState::Stopped,
        InstanceStateName::ShuttingDown => InstanceState::ShuttingDown,
        InstanceStateName::Terminated => InstanceState::Terminated,
        _ => return Err(lacks("instance state that this version knows")),
    };
    let volumes = instance.block_device_mappings().iter().filter_map(|mapping| mapping.ebs());
    Ok(Instance {
        id: instance.instance_id().ok_or_else(|| lacks("instance id"))?.to_owned(),
        state,
        state_reason: reason_of(instance),
        image: instance.image_id().unwrap_or_default().to_owned(),
        instance_type: instance.instance_type().map(InstanceType::as_str).unwrap_or_default().to_owned(),
        tags: from_sdk_tags(instance.tags()),
        launched: instance.launch_time().and_then(to_time),
        token: instance.client_token().unwrap_or_default().to_owned(),
        volumes: volumes.filter_map(|ebs| ebs.volume_id().map(str::to_owned)).collect(),
        spot_request: instance.spot_instance_request_id().map(str::to_owned),
    })
}

/// Returns the reason for the last change of state. It has EC2's code, even if EC2's message does not repeat the code.
fn reason_of(instance: &SdkInstance) -> String {
    let reason = instance.state_reason();
    match (reason.and_then(|one| one.code()), reason.and_then(|one| one.message())) {
        (Some(code), Some(message)) if !message.contains(code) => format!("{code}: {message}"),
        (_, Some(text)) | (Some(text), None) => text.to_owned(),
        (None, None) => instance.state_transition_reason().unwrap_or_default().to_owned(),
    }
}

fn to_spot_request(request: &SdkSpotRequest) -> Option<SpotRequest> {
    Some(SpotRequest {
        id: request.spot_instance_request_id()?.to_owned(),
        instance: request.instance_id().map(str::to_owned),
        image: request.launch_specification().and_then(|launch| launch.image_id()).unwrap_or_default().to_owned(),
        created: request.create_time().and_then(to_time),
        valid_until: request.valid_until().and_then(to_time),
        tags: from_sdk_tags(request.tags()),
    })
}

#[cfg(test)]
mod tests;
