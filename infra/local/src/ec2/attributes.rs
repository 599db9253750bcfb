//! ModifyImageAttribute, DescribeImageAttribute and ResetImageAttribute.

use super::call::{Call, Row};
use super::grants::Changes;
use super::public_access;
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::{Grants, iso};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] =
    &[("ModifyImageAttribute", modify), ("DescribeImageAttribute", describe), ("ResetImageAttribute", reset)];

/// Changes who may launch an image, its description, or the options of its instances' metadata service.
fn modify(call: &Call<'_>) -> Result<Xml, ApiError> {
    let params = call.params;
    let changes = Changes::read(params, "LaunchPermission")?;
    let named = |name: &str| params.get("Value").filter(|_| params.get("Attribute") == Some(name));
    let mut world = call.endpoint.world();
    let id = params.require("ImageId")?;
    let image = world.own_image(call.scope, id)?;
    // Not every call knows yet that a new image is available.
    if call.known_state(image)? != image.state() && changes.let_in() {
        return Err(ApiError::new("InvalidAMIID.Unavailable", format!("The image ID '{id}' is not available")));
    }
    public_access::check_image(&world, call.scope, id, &changes)?;
    let image = world.own_image(call.scope, id)?;
    let imds = params.get("ImdsSupport.Value").or(named("imdsSupport"));
    if let Some(other) = imds.filter(|value| *value != "v2.0") {
        return Err(ApiError::new(
            "InvalidParameterValue",
            format!("Value ({other}) for parameter imdsSupport is invalid."),
        ));
    }
    call.check_dry_run()?;
    if let Some(description) = params.get("Description.Value").or(named("description")) {
        image.description = description.to_owned();
    }
    // `ImdsSupport` can be set but never removed from an image (EC2 user guide, "Configure the AMI").
    image.imds_v2 |= imds.is_some();
    changes.apply(&mut image.grants);
    Ok(Xml::done())
}

/// Removes all launch permissions.
fn reset(call: &Call<'_>) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    let image = world.own_image(call.scope, call.params.require("ImageId")?)?;
    match call.params.require("Attribute")? {
        "launchPermission" => {
            call.check_dry_run()?;
            image.grants = Grants::default();
            Ok(Xml::done())
        }
        other => Err(unknown(other)),
    }
}

fn unknown(attribute: &str) -> ApiError {
    let message = format!("Value ({attribute}) for parameter attribute is invalid. Unknown attribute.");
    ApiError::new("InvalidParameterValue", message)
}

/// Describes one attribute.
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    let image = world.own_image(call.scope, call.params.require("ImageId")?)?;
    let mut xml = Xml::of("imageId", &image.id);
    match call.params.require("Attribute")? {
        "launchPermission" => {
            let grants = &image.grants;
            let everyone = grants.public.then_some(("group", "all"));
            let accounts = grants.accounts.iter().map(|id| ("userId", id.as_str()));
            let organizations = grants.organizations.iter().map(|arn| ("organizationArn", arn.as_str()));
            let units = grants.units.iter().map(|arn| ("organizationalUnitArn", arn.as_str()));
            let all = everyone.into_iter().chain(accounts).chain(organizations).chain(units);
            xml.items("launchPermission", all, |xml, (name, value)| {
                xml.text(name, value);
            });
        }
        "description" => {
            xml.node("description", |xml| {
                xml.text("value", &image.description);
            });
        }
        "imdsSupport" => {
            xml.node("imdsSupport", |xml| {
                xml.maybe("value", image.imds_v2.then_some("v2.0"));
            });
        }
        "bootMode" => {
            xml.node("bootMode", |xml| {
                xml.maybe("value", image.boot_mode.as_ref());
            });
        }
        "tpmSupport" => {
            xml.node("tpmSupport", |xml| {
                xml.maybe("value", image.tpm_support.as_ref());
            });
        }
        "uefiData" => {
            xml.node("uefiData", |xml| {
                xml.maybe("value", image.uefi_data.as_ref());
            });
        }
        "deregistrationProtection" => {
            xml.node("deregistrationProtection", |xml| {
                xml.text("value", image.protection.name());
            });
        }
        "lastLaunchedTime" => {
            xml.node("lastLaunchedTime", |xml| {
                xml.maybe("value", image.launches.last_reported().map(iso));
            });
        }
        other => return Err(unknown(other)),
    }
    Ok(xml)
}
