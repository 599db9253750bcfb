//! The files that an import reads, and no others.

use std::fs;
use std::path::{Path, PathBuf};

/// Greatest file that is read, in bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Reads files of the imported folder. A definition may name other files of its project, but never other files of this
/// machine: a definition from elsewhere must not carry somebody's keys into a component.
#[derive(Debug)]
pub(crate) struct Project {
    root: PathBuf,
}

impl Project {
    /// Returns the project of a folder: the Git repository around it, or the folder itself.
    pub(crate) fn around(folder: &Path) -> std::io::Result<Self> {
        let folder = folder.canonicalize()?;
        let repository = folder.ancestors().find(|ancestor| ancestor.join(".git").exists());
        Ok(Self { root: repository.unwrap_or(&folder).to_owned() })
    }

    /// Returns a file's bytes, or why it is not read.
    pub(crate) fn bytes(&self, path: &Path) -> Result<Vec<u8>, String> {
        let shown = path.display();
        let real = path.canonicalize().map_err(|_| format!("there is no file {shown}"))?;
        if !real.starts_with(&self.root) {
            return Err(format!("{shown} is outside of the folder and its repository"));
        }
        let about = fs::metadata(&real).map_err(|error| format!("{shown} cannot be read: {error}"))?;
        if !about.is_file() {
            return Err(format!("{shown} is not a file"));
        }
        if about.len() > MAX_BYTES {
            return Err(format!("{shown} has {} bytes: at most {MAX_BYTES} are read", about.len()));
        }
        fs::read(&real).map_err(|error| format!("{shown} cannot be read: {error}"))
    }

    /// Returns a file's text, or why it is not read.
    pub(crate) fn text(&self, path: &Path) -> Result<String, String> {
        String::from_utf8(self.bytes(path)?).map_err(|_| format!("{} is not UTF-8 text", path.display()))
    }
}

#[cfg(test)]
mod tests {
    use super::Project;

    #[test]
    fn only_files_of_the_project_are_read() {
        let (inside, outside) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        std::fs::create_dir_all(inside.path().join("infra")).unwrap();
        std::fs::create_dir_all(inside.path().join(".git")).unwrap();
        std::fs::write(inside.path().join("a.sh"), "a").unwrap();
        std::fs::write(outside.path().join("key"), "k").unwrap();
        std::os::unix::fs::symlink(outside.path().join("key"), inside.path().join("link")).unwrap();
        let project = Project::around(&inside.path().join("infra")).unwrap();
        assert_eq!(project.text(&inside.path().join("infra/../a.sh")), Ok("a".to_owned()));
        for path in [outside.path().join("key"), inside.path().join("link")] {
            assert!(project.text(&path).unwrap_err().ends_with("is outside of the folder and its repository"));
        }
        assert!(project.text(&inside.path().join("none")).unwrap_err().starts_with("there is no file "));
        assert!(project.text(inside.path()).unwrap_err().ends_with(" is not a file"));
    }
}
