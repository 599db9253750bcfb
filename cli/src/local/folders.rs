//! The folders of the local AWS: files that are made only once are below `$XDG_DATA_HOME`, and files of a running stack
//! are below `$XDG_STATE_HOME`.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::exit::invalid;

/// Maximum length of a local stack's name: it is part of the names of functions, roles and buckets, which have at most
/// 64 characters.
const LONGEST_NAME: usize = 30;

/// The folders of one local stack.
pub(crate) struct Folders {
    /// The environment, the base image and the embedded files. All stacks share them, and they stay when a stack is
    /// removed.
    pub(crate) data: PathBuf,
    /// Everything that belongs to this stack.
    pub(crate) state: PathBuf,
}

impl Folders {
    /// Returns the folders of the stack with this name, which consists of lower-case letters, digits and hyphens.
    pub(crate) fn of(stack: &str) -> Result<Self> {
        let fits = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit() || letter == '-';
        let starts = stack.starts_with(|letter: char| letter.is_ascii_lowercase());
        if !starts || stack.len() > LONGEST_NAME || !stack.chars().all(fits) || stack.ends_with('-') {
            let rule = "up to 30 lower-case letters, digits and hyphens, a letter first and no hyphen last";
            return Err(invalid(format!("`{stack}` cannot name a local stack: use {rule}")));
        }
        Ok(Folders {
            data: base("XDG_DATA_HOME", ".local/share")?.join("goldsmith"),
            state: base("XDG_STATE_HOME", ".local/state")?.join("goldsmith/local").join(stack),
        })
    }

    /// Waits until no other process is starting or ending this stack. The lock is released when the value is dropped or
    /// the process ends.
    pub(crate) fn lock(&self) -> Result<File> {
        // The lock is next to the folder, because the folder is removed with the stack.
        lock(&self.state.with_extension("lock"))
    }

    /// Returns the path of the file that describes a running stack.
    pub(crate) fn description(&self) -> PathBuf {
        self.state.join("stack.json")
    }

    /// Returns the path of the secret that callers of a running stack must know.
    pub(crate) fn secret(&self) -> PathBuf {
        self.state.join("secret")
    }

    /// Returns the folder in which the endpoint keeps its disks.
    pub(crate) fn ec2(&self) -> PathBuf {
        self.state.join("ec2")
    }

    /// Returns the folder of the base images.
    pub(crate) fn base_images(&self) -> PathBuf {
        self.data.join("images")
    }
}

/// Waits for an exclusive lock on a file, and creates the file if it is missing.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// Returns a folder of the XDG base directory specification. A relative value counts as unset.
fn base(variable: &str, below_home: &str) -> Result<PathBuf> {
    if let Some(path) = env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute()) {
        return Ok(path);
    }
    let home = env::home_dir().filter(|home| home.is_absolute());
    home.map(|home| home.join(below_home)).ok_or_else(|| invalid(format!("neither {variable} nor HOME is set")))
}

#[cfg(test)]
mod tests {
    use super::Folders;

    #[test]
    fn a_name_that_aws_would_refuse_is_refused_here() {
        for name in ["goldsmith", "a", "e2e-3"] {
            assert!(Folders::of(name).is_ok(), "{name}");
        }
        for name in ["", "Gold", "3rd", "a_b", "a/../b", "-a", "a-", &"a".repeat(31)] {
            assert!(Folders::of(name).is_err(), "{name}");
        }
    }
}
