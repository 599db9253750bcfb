//! EC2's query protocol (form in, XML out, version 2016-11-15): the calls that image pipelines make.

mod attributes;
mod block_devices;
mod call;
mod console;
mod copy_image;
mod create_image;
mod deregister_image;
mod describe_images;
mod describe_instances;
mod describe_launch_templates;
mod describe_tags;
mod encryption;
pub(crate) mod export_image;
mod filters;
mod fingerprint;
mod firmware;
mod grants;
mod hosts;
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
mod launch_template_item;
mod launch_templates;
mod market;
mod network;
mod params;
mod placement;
mod public_access;
mod register_image;
mod routes;
mod run_instances;
mod security_group_rules;
mod security_groups;
mod snapshot_attributes;
mod snapshots;
mod spot_requests;
mod tags;
#[cfg(test)]
mod testing;
mod volumes;
mod xml;

pub(crate) use call::Call;
use call::Row;
pub(crate) use params::Params;
pub(crate) use run_instances::launch_for_request;
use xml::Xml;

use crate::api::{Answer, ApiError};
use crate::ids;

/// XML namespace of all answers.
const NAMESPACE: &str = "http://ec2.amazonaws.com/doc/2016-11-15/";

/// The calls by their family. Each file lists its own, so that a call is served by one file.
const FAMILIES: [(&str, &[&[Row]]); 13] = [
    ("instances", &[run_instances::CALLS, describe_instances::CALLS, instance_states::CALLS, console::CALLS]),
    ("spot requests", &[spot_requests::CALLS]),
    ("instance types, attributes", &[instance_types::CALLS, instance_attributes::CALLS, instance_status::CALLS]),
    ("new images", &[create_image::CALLS, register_image::CALLS, copy_image::CALLS]),
    ("images", &[describe_images::CALLS, attributes::CALLS, image_switches::CALLS, deregister_image::CALLS]),
    ("exports of images", &[export_image::CALLS]),
    ("volumes and snapshots", &[volumes::CALLS, snapshots::CALLS, snapshot_attributes::CALLS]),
    ("tags", &[tags::CALLS, describe_tags::CALLS]),
    ("encryption, public access", &[encryption::CALLS, public_access::CALLS]),
    ("launch templates", &[launch_templates::CALLS, describe_launch_templates::CALLS]),
    ("keys, security groups", &[key_pairs::CALLS, security_groups::CALLS, security_group_rules::CALLS]),
    ("Dedicated Hosts", &[hosts::CALLS]),
    ("networks", &[network::CALLS, routes::CALLS]),
];

/// Performs the call that `Action` names.
pub(crate) fn perform(call: &Call<'_>) -> Result<Xml, ApiError> {
    let action = call.params.get("Action").unwrap_or_default();
    let unknown = || ApiError::new("InvalidAction", format!("The action {action} is not valid for this web service."));
    let mut calls = FAMILIES.iter().flat_map(|(_, tables)| tables.iter().copied().flatten());
    let (_, serve) = calls.find(|(name, _)| *name == action).ok_or_else(unknown)?;
    let answer = serve(call)?;
    // A call that changes something has checked the dry run before its change.
    if action.starts_with("Describe") {
        call.check_dry_run()?;
    }
    Ok(answer)
}

/// Returns the names of all calls, by their family.
pub(crate) fn families() -> impl Iterator<Item = (&'static str, Vec<&'static str>)> {
    let names = |tables: &[&[Row]]| tables.iter().copied().flatten().map(|(name, _)| *name).collect();
    FAMILIES.iter().map(move |(family, tables)| (*family, names(tables)))
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
