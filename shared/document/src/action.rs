//! Actions and their inputs. Each action is one row of the table below. What it takes is described once, by the macro
//! [`inputs!`] in the module of its group.

mod access;
mod file;
mod input;
mod module;
mod run;
mod system;
mod transfer;
mod value;
mod windows;

pub use access::*;
pub use file::*;
pub use input::{Form, Input, Shape};
pub use run::*;
pub use system::*;
pub use transfer::*;
pub use value::*;
pub use windows::*;

pub(crate) use input::{Description, Element, Field, Inputs, NOT_MACOS, UNIX, WINDOWS, read_as_map};

use crate::parse::{Given, Parse};

/// Makes the parallel enums and the functions that have a case for each action.
macro_rules! actions {
    ($($(#[doc = $doc:literal])+ $name:ident($inputs:ty),)+) => {
        /// What a step does. A list of inputs has at least one element. The elements run in order, and the first
        /// failure ends the step.
        #[derive(Debug, Clone, PartialEq, Eq)]
        pub enum Action {
            $($(#[doc = $doc])+ $name($inputs),)+
        }

        /// An action module. The name of the variant is the name in a document.
        #[derive(
            Debug, Clone, Copy, PartialEq, Eq, Hash, strum::EnumString, strum::IntoStaticStr, strum::VariantArray,
        )]
        pub enum Module {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Action {
            /// Returns the module that performs the action.
            pub fn module(&self) -> Module {
                match self {
                    $(Action::$name(_) => Module::$name,)+
                }
            }

            /// Reads the inputs of a step with this module.
            pub(crate) fn read(module: Module, parse: &mut Parse<'_>, given: &Given<'_>) -> Option<Self> {
                match module {
                    $(Module::$name => Inputs::read(parse, given).map(Action::$name),)+
                }
            }
        }

        impl Module {
            fn description(self) -> Description {
                match self {
                    $(Module::$name => <$inputs as Inputs>::DESCRIPTION,)+
                }
            }

            /// Returns what the action does, in one sentence.
            pub fn summary(self) -> &'static str {
                match self {
                    $(Module::$name => concat!($($doc),+).trim_ascii(),)+
                }
            }
        }
    };
}

actions! {
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
    InstallMSI(Msi),
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
    UninstallMSI(Msi),
    /// Installs the operating system's updates.
    UpdateOS(UpdateOs),
    /// Downloads files over HTTP.
    WebDownload(Vec<WebDownload>),
}

impl Action {
    /// Returns the module's name in a document.
    pub fn name(&self) -> &'static str {
        self.module().name()
    }
}
