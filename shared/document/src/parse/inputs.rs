//! The inputs of each action.

mod access;
mod fields;
mod file;
mod literals;
mod run;
mod system;
mod transfer;
mod windows;

use super::Parse;
use crate::action::{Action, Module};
use crate::yaml::{Node, Span};
use fields::Fields;

impl Parse<'_> {
    /// Reads the inputs of a step. `key` is the place where they are or should be.
    pub(super) fn inputs(&mut self, module: Module, inputs: Option<&Node>, key: Span) -> Option<Action> {
        let Some(node) = inputs else { return self.without_inputs(module, key) };
        match module {
            Module::Assert => self.assert(node).map(Action::Assert),
            Module::ExecuteBash => self.one(module, node, Self::execute_bash).map(Action::ExecuteBash),
            Module::ExecuteBinary => self.one(module, node, Self::execute_binary).map(Action::ExecuteBinary),
            Module::ExecuteDocument => self.one(module, node, Self::execute_document).map(Action::ExecuteDocument),
            Module::ExecutePowerShell => {
                self.one(module, node, Self::execute_power_shell).map(Action::ExecutePowerShell)
            }
            Module::InstallMsi => self.one(module, node, Self::msi).map(Action::InstallMsi),
            Module::Reboot => self.one(module, node, Self::reboot).map(Action::Reboot),
            Module::UninstallMsi => self.one(module, node, Self::msi).map(Action::UninstallMsi),
            Module::UpdateOs => self.one(module, node, Self::update_os).map(Action::UpdateOs),
            _ => self.listed(module, node, key),
        }
    }

    /// Reads the inputs of the actions that take a list.
    fn listed(&mut self, module: Module, node: &Node, key: Span) -> Option<Action> {
        let list = List { module, node, key };
        Some(match module {
            Module::AppendFile => Action::AppendFile(self.each(list, Self::append_file)?),
            Module::CopyFile => Action::CopyFile(self.each(list, Self::transfer)?),
            Module::CopyFolder => Action::CopyFolder(self.each(list, Self::transfer)?),
            Module::CreateFile => Action::CreateFile(self.each(list, Self::create_file)?),
            Module::CreateFolder => Action::CreateFolder(self.each(list, Self::create_folder)?),
            Module::CreateSymlink => Action::CreateSymlink(self.each(list, Self::create_symlink)?),
            Module::DeleteFile => Action::DeleteFile(self.each(list, Self::delete_file)?),
            Module::DeleteFolder => Action::DeleteFolder(self.each(list, Self::delete_folder)?),
            Module::ListFiles => Action::ListFiles(self.each(list, Self::list_files)?),
            Module::MoveFile => Action::MoveFile(self.each(list, Self::transfer)?),
            Module::MoveFolder => Action::MoveFolder(self.each(list, Self::transfer)?),
            Module::ReadFile => Action::ReadFile(self.each(list, Self::read_file)?),
            Module::S3Download => Action::S3Download(self.each(list, Self::s3_download)?),
            Module::S3Upload => Action::S3Upload(self.each(list, Self::s3_upload)?),
            Module::SetFileEncoding => Action::SetFileEncoding(self.each(list, Self::set_file_encoding)?),
            Module::SetFileOwner => Action::SetFileOwner(self.each(list, Self::set_file_owner)?),
            Module::SetFilePermissions => Action::SetFilePermissions(self.each(list, Self::set_file_permissions)?),
            Module::SetFolderOwner => Action::SetFolderOwner(self.each(list, Self::set_folder_owner)?),
            Module::SetFolderPermissions => {
                Action::SetFolderPermissions(self.each(list, Self::set_folder_permissions)?)
            }
            Module::SetRegistry => Action::SetRegistry(self.each(list, Self::set_registry)?),
            Module::WebDownload => Action::WebDownload(self.each(list, Self::web_download)?),
            _ => return None,
        })
    }

    fn without_inputs(&mut self, module: Module, key: Span) -> Option<Action> {
        match module {
            Module::Reboot => Some(Action::Reboot(system::default_reboot(key))),
            Module::UpdateOs => Some(Action::UpdateOs(crate::UpdateOs::default())),
            _ => {
                let name = module.name();
                let message = format!("Action {name} has no inputs; it requires an 'inputs'");
                self.reader.error(key, "missing-key", message);
                None
            }
        }
    }

    /// Reads inputs that are a map.
    fn one<T>(&mut self, module: Module, node: &Node, read: fn(&mut Self, &mut Fields<'_>) -> Option<T>) -> Option<T> {
        let what = format!("the inputs of {}", module.name());
        let mut fields = Fields { map: self.reader.map(node, what)?, node };
        let inputs = read(self, &mut fields);
        fields.map.finish(&mut self.reader);
        inputs
    }

    /// Reads inputs that are a list of maps. The list must not be empty.
    fn each<T>(&mut self, list: List<'_>, read: fn(&mut Self, &mut Fields<'_>) -> Option<T>) -> Option<Vec<T>> {
        let items = self.reader.list(list.node, &format!("`inputs` of {}", list.module.name()))?;
        if items.is_empty() {
            self.reader.error(list.key, "empty", "`inputs` must not be empty");
        }
        let mut inputs = Vec::new();
        for item in items {
            let Some(map) = self.reader.map(item, format!("an input of {}", list.module.name())) else { continue };
            let mut fields = Fields { map, node: item };
            inputs.extend(read(self, &mut fields));
            fields.map.finish(&mut self.reader);
        }
        Some(inputs)
    }
}

/// The `inputs` of an action that takes a list, and the place of their key.
#[derive(Clone, Copy)]
struct List<'n> {
    module: Module,
    node: &'n Node,
    key: Span,
}
