//! The files that an import reads, and no others.

use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::budget::Budget;

/// Greatest file that is read, in bytes.
const MAX_BYTES: u64 = 4 * 1024 * 1024;

/// Reads files of the imported folder. A definition may name other files of its project, but never other files of this
/// machine: a definition from elsewhere must not carry somebody's keys into a component.
#[derive(Debug, Clone)]
pub(crate) struct Project {
    /// The repository, or the folder itself, without links.
    root: PathBuf,
    /// The folder as the user named it.
    folder: PathBuf,
    /// The home Region, if the user has named one.
    pub(crate) region: Option<String>,
    /// What is left of the work that this import may do.
    pub(crate) budget: Rc<Budget>,
}

impl Project {
    /// Returns the project of a folder: the Git repository around it, or the folder itself.
    pub(crate) fn around(folder: &Path, region: Option<String>) -> std::io::Result<Self> {
        let real = folder.canonicalize()?;
        let repository = real.ancestors().find(|ancestor| ancestor.join(".git").exists());
        let root = repository.unwrap_or(&real).to_owned();
        Ok(Self { root, folder: folder.to_owned(), region, budget: Rc::default() })
    }

    /// Returns the path of a file that a source in `from` names. Tools are run in the source's folder, but also in the
    /// imported folder and at the top of the repository.
    pub(crate) fn find(&self, path: &str, from: &Path) -> PathBuf {
        let path = Path::new(path);
        let is_whole = path.is_absolute() || path.starts_with(from) && from.as_os_str() != ".";
        let near = if is_whole { path.to_owned() } else { from.join(path) };
        let others = [&self.folder, &self.root].map(|folder| folder.join(path));
        let other = others.into_iter().find(|other| !near.exists() && other.exists());
        other.unwrap_or(near)
    }

    /// Returns the files of this name in the imported folder and its subfolders.
    pub(crate) fn called(&self, name: &str) -> Vec<PathBuf> {
        let mut files = Vec::new();
        // A folder that cannot be listed has no files for an import.
        let _ = crate::collect(&self.folder, 0, &|path| path.file_name().is_some_and(|file| file == name), &mut files);
        files
    }

    /// Returns whether a path is in the folder or in its repository.
    pub(crate) fn holds(&self, path: &Path) -> bool {
        path.canonicalize().is_ok_and(|real| real.starts_with(&self.root))
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
        let project = Project::around(&inside.path().join("infra"), None).unwrap();
        assert_eq!(project.text(&inside.path().join("infra/../a.sh")), Ok("a".to_owned()));
        for path in [outside.path().join("key"), inside.path().join("link")] {
            assert!(project.text(&path).unwrap_err().ends_with("is outside of the folder and its repository"));
        }
        assert!(project.text(&inside.path().join("none")).unwrap_err().starts_with("there is no file "));
        assert!(project.text(inside.path()).unwrap_err().ends_with(" is not a file"));
    }
}
