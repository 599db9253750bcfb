//! EC2's query protocol (form in, XML out, version 2016-11-15): the calls that image pipelines make.

mod attributes;
mod block_devices;
mod console;
mod copy_image;
mod create_image;
mod deregister_image;
mod describe_images;
mod describe_instances;
mod describe_launch_templates;
mod describe_tags;
pub(crate) mod encryption;
mod filters;
mod fingerprint;
mod image_switches;
mod instance_attributes;
mod instance_item;
mod instance_states;
mod instance_status;
mod instance_types;
mod key_pairs;
mod keygen;
mod known_filters;
mod launch_plan;
mod launch_templates;
mod network;
mod params;
mod public_access;
mod register_image;
mod routes;
mod run_instances;
mod security_group_rules;
mod security_groups;
mod snapshot_attributes;
mod snapshots;
mod tags;
mod volumes;
mod xml;

use std::sync::Arc;

pub(crate) use params::Params;
use security_group_rules::Direction;
use xml::Xml;

use crate::api::{ApiError, Scope};
use crate::dispatch::Answer;
use crate::endpoint::Endpoint;
use crate::faults::CallFault;
use crate::ids;
use crate::world::{Image, ImageState};

/// XML namespace of all answers.
const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// One call: its caller, its scope and its content.
pub(crate) struct Call<'a> {
    pub(crate) endpoint: &'a Arc<Endpoint>,
    pub(crate) scope: &'a Scope,
    pub(crate) params: &'a Params,
    /// ARNs of the keys that the caller's own policies deny, separated by commas.
    pub(crate) denied_keys: &'a str,
    /// The fault that the call triggered.
    pub(crate) fault: Option<&'a CallFault>,
}

/// Performs the call that `Action` names.
pub(crate) fn perform(call: &Call<'_>) -> Result<Xml, ApiError> {
    let action = call.params.get("Action").unwrap_or_default();
    let answer = perform_on_instances(call, action)?;
    // A call that changes something has checked the dry run before its change.
    if action.starts_with("Describe") {
        call.check_dry_run()?;
    }
    Ok(answer)
}

fn perform_on_instances(call: &Call<'_>, action: &str) -> Result<Xml, ApiError> {
    match action {
        "RunInstances" => run_instances::run(call),
        "DescribeInstances" => describe_instances::describe(call),
        "DescribeInstanceStatus" => instance_status::describe(call),
        "DescribeInstanceTypes" => instance_types::describe(call),
        "DescribeInstanceTypeOfferings" => instance_types::describe_offerings(call),
        "StartInstances" => instance_states::start(call),
        "StopInstances" => instance_states::stop(call),
        "RebootInstances" => instance_states::reboot(call),
        "TerminateInstances" => instance_states::terminate(call),
        "ModifyInstanceAttribute" => instance_attributes::modify(call),
        "DescribeInstanceAttribute" => instance_attributes::describe(call),
        "ModifyInstanceMetadataOptions" => instance_attributes::modify_metadata(call),
        "GetConsoleOutput" => console::output(call),
        "DescribeVolumes" => volumes::describe(call),
        "DeleteVolume" => volumes::delete(call),
        action => perform_on_images(call, action),
    }
}

fn perform_on_images(call: &Call<'_>, action: &str) -> Result<Xml, ApiError> {
    match action {
        "CreateImage" => create_image::create(call),
        "RegisterImage" => register_image::register(call),
        "CopyImage" => copy_image::copy(call),
        "DescribeImages" => describe_images::describe(call),
        "DeregisterImage" => deregister_image::deregister(call),
        "ModifyImageAttribute" => attributes::modify(call),
        "DescribeImageAttribute" => attributes::describe(call),
        "ResetImageAttribute" => attributes::reset(call),
        "EnableImage" => image_switches::enable(call),
        "DisableImage" => image_switches::disable(call),
        "EnableImageDeprecation" => image_switches::deprecate(call),
        "DisableImageDeprecation" => image_switches::undeprecate(call),
        "EnableImageDeregistrationProtection" => image_switches::protect(call),
        "DisableImageDeregistrationProtection" => image_switches::unprotect(call),
        "DescribeSnapshots" => snapshots::describe(call),
        "DeleteSnapshot" => snapshots::delete(call),
        "ModifySnapshotAttribute" => snapshot_attributes::modify(call),
        "DescribeSnapshotAttribute" => snapshot_attributes::describe(call),
        "ResetSnapshotAttribute" => snapshot_attributes::reset(call),
        "CreateTags" => tags::create(call),
        "DeleteTags" => tags::delete(call),
        "DescribeTags" => describe_tags::describe(call),
        action => perform_on_storage(call, action),
    }
}

fn perform_on_storage(call: &Call<'_>, action: &str) -> Result<Xml, ApiError> {
    match action {
        "GetEbsEncryptionByDefault" => encryption::get_default(call),
        "EnableEbsEncryptionByDefault" => encryption::enable_default(call),
        "DisableEbsEncryptionByDefault" => encryption::disable_default(call),
        "GetEbsDefaultKmsKeyId" => encryption::get_default_key(call),
        "ModifyEbsDefaultKmsKeyId" => encryption::modify_default_key(call),
        "ResetEbsDefaultKmsKeyId" => encryption::reset_default_key(call),
        "GetImageBlockPublicAccessState" => public_access::get_images(call),
        "EnableImageBlockPublicAccess" => public_access::enable_images(call),
        "DisableImageBlockPublicAccess" => public_access::disable_images(call),
        "GetSnapshotBlockPublicAccessState" => public_access::get_snapshots(call),
        "EnableSnapshotBlockPublicAccess" => public_access::enable_snapshots(call),
        "DisableSnapshotBlockPublicAccess" => public_access::disable_snapshots(call),
        action => perform_on_the_rest(call, action),
    }
}

fn perform_on_the_rest(call: &Call<'_>, action: &str) -> Result<Xml, ApiError> {
    match action {
        "CreateLaunchTemplate" => launch_templates::create(call),
        "CreateLaunchTemplateVersion" => launch_templates::create_version(call),
        "ModifyLaunchTemplate" => launch_templates::modify(call),
        "DeleteLaunchTemplate" => launch_templates::delete(call),
        "DeleteLaunchTemplateVersions" => launch_templates::delete_versions(call),
        "DescribeLaunchTemplates" => describe_launch_templates::describe(call),
        "DescribeLaunchTemplateVersions" => describe_launch_templates::describe_versions(call),
        "CreateKeyPair" => key_pairs::create(call),
        "ImportKeyPair" => key_pairs::import(call),
        "DescribeKeyPairs" => key_pairs::describe(call),
        "DeleteKeyPair" => key_pairs::delete(call),
        "CreateSecurityGroup" => security_groups::create(call),
        "DeleteSecurityGroup" => security_groups::delete(call),
        "DescribeSecurityGroups" => security_groups::describe(call),
        "AuthorizeSecurityGroupIngress" => security_group_rules::authorize(call, Direction::In),
        "AuthorizeSecurityGroupEgress" => security_group_rules::authorize(call, Direction::Out),
        "RevokeSecurityGroupIngress" => security_group_rules::revoke(call, Direction::In),
        "RevokeSecurityGroupEgress" => security_group_rules::revoke(call, Direction::Out),
        "ModifySubnetAttribute" => network::modify_subnet_attribute(call),
        "CreateRoute" => routes::create(call),
        "DeleteRoute" => routes::delete(call),
        "DescribeRouteTables" => routes::describe_tables(call),
        "DescribeVpcEndpoints" => routes::describe_endpoints(call),
        "DescribeSubnets" => network::describe_subnets(call),
        "DescribeVpcs" => network::describe_vpcs(call),
        "DescribeRegions" => network::describe_regions(call),
        "DescribeAvailabilityZones" => network::describe_availability_zones(call),
        other => Err(ApiError::new("InvalidAction", format!("The action {other} is not valid for this web service."))),
    }
}

/// Returns the answer in XML: the call's content or its error.
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
    /// Rejects the call if it is a dry run.
    fn check_dry_run(&self) -> Result<(), ApiError> {
        if !self.params.flag("DryRun") {
            return Ok(());
        }
        Err(ApiError::new("DryRunOperation", "Request would have succeeded, but DryRun flag is set."))
    }

    /// Returns the state of an image as this call knows it. A new image is not found yet, even by a call that follows a
    /// describe call that has shown it (EC2 API reference, "Eventual consistency").
    fn known_state(&self, image: &Image) -> Result<ImageState, ApiError> {
        let missing =
            || ApiError::new("InvalidAMIID.NotFound", format!("The image id '[{}]' does not exist", image.id));
        image.states.at(self.endpoint.settings().known_at()).ok_or_else(missing)
    }

    /// Returns why a new image will fail; `None` if it will not.
    fn image_failure(&self) -> Option<String> {
        match self.fault {
            Some(CallFault::FailImage(reason)) => Some(reason.clone()),
            _ => None,
        }
    }

    /// Returns the key of the client token, if the call has one, and the digest of the request.
    fn token(&self) -> Option<(String, String)> {
        let token = self.params.get("ClientToken")?;
        let action = self.params.get("Action").unwrap_or_default();
        Some((format!("{}/{action}/{token}", self.scope), self.params.digest()))
    }
}
