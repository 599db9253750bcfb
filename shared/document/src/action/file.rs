//! Inputs of the actions on files and folders.

use crate::{Encoding, Mode, Setting, Template};

/// Inputs of `AppendFile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppendFile {
    /// The file, which must exist.
    pub path: Template,
    /// The text that is appended. Nothing else is appended, not even a line end. `None` appends nothing.
    pub content: Option<Template>,
    /// The encoding of the appended text. Default UTF-8.
    pub encoding: Setting<Encoding>,
}

/// Inputs of `CopyFile`, `CopyFolder`, `MoveFile` and `MoveFolder`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transfer {
    /// The path that is copied or moved; its last part may contain `*`.
    pub source: Template,
    /// The destination. If it ends with a separator, it is the folder that receives the source under its own name;
    /// otherwise it is the new name.
    pub destination: Template,
    /// Whether something that exists there may be replaced. Default true.
    pub overwrite: Setting<bool>,
}

/// Inputs of `CreateFile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateFile {
    /// The file; missing folders are created.
    pub path: Template,
    /// The content. `None` makes an empty file.
    pub content: Option<Template>,
    /// The encoding of the content. Default UTF-8.
    pub encoding: Setting<Encoding>,
    /// Name or id of the owner.
    pub owner: Option<Template>,
    /// Name or id of the group.
    pub group: Option<Template>,
    /// The mode. `None` means 0666 without the bits of the umask.
    pub permissions: Option<Setting<Mode>>,
    /// Whether an existing file may be replaced. Default true.
    pub overwrite: Setting<bool>,
}

/// Inputs of `CreateFolder`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateFolder {
    /// The folder; missing parent folders are created.
    pub path: Template,
    /// Name or id of the owner.
    pub owner: Option<Template>,
    /// Name or id of the group.
    pub group: Option<Template>,
    /// The mode. `None` means 0777 without the bits of the umask.
    pub permissions: Option<Setting<Mode>>,
    /// Whether the folder may already exist. Default true.
    pub overwrite: Setting<bool>,
}

/// Inputs of `CreateSymlink`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CreateSymlink {
    /// The link.
    pub path: Template,
    /// The path that the link points to, which must exist.
    pub target: Template,
    /// Whether an existing link may be replaced. Default false.
    pub force: Setting<bool>,
}

/// Inputs of `DeleteFile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteFile {
    /// The file; the last part of the path may contain `*`.
    pub path: Template,
}

/// Inputs of `DeleteFolder`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeleteFolder {
    /// The folder.
    pub path: Template,
    /// Whether the folder may have content. Default false.
    pub force: Setting<bool>,
}

/// Inputs of `ListFiles`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListFiles {
    /// The folder.
    pub path: Template,
    /// The pattern that file names must match; `*` stands for any characters. `None` matches all names.
    pub file_name_pattern: Option<Template>,
    /// Whether the files of subfolders are listed too. Default false.
    pub recursive: Setting<bool>,
}

/// Inputs of `ReadFile`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReadFile {
    /// The file.
    pub path: Template,
    /// The encoding of the file. Default UTF-8.
    pub encoding: Setting<Encoding>,
    /// Whether the content is logged too. Default false.
    pub print_file_content: Setting<bool>,
}

/// Inputs of `SetFileEncoding`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetFileEncoding {
    /// The file, whose encoding is UTF-8 before the step.
    pub path: Template,
    /// The encoding of the file after the step. Default UTF-8.
    pub encoding: Setting<Encoding>,
}
