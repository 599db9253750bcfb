//! Actions and their inputs.

use crate::Template;

/// What a step does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Runs a bash script.
    ExecuteBash(ExecuteBash),
    /// Writes files, in order.
    CreateFile(Vec<CreateFile>),
    /// Downloads files over HTTP, in order.
    WebDownload(Vec<WebDownload>),
    /// Reboots the machine; the run goes on with the next step.
    Reboot(Reboot),
}

/// Inputs of `ExecuteBash`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecuteBash {
    /// Pieces of one script, in order: a variable that one sets, the next one sees.
    pub commands: Vec<Template>,
}

/// Inputs of `CreateFile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateFile {
    /// The file; missing folders are created.
    pub path: Template,
    /// Its content; none: empty.
    pub content: Option<Template>,
    /// The encoding by name; none: UTF-8.
    pub encoding: Option<Template>,
    /// Name or id of the owner.
    pub owner: Option<Template>,
    /// Name or id of the group.
    pub group: Option<Template>,
    /// Octal mode; none: 0666 less the umask.
    pub permissions: Option<Template>,
    /// Whether a file that is there may be replaced.
    pub overwrite: bool,
}

/// Inputs of `WebDownload`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebDownload {
    /// The HTTP or HTTPS URL.
    pub source: Template,
    /// The file, or with a `/` at its end the folder.
    pub destination: Template,
    /// Whether a file that is there may be replaced.
    pub overwrite: bool,
    /// Digest in hex and its algorithm, to be checked.
    pub checksum: Option<(Template, Template)>,
    /// Whether any TLS certificate is good enough.
    pub ignore_certificate_errors: bool,
}

/// Inputs of `Reboot`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reboot {
    /// Seconds to wait before the reboot.
    pub delay_seconds: u64,
}

/// An action's name with what the checks know about it before its inputs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    ExecuteBash,
    CreateFile,
    WebDownload,
    Reboot,
}

impl Kind {
    pub(crate) const ALL: [(&'static str, Kind); 4] = [
        ("ExecuteBash", Kind::ExecuteBash),
        ("CreateFile", Kind::CreateFile),
        ("WebDownload", Kind::WebDownload),
        ("Reboot", Kind::Reboot),
    ];

    pub(crate) fn named(name: &str) -> Option<Kind> {
        Self::ALL.iter().find(|(known, _)| *known == name).map(|(_, kind)| *kind)
    }

    /// Inputs that a chain may name: those that are one text.
    pub(crate) fn inputs(self) -> &'static [&'static str] {
        match self {
            Kind::ExecuteBash | Kind::Reboot => &[],
            Kind::CreateFile => &["path", "content", "encoding", "owner", "group", "permissions"],
            Kind::WebDownload => &["source", "destination", "checksum", "algorithm"],
        }
    }

    /// Outputs that a chain may name.
    pub(crate) fn outputs(self) -> &'static [&'static str] {
        match self {
            Kind::ExecuteBash => &["stdout"],
            Kind::WebDownload => &["destination"],
            Kind::CreateFile | Kind::Reboot => &[],
        }
    }
}

/// Actions of the language that are not there yet.
pub(crate) const UNSUPPORTED: [&str; 26] = [
    "AppendFile",
    "Assert",
    "CopyFile",
    "CopyFolder",
    "CreateFolder",
    "CreateSymlink",
    "DeleteFile",
    "DeleteFolder",
    "ExecuteBinary",
    "ExecuteDocument",
    "ExecutePowerShell",
    "InstallMSI",
    "ListFiles",
    "MoveFile",
    "MoveFolder",
    "ReadFile",
    "S3Download",
    "S3Upload",
    "SetFileEncoding",
    "SetFileOwner",
    "SetFilePermissions",
    "SetFolderOwner",
    "SetFolderPermissions",
    "SetRegistry",
    "UninstallMSI",
    "UpdateOS",
];

impl Action {
    /// The action's name in a document.
    pub fn name(&self) -> &'static str {
        match self {
            Action::ExecuteBash(_) => "ExecuteBash",
            Action::CreateFile(_) => "CreateFile",
            Action::WebDownload(_) => "WebDownload",
            Action::Reboot(_) => "Reboot",
        }
    }
}
