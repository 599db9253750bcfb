//! The definition files of a folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::{fs, io};

use anyhow::{Context, Result};
use goldsmith_document::yaml::Span;
use goldsmith_document::{Diagnostic, Diagnostics, Source};
use goldsmith_model::definitions::SourceFile;

use crate::exit::{invalid, mistaken};
use crate::render::count_in_words;

/// The message about a file that is not text.
const NOT_TEXT: &str = "the file is not UTF-8 text";

/// The largest file in bytes that a definition names. A document has at most some hundred kilobytes.
const LARGEST: u64 = 16 * 1024 * 1024;

/// Reads a definition file, or all files `*.yml` and `*.yaml` directly in a folder, in the order of their names. If some
/// are not text, the error names a place in each of them, and says what this has prevented.
pub(crate) fn read(path: &Path, nothing: &str) -> Result<Vec<SourceFile>> {
    let (mut found, mut read) = (Diagnostics::new(), Vec::new());
    for file in files(path)? {
        let bytes = fs::read(&file).with_context(|| format!("{} cannot be read", file.display()))?;
        let name = file.display().to_string();
        match utf8(&name, bytes) {
            Ok(text) => read.push(SourceFile { path: name, text }),
            Err(mistake) => found.push(*mistake),
        }
    }
    if found.is_empty() {
        return Ok(read);
    }
    let mistakes = count_in_words(found.errors(), "mistake");
    Err(mistaken(found, format!("{mistakes} in {}: {nothing}", path.display())))
}

/// Returns the text of a file, or the first place at which it is not UTF-8.
pub(crate) fn utf8(file: &str, bytes: Vec<u8>) -> Result<String, Box<Diagnostic>> {
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let bytes = error.into_bytes();
        let before = String::from_utf8_lossy(&bytes[..good]);
        let line = before.matches('\n').count() + 1;
        let column = before.rsplit('\n').next().unwrap_or_default().chars().count() + 1;
        let help = match bytes[..] {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "it looks like UTF-16: save it as UTF-8".to_owned(),
            _ => format!("the byte 0x{:02x} is no character of UTF-8 there: save the file as UTF-8", bytes[good]),
        };
        // The line itself is not shown: it is no text, and may not even be a line.
        let nowhere = Source { file, text: "" };
        let found = nowhere.error(Span { line, column, len: 1 }, "unreadable", NOT_TEXT);
        Box::new(Diagnostic { help: Some(help), ..found })
    })
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
    utf8("", fs::read(file)?).map_err(|found| {
        let Diagnostic { line, column, help, .. } = *found;
        let help = help.unwrap_or_default();
        io::Error::other(format!("it is not UTF-8 text at line {line}, column {column}: {help}"))
    })
}

#[cfg(test)]
mod tests {
    use goldsmith_model::definitions::{Draft, SourceFile, Stored};

    use super::{documents, utf8};

    fn read(path: &std::path::Path) -> anyhow::Result<Vec<SourceFile>> {
        super::read(path, "nothing was done")
    }

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
    fn a_file_that_is_not_text_has_the_place_where_it_is_not() {
        let place = |bytes: &[u8]| {
            let found = utf8("a.yml", bytes.to_vec()).unwrap_err();
            (found.line, found.column, found.help.unwrap())
        };
        let byte = |code: &str| format!("the byte {code} is no character of UTF-8 there: save the file as UTF-8");
        assert_eq!(place(b"kind: Component\r\nn\xc3\xa4me: gr\xfcn\n"), (2, 9, byte("0xfc")));
        assert_eq!(place(b"\xff"), (1, 1, byte("0xff")));
        assert_eq!(place(b"a\n\xc3"), (2, 1, byte("0xc3")));
        assert_eq!(place(b"\xff\xfea\0"), (1, 1, "it looks like UTF-16: save it as UTF-8".to_owned()));
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("d.yml"), b"a\nb\xe9").unwrap();
        let read =
            documents(&[SourceFile { path: folder.path().join("a.yml").display().to_string(), text: String::new() }]);
        let refused = read(&folder.path().join("d.yml")).unwrap_err().to_string();
        assert_eq!(refused, format!("it is not UTF-8 text at line 2, column 2: {}", byte("0xe9")));
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
