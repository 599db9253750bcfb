//! The advisories in the stack's bucket.

use std::path::{Component, Path};

use goldsmith_advisories::read::is_read;
use goldsmith_cloud::ListedObject;
use tempfile::TempDir;

use crate::error_names::ErrorName;
use crate::{Context, Error, Result};

/// What the keys of the advisories in the stack's bucket begin with. The rest of a key is a path in the folder that users
/// mirror.
pub const PREFIX: &str = "advisories/";
/// The largest number of objects. Publishers pack their records, so a mirror has a few dozen files.
const MOST: usize = 1_000;
/// The size of the largest object in bytes. It must fit into the function's memory.
const LARGEST: u64 = 128 << 20;
/// The size of all objects together in bytes. They must fit on the function's disk.
const LARGEST_TOGETHER: u64 = 512 << 20;
/// What the name of the folder begins with that the objects are copied to. The id of the process follows.
const FOLDER: &str = "goldsmith-advisories-";

/// Returns the advisories in the stack's bucket that are read.
///
/// # Errors
/// Fails if a call to S3 fails.
pub(crate) async fn listed(context: &Context) -> Result<Vec<ListedObject>> {
    // Other objects count as well: one more than the limit decides.
    let all = context.cloud.objects.list(PREFIX, MOST).await?;
    Ok(all.into_iter().filter(|object| path_of(&object.key).is_some()).collect())
}

/// Returns why builds cannot read these advisories, or `None` if they can: there are too many objects, or they are too
/// large.
#[must_use]
pub fn too_much(listed: &[ListedObject]) -> Option<String> {
    if listed.len() > MOST {
        return Some(format!("there are more than {MOST} files, so pack them"));
    }
    if let Some(large) = listed.iter().find(|object| object.bytes > LARGEST) {
        return Some(format!("{} is larger than {} MiB", large.key, LARGEST >> 20));
    }
    let together: u64 = listed.iter().map(|object| object.bytes).sum();
    (together > LARGEST_TOGETHER).then(|| format!("the files are larger than {} MiB together", LARGEST_TOGETHER >> 20))
}

/// Copies the advisories to a new folder of this machine.
///
/// # Errors
/// Fails with `Vulnerable` if there are too many objects or if they are too large, or if a call to S3 fails. Fails with
/// `Throttled` if the mirror is being changed, so that the definition tries again.
pub(crate) async fn folder(context: &Context) -> Result<TempDir> {
    let listed = listed(context).await?;
    if let Some(why) = too_much(&listed) {
        let message = format!("the image could not be judged by the advisories in the stack's bucket: {why}");
        return Err(Error::failed(ErrorName::Vulnerable, message));
    }
    let lost = |error| Error::internal(format!("the advisories cannot be written to the function's disk: {error}"));
    remove_leftovers(&std::env::temp_dir());
    let name = format!("{FOLDER}{}-", std::process::id());
    let folder = tempfile::Builder::new().prefix(&name).tempdir().map_err(lost)?;
    for ListedObject { key, .. } in &listed {
        let Some(path) = path_of(key) else { continue };
        let Some(bytes) = context.cloud.objects.get(key, LARGEST).await? else {
            // What replaces it may not be in the list.
            let message = format!("{key} is gone since it was listed: the advisories are being changed");
            return Err(Error::failed(ErrorName::Throttled, message));
        };
        let path = folder.path().join(path);
        let written = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, bytes));
        written.map_err(|error| {
            let message = format!("the image could not be judged, because {key} cannot be a file of a folder: {error}");
            Error::failed(ErrorName::Vulnerable, message)
        })?;
    }
    Ok(folder)
}

/// Removes the folders of processes that were killed. Lambda keeps the disk when it starts a killed function again, and the
/// disk has room for one folder.
fn remove_leftovers(temporary: &Path) {
    for entry in std::fs::read_dir(temporary).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let owner = name.strip_prefix(FOLDER).and_then(|rest| rest.split('-').next());
        // Other stacks of the local AWS share this machine.
        let is_left =
            owner.is_some_and(|id| id == std::process::id().to_string() || !Path::new("/proc").join(id).exists());
        if is_left {
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Returns the path of an object in the folder, or `None` if it is not read: S3's console writes an object for each folder,
/// and mirrors have other files, too.
fn path_of(key: &str) -> Option<&Path> {
    let path = Path::new(key.strip_prefix(PREFIX)?);
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
    (is_below && is_read(key)).then_some(path)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use async_trait::async_trait;
    use goldsmith_cloud::Objects;

    use super::*;
    use crate::testing::Stack;

    #[test]
    fn a_key_is_a_path_below_the_folder() {
        assert_eq!(path_of("advisories/debian/tracker.json"), Some(Path::new("debian/tracker.json")));
        for none in [
            "advisories/",
            "advisories/osv/",
            "advisories/README.md",
            "advisories/../x.json",
            "advisories//etc/x.json",
            "contents/x.json",
        ] {
            assert_eq!(path_of(none), None, "{none}");
        }
    }

    #[test]
    fn too_many_or_too_large_advisories_are_told() {
        let object = |bytes| ListedObject { key: "advisories/a.json".to_owned(), bytes };
        assert_eq!(too_much(&vec![object(1); MOST]), None);
        for (listed, said) in [
            (vec![object(1); MOST + 1], "more than 1000 files"),
            (vec![object(1), object(LARGEST + 1)], "advisories/a.json is larger than 128 MiB"),
            (vec![object(LARGEST); 5], "larger than 512 MiB together"),
        ] {
            let told = too_much(&listed).unwrap();
            assert!(told.contains(said), "{told}");
        }
    }

    #[tokio::test]
    async fn a_mirror_is_copied_with_its_folders() {
        let stack = Stack::new().await;
        let context = stack.context();
        for key in ["advisories/a.json", "advisories/osv/b.json", "advisories/osv/", "contents/c.json"] {
            context.cloud.objects.put(key, b"{}".to_vec()).await.unwrap();
        }
        let folder = folder(&context).await.unwrap();
        let names = |path: &Path| {
            let mut names: Vec<_> = std::fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(names(folder.path()), ["a.json", "osv"]);
        assert_eq!(names(&folder.path().join("osv")), ["b.json"]);
    }

    /// A bucket whose list still has an object that is gone.
    struct Changing(Arc<dyn Objects>);

    #[async_trait]
    impl Objects for Changing {
        async fn exists(&self, key: &str) -> goldsmith_cloud::Result<bool> {
            self.0.exists(key).await
        }
        async fn put(&self, key: &str, body: Vec<u8>) -> goldsmith_cloud::Result<()> {
            self.0.put(key, body).await
        }
        async fn get(&self, key: &str, largest: u64) -> goldsmith_cloud::Result<Option<Vec<u8>>> {
            self.0.get(key, largest).await
        }
        async fn list(&self, prefix: &str, most: usize) -> goldsmith_cloud::Result<Vec<ListedObject>> {
            let mut listed = self.0.list(prefix, most).await?;
            listed.push(ListedObject { key: format!("{prefix}gone.json"), bytes: 1 });
            Ok(listed)
        }
        async fn presign_put(&self, key: &str, valid: Duration) -> goldsmith_cloud::Result<String> {
            self.0.presign_put(key, valid).await
        }
        async fn presign_put_of(
            &self,
            key: &str,
            sha256: &[u8; 32],
            valid: Duration,
        ) -> goldsmith_cloud::Result<goldsmith_cloud::PresignedPut> {
            self.0.presign_put_of(key, sha256, valid).await
        }
        async fn presign(&self, key: &str, valid: Duration) -> goldsmith_cloud::Result<String> {
            self.0.presign(key, valid).await
        }
    }

    #[tokio::test]
    async fn a_mirror_that_is_being_changed_is_read_again_later() {
        let stack = Stack::new().await;
        let mut context = stack.context();
        context.cloud.objects = Arc::new(Changing(Arc::clone(&context.cloud.objects)));
        let error = folder(&context).await.unwrap_err();
        assert!(error.is_transient() && error.to_string().contains("gone.json"), "{error}");
    }

    #[test]
    fn only_the_folders_of_processes_that_have_ended_are_removed() {
        let temporary = tempfile::tempdir().unwrap();
        let (own, other, ended) = (std::process::id(), 1, u32::MAX);
        for id in [own, other, ended] {
            std::fs::create_dir(temporary.path().join(format!("{FOLDER}{id}-x"))).unwrap();
        }
        std::fs::create_dir(temporary.path().join("somebody-elses")).unwrap();
        remove_leftovers(temporary.path());
        let mut left: Vec<_> =
            std::fs::read_dir(temporary.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["goldsmith-advisories-1-x", "somebody-elses"]);
    }
}
