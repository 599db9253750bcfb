//! A folder with files, in which the command is started.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The folder.
#[must_use]
pub(crate) struct Folder(tempfile::TempDir);

/// The result of one call. Text that differs between calls is replaced: the folder by `DIR`, an execution id by `ID`,
/// and times by `TIME`.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Said {
    pub(crate) status: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Folder {
    /// A folder with these files.
    pub(crate) fn with(files: &[(&str, &str)]) -> Self {
        let folder = Self(tempfile::tempdir().unwrap());
        for (name, text) in files {
            fs::write(folder.path(name), text).unwrap();
        }
        folder
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    /// Returns the names of everything in the folder, with times and ids replaced.
    pub(crate) fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().file_name());
        let mut names: Vec<String> = entries.map(|name| self.masked(name.to_str().unwrap().as_bytes())).collect();
        names.sort();
        names
    }

    /// Runs the command with these arguments, which are separated by spaces.
    pub(crate) fn command(&self, arguments: &str) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_goldsmith"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        command.args(arguments.split(' ')).current_dir(self.0.path());
        command.env_clear().env("PATH", path).env("HOME", self.0.path()).stdin(Stdio::null());
        command
    }

    /// Runs the command.
    pub(crate) fn goldsmith(&self, arguments: &str) -> Said {
        let output = self.command(arguments).output().unwrap();
        Said { status: output.status.code(), stdout: self.masked(&output.stdout), stderr: self.masked(&output.stderr) }
    }

    fn masked(&self, bytes: &[u8]) -> String {
        let real = fs::canonicalize(self.0.path()).unwrap_or_else(|_| Path::new("/none").to_owned());
        let text = std::str::from_utf8(bytes).unwrap().replace(real.to_str().unwrap(), "DIR");
        text.split_inclusive([' ', '\n', '/', '"']).map(mask).collect()
    }
}

/// Returns a word without the text that differs between calls, and the rest of the line.
fn mask(word: &str) -> String {
    let text = word.trim_end_matches([' ', '\n', '/', '"', ',']);
    let end = &word[text.len()..];
    if text.len() > 4 && text.starts_with("TOE_") {
        return format!("TOE_TIME_ID{end}");
    }
    let seconds = text.strip_suffix('s').is_some_and(|number| number.parse::<f64>().is_ok());
    let (before, id) = text.split_at_checked(text.len().saturating_sub(36)).unwrap_or(("", text));
    let is_id = id.len() == 36
        && id.chars().enumerate().all(|(at, c)| match at {
            8 | 13 | 18 | 23 => c == '-',
            _ => c.is_ascii_hexdigit(),
        });
    match (seconds, is_id) {
        (true, _) => format!("TIME{end}"),
        (_, true) => format!("{before}ID{end}"),
        _ => word.to_owned(),
    }
}

impl Said {
    /// Compares the whole result with the expected one.
    #[track_caller]
    pub(crate) fn is(&self, status: i32, stdout: &str, stderr: &str) {
        assert_eq!(self.stderr, stderr, "standard error");
        assert_eq!(self.stdout, stdout, "standard output");
        assert_eq!(self.status, Some(status));
    }
}
