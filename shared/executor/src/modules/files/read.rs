//! `ReadFile`: the content exactly as it is, including the final line end.

use std::fs::File;
use std::io::Read;

use goldsmith_document::{Encoding, ReadFile};

use super::FileError;
use super::encoding::decode;
use crate::modules::{Element, Fields, ModuleError, Place};
use crate::output::Output;
use crate::process::CAPTURE_LIMIT;
use crate::resolve::ResolveError;

/// A file to read.
pub(crate) struct Reading {
    path: String,
    encoding: Encoding,
    print: bool,
}

impl Reading {
    pub(crate) fn read(input: &ReadFile, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        Ok(Self {
            path: fields.text("path", &input.path)?,
            encoding: fields.setting("encoding", &input.encoding)?,
            print: fields.setting("printFileContent", &input.print_file_content)?,
        })
    }
}

impl Element for Reading {
    fn run(&self, place: &Place<'_>, output: &mut Output<'_>) -> Result<Option<String>, ModuleError> {
        let path = place.path(&self.path)?;
        let file = File::open(&path).map_err(FileError::read(&path))?;
        let found = file.metadata().map_err(FileError::read(&path))?;
        if found.is_dir() {
            return Err(FileError::NotAFile { path }.into());
        }
        let (size, limit) = (found.len(), CAPTURE_LIMIT as u64);
        if size > limit {
            return Err(FileError::TooLong { path, size, limit }.into());
        }
        let mut bytes = Vec::new();
        // The file may have grown in the meantime, and files of `/proc` say that they are empty.
        file.take(limit).read_to_end(&mut bytes).map_err(FileError::read(&path))?;
        let content = decode(&bytes, self.encoding, &path)?;
        if self.print {
            content.lines().for_each(|line| drop(output.line("Stdout", line.as_bytes())));
        }
        Ok(Some(content))
    }
}
