//! Inputs of the actions on files and folders.

use super::{Fields, Parse};
use crate::{
    AppendFile, CreateFile, CreateFolder, CreateSymlink, DeleteFile, DeleteFolder, ListFiles, ReadFile,
    SetFileEncoding, Transfer,
};

/// The encoding if none is given.
const ENCODING: &str = "utf8";

impl Parse<'_> {
    pub(super) fn append_file(&mut self, fields: &mut Fields<'_>) -> Option<AppendFile> {
        let path = self.text(fields, "path");
        let content = self.optional_text(fields, "content");
        let encoding = self.value_or(fields, "encoding", ENCODING);
        Some(AppendFile { path: path?, content, encoding })
    }

    pub(super) fn transfer(&mut self, fields: &mut Fields<'_>) -> Option<Transfer> {
        let source = self.text(fields, "source");
        let destination = self.text(fields, "destination");
        let overwrite = self.value_or(fields, "overwrite", "true");
        if let Some(source) = &source {
            self.check_wildcard(source, "source");
        }
        Some(Transfer { source: source?, destination: destination?, overwrite })
    }

    pub(super) fn create_file(&mut self, fields: &mut Fields<'_>) -> Option<CreateFile> {
        let path = self.text(fields, "path");
        let content = self.optional_text(fields, "content");
        let encoding = self.value_or(fields, "encoding", ENCODING);
        let owner = self.optional_text(fields, "owner");
        let group = self.optional_text(fields, "group");
        let permissions = self.optional_value(fields, "permissions");
        let overwrite = self.value_or(fields, "overwrite", "true");
        self.check_ownership(fields);
        Some(CreateFile { path: path?, content, encoding, owner, group, permissions, overwrite })
    }

    pub(super) fn create_folder(&mut self, fields: &mut Fields<'_>) -> Option<CreateFolder> {
        let path = self.text(fields, "path");
        let owner = self.optional_text(fields, "owner");
        let group = self.optional_text(fields, "group");
        let permissions = self.optional_value(fields, "permissions");
        let overwrite = self.value_or(fields, "overwrite", "true");
        self.check_ownership(fields);
        Some(CreateFolder { path: path?, owner, group, permissions, overwrite })
    }

    pub(super) fn create_symlink(&mut self, fields: &mut Fields<'_>) -> Option<CreateSymlink> {
        let path = self.text(fields, "path");
        let target = self.text(fields, "target");
        let force = self.value_or(fields, "force", "false");
        Some(CreateSymlink { path: path?, target: target?, force })
    }

    pub(super) fn delete_file(&mut self, fields: &mut Fields<'_>) -> Option<DeleteFile> {
        // Published documents use `force` here, by analogy with `DeleteFolder`.
        if let Some(span) = fields.map.key_span("force") {
            fields.map.know("force");
            self.reader.warning(span, "no-effect", "DeleteFile has no input `force` and does not need it");
        }
        let path = self.text(fields, "path")?;
        self.check_wildcard(&path, "path");
        Some(DeleteFile { path })
    }

    pub(super) fn delete_folder(&mut self, fields: &mut Fields<'_>) -> Option<DeleteFolder> {
        let path = self.text(fields, "path");
        let force = self.value_or(fields, "force", "false");
        Some(DeleteFolder { path: path?, force })
    }

    pub(super) fn list_files(&mut self, fields: &mut Fields<'_>) -> Option<ListFiles> {
        let path = self.text(fields, "path");
        let file_name_pattern = self.optional_text(fields, "fileNamePattern");
        let recursive = self.value_or(fields, "recursive", "false");
        Some(ListFiles { path: path?, file_name_pattern, recursive })
    }

    pub(super) fn read_file(&mut self, fields: &mut Fields<'_>) -> Option<ReadFile> {
        let path = self.text(fields, "path");
        let encoding = self.value_or(fields, "encoding", ENCODING);
        let print_file_content = self.value_or(fields, "printFileContent", "false");
        Some(ReadFile { path: path?, encoding, print_file_content })
    }

    pub(super) fn set_file_encoding(&mut self, fields: &mut Fields<'_>) -> Option<SetFileEncoding> {
        let path = self.text(fields, "path");
        let encoding = self.value_or(fields, "encoding", ENCODING);
        Some(SetFileEncoding { path: path?, encoding })
    }
}
