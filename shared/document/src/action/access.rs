//! Inputs of the actions that set owners and modes.

use super::input::{inputs, optional_text, text, value, value_or};
use crate::{Mode, Setting, Template};

inputs! {
    /// Inputs of `SetFileOwner`.
    SetFileOwner on UNIX {
        /// The file. If it is a link, the file that the link points to.
        path: Template = text("path"),
        /// Name or id of the owner.
        owner: Template = text("owner"),
        /// Name or id of the group. `None` means the owner's own group.
        group: Option<Template> = optional_text("group"),
    }
}

inputs! {
    /// Inputs of `SetFolderOwner`.
    SetFolderOwner on UNIX {
        /// The folder.
        path: Template = text("path"),
        /// Name or id of the owner.
        owner: Template = text("owner"),
        /// Name or id of the group. `None` means the owner's own group.
        group: Option<Template> = optional_text("group"),
        /// Whether the owner or mode is also set on everything in the folder.
        recursive: Setting<bool> = value_or("recursive", "true"),
    }
}

inputs! {
    /// Inputs of `SetFilePermissions`.
    SetFilePermissions on UNIX {
        /// The file.
        path: Template = text("path"),
        /// The mode of the file.
        permissions: Setting<Mode> = value("permissions"),
    }
}

inputs! {
    /// Inputs of `SetFolderPermissions`.
    SetFolderPermissions on UNIX {
        /// The folder.
        path: Template = text("path"),
        /// The mode of the folder and, if `recursive` is true, of everything in it.
        permissions: Setting<Mode> = value("permissions"),
        /// Whether the owner or mode is also set on everything in the folder.
        recursive: Setting<bool> = value_or("recursive", "true"),
    }
}
