//! The properties of an action module that are known before its inputs are read.

use crate::Platform;

/// An action module.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[expect(missing_docs, reason = "each is the variant of the same name of `Action`, where it is described")]
pub enum Module {
    AppendFile,
    Assert,
    CopyFile,
    CopyFolder,
    CreateFile,
    CreateFolder,
    CreateSymlink,
    DeleteFile,
    DeleteFolder,
    ExecuteBash,
    ExecuteBinary,
    ExecuteDocument,
    ExecutePowerShell,
    InstallMsi,
    ListFiles,
    MoveFile,
    MoveFolder,
    ReadFile,
    Reboot,
    S3Download,
    S3Upload,
    SetFileEncoding,
    SetFileOwner,
    SetFilePermissions,
    SetFolderOwner,
    SetFolderPermissions,
    SetRegistry,
    UninstallMsi,
    UpdateOs,
    WebDownload,
}

impl Module {
    /// All modules with their names in a document.
    pub const ALL: [(&'static str, Module); 30] = [
        ("AppendFile", Module::AppendFile),
        ("Assert", Module::Assert),
        ("CopyFile", Module::CopyFile),
        ("CopyFolder", Module::CopyFolder),
        ("CreateFile", Module::CreateFile),
        ("CreateFolder", Module::CreateFolder),
        ("CreateSymlink", Module::CreateSymlink),
        ("DeleteFile", Module::DeleteFile),
        ("DeleteFolder", Module::DeleteFolder),
        ("ExecuteBash", Module::ExecuteBash),
        ("ExecuteBinary", Module::ExecuteBinary),
        ("ExecuteDocument", Module::ExecuteDocument),
        ("ExecutePowerShell", Module::ExecutePowerShell),
        ("InstallMSI", Module::InstallMsi),
        ("ListFiles", Module::ListFiles),
        ("MoveFile", Module::MoveFile),
        ("MoveFolder", Module::MoveFolder),
        ("ReadFile", Module::ReadFile),
        ("Reboot", Module::Reboot),
        ("S3Download", Module::S3Download),
        ("S3Upload", Module::S3Upload),
        ("SetFileEncoding", Module::SetFileEncoding),
        ("SetFileOwner", Module::SetFileOwner),
        ("SetFilePermissions", Module::SetFilePermissions),
        ("SetFolderOwner", Module::SetFolderOwner),
        ("SetFolderPermissions", Module::SetFolderPermissions),
        ("SetRegistry", Module::SetRegistry),
        ("UninstallMSI", Module::UninstallMsi),
        ("UpdateOS", Module::UpdateOs),
        ("WebDownload", Module::WebDownload),
    ];

    /// Returns the module with this name. The case must match.
    pub fn named(name: &str) -> Option<Module> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, module)| *module)
    }

    /// Returns the module's name in a document.
    pub fn name(self) -> &'static str {
        Self::ALL[self as usize].0
    }

    /// Returns whether the module can run on a platform. The pages of EC2 Image Builder say so for each module; macOS
    /// has no `Reboot` and no `UpdateOS`.
    pub fn runs_on(self, platform: Platform) -> bool {
        match self {
            Module::ExecutePowerShell | Module::InstallMsi | Module::UninstallMsi | Module::SetRegistry => {
                platform == Platform::Windows
            }
            Module::CreateSymlink
            | Module::ExecuteBash
            | Module::SetFileOwner
            | Module::SetFilePermissions
            | Module::SetFolderOwner
            | Module::SetFolderPermissions => platform != Platform::Windows,
            Module::Reboot | Module::UpdateOs => platform != Platform::Macos,
            _ => true,
        }
    }

    /// Returns the inputs that a chain may name: the inputs that are one text.
    pub fn chainable_inputs(self) -> &'static [&'static str] {
        match self {
            Module::Assert | Module::ExecuteBash | Module::UpdateOs => &[],
            Module::AppendFile => &["path", "content", "encoding"],
            Module::CopyFile | Module::CopyFolder | Module::MoveFile | Module::MoveFolder => {
                &["source", "destination", "overwrite"]
            }
            Module::CreateFile => &["path", "content", "encoding", "owner", "group", "permissions", "overwrite"],
            Module::CreateFolder => &["path", "owner", "group", "permissions", "overwrite"],
            Module::CreateSymlink => &["path", "target", "force"],
            Module::DeleteFile | Module::ExecuteBinary => &["path"],
            Module::DeleteFolder => &["path", "force"],
            Module::ExecuteDocument => &["document", "document-s3-bucket-owner", "phases"],
            Module::ExecutePowerShell => &["file"],
            Module::InstallMsi | Module::UninstallMsi => &[
                "path",
                "reboot",
                "logOptions",
                "logFile",
                "ignoreAuthenticodeSignatureErrors",
                "allowUnsignedInstaller",
            ],
            Module::ListFiles => &["path", "fileNamePattern", "recursive"],
            Module::ReadFile => &["path", "encoding", "printFileContent"],
            Module::Reboot => &["delaySeconds"],
            Module::S3Download => &["source", "destination", "expectedBucketOwner", "overwrite"],
            Module::S3Upload => &["source", "destination", "recurse", "expectedBucketOwner"],
            Module::SetFileEncoding => &["path", "encoding"],
            Module::SetFileOwner => &["path", "owner", "group"],
            Module::SetFilePermissions => &["path", "permissions"],
            Module::SetFolderOwner => &["path", "owner", "group", "recursive"],
            Module::SetFolderPermissions => &["path", "permissions", "recursive"],
            Module::SetRegistry => &["path", "name", "value", "type"],
            Module::WebDownload => {
                &["source", "destination", "overwrite", "checksum", "algorithm", "ignoreCertificateErrors"]
            }
        }
    }

    /// Returns the outputs that a chain may name.
    pub fn outputs(self) -> &'static [&'static str] {
        match self {
            Module::ExecuteBash | Module::ExecuteBinary | Module::ExecutePowerShell => &["stdout"],
            Module::ExecuteDocument => &[
                "executedStepCount",
                "executionId",
                "failedStepCount",
                "failureMessage",
                "ignoredFailedStepCount",
                "logUrl",
                "status",
            ],
            Module::InstallMsi | Module::UninstallMsi => &["logFile", "msiExitCode", "stdout"],
            Module::ListFiles => &["files"],
            Module::ReadFile => &["content"],
            Module::WebDownload => &["destination"],
            _ => &[],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Module;

    #[test]
    fn names_and_modules_are_the_same_list() {
        for (name, module) in Module::ALL {
            assert_eq!(module.name(), name);
            assert_eq!(Module::named(name), Some(module));
        }
    }
}
