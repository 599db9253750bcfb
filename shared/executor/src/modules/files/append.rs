//! `AppendFile`. Only the content is written, without an additional line end.

use std::fs::OpenOptions;
use std::io::Write;

use goldsmith_document::{AppendFile, Encoding};

use super::FileError;
use super::encoding::encode;
use crate::modules::{Element, Fields, ModuleError, Place};
use crate::output::Output;
use crate::resolve::ResolveError;

/// The text to append to a file.
pub(crate) struct Append {
    path: String,
    content: String,
    encoding: Encoding,
}

impl Append {
    pub(crate) fn read(input: &AppendFile, fields: &mut Fields<'_>) -> Result<Self, ResolveError> {
        Ok(Self {
            path: fields.text("path", &input.path)?,
            content: fields.or_empty("content", input.content.as_ref())?,
            encoding: fields.setting("encoding", &input.encoding)?,
        })
    }
}

impl Element for Append {
    fn run(&self, place: &Place<'_>, _: &mut Output<'_>) -> Result<Option<String>, ModuleError> {
        let path = place.path(&self.path)?;
        if !path.exists() {
            return Err(FileError::Missing { path }.into());
        }
        let mut file = OpenOptions::new().append(true).open(&path).map_err(FileError::write(&path))?;
        file.write_all(&encode(&self.content, self.encoding)).map_err(FileError::write(&path))?;
        Ok(None)
    }
}
