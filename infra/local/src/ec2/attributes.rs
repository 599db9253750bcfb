//! ModifyImageAttribute and DescribeImageAttribute: launch permissions and descriptions.

use super::Call;
use super::params::Params;
use super::xml::Xml;
use crate::api::{ApiError, is_account};
use crate::world::Image;

/// Changes who may launch an image, or its description.
pub(super) fn modify(call: &Call<'_>) -> Result<Xml, ApiError> {
    let changes = Changes::read(call.params)?;
    let mut world = call.endpoint.world();
    let image = world.own_image(call.scope, call.params.require("ImageId")?)?;
    call.check_dry_run()?;
    if let Some(description) = call.params.get("Description.Value").or(changes.description.as_deref()) {
        image.description = description.to_owned();
    }
    changes.add.iter().for_each(|grant| grant.apply(image, true));
    changes.remove.iter().for_each(|grant| grant.apply(image, false));
    Ok(Xml::done())
}

/// Whom a permission is for.
enum Grant {
    Everyone,
    Account(String),
}

impl Grant {
    fn account(id: &str) -> Result<Self, ApiError> {
        if is_account(id) {
            return Ok(Grant::Account(id.to_owned()));
        }
        Err(ApiError::new(
            "InvalidAMIAttributeItemValue",
            format!("Invalid attribute item value \"{id}\" for userId item type."),
        ))
    }

    fn group(name: &str) -> Result<Self, ApiError> {
        if name == "all" {
            return Ok(Grant::Everyone);
        }
        Err(ApiError::new(
            "InvalidAMIAttributeItemValue",
            format!("Invalid attribute item value \"{name}\" for group item type."),
        ))
    }

    fn apply(&self, image: &mut Image, granted: bool) {
        match self {
            Grant::Everyone => image.public = granted,
            Grant::Account(id) if granted => drop(image.shared_with.insert(id.clone())),
            Grant::Account(id) => drop(image.shared_with.remove(id)),
        }
    }
}

struct Changes {
    add: Vec<Grant>,
    remove: Vec<Grant>,
    description: Option<String>,
}

impl Changes {
    /// Both forms: `LaunchPermission.Add.N`, and `Attribute` with `OperationType`, `UserId.N`, `UserGroup.N`.
    fn read(params: &Params) -> Result<Self, ApiError> {
        let mut add = grants(&params.structures("LaunchPermission.Add"))?;
        let mut remove = grants(&params.structures("LaunchPermission.Remove"))?;
        let accounts = params.list("UserId").iter().map(|id| Grant::account(id)).collect::<Result<Vec<_>, _>>()?;
        let groups = params.list("UserGroup").iter().map(|name| Grant::group(name)).collect::<Result<Vec<_>, _>>()?;
        match params.get("OperationType") {
            Some("remove") => remove.extend(accounts.into_iter().chain(groups)),
            _ => add.extend(accounts.into_iter().chain(groups)),
        }
        let description = (params.get("Attribute") == Some("description")).then(|| params.get("Value")).flatten();
        Ok(Changes { add, remove, description: description.map(str::to_owned) })
    }
}

fn grants(permissions: &[Params]) -> Result<Vec<Grant>, ApiError> {
    let grant = |permission: &Params| match (permission.get("UserId"), permission.get("Group")) {
        (Some(id), _) => Grant::account(id),
        (None, Some(group)) => Grant::group(group),
        (None, None) => Err(ApiError::new(
            "UnsupportedOperation",
            "Launch permissions for organizations are not modelled by the local endpoint.",
        )),
    };
    permissions.iter().map(grant).collect()
}

/// Describes launch permissions or the description.
pub(super) fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    let image = world.own_image(call.scope, call.params.require("ImageId")?)?;
    let mut xml = Xml::new();
    xml.text("imageId", &image.id);
    match call.params.require("Attribute")? {
        "launchPermission" => {
            let everyone = image.public.then_some(("group", "all"));
            let accounts = image.shared_with.iter().map(|id| ("userId", id.as_str()));
            xml.items("launchPermission", everyone.into_iter().chain(accounts), |xml, (name, value)| {
                xml.text(name, value);
            });
        }
        "description" => {
            xml.node("description", |xml| {
                xml.text("value", &image.description);
            });
        }
        other => {
            return Err(ApiError::new(
                "InvalidRequest",
                format!("The attribute {other} is not modelled by the local endpoint."),
            ));
        }
    }
    Ok(xml)
}
