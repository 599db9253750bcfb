//! Inputs of the actions that set owners and modes.

use crate::{Mode, Setting, Template};

/// Inputs of `SetFileOwner`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetFileOwner {
    /// The file. If it is a link, the file that the link points to.
    pub path: Template,
    /// Name or id of the owner.
    pub owner: Template,
    /// Name or id of the group. `None` means the owner's own group.
    pub group: Option<Template>,
}

/// Inputs of `SetFolderOwner`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetFolderOwner {
    /// The folder.
    pub path: Template,
    /// Name or id of the owner.
    pub owner: Template,
    /// Name or id of the group. `None` means the owner's own group.
    pub group: Option<Template>,
    /// Whether the owner or mode is also set on everything in the folder. Default true.
    pub recursive: Setting<bool>,
}

/// Inputs of `SetFilePermissions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetFilePermissions {
    /// The file.
    pub path: Template,
    /// The mode of the file.
    pub permissions: Setting<Mode>,
}

/// Inputs of `SetFolderPermissions`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetFolderPermissions {
    /// The folder.
    pub path: Template,
    /// The mode of the folder and, if `recursive` is true, of everything in it.
    pub permissions: Setting<Mode>,
    /// Whether the owner or mode is also set on everything in the folder. Default true.
    pub recursive: Setting<bool>,
}
