//! ModifyImageAttribute and DescribeImageAttribute: launch permissions and descriptions.

use super::Call;
use super::params::Params;
use super::xml::Xml;
use crate::api::{ApiError, is_account};
use crate::world::Grants;

/// Changes who may launch an image, or its description.
pub(super) fn modify(call: &Call<'_>) -> Result<Xml, ApiError> {
    let changes = Changes::read(call.params)?;
    let mut world = call.endpoint.world();
    let image = world.own_image(call.scope, call.params.require("ImageId")?)?;
    call.check_dry_run()?;
    if let Some(description) = call.params.get("Description.Value").or(changes.description.as_deref()) {
        image.description = description.to_owned();
    }
    changes.add.iter().for_each(|grant| grant.apply(&mut image.grants, true));
    changes.remove.iter().for_each(|grant| grant.apply(&mut image.grants, false));
    Ok(Xml::done())
}

/// Whom a permission is for.
enum Grant {
    Everyone,
    Account(String),
    Organization(String),
    Unit(String),
}

impl Grant {
    /// From the one field that says what kind it is.
    fn read(permission: &Params) -> Result<Self, ApiError> {
        let kinds = ["UserId", "Group", "OrganizationArn", "OrganizationalUnitArn"];
        let given = kinds.iter().find_map(|kind| Some((*kind, permission.get(kind)?)));
        match given {
            Some(("UserId", id)) => Grant::account(id),
            Some(("Group", name)) => Grant::group(name),
            Some(("OrganizationArn", arn)) => Ok(Grant::Organization(arn.to_owned())),
            Some((_, arn)) => Ok(Grant::Unit(arn.to_owned())),
            None => Err(ApiError::new("MissingParameter", "A launch permission must say whom it is for.")),
        }
    }

    fn account(id: &str) -> Result<Self, ApiError> {
        if is_account(id) { Ok(Grant::Account(id.to_owned())) } else { Err(wrong("userId", id)) }
    }

    fn group(name: &str) -> Result<Self, ApiError> {
        if name == "all" { Ok(Grant::Everyone) } else { Err(wrong("group", name)) }
    }

    fn apply(&self, grants: &mut Grants, granted: bool) {
        let (set, value) = match self {
            Grant::Everyone => {
                grants.public = granted;
                return;
            }
            Grant::Account(id) => (&mut grants.accounts, id),
            Grant::Organization(arn) => (&mut grants.organizations, arn),
            Grant::Unit(arn) => (&mut grants.units, arn),
        };
        if granted {
            set.insert(value.clone());
        } else {
            set.remove(value);
        }
    }
}

fn wrong(kind: &str, value: &str) -> ApiError {
    let message = format!("Invalid attribute item value \"{value}\" for {kind} item type.");
    ApiError::new("InvalidAMIAttributeItemValue", message)
}

struct Changes {
    add: Vec<Grant>,
    remove: Vec<Grant>,
    description: Option<String>,
}

impl Changes {
    /// Both forms: `LaunchPermission.Add.N`, and `Attribute` with `OperationType`, `UserId.N`, `UserGroup.N`.
    fn read(params: &Params) -> Result<Self, ApiError> {
        let grants = |name: &str| params.structures(name).iter().map(Grant::read).collect::<Result<Vec<_>, _>>();
        let mut add = grants("LaunchPermission.Add")?;
        let mut remove = grants("LaunchPermission.Remove")?;
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

/// Describes launch permissions or the description.
pub(super) fn describe(call: &Call<'_>) -> Result<Xml, ApiError> {
    let mut world = call.endpoint.world();
    let image = world.own_image(call.scope, call.params.require("ImageId")?)?;
    let mut xml = Xml::new();
    xml.text("imageId", &image.id);
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
        other => {
            return Err(ApiError::new(
                "InvalidRequest",
                format!("The attribute {other} is not modelled by the local endpoint."),
            ));
        }
    }
    Ok(xml)
}
