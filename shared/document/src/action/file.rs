//! Inputs of the actions on files and folders.

use super::input::{Field, inputs, optional_text, optional_value, text, value_or};
use crate::parse::{Fields, Parse};
use crate::{Encoding, Mode, Setting, Template};

/// The encoding if none is given.
const UTF8: &str = "utf8";

inputs! {
    /// Inputs of `AppendFile`.
    AppendFile {
        /// The file, which must exist.
        path: Template = text("path"),
        /// The text that is appended. Nothing else is appended, not even a line end. `None` appends nothing.
        content: Option<Template> = optional_text("content"),
        /// The encoding of the appended text.
        encoding: Setting<Encoding> = value_or("encoding", UTF8),
    }
}

inputs! {
    /// Inputs of `CopyFile`, `CopyFolder`, `MoveFile` and `MoveFolder`.
    Transfer {
        /// The path that is copied or moved; its last part may contain `*`.
        source: Template = text("source").checked(|parse, path| parse.check_wildcard(path, "source")),
        /// The destination. If it ends with a separator, it is the folder that receives the source under its own name;
        /// otherwise it is the new name.
        destination: Template = text("destination"),
        /// Whether something that exists there may be replaced.
        overwrite: Setting<bool> = value_or("overwrite", "true"),
    }
}

inputs! {
    /// Inputs of `CreateFile`.
    CreateFile {
        /// The file; missing folders are created.
        path: Template = text("path"),
        /// The content. `None` makes an empty file.
        content: Option<Template> = optional_text("content"),
        /// The encoding of the content.
        encoding: Setting<Encoding> = value_or("encoding", UTF8),
        /// Name or id of the owner.
        owner: Option<Template> = optional_text("owner").unix_only(),
        /// Name or id of the group.
        group: Option<Template> = optional_text("group").unix_only(),
        /// The mode. `None` means 0666 without the bits of the umask.
        permissions: Option<Setting<Mode>> = optional_value("permissions").unix_only(),
        /// Whether an existing file may be replaced.
        overwrite: Setting<bool> = value_or("overwrite", "true"),
    }
}

inputs! {
    /// Inputs of `CreateFolder`.
    CreateFolder {
        /// The folder; missing parent folders are created.
        path: Template = text("path"),
        /// Name or id of the owner.
        owner: Option<Template> = optional_text("owner").unix_only(),
        /// Name or id of the group.
        group: Option<Template> = optional_text("group").unix_only(),
        /// The mode. `None` means 0777 without the bits of the umask.
        permissions: Option<Setting<Mode>> = optional_value("permissions").unix_only(),
        /// Whether the folder may already exist.
        overwrite: Setting<bool> = value_or("overwrite", "true"),
    }
}

inputs! {
    /// Inputs of `CreateSymlink`.
    CreateSymlink on UNIX {
        /// The link.
        path: Template = text("path"),
        /// The path that the link points to, which must exist.
        target: Template = text("target"),
        /// Whether an existing link may be replaced.
        force: Setting<bool> = value_or("force", "false"),
    }
}

inputs! {
    /// Inputs of `DeleteFile`.
    DeleteFile {
        /// The file; the last part of the path may contain `*`.
        path: Template = text("path").read_by(deleted_path).checked(|parse, path| parse.check_wildcard(path, "path")),
    }
}

inputs! {
    /// Inputs of `DeleteFolder`.
    DeleteFolder {
        /// The folder.
        path: Template = text("path"),
        /// Whether the folder may have content.
        force: Setting<bool> = value_or("force", "false"),
    }
}

inputs! {
    /// Inputs of `ListFiles`.
    ListFiles gives ["files"] {
        /// The folder.
        path: Template = text("path"),
        /// The pattern that file names must match; `*` stands for any characters. `None` matches all names.
        file_name_pattern: Option<Template> = optional_text("fileNamePattern"),
        /// Whether the files of subfolders are listed too.
        recursive: Setting<bool> = value_or("recursive", "false"),
    }
}

inputs! {
    /// Inputs of `ReadFile`.
    ReadFile gives ["content"] {
        /// The file.
        path: Template = text("path"),
        /// The encoding of the file.
        encoding: Setting<Encoding> = value_or("encoding", UTF8),
        /// Whether the content is logged too.
        print_file_content: Setting<bool> = value_or("printFileContent", "false"),
    }
}

inputs! {
    /// Inputs of `SetFileEncoding`.
    SetFileEncoding {
        /// The file, whose encoding is UTF-8 before the step.
        path: Template = text("path"),
        /// The encoding of the file after the step.
        encoding: Setting<Encoding> = value_or("encoding", UTF8),
    }
}

fn deleted_path(parse: &mut Parse<'_>, fields: &mut Fields<'_>, field: &Field<Template>) -> Option<Template> {
    // Published documents use `force` here, by analogy with `DeleteFolder`.
    if let Some(span) = fields.map.key_span("force") {
        fields.map.know("force");
        parse.reader.warning(span, "no-effect", "DeleteFile has no input `force` and does not need it");
    }
    parse.text(fields, field.input.key)
}
