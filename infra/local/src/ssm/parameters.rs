//! Public parameters that name the newest release of each source image.

use serde::Deserialize;
use serde_json::{Value, json};

use super::call::{Call, epoch};
use super::page::{OF_PARAMETERS, page};
use crate::api::{ApiError, Scope};
use crate::world::World;
use crate::world::source::Variant;

/// The account's own parameter of the source image. Its changes send events, unlike those of public parameters.
pub(crate) const OWN: &str = "/goldsmith/examples/source";
/// Names under which the source images are published.
const NAMES: [(&str, Variant); 4] = [
    ("/aws/service/goldsmith-local/debian-12", Variant::Agent),
    ("/aws/service/goldsmith-local/debian-12-no-agent", Variant::NoAgent),
    ("/aws/service/goldsmith-local/debian-12-sda1", Variant::OtherRoot),
    (OWN, Variant::Agent),
];

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct GetInput {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SeveralInput {
    names: Vec<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct PathInput {
    path: String,
    #[serde(default)]
    recursive: bool,
    max_results: Option<usize>,
    next_token: Option<String>,
}

/// Returns one parameter.
pub(super) fn get(call: &Call<'_>) -> Result<Value, ApiError> {
    let input: GetInput = call.input()?;
    let missing = || ApiError::new("ParameterNotFound", format!("Parameter {} not found.", input.name));
    find(call, &input.name).map(|parameter| json!({"Parameter": parameter})).ok_or_else(missing)
}

/// Returns several parameters. Those that do not exist are listed in the answer and are no error.
pub(super) fn get_several(call: &Call<'_>) -> Result<Value, ApiError> {
    let input: SeveralInput = call.input()?;
    let (found, missing): (Vec<_>, Vec<_>) =
        input.names.into_iter().map(|name| (find(call, &name), name)).partition(|(found, _)| found.is_some());
    let found: Vec<Value> = found.into_iter().filter_map(|(found, _)| found).collect();
    let missing: Vec<String> = missing.into_iter().map(|(_, name)| name).collect();
    Ok(json!({"Parameters": found, "InvalidParameters": missing}))
}

/// Returns all parameters below a path.
pub(super) fn get_by_path(call: &Call<'_>) -> Result<Value, ApiError> {
    let input: PathInput = call.input()?;
    let below = |name: &&str| {
        let rest = name.strip_prefix(input.path.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
        rest.is_some_and(|rest| input.recursive || !rest.contains('/'))
    };
    let found: Vec<Value> =
        NAMES.iter().map(|(name, _)| *name).filter(below).filter_map(|name| find(call, name)).collect();
    page("Parameters", found, OF_PARAMETERS, input.max_results, input.next_token.as_deref())
}

/// Returns the image that a parameter names, or that one of its versions names (`NAME:VERSION`). Each release of the
/// source images is a version.
pub(crate) fn image_of(world: &mut World, scope: &Scope, asked: &str) -> Option<String> {
    let (name, version) = match asked.rsplit_once(':') {
        Some((name, version)) => (name, Some(version.parse::<usize>().ok()?)),
        None => (asked, None),
    };
    let (_, variant) = NAMES.iter().find(|(known, _)| *known == name)?;
    let newest = world.newest_variant(&scope.region, *variant);
    match version {
        Some(version) => world.variant_release(&scope.region, *variant, version.checked_sub(1)?),
        None => Some(newest),
    }
}

fn find(call: &Call<'_>, name: &str) -> Option<Value> {
    let (_, variant) = NAMES.iter().find(|(known, _)| *known == name)?;
    let mut world = call.endpoint.world();
    let image = world.newest_variant(&call.scope.region, *variant);
    let changed = world.images.get(&image).map(|image| epoch(image.created_at));
    Some(json!({
        "Name": name,
        "Type": "String",
        "Value": image,
        // A public parameter has a version for each release, also for a release that this Region has never shown.
        "Version": world.releases.len() + 1,
        "LastModifiedDate": changed,
        "ARN": format!("arn:aws:ssm:{}::parameter{name}", call.scope.region),
        "DataType": "aws:ec2:image",
    }))
}
