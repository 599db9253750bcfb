//! The files that expressions name: their text stands in the place of the call.

use std::path::{Path, PathBuf};

use ::hcl::{Template, Value as Hcl};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;

use super::evaluate::{Context, Failure};
use super::functions::{Args, text, unknown};
use super::glob;
use crate::item::{Mark, plain};
use crate::project::Project;

/// Where the files of a module are found.
#[derive(Debug, Clone)]
pub(super) struct Files {
    pub(super) project: Project,
    pub(super) folder: PathBuf,
}

impl Files {
    /// Returns the path that a call names; `None` if it is not known.
    fn path(&self, args: &Args) -> Option<PathBuf> {
        let path = text(args, 0);
        (!path.contains('\u{e000}')).then(|| self.project.find(&path, &self.folder))
    }

    /// Returns the text of a file. A file that is not read is a mark, which says its path until the reason is told.
    pub(super) fn file(&self, args: &Args, is_strict: bool) -> Result<Hcl, Failure> {
        let Some(path) = self.path(args) else { return Ok(unknown("file", args)) };
        match self.project.text(&path) {
            Ok(text) => Ok(Hcl::from(plain(&text))),
            Err(_) => missing(&path, is_strict),
        }
    }

    /// Returns a file in base64.
    pub(super) fn base64(&self, args: &Args, is_strict: bool) -> Result<Hcl, Failure> {
        let Some(path) = self.path(args) else { return Ok(unknown("filebase64", args)) };
        match self.project.bytes(&path) {
            Ok(bytes) => Ok(Hcl::from(BASE64_STANDARD.encode(bytes))),
            Err(_) => missing(&path, is_strict),
        }
    }

    /// Returns the paths of the files below a folder that fit a pattern.
    pub(super) fn set(&self, args: &Args) -> Result<Hcl, Failure> {
        let pattern = text(args, 1);
        let folder = self.path(args).filter(|folder| self.project.holds(folder) && plain(&pattern) == pattern);
        let folder = folder.ok_or(Failure::Unknown)?;
        let mut files = Vec::new();
        crate::collect(&folder, 0, &|_| true, &mut files).map_err(|_| Failure::Unknown)?;
        let below = |path: &PathBuf| Some(path.strip_prefix(&folder).ok()?.display().to_string());
        let mut paths: Vec<String> = files.iter().filter_map(below).collect();
        paths.retain(|path| glob::fits(&pattern, path));
        paths.sort();
        Ok(Hcl::Array(paths.into_iter().map(Hcl::from).collect()))
    }

    /// Returns the text of a template with its values.
    pub(super) fn template(&self, args: &Args, context: &Context) -> Result<Hcl, Failure> {
        let Some(path) = self.path(args) else { return Ok(unknown("templatefile", args)) };
        let text = match self.project.text(&path) {
            Ok(text) => text,
            Err(_) => return missing(&path, context.is_strict()),
        };
        let values = args.get(1).and_then(Hcl::as_object).cloned().unwrap_or_default();
        let written = text.parse::<Template>().map_err(|_| Failure::Unknown);
        let written = written.and_then(|template| context.of_template(&values).template(&template));
        let not_known = |_| Mark::Unknown.text(&format!("templatefile({})", path.display()));
        Ok(Hcl::from(written.unwrap_or_else(not_known)))
    }
}

fn missing(path: &Path, is_strict: bool) -> Result<Hcl, Failure> {
    if is_strict { Err(Failure::Missing) } else { Ok(Hcl::from(Mark::File.text(&path.display().to_string()))) }
}
