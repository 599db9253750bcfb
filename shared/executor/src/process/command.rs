//! What is to be run. The type of the standard library does not show texts that contain a zero as they are.

use std::env;
use std::ffi::{CString, OsStr, OsString};
use std::io;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::Path;

use crate::programs::places;

/// A program with its arguments, and the variables that differ from those of the agent.
pub(crate) struct Command {
    /// The program as it was named, and its arguments.
    words: Vec<OsString>,
    variables: Vec<(OsString, OsString)>,
}

impl Command {
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        Self { words: vec![program.as_ref().to_owned()], variables: Vec::new() }
    }

    pub(crate) fn args(mut self, arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.words.extend(arguments.into_iter().map(|argument| argument.as_ref().to_owned()));
        self
    }

    /// Sets a variable. A name is given once.
    pub(crate) fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.variables.push((name.into(), value.into()));
        self
    }

    /// Returns the program as it was named, and its arguments.
    pub(super) fn words(&self) -> io::Result<Vec<CString>> {
        self.words.iter().cloned().map(text).collect()
    }

    /// Returns the files that may be the program: the path itself, or for a name one in each folder of `PATH`.
    pub(super) fn candidates(&self) -> io::Result<Vec<CString>> {
        let name = &self.words[0];
        if name.as_bytes().contains(&b'/') {
            return Ok(vec![text(name.clone())?]);
        }
        let own = self.variables.iter().find(|(name, _)| name == "PATH").map(|(_, path)| path.clone());
        places(name, own).into_iter().map(|place| text(place.into())).collect()
    }

    /// Returns all variables of the program, each as `NAME=VALUE`.
    pub(super) fn environment(&self) -> io::Result<Vec<CString>> {
        let is_own = |name: &OsStr| self.variables.iter().any(|(own, _)| own == name);
        let others = env::vars_os().filter(|(name, _)| !is_own(name));
        let all = others.chain(self.variables.iter().cloned());
        all.map(|(name, value)| text([name, "=".into(), value].into_iter().collect())).collect()
    }
}

pub(super) fn path(path: &Path) -> io::Result<CString> {
    text(path.into())
}

fn text(text: OsString) -> io::Result<CString> {
    Ok(CString::new(text.into_vec())?)
}
