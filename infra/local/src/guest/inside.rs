//! Paths in an instance's tree, for work on the host while nothing runs in the tree. Something that an instance wrote
//! could be a link to the host's own files, so no link is followed.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Returns a folder below a tree, and creates it if needed. Anything at its path, or at the path of a folder above it,
/// that is not a folder is removed.
pub(super) fn own_folder(tree: &Path, path: &str) -> io::Result<PathBuf> {
    let mut folder = tree.to_owned();
    for part in Path::new(path) {
        folder.push(part);
        match folder.symlink_metadata() {
            Ok(facts) if facts.is_dir() => continue,
            Ok(_) => fs::remove_file(&folder)?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        fs::create_dir(&folder)?;
    }
    Ok(folder)
}

/// Returns whether everything that exists above a path in a tree is a folder.
pub(crate) fn is_below_folders(tree: &Path, path: &str) -> bool {
    let above = Path::new(path).ancestors().skip(1).filter(|folder| !folder.as_os_str().is_empty());
    above.map(|folder| tree.join(folder).symlink_metadata()).all(|facts| match facts {
        Ok(facts) => facts.is_dir(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    })
}

/// Puts a file into a tree, and sets aside the file that it replaces.
pub(super) fn put(own: &Path, inside: &Path, aside: &Path) -> io::Result<()> {
    if inside.symlink_metadata().is_ok() {
        fs::rename(inside, aside)?;
    } else if let Some(parent) = inside.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::copy(own, inside).map(drop)
}

/// Writes a file, and replaces whatever was there.
pub(super) fn copy_over(from: &Path, to: &Path) -> io::Result<()> {
    match to.symlink_metadata() {
        Ok(facts) if facts.is_dir() => fs::remove_dir_all(to)?,
        Ok(_) => fs::remove_file(to)?,
        Err(_) => {}
    }
    fs::copy(from, to).map(drop)
}

/// Restores what was set aside: a link as a link. Does nothing if there is neither a file nor a link.
pub(super) fn put_back(aside: &Path, inside: &Path) -> io::Result<()> {
    match aside.symlink_metadata() {
        // `fs::copy` would follow it, and could copy a file of this machine into the image.
        Ok(facts) if facts.is_symlink() => std::os::unix::fs::symlink(fs::read_link(aside)?, inside),
        Ok(facts) if facts.is_file() => fs::copy(aside, inside).map(drop),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    /// Returns a tree next to a folder that stands for the host's, with a link to it.
    fn tree() -> (tempfile::TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (tree, host) = (folder.path().join("tree"), folder.path().join("host"));
        fs::create_dir_all(tree.join("usr")).unwrap();
        fs::create_dir_all(host.join("sbin")).unwrap();
        fs::write(host.join("sbin/reboot"), "host").unwrap();
        symlink(&host, tree.join("usr/local")).unwrap();
        (folder, tree, host)
    }

    #[test]
    fn a_link_in_the_place_of_a_folder_goes_and_what_it_leads_to_stays() {
        let (_folder, tree, host) = tree();
        let made = own_folder(&tree, "usr/local/sbin").unwrap();
        assert_eq!(fs::read_dir(&made).unwrap().count(), 0);
        assert!(tree.join("usr/local").symlink_metadata().unwrap().is_dir());
        assert_eq!(fs::read_to_string(host.join("sbin/reboot")).unwrap(), "host");
    }

    #[test]
    fn what_is_reached_by_a_link_is_told_from_what_is_inside() {
        let (_folder, tree, _) = tree();
        assert!(!is_below_folders(&tree, "usr/local/sbin/reboot"));
        assert!(is_below_folders(&tree, "usr/sbin/reboot") && is_below_folders(&tree, "etc/resolv.conf"));
    }

    #[test]
    fn a_link_is_replaced_and_restored_as_a_link() {
        let (folder, tree, host) = tree();
        let (file, own) = (tree.join("boot_id"), folder.path().join("own"));
        fs::write(&own, "own").unwrap();
        symlink(host.join("sbin/reboot"), &file).unwrap();
        copy_over(&own, &file).unwrap();
        assert_eq!(fs::read_to_string(host.join("sbin/reboot")).unwrap(), "host");
        assert!(file.symlink_metadata().unwrap().is_file());
        put_back(&tree.join("usr/local"), &tree.join("again")).unwrap();
        assert_eq!(fs::read_link(tree.join("again")).unwrap(), host);
    }
}
