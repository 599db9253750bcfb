//! Copies a folder of advisories to the stack's bucket, from where its builds read them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use goldsmith_advisories::Wanted;
use goldsmith_advisories::read::{self, is_read};
use goldsmith_cloud::{Cloud, ListedObject};
use goldsmith_states::{ADVISORIES, too_many_advisories};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::{Exit, invalid};
use crate::output::{self, Show};

/// How many files are named that cannot be read.
const TOLD: usize = 10;
/// The largest number of objects that are listed. Builds refuse to read more than a thousand.
const MOST: usize = 10_000;

/// What was copied, and what else builds read.
#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Uploaded {
    /// The number of files.
    files: usize,
    /// Their size in bytes.
    bytes: u64,
    /// The objects that no file of the folder has written, such as those of an earlier upload.
    others: Vec<String>,
}

impl Show for Uploaded {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let (size, unit) = if self.bytes < 1 << 20 {
            (self.bytes.div_ceil(1 << 10), "KiB")
        } else {
            (self.bytes.div_ceil(1 << 20), "MiB")
        };
        let files = if self.files == 1 { "1 file was".to_owned() } else { format!("{} files were", self.files) };
        let mut lines = vec![format!("{files} copied to the stack, {size} {unit}")];
        if !self.others.is_empty() {
            let prefix = ADVISORIES;
            lines.push(format!(
                "the stack also has these, which are not in the folder; delete what is out of date below {prefix}"
            ));
            lines.extend(self.others.iter().map(|key| format!("  {key}")));
        }
        lines
    }
}

pub(super) async fn run(globals: &Globals, folder: &Path) -> Result<Exit> {
    let files = files(folder)?;
    if files.is_empty() {
        let endings = ".json, .xml, .json.gz, .xml.gz or .zip";
        return Err(invalid(format!("{} has no file whose name ends in {endings}", folder.display())));
    }
    let listed: Vec<ListedObject> = files.iter().map(|file| file.object.clone()).collect();
    if let Some(why) = too_many_advisories(&listed) {
        return Err(invalid(format!("builds could not read {}: {why}", folder.display())));
    }
    refuse_what_builds_refuse(folder)?;
    let connection = Connection::open(globals).await?;
    output::show(globals, &upload(&connection.cloud, files).await?)?;
    Ok(Exit::Success)
}

/// Rejects a folder of which a part cannot be read. Builds would reject every image because of it.
fn refuse_what_builds_refuse(folder: &Path) -> Result<()> {
    let read = read::folder(folder, &Wanted::default());
    let read = read.map_err(|error| invalid(format!("{} cannot be read: {error}", folder.display())))?;
    let lost: Vec<String> = read.issues.iter().filter(|issue| issue.whole_file).map(ToString::to_string).collect();
    if lost.is_empty() {
        return Ok(());
    }
    let (first, folder) = (lost.iter().take(TOLD).cloned().collect::<Vec<_>>().join("\n  "), folder.display());
    let more = match lost.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!("\n  and {more} more"),
    };
    Err(invalid(format!("builds would reject every image, because not all of {folder} can be read:\n  {first}{more}")))
}

/// A file that is read.
#[derive(Debug, PartialEq, Eq)]
struct Advisories {
    path: PathBuf,
    /// What the bucket will list.
    object: ListedObject,
}

/// Returns the files that are read, in the order of their keys.
fn files(folder: &Path) -> Result<Vec<Advisories>> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let unreadable = |error| invalid(format!("{} cannot be read: {error}", next.display()));
        for entry in std::fs::read_dir(&next).map_err(unreadable)? {
            let path = entry.map_err(unreadable)?.path();
            if path.is_dir() {
                folders.extend((!path.is_symlink()).then_some(path));
                continue;
            }
            let name = path.strip_prefix(folder).unwrap_or(&path);
            let Some(name) = name.to_str().filter(|name| !name.contains(char::is_control)) else {
                return Err(invalid(format!("the name of {} is not UTF-8, or has control characters", path.display())));
            };
            let metadata = path.metadata().map_err(unreadable)?;
            if metadata.is_file() && is_read(name) {
                let object = ListedObject { key: format!("{ADVISORIES}{name}"), bytes: metadata.len() };
                found.push(Advisories { path, object });
            }
        }
    }
    found.sort_by(|one, other| one.object.key.cmp(&other.object.key));
    Ok(found)
}

async fn upload(cloud: &Cloud, files: Vec<Advisories>) -> Result<Uploaded> {
    let mut written = BTreeSet::new();
    let mut bytes = 0;
    for Advisories { path, object } in files {
        let body = std::fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))?;
        bytes += body.len() as u64;
        cloud.objects.put(&object.key, body).await?;
        written.insert(object.key);
    }
    let others = cloud.objects.list(ADVISORIES, MOST).await?.into_iter().map(|object| object.key);
    let others = others.filter(|key| is_read(key) && !written.contains(key)).collect();
    Ok(Uploaded { files: written.len(), bytes, others })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::{Uploaded, files, refuse_what_builds_refuse, upload};
    use crate::testing::Stack;

    #[tokio::test]
    async fn a_folder_is_copied_with_its_folders_and_the_rest_is_named() {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in
            [("osv/Debian/one.json", "{}"), ("tracker.JSON", "{}"), ("README.md", "no"), ("osv/x.zst", "no")]
        {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let stack = Stack::new();
        let cloud = &stack.connection.cloud;
        cloud.objects.put("advisories/old.json", b"{}".to_vec()).await.unwrap();
        cloud.objects.put("contents/b.json.gz", b"{}".to_vec()).await.unwrap();
        let expected = Uploaded { files: 2, bytes: 4, others: vec!["advisories/old.json".to_owned()] };
        for _ in 0..2 {
            let found = files(folder.path()).unwrap();
            assert_eq!(upload(cloud, found).await.unwrap(), expected);
        }
        let one = cloud.objects.get("advisories/osv/Debian/one.json", 100).await.unwrap();
        assert_eq!(one.as_deref(), Some(&b"{}"[..]));
        fs::write(folder.path().join("cut.zip"), "PK").unwrap();
        fs::write(folder.path().join("updateinfo.xml.zst"), "x").unwrap();
        let refused = refuse_what_builds_refuse(folder.path()).unwrap_err().to_string();
        assert!(refused.contains("cut.zip: ") && refused.contains("updateinfo.xml.zst: "), "{refused}");
        fs::write(folder.path().join("a\u{1b}.json"), "{}").unwrap();
        assert!(files(folder.path()).unwrap_err().to_string().contains("control characters"));
        assert!(files(&folder.path().join("none")).unwrap_err().to_string().contains("none cannot be read"));
    }
}
