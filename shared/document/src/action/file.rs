//! Inputs of the actions on files and folders.

use crate::{Encoding, Mode, Setting, Template};

/// Inputs of `AppendFile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendFile {
    /// The file, which must be there.
    pub path: Template,
    /// What is added; nothing else is, also no line end. None: nothing.
    pub content: Option<Template>,
    /// The encoding of what is added. Default UTF-8.
    pub encoding: Setting<Encoding>,
}

/// Inputs of `CopyFile`, `CopyFolder`, `MoveFile` and `MoveFolder`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// What is copied or moved; `*` may stand in its last part.
    pub source: Template,
    /// Where to: with a separator at its end a folder that gets it under its own name, else its new name.
    pub destination: Template,
    /// Whether what is there may be replaced. Default true.
    pub overwrite: Setting<bool>,
}

/// Inputs of `CreateFile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateFile {
    /// The file; missing folders are created.
    pub path: Template,
    /// Its content; none: empty.
    pub content: Option<Template>,
    /// The encoding of the content. Default UTF-8.
    pub encoding: Setting<Encoding>,
    /// Name or id of the owner.
    pub owner: Option<Template>,
    /// Name or id of the group.
    pub group: Option<Template>,
    /// Its mode; none: 0666 less the umask.
    pub permissions: Option<Setting<Mode>>,
    /// Whether a file that is there may be replaced. Default true.
    pub overwrite: Setting<bool>,
}

/// Inputs of `CreateFolder`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateFolder {
    /// The folder; missing ones above it are created.
    pub path: Template,
    /// Name or id of the owner.
    pub owner: Option<Template>,
    /// Name or id of the group.
    pub group: Option<Template>,
    /// Its mode; none: 0777 less the umask.
    pub permissions: Option<Setting<Mode>>,
    /// Whether the folder may be there already. Default true.
    pub overwrite: Setting<bool>,
}

/// Inputs of `CreateSymlink`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSymlink {
    /// The link.
    pub path: Template,
    /// What it points to, which must be there.
    pub target: Template,
    /// Whether a link that is there may be replaced. Default false.
    pub force: Setting<bool>,
}

/// Inputs of `DeleteFile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteFile {
    /// The file; `*` may stand in its last part.
    pub path: Template,
}

/// Inputs of `DeleteFolder`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteFolder {
    /// The folder.
    pub path: Template,
    /// Whether it may have content. Default false.
    pub force: Setting<bool>,
}

/// Inputs of `ListFiles`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFiles {
    /// The folder.
    pub path: Template,
    /// What file names must match; `*` stands for any characters. None: all.
    pub file_name_pattern: Option<Template>,
    /// Whether folders below are listed too. Default false.
    pub recursive: Setting<bool>,
}

/// Inputs of `ReadFile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFile {
    /// The file.
    pub path: Template,
    /// Its encoding. Default UTF-8.
    pub encoding: Setting<Encoding>,
    /// Whether the content is logged too. Default false.
    pub print_file_content: Setting<bool>,
}

/// Inputs of `SetFileEncoding`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetFileEncoding {
    /// The file, in UTF-8 so far.
    pub path: Template,
    /// Its encoding from now on. Default UTF-8.
    pub encoding: Setting<Encoding>,
}
