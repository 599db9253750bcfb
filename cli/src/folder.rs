//! The definition files of a folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result};
use goldsmith_model::definitions::SourceFile;

use crate::exit::invalid;

/// The largest file in bytes that a definition names. A document has at most some hundred kilobytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Reads a definition file, or all files `*.yml` and `*.yaml` directly in a folder, in the order of their names.
pub(crate) fn read(path: &Path) -> Result<Vec<SourceFile>> {
    files(path)?.iter().map(|file| read_file(file)).collect()
}

/// Returns the file itself, or all files `*.yml` and `*.yaml` directly in a folder, in the order of their names.
pub(crate) fn files(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let cannot = || format!("{} cannot be read", path.display());
    let entries = fs::read_dir(path).with_context(cannot)?;
    // Both paths are compared with their links resolved: the folder itself may be reached through a link, which is
    // allowed.
    let folder = path.canonicalize().with_context(cannot)?;
    let mut files: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let file = entry.with_context(cannot)?.path();
        let yaml = file.extension().is_some_and(|extension| extension == "yml" || extension == "yaml");
        if yaml && file.is_file() {
            if !file.canonicalize().with_context(cannot)?.starts_with(&folder) {
                let why = "is a link to a file outside the folder: name that file instead";
                return Err(invalid(format!("{} {why}", file.display())));
            }
            files.push(file);
        }
    }
    if files.is_empty() {
        return Err(invalid(format!("there is no *.yml or *.yaml in {}", path.display())));
    }
    files.sort();
    Ok(files)
}

/// Returns a reader of the documents that definition files name. A link that leads out of these folders is an error,
/// because definitions from elsewhere must not store other files of this machine.
pub(crate) fn documents(definitions: &[SourceFile]) -> impl Fn(&Path) -> io::Result<String> + use<> {
    // The parent of a bare file name is the empty path.
    let folder = |file: &SourceFile| Path::new(".").join(Path::new(&file.path).parent()?).canonicalize().ok();
    let folders: BTreeSet<PathBuf> = definitions.iter().filter_map(folder).collect();
    move |path| {
        let file = path.canonicalize()?;
        if !folders.iter().any(|folder| file.starts_with(folder)) {
            return Err(io::Error::other("it is a link to a file outside the definitions' folder"));
        }
        text(&file)
    }
}

/// Reads a text file that a definition names. A fifo would be waited for, and a device has no end.
fn text(file: &Path) -> io::Result<String> {
    let found = file.metadata()?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a regular file"));
    }
    if found.len() > LARGEST {
        return Err(io::Error::other(format!("it has {} bytes, and {LARGEST} is the limit", found.len())));
    }
    fs::read_to_string(file)
}

fn read_file(path: &Path) -> Result<SourceFile> {
    let text = fs::read_to_string(path).with_context(|| format!("{} cannot be read", path.display()))?;
    Ok(SourceFile { path: path.display().to_string(), text })
}

#[cfg(test)]
mod tests {
    use goldsmith_model::definitions::{Draft, SourceFile, Stored};

    use super::{documents, read};

    #[test]
    fn a_folder_gives_its_own_yaml_files_by_name() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("components.yml")).unwrap();
        for name in ["b.yaml", "a.yml", "notes.txt"] {
            std::fs::write(folder.path().join(name), name).unwrap();
        }
        let read: Vec<String> = read(folder.path()).unwrap().into_iter().map(|file| file.text).collect();
        assert_eq!(read, ["a.yml", "b.yaml"]);
    }

    #[test]
    fn a_link_out_of_the_folder_is_no_definition_of_it() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |name: &str| folder.path().join(name);
        std::fs::write(at("a.yml"), "a").unwrap();
        std::os::unix::fs::symlink("a.yml", at("b.yml")).unwrap();
        assert_eq!(read(folder.path()).unwrap().len(), 2);
        std::fs::write(elsewhere.path().join("c.yml"), "c").unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join("c.yml"), at("c.yml")).unwrap();
        let refused = read(folder.path()).unwrap_err().to_string();
        let why = "is a link to a file outside the folder: name that file instead";
        assert_eq!(refused, format!("{} {why}", at("c.yml").display()));
        assert_eq!(read(&at("c.yml")).unwrap().len(), 1, "a file that is named is read");
    }

    #[test]
    fn a_document_is_read_through_links_within_its_folder_only() {
        let (folder, elsewhere) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("documents")).unwrap();
        std::fs::write(at("documents/a.yml"), "a").unwrap();
        std::fs::write(elsewhere.path().join("b.yml"), "b").unwrap();
        std::os::unix::fs::symlink("documents/a.yml", at("link.yml")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path().join("b.yml"), at("away.yml")).unwrap();
        std::os::unix::fs::symlink(elsewhere.path(), at("away")).unwrap();
        let pipeline = SourceFile { path: at("pipeline.yml").display().to_string(), text: String::new() };
        let read = documents(&[pipeline]);
        assert_eq!(["documents/a.yml", "link.yml"].map(|name| read(&at(name)).unwrap()), ["a", "a"]);
        for link in ["away.yml", "away/b.yml"] {
            let refused = read(&at(link)).unwrap_err().to_string();
            assert_eq!(refused, "it is a link to a file outside the definitions' folder", "{link}");
        }
    }

    #[test]
    fn a_document_is_a_regular_file_of_some_size() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert!(std::process::Command::new("mkfifo").arg(at("fifo")).status().unwrap().success());
        std::fs::File::create(at("endless")).unwrap().set_len(1 << 40).unwrap();
        let read = documents(&[SourceFile { path: at("pipeline.yml").display().to_string(), text: String::new() }]);
        let refused = |name: &str| read(&at(name)).unwrap_err().to_string();
        assert_eq!(refused("fifo"), "it is not a regular file");
        assert_eq!(refused("."), "it is not a regular file");
        assert_eq!(refused("endless"), "it has 1099511627776 bytes, and 16777216 is the limit");
    }

    #[test]
    fn the_examples_are_right() {
        for name in ["web-server", "broken"] {
            let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name);
            let files = read(&folder).unwrap();
            let draft = Draft::read(&files, &documents(&files));
            let definitions = draft.check(&Stored::default()).map_err(|found| found.to_string()).unwrap();
            assert_eq!((definitions.pipelines.len(), definitions.warnings.to_string()), (1, String::new()));
        }
    }

    #[test]
    fn what_is_not_there_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let message = format!("there is no *.yml or *.yaml in {}", folder.path().display());
        assert_eq!(read(folder.path()).unwrap_err().to_string(), message);
        let file = folder.path().join("a.yml");
        assert_eq!(read(&file).unwrap_err().to_string(), format!("{} cannot be read", file.display()));
    }
}
