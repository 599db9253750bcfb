//! Reads the parts of a stack, and whether they work.

use aws_sdk_cloudformation::Client as CloudFormation;
use aws_sdk_eventbridge::Client as EventBridge;
use aws_sdk_eventbridge::types::RuleState;
use aws_sdk_s3::Client as S3;
use aws_sdk_sfn::Client as StepFunctions;
use aws_sdk_sfn::types::StateMachineStatus;
use goldsmith_cloud::Result;
use goldsmith_cloud::aws::{SdkConfig, failure, home_region, incomplete, known};

/// Number of bytes at the end of an archive that are searched for its list of files: an end record with the longest
/// possible comment, and some more for the list itself.
const TAIL: &str = "bytes=-131072";

/// Clients of the services that the parts of a stack belong to.
#[derive(Debug)]
pub struct StackParts {
    cloudformation: CloudFormation,
    events: EventBridge,
    s3: S3,
    states: StepFunctions,
    region: String,
}

/// The end of an object.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectEnd {
    /// Number of bytes of the object before this end.
    pub before: usize,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// A resource of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Name of the resource in the template.
    pub logical: String,
    /// Type of the resource, such as `AWS::Lambda::Function`.
    pub kind: String,
    /// Name or ARN of the resource.
    pub physical: String,
}

impl StackParts {
    /// Creates the clients with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self {
            cloudformation: CloudFormation::new(config),
            events: EventBridge::new(config),
            s3: S3::new(config),
            states: StepFunctions::new(config),
            region: home_region(config),
        }
    }

    /// Returns the resources of a stack.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn parts(&self, stack: &str) -> Result<Vec<Part>> {
        let mut pages = self.cloudformation.list_stack_resources().stack_name(stack).into_paginator().send();
        let mut parts = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(failure("ListStackResources", &self.region))?;
            parts.extend(page.stack_resource_summaries.unwrap_or_default().into_iter().map(|one| Part {
                logical: one.logical_resource_id.unwrap_or_default(),
                kind: one.resource_type.unwrap_or_default(),
                physical: one.physical_resource_id.unwrap_or_default(),
            }));
        }
        Ok(parts)
    }

    /// Returns the end of an object, or `None` if the object does not exist.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn end_of_object(&self, bucket: &str, key: &str) -> Result<Option<ObjectEnd>> {
        const OPERATION: &str = "GetObject";
        let answer = self.s3.get_object().bucket(bucket).key(key).range(TAIL).send().await;
        let Some(answer) = known(answer.map_err(failure(OPERATION, &self.region)))? else { return Ok(None) };
        // The header is `bytes 100-199/200`. An object that is shorter than the requested range may arrive whole,
        // without the header.
        let range = answer.content_range.as_deref().and_then(|range| range.strip_prefix("bytes "));
        let before = range.and_then(|range| range.split_once('-')?.0.parse().ok()).unwrap_or(0);
        let bytes = answer.body.collect().await.map_err(|_| incomplete(OPERATION, &self.region, "whole body"))?;
        Ok(Some(ObjectEnd { before, bytes: bytes.into_bytes().to_vec() }))
    }

    /// Returns whether a bucket exists.
    ///
    /// # Errors
    /// The errors that AWS has returned. The response to HEAD has no message, so a missing permission is reported as
    /// `Forbidden`.
    pub async fn bucket_is_there(&self, bucket: &str) -> Result<bool> {
        let answer = self.s3.head_bucket().bucket(bucket).send().await;
        Ok(known(answer.map_err(failure("HeadBucket", &self.region)))?.is_some())
    }

    /// Returns whether a rule is enabled, or `None` if it does not exist.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn rule_is_enabled(&self, name: &str) -> Result<Option<bool>> {
        let answer = self.events.describe_rule().name(name).send().await;
        let answer = known(answer.map_err(failure("DescribeRule", &self.region)))?;
        Ok(answer.map(|answer| answer.state != Some(RuleState::Disabled)))
    }

    /// Returns whether a state machine can be started, or `None` if it does not exist.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn machine_is_active(&self, arn: &str) -> Result<Option<bool>> {
        let answer = self.states.describe_state_machine().state_machine_arn(arn).send().await;
        let answer = known(answer.map_err(failure("DescribeStateMachine", &self.region)))?;
        Ok(answer.map(|answer| answer.status != Some(StateMachineStatus::Deleting)))
    }
}
