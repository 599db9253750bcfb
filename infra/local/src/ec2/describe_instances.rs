//! DescribeInstances.

use super::call::{Call, Row};
use super::filters::{Filters, page};
use super::instance_item::{Seen, Shown, reservation};
use super::known_filters::INSTANCES;
use super::xml::Xml;
use crate::api::ApiError;
use crate::world::{Instance, World};

/// The calls that this file serves.
pub(super) const CALLS: &[Row] = &[("DescribeInstances", describe)];

/// Describes instances. The answer is as old as the endpoint's lag.
fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let filters = Filters::read(call.params, &INSTANCES)?;
    if call.params.get("InstanceId.1").is_some() && call.params.get("MaxResults").is_some() {
        let message = "The parameter instancesSet cannot be used with the parameter maxResults";
        return Err(ApiError::new("InvalidParameterCombination", message));
    }
    let world = call.endpoint.world();
    let network = world.network(call.scope);
    let seen_at = call.endpoint.seen_at();
    let visible = |instance: &'_ Instance| instance.states.at(seen_at);
    let mut seen: Vec<Seen<'_>> = Vec::new();
    for instance in chosen(call, &world)? {
        match visible(instance) {
            Some(state) => seen.push((instance, state)),
            None if call.params.get("InstanceId.1").is_some() => {
                return Err(ApiError::new(
                    "InvalidInstanceID.NotFound",
                    format!("The instance ID '{}' does not exist", instance.id),
                ));
            }
            None => {}
        }
    }
    // In the order of their launches. EC2 promises no order, but callers are used to this one.
    seen.sort_by_key(|(one, _)| (one.launched_at, one.reservation.clone(), one.launch_index));
    let shown = Shown { scope: call.scope, network: &network };
    seen.retain(|one| filters.pass(&shown.probe(*one)));
    let (seen, next) = page(call, seen)?;
    let mut xml = Xml::new();
    let launches = seen.chunk_by(|one, next| one.0.reservation == next.0.reservation);
    xml.items("reservationSet", launches, |xml, launch| reservation(xml, &shown, launch));
    xml.maybe("nextToken", next);
    Ok(xml)
}

/// Returns the instances that the call names, or all instances of its scope.
pub(super) fn chosen<'w>(call: &Call<'_>, world: &'w World) -> Result<Vec<&'w Instance>, ApiError> {
    let ids = call.params.list("InstanceId");
    if ids.is_empty() {
        return Ok(world.instances.values().filter(|instance| instance.scope == *call.scope).collect());
    }
    all_named(call, world, &ids)
}

/// Returns every instance of a list of ids. One message names all instances that do not exist.
pub(super) fn all_named<'w>(call: &Call<'_>, world: &'w World, ids: &[String]) -> Result<Vec<&'w Instance>, ApiError> {
    let found: Vec<_> = ids.iter().map(|id| world.instance(call.scope, id)).collect();
    let missing = |one: &&Result<&Instance, ApiError>| {
        one.as_ref().is_err_and(|error| error.code == "InvalidInstanceID.NotFound")
    };
    let missing: Vec<&str> = found.iter().zip(ids).filter(|(one, _)| missing(one)).map(|(_, id)| id.as_str()).collect();
    // The error for a malformed id comes before the error for an id that does not exist.
    let malformed = found.iter().any(|one| one.as_ref().is_err_and(|error| error.code.ends_with("Malformed")));
    if missing.len() > 1 && !malformed {
        let message = format!("The instance IDs '{}' do not exist", missing.join(", "));
        return Err(ApiError::new("InvalidInstanceID.NotFound", message));
    }
    match found
        .iter()
        .find_map(|one| one.as_ref().err().filter(|error| !malformed || error.code.ends_with("Malformed")))
    {
        Some(error) => Err(error.clone()),
        None => Ok(found.into_iter().flatten().collect()),
    }
}
