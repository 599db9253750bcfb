//! AWS's events about instances, images and commands, which go to the Region of the resource.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::Scope;
use crate::world::{Command, Image, ImageState, Instance, InvocationStatus, iso};

/// An event that is to be sent.
#[derive(Debug, Clone)]
pub(crate) struct Event {
    pub(crate) scope: Scope,
    source: &'static str,
    pub(crate) detail_type: &'static str,
    /// The state or status that the event reports.
    pub(crate) state: &'static str,
    pub(crate) instance: Option<String>,
    resources: Vec<String>,
    detail: Value,
    time: Timestamp,
}

impl Event {
    pub(crate) fn of_instance(instance: &Instance) -> Self {
        let state = instance.state().name();
        Event {
            scope: instance.scope.clone(),
            source: "aws.ec2",
            detail_type: "EC2 Instance State-change Notification",
            state,
            instance: Some(instance.id.clone()),
            resources: vec![instance.arn()],
            detail: json!({"instance-id": instance.id, "state": state}),
            time: Timestamp::now(),
        }
    }

    pub(crate) fn of_image(image: &Image) -> Self {
        let state = image.state().name();
        let message = image.failure.clone().filter(|_| image.state() == ImageState::Failed).unwrap_or_default();
        Event {
            scope: image.scope.clone(),
            source: "aws.ec2",
            detail_type: "EC2 AMI State Change",
            state,
            instance: None,
            resources: vec![image.arn()],
            detail: json!({"RequestId": crate::ids::uuid(), "ImageId": image.id, "State": state, "ErrorMessage": message}),
            time: Timestamp::now(),
        }
    }

    pub(crate) fn of_invocation(command: &Command, instance: &str, status: InvocationStatus) -> Self {
        Event {
            scope: command.scope.clone(),
            source: "aws.ssm",
            detail_type: "EC2 Command Invocation Status-change Notification",
            state: status.name(),
            instance: Some(instance.to_owned()),
            resources: vec![format!(
                "arn:aws:ec2:{}:{}:instance/{instance}",
                command.scope.region, command.scope.account
            )],
            detail: json!({
                "command-id": command.id,
                "document-name": "AWS-RunShellScript",
                "instance-id": instance,
                "requested-date-time": iso(command.requested_at),
                "status": status.name(),
            }),
            time: Timestamp::now(),
        }
    }

    /// Returns the event about the first contact of an instance's agent. AWS does not document its detail: this is the
    /// minimum that identifies the instance.
    pub(crate) fn of_registration(instance: &Instance) -> Self {
        Event {
            source: "aws.ssm",
            detail_type: "SSM Managed Instance Registration",
            state: "Online",
            detail: json!({"instance-id": instance.id, "status": "Online"}),
            ..Event::of_instance(instance)
        }
    }

    /// Returns the event that a parameter of the account has a new value.
    pub(crate) fn of_parameter(scope: Scope, name: &str) -> Self {
        Event {
            resources: vec![format!("arn:aws:ssm:{}:{}:parameter{name}", scope.region, scope.account)],
            scope,
            source: "aws.ssm",
            detail_type: "Parameter Store Change",
            state: "Update",
            instance: None,
            detail: json!({"operation": "Update", "name": name, "type": "String"}),
            time: Timestamp::now(),
        }
    }

    /// Returns the event that a spot request has got its instance, at the launch or when the instance starts again.
    pub(crate) fn of_fulfillment(instance: &Instance, request: &str) -> Self {
        Event {
            detail_type: "EC2 Spot Instance Request Fulfillment",
            state: "fulfilled",
            detail: json!({"spot-instance-request-id": request, "instance-id": instance.id}),
            ..Event::of_instance(instance)
        }
    }

    /// Returns the warning that comes two minutes before a spot instance is interrupted. `action` is what the
    /// interruption does to the instance.
    pub(crate) fn of_interruption(instance: &Instance, action: &'static str) -> Self {
        Event {
            detail_type: "EC2 Spot Instance Interruption Warning",
            state: action,
            detail: json!({"instance-id": instance.id, "instance-action": action}),
            ..Event::of_instance(instance)
        }
    }

    /// Returns the entry for EventBridge.
    pub(crate) fn entry(&self) -> Value {
        json!({"Entries": [{
            "Source": self.source,
            "DetailType": self.detail_type,
            "Detail": self.detail.to_string(),
            "Resources": self.resources,
            // Two events of one second keep their order only in the queue, and AWS promises none at all.
            "Time": self.time.as_second(),
        }]})
    }
}
