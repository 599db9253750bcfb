//! The endpoint's own routes (`/_local/…`): inventory, reset, releases of the source image, faults, flipped bits,
//! settings, and handed-over resources.

mod inventory;
mod resources;
mod subnets;

use std::collections::BTreeSet;
use std::fmt::Display;
use std::sync::Arc;

use hyper::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::api::{Answer, ApiError, DEFAULT_ACCOUNT, Scope};
use crate::chain::chain;
use crate::ebs::Flip;
use crate::endpoint::Endpoint;
use crate::events::Event;
use crate::faults::Fault;
use crate::settings::Change;
use crate::ssm::parameters;
use crate::world::World;

/// Beginning of the route of a snapshot, before its id.
const SNAPSHOTS: &str = "snapshots/";

/// Answers a request to an admin route.
pub(crate) async fn handle(endpoint: &Arc<Endpoint>, method: &Method, route: &str, body: &[u8]) -> Answer {
    let outcome = match (method.as_str(), route) {
        ("GET", "inventory") => Ok(inventory::take(endpoint).await),
        ("POST", "reset") => {
            endpoint.faults.clear();
            reset(endpoint).await;
            lasting(endpoint, json!({"reset": true}))
        }
        ("POST", "release-image") => lasting(endpoint, release_image(endpoint)),
        ("POST", "faults") => read::<Vec<Fault>>(body).and_then(|faults| {
            let count = faults.len();
            endpoint.faults.arm(faults).map(|()| json!({"armed": count}))
        }),
        ("DELETE", "faults") => {
            endpoint.faults.clear();
            Ok(json!({"armed": 0}))
        }
        ("POST", "faults/release") => {
            endpoint.faults.release();
            Ok(json!({"released": true}))
        }
        ("POST", "flip-bit") => match read::<Flip>(body) {
            Ok(flip) => flip.perform(endpoint).await.and_then(|answer| lasting(endpoint, answer)),
            Err(error) => Err(error),
        },
        ("POST", "settings") => read::<Change>(body).and_then(|change| {
            let mut settings = endpoint.change_settings();
            settings.apply(&change).map(|()| json!({"describeLag": settings.lag.as_secs_f64()}))
        }),
        ("POST", "resources") => read(body)
            .and_then(|handed| resources::take_over(endpoint, handed))
            .and_then(|answer| lasting(endpoint, answer)),
        ("GET", route) if route.starts_with(SNAPSHOTS) => snapshot(endpoint, &route[SNAPSHOTS.len()..]),
        _ => Err(ApiError::new("NotFound", format!("no such route: {method} /_local/{route}"))),
    };
    match outcome {
        Ok(body) => Answer { status: 200, content_type: "application/json", body: body.to_string() },
        Err(error) => refuse(&error),
    }
}

/// Returns what the emulator must know of a snapshot to check a call on it. The inventory has this too, but is too much
/// for each block of a snapshot.
fn snapshot(endpoint: &Endpoint, id: &str) -> Result<Value, ApiError> {
    let world = endpoint.world();
    let missing = || ApiError::new("NotFound", format!("there is no snapshot '{id}'"));
    let snapshot = world.snapshots.get(id).ok_or_else(missing)?;
    Ok(json!({"id": id, "tags": snapshot.tags, "kmsKey": snapshot.kms_key}))
}

/// Returns the answer of a route that has changed the world, or an error if the change cannot be written to its file.
fn lasting(endpoint: &Endpoint, answer: Value) -> Result<Value, ApiError> {
    match endpoint.unwritten() {
        Some(reason) => Err(ApiError::new("InternalError", reason)),
        None => Ok(answer),
    }
}

/// Returns the answer to a rejected request.
pub(crate) fn refuse(error: &ApiError) -> Answer {
    let status = if error.code == "NotFound" { 404 } else { error.status() };
    Answer { status, content_type: "application/json", body: json!({"error": error.message}).to_string() }
}

/// Reads a body. Errors name the path of the faulty field.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, ApiError> {
    let wrong = |error: &dyn Display| ApiError::new("ValidationError", error.to_string());
    let mut json = serde_json::Deserializer::from_slice(body);
    let read = serde_path_to_error::deserialize(&mut json).map_err(|error| wrong(&error))?;
    json.end().map_err(|error| wrong(&error))?;
    Ok(read)
}

/// Ends all instances and forgets everything. The source image restarts at its first release.
async fn reset(endpoint: &Arc<Endpoint>) {
    endpoint.end_tasks(true).await;
    let old = endpoint.forget();
    for id in old.instances.keys() {
        endpoint.remove_inside(id).await;
    }
    endpoint.tidy_blocks();
    if let Err(error) = endpoint.host.keep_only(&BTreeSet::new(), &BTreeSet::new()) {
        tracing::error!(error = %chain(&error), "content stays behind");
    }
}

/// Publishes a new release of the source image in every Region, and emits an event in each Region that already uses the
/// source image.
fn release_image(endpoint: &Endpoint) -> Value {
    let mut world = endpoint.world();
    let number = world.releases.len() + 1;
    world.releases.insert(format!("{number:05}"), jiff::Timestamp::now());
    let regions: BTreeSet<String> = sources(&world);
    for region in &regions {
        let scope = Scope { account: DEFAULT_ACCOUNT.to_owned(), region: region.clone() };
        endpoint.emit(Event::of_parameter(scope, parameters::OWN));
    }
    let images: serde_json::Map<String, Value> =
        regions.into_iter().map(|region| (region.clone(), json!(world.newest_source(&region)))).collect();
    json!({"release": world.releases.len(), "images": images})
}

/// Returns the Regions in which the source image was requested before.
fn sources(world: &World) -> BTreeSet<String> {
    world.images.values().filter(|image| image.source).map(|image| image.scope.region.clone()).collect()
}
