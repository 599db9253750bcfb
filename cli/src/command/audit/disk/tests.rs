//! Tests with real file systems, which `mke2fs` makes without mounting them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{fs, future};

use goldsmith_executor::Audit;

use super::unless;

/// An ext4 file system in a file.
pub(super) struct Disk {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Disk {
    /// Returns a disk with such files, or `None` if e2fsprogs is missing, unless `GOLDSMITH_REQUIRE_E2E=1`.
    pub(super) fn of(files: &[(&str, String)]) -> Option<Self> {
        if tool("mke2fs", &["-V"]).and_then(|()| tool("debugfs", &["-V"])).is_none() {
            let missing = "mke2fs and debugfs (of the package e2fsprogs)";
            assert_ne!(std::env::var("GOLDSMITH_REQUIRE_E2E").as_deref(), Ok("1"), "missing: {missing}");
            eprintln!("SKIPPED ({missing} are missing)");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let (root, path) = (folder.path().join("root"), folder.path().join("disk"));
        for (name, content) in files {
            fs::create_dir_all(root.join(name).parent().unwrap()).unwrap();
            fs::write(root.join(name), content).unwrap();
        }
        fs::File::create(&path).unwrap().set_len(16 * 1024 * 1024).unwrap();
        let (from, to) = (root.to_str().unwrap(), path.to_str().unwrap());
        tool("mke2fs", &["-q", "-F", "-t", "ext4", "-b", "4096", "-d", from, to]).unwrap();
        Some(Self { _folder: folder, path })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    fn change(&self, request: &str) {
        tool("debugfs", &["-w", "-R", request, self.path().to_str().unwrap()]).unwrap();
    }
}

fn tool(program: &str, arguments: &[&str]) -> Option<()> {
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
    let output = Command::new(program).env("PATH", path).args(arguments).output().ok()?;
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    Some(())
}

/// Audits a disk, and checks that no copy of it remains.
async fn audit(disk: &Path) -> anyhow::Result<Audit> {
    let temporary = tempfile::tempdir()?;
    let audit = unless(future::pending(), disk, temporary.path()).await?;
    assert_eq!(fs::read_dir(temporary.path())?.count(), 0);
    Ok(audit.unwrap())
}

fn found(audit: &Audit) -> Vec<(&str, &str)> {
    audit.findings.iter().map(|finding| (finding.path.as_str(), finding.what.as_str())).collect()
}

pub(super) fn key(letter: &str) -> String {
    let body = format!("{letter}bcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZab");
    format!("-----BEGIN PRIVATE KEY-----\n{body}\n{body}\n-----END PRIVATE KEY-----\n")
}

#[tokio::test]
async fn a_removed_key_is_found_by_its_block_and_an_existing_one_by_its_path() {
    let Some(disk) = Disk::of(&[("srv/kept", key("1")), ("srv/gone", key("2"))]) else { return };
    disk.change("rm /srv/gone");
    let audit = audit(disk.path()).await.unwrap();
    let found = found(&audit);
    assert_eq!(found[0], ("/srv/kept", "private key (PEM)"));
    assert!(found[1].0.starts_with("block ") && found.len() == 2, "{found:?}");
    assert_eq!(found[1].1, "private key (PEM) in a block that belongs to no file");
    assert!(!audit.is_incomplete && audit.notes.is_empty(), "{:?}", audit.notes);
}

/// A file that was removed while a process had it open, and a file that was truncated.
#[tokio::test]
async fn a_key_beyond_the_part_of_a_file_that_is_read_is_found_in_its_block() {
    let Some(disk) = Disk::of(&[("srv/orphan", key("1")), ("srv/cut", key("2")), ("srv/kept", key("3"))]) else {
        return;
    };
    disk.change("unlink /srv/orphan");
    disk.change("set_inode_field /srv/cut size 9");
    let audit = audit(disk.path()).await.unwrap();
    let found = found(&audit);
    assert_eq!((found.len(), found[0].0), (3, "/srv/kept"), "{found:?}");
    let whats: Vec<&str> = found[1..].iter().map(|(_, what)| *what).collect();
    let of = |start: &str, end: &str| whats.iter().any(|what| what.starts_with(start) && what.ends_with(end));
    assert!(of("private key (PEM) in a block of inode ", ", which has no name"), "{found:?}");
    assert!(
        of("private key (PEM) in a block of /srv/cut, but not in the part of the file that could be read", ""),
        "{found:?}"
    );
    assert!(!audit.is_incomplete, "{:?}", audit.notes);
}

#[tokio::test]
async fn what_debugfs_cannot_copy_makes_the_audit_incomplete() {
    let Some(disk) = Disk::of(&[("srv/broken", key("1")), ("srv/kept", key("2"))]) else { return };
    // Where the tree of the file's extents begins.
    disk.change("set_inode_field /srv/broken block[0] 0");
    let audit = audit(disk.path()).await.unwrap();
    assert!(audit.is_incomplete);
    assert!(audit.notes[0].starts_with("files that could not be copied were not audited: "), "{:?}", audit.notes);
    assert!(found(&audit).iter().any(|(path, _)| *path == "/srv/kept"));
    assert_eq!(audit.findings.len(), 2, "{:?}", audit.findings);
}

#[tokio::test]
async fn without_a_copy_the_blocks_are_still_searched() {
    let Some(disk) = Disk::of(&[("srv/kept", key("1"))]) else { return };
    let audit = unless(future::pending(), disk.path(), &PathBuf::from("/nowhere")).await.unwrap().unwrap();
    assert!(audit.is_incomplete && audit.notes[0].contains("/nowhere"), "{:?}", audit.notes);
    assert_eq!(found(&audit)[0].1, "private key (PEM) in a block");
}

#[tokio::test]
async fn a_signal_ends_it_and_leaves_no_copy() {
    let Some(disk) = Disk::of(&[("srv/kept", key("1"))]) else { return };
    let temporary = tempfile::tempdir().unwrap();
    let ended = async {
        assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 1, "it has begun");
    };
    assert_eq!(unless(ended, disk.path(), temporary.path()).await.unwrap(), None);
    assert_eq!(fs::read_dir(temporary.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn what_is_not_a_file_system_is_rejected() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("disk");
    fs::write(&file, vec![0; 4096]).unwrap();
    assert!(audit(&file).await.unwrap_err().to_string().contains("is not an ext4 file system"));
    fs::write(&file, "x").unwrap();
    assert!(audit(&file).await.is_err());
}

#[test]
fn a_key_on_the_seam_of_two_pieces_is_found_once() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("disk");
    for before in
        [super::PIECE - 20, super::PIECE - super::OVERLAP - 5, super::PIECE, 2 * super::PIECE - super::OVERLAP - 1]
    {
        let bytes = [vec![b'.'; before], key("3").into_bytes(), vec![b'.'; super::PIECE]].concat();
        fs::write(&file, bytes).unwrap();
        let (hits, is_cut) = super::hits(&file).unwrap();
        assert_eq!(hits.iter().map(|hit| hit.offset).collect::<Vec<_>>(), [before as u64]);
        assert!(!is_cut);
    }
}
