//! The advisories in the stack's bucket.

use std::path::{Component, Path};

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
const LARGEST: u64 = 256 << 20;
/// The size of all objects together in bytes. They must fit on the function's disk.
const LARGEST_TOGETHER: u64 = 1 << 30;

/// Copies the advisories to a new folder of this machine.
///
/// # Errors
/// Fails with `Vulnerable` if there are too many objects or if they are too large, or if a call to S3 fails.
pub(crate) async fn folder(context: &Context) -> Result<TempDir> {
    let objects = &context.cloud.objects;
    let listed = objects.list(PREFIX, MOST).await?;
    refuse_too_much(&listed)?;
    let lost = |error| Error::internal(format!("the advisories cannot be written to the function's disk: {error}"));
    let folder = tempfile::tempdir().map_err(lost)?;
    for ListedObject { key, .. } in listed {
        let Some(path) = path_of(&key) else { continue };
        // An object that is gone since it was listed belongs to a mirror that is being updated.
        let Some(bytes) = objects.get(&key, LARGEST).await? else { continue };
        let path = folder.path().join(path);
        path.parent()
            .map_or(Ok(()), std::fs::create_dir_all)
            .and_then(|()| std::fs::write(&path, bytes))
            .map_err(lost)?;
    }
    Ok(folder)
}

fn refuse_too_much(listed: &[ListedObject]) -> Result<()> {
    let unusable = |what: String| {
        let message = format!("the image could not be judged: {what}");
        Err(Error::failed(ErrorName::Vulnerable, message))
    };
    if listed.len() > MOST {
        return unusable(format!(
            "there are more than {MOST} objects below {PREFIX} in the stack's bucket, so pack them"
        ));
    }
    if let Some(large) = listed.iter().find(|object| object.bytes > LARGEST) {
        return unusable(format!("{} in the stack's bucket is larger than {} MiB", large.key, LARGEST >> 20));
    }
    if listed.iter().map(|object| object.bytes).sum::<u64>() > LARGEST_TOGETHER {
        let limit = LARGEST_TOGETHER >> 20;
        return unusable(format!(
            "the objects below {PREFIX} in the stack's bucket are larger than {limit} MiB together"
        ));
    }
    Ok(())
}

/// Returns the path of an object in the folder, or `None` if it has none: S3's console writes an object for each folder.
fn path_of(key: &str) -> Option<&Path> {
    let path = Path::new(key.strip_prefix(PREFIX)?);
    let is_below = path.components().all(|part| matches!(part, Component::Normal(_)));
    (is_below && !key.ends_with('/')).then_some(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Stack;

    #[test]
    fn a_key_is_a_path_below_the_folder() {
        assert_eq!(path_of("advisories/debian/tracker.json"), Some(Path::new("debian/tracker.json")));
        for none in
            ["advisories/", "advisories/osv/", "advisories/../x.json", "advisories//etc/x.json", "contents/x.json"]
        {
            assert_eq!(path_of(none), None, "{none}");
        }
    }

    #[test]
    fn too_many_or_too_large_advisories_are_refused() {
        let object = |bytes| ListedObject { key: "advisories/a.json".to_owned(), bytes };
        assert!(refuse_too_much(&vec![object(1); MOST]).is_ok());
        for (listed, said) in [
            (vec![object(1); MOST + 1], "more than 1000 objects"),
            (vec![object(1), object(LARGEST + 1)], "larger than 256 MiB"),
            (vec![object(LARGEST); 5], "larger than 1024 MiB together"),
        ] {
            let error = refuse_too_much(&listed).unwrap_err();
            assert_eq!(error.name(), ErrorName::Vulnerable);
            assert!(error.to_string().contains(said), "{error}");
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
}
