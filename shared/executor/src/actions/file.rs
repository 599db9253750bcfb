//! `CreateFile`. A given mode is set exactly, whatever the umask.

use std::fs::{self, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use goldsmith_document::CreateFile;

use super::{Place, record};
use crate::resolve::{ResolveError, Resolver};
use crate::state::Inputs;

/// A file to write.
pub(crate) struct NewFile {
    path: String,
    content: Option<String>,
    encoding: Option<String>,
    owner: Option<String>,
    group: Option<String>,
    permissions: Option<String>,
    overwrite: bool,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum FileError {
    #[error("{} exists, and `overwrite` is false", path.display())]
    Exists { path: PathBuf },
    #[error("{} cannot be written", path.display())]
    Write { path: PathBuf, source: io::Error },
    #[error("owner, group or mode of {} cannot be set", path.display())]
    Attributes { path: PathBuf, source: io::Error },
    #[error("`{name}` is not in {database}")]
    NoSuchName { name: String, database: &'static str },
    #[error("`{text}` is not an octal mode, such as 0644")]
    Mode { text: String },
    #[error("`{name}` is not an encoding: utf-8, utf-16 or utf-32, the latter two also with -LE or -BE")]
    Encoding { name: String },
}

impl NewFile {
    pub(super) fn new(input: &CreateFile, resolver: &Resolver<'_>) -> Result<Self, ResolveError> {
        Ok(Self {
            path: resolver.text(&input.path)?,
            content: resolver.optional(input.content.as_ref())?,
            encoding: Some(resolver.text(&input.encoding.text)?),
            owner: resolver.optional(input.owner.as_ref())?,
            group: resolver.optional(input.group.as_ref())?,
            permissions: resolver.optional(input.permissions.as_ref().map(|mode| &mode.text))?,
            overwrite: resolver.value(&input.overwrite)?,
        })
    }

    pub(super) fn inputs(&self) -> Inputs {
        record(&[
            ("path", Some(&self.path)),
            ("content", Some(self.content.as_deref().unwrap_or_default())),
            ("encoding", Some(self.encoding.as_deref().unwrap_or("utf8"))),
            ("owner", self.owner.as_deref()),
            ("group", self.group.as_deref()),
            ("permissions", self.permissions.as_deref()),
            ("overwrite", Some(if self.overwrite { "true" } else { "false" })),
        ])
    }

    /// Everything that can be wrong with the inputs is found before the file is touched.
    pub(super) fn write(&self, place: &Place<'_>) -> Result<(), FileError> {
        let path = place.path(&self.path);
        let mode = self.permissions.as_deref().map(mode).transpose()?;
        let owner = self.owner.as_deref().map(|name| id(name, "/etc/passwd")).transpose()?;
        let group = self.group.as_deref().map(|name| id(name, "/etc/group")).transpose()?;
        let bytes = encode(self.content.as_deref().unwrap_or_default(), self.encoding.as_deref().unwrap_or("utf8"))?;
        let mut options = OpenOptions::new();
        options.write(true);
        if self.overwrite {
            options.create(true).truncate(true)
        } else {
            options.create_new(true)
        };
        let failed = |source: io::Error| match source.kind() {
            io::ErrorKind::AlreadyExists => FileError::Exists { path: path.clone() },
            _ => FileError::Write { path: path.clone(), source },
        };
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).map_err(failed)?;
        let mut file = options.open(&path).map_err(failed)?;
        let attributes = |source| FileError::Attributes { path: path.clone(), source };
        if owner.is_some() || group.is_some() {
            chown(&path, owner, group).map_err(attributes)?;
        }
        if let Some(mode) = mode {
            file.set_permissions(Permissions::from_mode(mode)).map_err(attributes)?;
        }
        file.write_all(&bytes).map_err(failed)
    }
}

fn mode(text: &str) -> Result<u32, FileError> {
    let mode = u32::from_str_radix(text.trim_start_matches("0o"), 8).ok().filter(|mode| *mode <= 0o7777);
    mode.ok_or_else(|| FileError::Mode { text: text.to_owned() })
}

/// The number of a user or group, from the name or the number.
fn id(name: &str, database: &'static str) -> Result<u32, FileError> {
    let missing = || FileError::NoSuchName { name: name.to_owned(), database };
    if let Ok(id) = name.parse() {
        return Ok(id);
    }
    let entries = fs::read_to_string(database).map_err(|_| missing())?;
    let found = entries.lines().find_map(|line| {
        let mut fields = line.split(':');
        (fields.next() == Some(name)).then(|| fields.nth(1)?.parse().ok()).flatten()
    });
    found.ok_or_else(missing)
}

/// The text in an encoding of the language; none of them writes a byte order mark.
fn encode(text: &str, encoding: &str) -> Result<Vec<u8>, FileError> {
    let plain = encoding.to_ascii_lowercase().replace('-', "");
    Ok(match plain.as_str() {
        "utf8" => text.as_bytes().to_vec(),
        "utf16" | "utf16le" => text.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        "utf16be" => text.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        "utf32" | "utf32le" => text.chars().flat_map(|c| u32::from(c).to_le_bytes()).collect(),
        "utf32be" => text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
        _ => return Err(FileError::Encoding { name: encoding.to_owned() }),
    })
}

#[cfg(test)]
mod tests {
    use super::{encode, id, mode};

    #[test]
    fn modes_ids_and_encodings_are_read() {
        assert_eq!(mode("0640").unwrap(), 0o640);
        assert_eq!(mode("755").unwrap(), 0o755);
        assert_eq!(mode("rwx").unwrap_err().to_string(), "`rwx` is not an octal mode, such as 0644");
        assert_eq!(id("root", "/etc/passwd").unwrap(), 0);
        assert_eq!(id("4711", "/etc/group").unwrap(), 4711);
        assert!(id("no-such-user", "/etc/passwd").is_err());
        assert_eq!(encode("ä", "UTF-16-BE").unwrap(), [0, 0xe4]);
        assert_eq!(encode("ä", "utf32").unwrap(), [0xe4, 0, 0, 0]);
        assert!(encode("ä", "latin1").is_err());
    }
}
