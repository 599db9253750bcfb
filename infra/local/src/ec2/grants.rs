//! Changes of who may use an image or a snapshot, as calls ask for them.

use super::params::Params;
use crate::api::{ApiError, is_account};
use crate::world::Grants;

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
        // A request has one of two forms: lists of changes, or one kind of change for flat lists (EC2 API reference,
        // ModifyImageAttribute).
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
