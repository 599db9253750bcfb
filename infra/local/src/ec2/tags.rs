//! CreateTags and DeleteTags.

use super::call::{Call, Row};
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::World;

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[("CreateTags", create), ("DeleteTags", delete)];

/// Sets tags on instances, images and snapshots, on all or on none.
fn create(call: &Call<'_>) -> Result<Xml, ApiError> {
    let new = call.params.tags()?;
    change(call, |tags| tags.extend(new.clone()))
}

/// Removes tags by key. If a value is given, it must be the current one.
fn delete(call: &Call<'_>) -> Result<Xml, ApiError> {
    let wanted = call.params.structures("Tag");
    change(call, |tags| {
        for tag in &wanted {
            let key = tag.get("Key").unwrap_or_default();
            if tag.get("Value").is_none_or(|value| tags.get(key).map(String::as_str) == Some(value)) {
                tags.remove(key);
            }
        }
    })
}

fn change(call: &Call<'_>, change: impl Fn(&mut crate::world::Tags)) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    let ids = call.params.list("ResourceId");
    if ids.is_empty() {
        let message = "The request must contain the parameter resourceIdSet";
        return Err(ApiError::new("MissingParameter", message));
    }
    // All resources are found before one is changed: the call tags all of them or none.
    if let Some(id) = ids.iter().find(|id| world.tags_mut(call.scope, id).is_none()) {
        return Err(missing(id));
    }
    // A new image may be unknown to this call after a describe call has shown it. Packer retries CreateTags for this
    // reason.
    ids.iter().filter_map(|id| world.images.get(id)).try_for_each(|image| call.known_state(image).map(drop))?;
    call.check_dry_run()?;
    ids.iter().for_each(|id| apply(&mut world, call, id, &change));
    Ok(Xml::done())
}

fn apply(world: &mut World, call: &Call<'_>, id: &str, change: &impl Fn(&mut crate::world::Tags)) {
    if let Some(tags) = world.tags_mut(call.scope, id) {
        change(tags);
    }
}

fn missing(id: &str) -> ApiError {
    // An id that has the form of no kind gets its own error, whatever its first letters are.
    let hex = id.split_once('-').map(|(_, hex)| hex).unwrap_or_default();
    if ![8, 17].contains(&hex.len()) || !hex.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return ApiError::new("InvalidID", format!("The ID '{id}' is not valid"));
    }
    let code = match id.split('-').next().unwrap_or_default() {
        "i" => "InvalidInstanceID.NotFound",
        "ami" => "InvalidAMIID.NotFound",
        "snap" => "InvalidSnapshot.NotFound",
        "vol" => "InvalidVolume.NotFound",
        "sg" => "InvalidGroup.NotFound",
        "subnet" => "InvalidSubnetID.NotFound",
        "h" => "InvalidHostID.NotFound",
        "key" => "InvalidKeyPair.NotFound",
        "lt" => "InvalidLaunchTemplateId.NotFound",
        "sir" => "InvalidSpotInstanceRequestID.NotFound",
        _ => "InvalidID",
    };
    ApiError::new(code, format!("The ID '{id}' is not valid"))
}
