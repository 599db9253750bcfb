//! Inputs of the actions that set owners and modes.

use crate::{Mode, Setting, Template};

/// Inputs of `SetFileOwner`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetFileOwner {
    /// The file; of a link, the file that it points to.
    pub path: Template,
    /// Name or id of the owner.
    pub owner: Template,
    /// Name or id of the group; none: the owner's own.
    pub group: Option<Template>,
}

/// Inputs of `SetFolderOwner`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetFolderOwner {
    /// The folder.
    pub path: Template,
    /// Name or id of the owner.
    pub owner: Template,
    /// Name or id of the group; none: the owner's own.
    pub group: Option<Template>,
    /// Whether it is for everything in the folder too. Default true.
    pub recursive: Setting<bool>,
}

/// Inputs of `SetFilePermissions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetFilePermissions {
    /// The file.
    pub path: Template,
    /// Its mode.
    pub permissions: Setting<Mode>,
}

/// Inputs of `SetFolderPermissions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetFolderPermissions {
    /// The folder.
    pub path: Template,
    /// The mode of the folder and, if recursive, of all that is in it.
    pub permissions: Setting<Mode>,
    /// Whether it is for everything in the folder too. Default true.
    pub recursive: Setting<bool>,
}
