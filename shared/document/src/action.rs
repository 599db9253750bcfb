//! Actions and their inputs.

mod access;
mod file;
mod module;
mod run;
mod system;
mod transfer;
mod value;
mod windows;

pub use access::{SetFileOwner, SetFilePermissions, SetFolderOwner, SetFolderPermissions};
pub use file::{
    AppendFile, CreateFile, CreateFolder, CreateSymlink, DeleteFile, DeleteFolder, ListFiles, ReadFile,
    SetFileEncoding, Transfer,
};
pub use module::Module;
pub use run::{Assert, ExecuteBash, ExecuteBinary, ExecuteDocument, ExecutePowerShell};
pub use system::{Reboot, UpdateOs};
pub use transfer::{Checksum, S3Download, S3Upload, WebDownload};
pub use value::{AccountId, Algorithm, Encoding, Mode, S3Uri, WebUrl};
pub use windows::{Msi, MsiLogOptions, MsiReboot, RegistryType, SetRegistry};

/// What a step does. A list of inputs has at least one element. The elements run in order, and the first failure ends
/// the step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Appends to files.
    AppendFile(Vec<AppendFile>),
    /// Fails unless an expression is true.
    Assert(Assert),
    /// Copies files.
    CopyFile(Vec<Transfer>),
    /// Copies folders.
    CopyFolder(Vec<Transfer>),
    /// Writes files.
    CreateFile(Vec<CreateFile>),
    /// Creates folders.
    CreateFolder(Vec<CreateFolder>),
    /// Creates symbolic links.
    CreateSymlink(Vec<CreateSymlink>),
    /// Deletes files.
    DeleteFile(Vec<DeleteFile>),
    /// Deletes folders.
    DeleteFolder(Vec<DeleteFolder>),
    /// Runs a bash script.
    ExecuteBash(ExecuteBash),
    /// Runs a program.
    ExecuteBinary(ExecuteBinary),
    /// Runs another document.
    ExecuteDocument(ExecuteDocument),
    /// Runs a PowerShell script.
    ExecutePowerShell(ExecutePowerShell),
    /// Installs a Windows package.
    InstallMsi(Msi),
    /// Lists the files of folders.
    ListFiles(Vec<ListFiles>),
    /// Moves files.
    MoveFile(Vec<Transfer>),
    /// Moves folders.
    MoveFolder(Vec<Transfer>),
    /// Reads files.
    ReadFile(Vec<ReadFile>),
    /// Reboots the machine; the run continues with the next step.
    Reboot(Reboot),
    /// Downloads objects from S3.
    S3Download(Vec<S3Download>),
    /// Uploads files to S3.
    S3Upload(Vec<S3Upload>),
    /// Changes the encoding of files.
    SetFileEncoding(Vec<SetFileEncoding>),
    /// Changes the owner of files.
    SetFileOwner(Vec<SetFileOwner>),
    /// Changes the mode of files.
    SetFilePermissions(Vec<SetFilePermissions>),
    /// Changes the owner of folders.
    SetFolderOwner(Vec<SetFolderOwner>),
    /// Changes the mode of folders.
    SetFolderPermissions(Vec<SetFolderPermissions>),
    /// Sets registry values.
    SetRegistry(Vec<SetRegistry>),
    /// Removes a Windows package.
    UninstallMsi(Msi),
    /// Installs the operating system's updates.
    UpdateOs(UpdateOs),
    /// Downloads files over HTTP.
    WebDownload(Vec<WebDownload>),
}

impl Action {
    /// Returns the module that performs the action.
    pub fn module(&self) -> Module {
        match self {
            Action::AppendFile(_) => Module::AppendFile,
            Action::Assert(_) => Module::Assert,
            Action::CopyFile(_) => Module::CopyFile,
            Action::CopyFolder(_) => Module::CopyFolder,
            Action::CreateFile(_) => Module::CreateFile,
            Action::CreateFolder(_) => Module::CreateFolder,
            Action::CreateSymlink(_) => Module::CreateSymlink,
            Action::DeleteFile(_) => Module::DeleteFile,
            Action::DeleteFolder(_) => Module::DeleteFolder,
            Action::ExecuteBash(_) => Module::ExecuteBash,
            Action::ExecuteBinary(_) => Module::ExecuteBinary,
            Action::ExecuteDocument(_) => Module::ExecuteDocument,
            Action::ExecutePowerShell(_) => Module::ExecutePowerShell,
            Action::InstallMsi(_) => Module::InstallMsi,
            Action::ListFiles(_) => Module::ListFiles,
            Action::MoveFile(_) => Module::MoveFile,
            Action::MoveFolder(_) => Module::MoveFolder,
            Action::ReadFile(_) => Module::ReadFile,
            Action::Reboot(_) => Module::Reboot,
            Action::S3Download(_) => Module::S3Download,
            Action::S3Upload(_) => Module::S3Upload,
            Action::SetFileEncoding(_) => Module::SetFileEncoding,
            Action::SetFileOwner(_) => Module::SetFileOwner,
            Action::SetFilePermissions(_) => Module::SetFilePermissions,
            Action::SetFolderOwner(_) => Module::SetFolderOwner,
            Action::SetFolderPermissions(_) => Module::SetFolderPermissions,
            Action::SetRegistry(_) => Module::SetRegistry,
            Action::UninstallMsi(_) => Module::UninstallMsi,
            Action::UpdateOs(_) => Module::UpdateOs,
            Action::WebDownload(_) => Module::WebDownload,
        }
    }

    /// Returns the module's name in a document.
    pub fn name(&self) -> &'static str {
        self.module().name()
    }
}
