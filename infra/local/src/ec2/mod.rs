//! EC2's query protocol (form in, XML out, version 2016-11-15): the calls that image pipelines make.

mod attributes;
mod copy_image;
mod create_image;
mod describe_images;
mod describe_instances;
mod filters;
mod instance_types;
mod network;
mod params;
mod run_instances;
mod snapshots;
mod stop_instances;
mod tags;
mod xml;

use std::sync::Arc;

pub(crate) use params::Params;
use xml::Xml;

use crate::api::{ApiError, Scope};
use crate::dispatch::Answer;
use crate::endpoint::Endpoint;
use crate::ids;

/// Name space of all answers.
const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// One call: who, where, what.
pub(crate) struct Call<'a> {
    pub(crate) endpoint: &'a Arc<Endpoint>,
    pub(crate) scope: &'a Scope,
    pub(crate) params: &'a Params,
    /// Whether the image that it makes must fail, because a fault says so.
    pub(crate) image_fails: bool,
}

/// Performs the call that `Action` names.
pub(crate) fn perform(call: &Call<'_>) -> Result<Xml, ApiError> {
    match call.params.get("Action").unwrap_or_default() {
        "RunInstances" => run_instances::run(call),
        "DescribeInstances" => describe_instances::describe(call),
        "StopInstances" => stop_instances::stop(call),
        "TerminateInstances" => stop_instances::terminate(call),
        "DescribeInstanceTypes" => instance_types::describe(call),
        "CreateImage" => create_image::create(call),
        "CopyImage" => copy_image::copy(call),
        "DescribeImages" => describe_images::describe(call),
        "ModifyImageAttribute" => attributes::modify(call),
        "DescribeImageAttribute" => attributes::describe(call),
        "DeregisterImage" => snapshots::deregister_image(call),
        "DescribeSnapshots" => snapshots::describe(call),
        "DeleteSnapshot" => snapshots::delete(call),
        "CreateTags" => tags::create(call),
        "DeleteTags" => tags::delete(call),
        "DescribeSubnets" => network::describe_subnets(call),
        "DescribeVpcs" => network::describe_vpcs(call),
        "DescribeSecurityGroups" => network::describe_security_groups(call),
        "DescribeRegions" => network::describe_regions(call),
        other => Err(ApiError::new("InvalidAction", format!("The action {other} is not valid for this web service."))),
    }
}

/// The answer in XML: the call's content or its error.
pub(crate) fn answer(params: &Params, outcome: Result<Xml, ApiError>) -> Answer {
    let request = ids::uuid();
    let action = params.get("Action").unwrap_or("Unknown");
    let (status, body) = match outcome {
        Ok(content) => {
            let id = format!("<requestId>{request}</requestId>");
            let name = format!("{action}Response");
            (200, format!("<{name} xmlns=\"{NAMESPACE}\">{id}{content}</{name}>"))
        }
        Err(error) => (error.status(), failure(&error, &request)),
    };
    let body = format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}");
    Answer { status, content_type: "text/xml;charset=UTF-8", body }
}

fn failure(error: &ApiError, request: &str) -> String {
    let mut xml = Xml::new();
    xml.node("Response", |xml| {
        xml.node("Errors", |xml| {
            xml.node("Error", |xml| {
                xml.text("Code", &error.code).text("Message", &error.message);
            });
        });
        xml.text("RequestID", request);
    });
    xml.to_string()
}

impl Call<'_> {
    /// Refuses the call when it only asks whether it would be allowed.
    fn check_dry_run(&self) -> Result<(), ApiError> {
        if !self.params.flag("DryRun") {
            return Ok(());
        }
        Err(ApiError::new("DryRunOperation", "Request would have succeeded, but DryRun flag is set."))
    }

    /// Why a new image will fail; none when it will not.
    fn image_failure(&self) -> Option<String> {
        let message = "Server.InternalError: An internal error occurred while creating the image";
        self.image_fails.then(|| message.to_owned())
    }

    /// Key of the client token, if one was given, and the digest of what it goes with.
    fn token(&self) -> Option<(String, String)> {
        let token = self.params.get("ClientToken")?;
        let action = self.params.get("Action").unwrap_or_default();
        Some((format!("{}/{action}/{token}", self.scope), self.params.digest()))
    }
}
