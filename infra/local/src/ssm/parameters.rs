//! Public parameters that name the newest release of the source image.

use serde::Deserialize;
use serde_json::{Value, json};

use super::{Call, epoch};
use crate::api::ApiError;

/// The account's own parameter of the source image: its changes are told, unlike those of public parameters.
pub(crate) const OWN: &str = "/goldsmith/examples/source";
/// Names under which the source image is published.
const NAMES: [&str; 2] = ["/aws/service/goldsmith-local/debian-12", OWN];

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
}

/// One parameter.
pub(super) fn get(call: &Call<'_>) -> Result<Value, ApiError> {
    let input: GetInput = call.input()?;
    let missing = || ApiError::new("ParameterNotFound", format!("Parameter {} not found.", input.name));
    find(call, &input.name).map(|parameter| json!({"Parameter": parameter})).ok_or_else(missing)
}

/// Several; those that are not there are listed, not refused.
pub(super) fn get_several(call: &Call<'_>) -> Result<Value, ApiError> {
    let input: SeveralInput = call.input()?;
    let (found, missing): (Vec<_>, Vec<_>) =
        input.names.into_iter().map(|name| (find(call, &name), name)).partition(|(found, _)| found.is_some());
    let found: Vec<Value> = found.into_iter().filter_map(|(found, _)| found).collect();
    let missing: Vec<String> = missing.into_iter().map(|(_, name)| name).collect();
    Ok(json!({"Parameters": found, "InvalidParameters": missing}))
}

/// All below a path.
pub(super) fn get_by_path(call: &Call<'_>) -> Result<Value, ApiError> {
    let input: PathInput = call.input()?;
    let below = |name: &&&str| {
        let rest = name.strip_prefix(input.path.trim_end_matches('/')).and_then(|rest| rest.strip_prefix('/'));
        rest.is_some_and(|rest| input.recursive || !rest.contains('/'))
    };
    let found: Vec<Value> = NAMES.iter().filter(below).filter_map(|name| find(call, name)).collect();
    Ok(json!({"Parameters": found}))
}

fn find(call: &Call<'_>, name: &str) -> Option<Value> {
    NAMES.contains(&name).then(|| {
        let mut world = call.endpoint.world();
        let image = world.newest_source(&call.scope.region);
        let changed = world.images.get(&image).map(|image| epoch(image.created_at));
        json!({
            "Name": name,
            "Type": "String",
            "Value": image,
            "Version": world.releases.len() + 1,
            "LastModifiedDate": changed,
            "ARN": format!("arn:aws:ssm:{}::parameter{name}", call.scope.region),
            "DataType": "aws:ec2:image",
        })
    })
}
