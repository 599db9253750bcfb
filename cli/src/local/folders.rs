//! Where the local AWS keeps its files: what is made once below `$XDG_DATA_HOME`, what a running stack has below
//! `$XDG_STATE_HOME`.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::exit::invalid;

/// Longest name of a local stack: it is part of the names of functions, roles and buckets, which have 64 letters.
const LONGEST_NAME: usize = 30;

/// The folders of one local stack.
pub(crate) struct Folders {
    /// Environment, base image, embedded files: shared by all stacks, kept when a stack goes.
    pub(crate) data: PathBuf,
    /// All that belongs to this stack.
    pub(crate) state: PathBuf,
}

impl Folders {
    /// The folders of the stack of this name, which is made of lower-case letters, digits and hyphens.
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

    /// Waits until no other process starts or ends this stack. The lock ends with the value, or with the process.
    pub(crate) fn lock(&self) -> Result<File> {
        // Beside the folder, which goes when the stack ends.
        lock(&self.state.with_extension("lock"))
    }

    /// Where a running stack is described.
    pub(crate) fn description(&self) -> PathBuf {
        self.state.join("stack.json")
    }

    /// Where the secret is that callers of a running stack must know.
    pub(crate) fn secret(&self) -> PathBuf {
        self.state.join("secret")
    }

    /// Where the endpoint keeps its disks.
    pub(crate) fn ec2(&self) -> PathBuf {
        self.state.join("ec2")
    }

    /// Where base images are kept.
    pub(crate) fn base_images(&self) -> PathBuf {
        self.data.join("images")
    }
}

/// Waits for an exclusive lock on a file, which is made when missing.
pub(crate) fn lock(path: &Path) -> Result<File> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    fs::create_dir_all(folder).with_context(|| format!("cannot create {}", folder.display()))?;
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
    Ok(file)
}

/// A folder of the XDG base directory specification: a relative value counts as none.
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
