//! Inputs of the actions that set owners and modes.

use super::{Fields, Parse};
use crate::{SetFileOwner, SetFilePermissions, SetFolderOwner, SetFolderPermissions};

impl Parse<'_> {
    pub(super) fn set_file_owner(&mut self, fields: &mut Fields<'_>) -> Option<SetFileOwner> {
        let path = self.text(fields, "path");
        let owner = self.text(fields, "owner");
        let group = self.optional_text(fields, "group");
        Some(SetFileOwner { path: path?, owner: owner?, group })
    }

    pub(super) fn set_folder_owner(&mut self, fields: &mut Fields<'_>) -> Option<SetFolderOwner> {
        let path = self.text(fields, "path");
        let owner = self.text(fields, "owner");
        let group = self.optional_text(fields, "group");
        let recursive = self.value_or(fields, "recursive", "true");
        Some(SetFolderOwner { path: path?, owner: owner?, group, recursive })
    }

    pub(super) fn set_file_permissions(&mut self, fields: &mut Fields<'_>) -> Option<SetFilePermissions> {
        let path = self.text(fields, "path");
        let permissions = self.value(fields, "permissions");
        Some(SetFilePermissions { path: path?, permissions: permissions? })
    }

    pub(super) fn set_folder_permissions(&mut self, fields: &mut Fields<'_>) -> Option<SetFolderPermissions> {
        let path = self.text(fields, "path");
        let permissions = self.value(fields, "permissions");
        let recursive = self.value_or(fields, "recursive", "true");
        Some(SetFolderPermissions { path: path?, permissions: permissions?, recursive })
    }
}
