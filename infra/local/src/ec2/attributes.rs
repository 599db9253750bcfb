//! ModifyImageAttribute, DescribeImageAttribute and ResetImageAttribute.

use super::params::Params;
use super::xml::Xml;
use super::{Call, public_access};
use crate::api::{ApiError, is_account};
use crate::world::Grants;

/// Changes who may launch an image, its description, or the options of its instances' metadata service.
pub(super) fn modify(call: &Call<'_>) -> Result<Xml, ApiError> {
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
    image.imds_v2 |= imds.is_some();
    changes.apply(&mut image.grants);
    Ok(Xml::done())
}

/// Removes all launch permissions.
pub(super) fn reset(call: &Call<'_>) -> Result<Xml, ApiError> {
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

/// The account or group that a permission is for.
enum Grant {
    Everyone,
    Account(String),
    Organization(String),
    Unit(String),
}

impl Grant {
    /// Reads the one field that says which kind of grantee it is.
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

/// Permissions to add and to remove.
pub(super) struct Changes {
    add: Vec<Grant>,
    remove: Vec<Grant>,
}

impl Changes {
    /// Reads both forms: `NAME.Add.N`, and `OperationType` with `UserId.N`, `UserGroup.N` and the like.
    pub(super) fn read(params: &Params, name: &str) -> Result<Self, ApiError> {
        let grants = |way: &str| {
            params.structures(&format!("{name}.{way}")).iter().map(Grant::read).collect::<Result<Vec<_>, _>>()
        };
        let (mut add, mut remove) = (grants("Add")?, grants("Remove")?);
        let mut plain = Vec::new();
        for id in params.list("UserId") {
            plain.push(Grant::account(&id)?);
        }
        for group in [params.list("UserGroup"), params.list("GroupName")].concat() {
            plain.push(Grant::group(&group)?);
        }
        plain.extend(params.list("OrganizationArn").into_iter().map(Grant::Organization));
        plain.extend(params.list("OrganizationalUnitArn").into_iter().map(Grant::Unit));
        if params.get("OperationType") == Some("remove") {
            remove.extend(plain)
        } else {
            add.extend(plain)
        }
        Ok(Changes { add, remove })
    }

    /// Returns whether everyone gets the permission.
    pub(super) fn make_public(&self) -> bool {
        self.add.iter().any(|grant| matches!(grant, Grant::Everyone))
    }

    /// Returns whether any account or group gets the permission.
    pub(super) fn let_in(&self) -> bool {
        !self.add.is_empty()
    }

    pub(super) fn apply(&self, grants: &mut Grants) {
        self.add.iter().for_each(|grant| grant.apply(grants, true));
        self.remove.iter().for_each(|grant| grant.apply(grants, false));
    }
}

/// Describes one attribute.
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
        "imdsSupport" => {
            xml.node("imdsSupport", |xml| {
                xml.maybe("value", image.imds_v2.then_some("v2.0"));
            });
        }
        "deregistrationProtection" => {
            xml.node("deregistrationProtection", |xml| {
                xml.text("value", image.protection.name());
            });
        }
        other => return Err(unknown(other)),
    }
    Ok(xml)
}
