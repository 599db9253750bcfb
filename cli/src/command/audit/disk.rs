//! A file system of ext2, ext3 or ext4 in a file: its tree, and its blocks, also those of no file. A removed file's content
//! stays in its blocks until they are used again, and a snapshot has blocks, not files.
//!
//! The file system is read by `debugfs` (e2fsprogs), which mounts nothing, needs no root and, as it is called here, changes nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, DirBuilder, File};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use goldsmith_executor::{Audit, Finding, FindingKind, audit_tree, private_key_in};

use crate::exit::invalid;

/// What is read at once, and how much of it is read again with the next piece: a key's beginning.
const PIECE: usize = 1024 * 1024;
const OVERLAP: usize = 8 * 1024;
/// Keys in blocks that are looked up, at most.
const MOST: usize = 1000;
/// By so many bytes a key is known again.
const SAME: usize = 160;
/// The inode of the journal.
const JOURNAL: u64 = 8;

/// A private key's header somewhere on the disk.
struct Hit {
    offset: u64,
    what: String,
    beginning: Vec<u8>,
}

/// Audits the tree and the blocks.
pub(super) fn audit(disk: &Path) -> Result<Audit> {
    let block = block_size(disk)?;
    let (hits, is_cut) = hits(disk)?;
    let mut audit = match Tree::of(disk) {
        Ok(tree) => {
            let mut audit = audit_tree(&tree.0);
            audit.findings.extend(lost_keys(disk, &hits, block, &known(&tree.0, &audit))?);
            audit
        }
        Err(why) => {
            let mut audit = Audit { is_incomplete: true, ..Audit::default() };
            audit
                .notes
                .push(format!("the files were not looked at, and it is not known which blocks are theirs: {why:#}"));
            audit.findings.extend(hits.iter().map(|hit| finding(hit, block, "in a block")));
            audit
        }
    };
    if is_cut {
        audit.notes.push(format!("only the first {MOST} keys in blocks were looked up"));
        audit.is_incomplete = true;
    }
    Ok(audit)
}

/// The size of the file system's blocks, by its superblock.
fn block_size(disk: &Path) -> Result<u64> {
    let cannot = || format!("{} cannot be read", disk.display());
    let mut superblock = [0; 64];
    let mut file = File::open(disk).with_context(cannot)?;
    let read = file.seek(SeekFrom::Start(1024)).and_then(|_| file.read_exact(&mut superblock));
    if read.is_err() || superblock[56..58] != [0x53, 0xef] {
        return Err(invalid(format!(
            "{} is no ext4 file system. Of a whole disk, name a partition: by `losetup --partscan`, or a copy of it",
            disk.display()
        )));
    }
    let size = u32::from_le_bytes([superblock[24], superblock[25], superblock[26], superblock[27]]);
    Ok(1024 << size.min(6))
}

/// All headers of private keys, and whether there were more than are looked up.
fn hits(disk: &Path) -> Result<(Vec<Hit>, bool)> {
    let mut file = File::open(disk)?;
    let (mut hits, mut buffer, mut start) = (Vec::new(), Vec::new(), 0_u64);
    loop {
        let had = buffer.len();
        (&mut file).take(PIECE as u64).read_to_end(&mut buffer)?;
        let is_end = buffer.len() == had;
        // Of what begins in the overlap the end is not here yet.
        let until = if is_end { buffer.len() } else { buffer.len().saturating_sub(OVERLAP) };
        let mut from = 0;
        while let Some((at, what)) = private_key_in(&buffer[from..]).filter(|(at, _)| from + at < until) {
            let beginning = buffer[from + at..].iter().copied().take(SAME).collect();
            hits.push(Hit { offset: start + (from + at) as u64, what, beginning });
            if hits.len() == MOST {
                return Ok((hits, true));
            }
            from += at + 1;
        }
        if is_end {
            return Ok((hits, false));
        }
        start += until as u64;
        buffer.drain(..until);
    }
}

/// The beginnings of the keys that packages ship: an older copy of such a file is no secret either.
fn known(root: &Path, audit: &Audit) -> BTreeSet<Vec<u8>> {
    let mut known = BTreeSet::new();
    for shipped in &audit.shipped {
        let bytes = fs::read(root.join(shipped.path.trim_start_matches('/'))).unwrap_or_default();
        let mut from = 0;
        while let Some((at, _)) = private_key_in(&bytes[from..]) {
            known.insert(bytes[from + at..].iter().copied().take(SAME).collect());
            from += at + 1;
        }
    }
    known
}

/// The keys in blocks that are no file's. Those in files are the tree's matter.
fn lost_keys(disk: &Path, hits: &[Hit], block: u64, known: &BTreeSet<Vec<u8>>) -> Result<Vec<Finding>> {
    let unknown: Vec<&Hit> = hits.iter().filter(|hit| !known.contains(&hit.beginning)).collect();
    let owners = owners(disk, &unknown.iter().map(|hit| hit.offset / block).collect())?;
    let lost = unknown.iter().filter_map(|hit| match owners.get(&(hit.offset / block)) {
        None => Some(finding(hit, block, "in a block that belongs to no file")),
        Some(&JOURNAL) => Some(finding(hit, block, "in the file system's journal")),
        Some(_) => None,
    });
    Ok(lost.collect())
}

fn finding(hit: &Hit, block: u64, place: &str) -> Finding {
    Finding {
        path: format!("block {}", hit.offset / block),
        kind: FindingKind::PrivateKey,
        what: format!("{} {place}", hit.what),
        package: None,
        size: block,
        fingerprint: None,
        remedy: "write it to a place in memory, such as /run, in the first place; what was removed stays in its blocks until they are \
                 overwritten or trimmed"
            .to_owned(),
    }
}

/// The inodes of blocks; none of those that are free.
fn owners(disk: &Path, blocks: &BTreeSet<u64>) -> Result<BTreeMap<u64, u64>> {
    if blocks.is_empty() {
        return Ok(BTreeMap::new());
    }
    let blocks: Vec<String> = blocks.iter().map(u64::to_string).collect();
    let answer = debugfs(disk, &format!("icheck {}", blocks.join(" ")))?;
    let pair = |line: &str| {
        let (block, inode) = line.split_once('\t')?;
        Some((block.parse().ok()?, inode.trim().parse().ok()?))
    };
    Ok(answer.lines().filter_map(pair).collect())
}

/// The files of a disk, copied into a folder that nobody else can look into, and that goes with this.
struct Tree(PathBuf);

impl Tree {
    fn of(disk: &Path) -> Result<Self> {
        let name = format!("goldsmith-audit-{}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        DirBuilder::new()
            .mode(0o700)
            .create(&folder)
            .with_context(|| format!("{} cannot be made", folder.display()))?;
        let tree = Self(folder);
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte);
        if !tree.0.as_os_str().as_encoded_bytes().iter().copied().all(plain) {
            return Err(invalid(format!("{} cannot be told to debugfs; set TMPDIR to a plain path", tree.0.display())));
        }
        debugfs(disk, &format!("rdump / {}", tree.0.display()))?;
        Ok(tree)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // Folders may have come without the right to be emptied.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What `debugfs` answers to a request. It opens the disk for reading only.
fn debugfs(disk: &Path, request: &str) -> Result<String> {
    // In many paths of users it is not, though it needs no right of root's.
    let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap_or_default());
    let output = Command::new("debugfs")
        .env("PATH", path)
        .args(["-R", request])
        .arg(disk.canonicalize()?)
        .stdin(Stdio::null())
        .output()
        .context("debugfs (of the package e2fsprogs) cannot be started")?;
    anyhow::ensure!(output.status.success(), "debugfs failed: {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;
    use std::process::Command;

    use super::audit;

    fn tool(program: &str, arguments: &[&str]) -> Option<()> {
        let path = format!("{}:/usr/sbin:/sbin", std::env::var("PATH").unwrap());
        let output = Command::new(program).env("PATH", path).args(arguments).output().ok()?;
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
        Some(())
    }

    fn key(letter: &str) -> String {
        let body = format!("{letter}bcdefghijklmnopqrstuvwxyz0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZab");
        format!("-----BEGIN PRIVATE KEY-----\n{body}\n{body}\n-----END PRIVATE KEY-----\n")
    }

    /// Where e2fsprogs is not installed there is nothing to be tested.
    #[test]
    fn a_key_that_was_removed_is_found_in_its_block_and_one_that_is_there_by_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("srv")).unwrap();
        for (name, letter) in [("kept", "1"), ("gone", "2")] {
            fs::write(root.join("srv").join(name), key(letter)).unwrap();
        }
        let disk = folder.path().join("disk");
        fs::File::create(&disk).unwrap().set_len(16 * 1024 * 1024).unwrap();
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        let (disk, root) = (path(&disk), path(&root));
        if tool("mke2fs", &["-q", "-F", "-t", "ext4", "-b", "4096", "-d", &root, &disk]).is_none()
            || tool("debugfs", &["-w", "-R", "rm /srv/gone", &disk]).is_none()
        {
            return;
        }
        let audit = audit(Path::new(&disk)).unwrap();
        let found: Vec<_> = audit.findings.iter().map(|f| (f.path.as_str(), f.what.as_str())).collect();
        assert_eq!(found[0], ("/srv/kept", "private key (PEM)"));
        assert!(found[1].0.starts_with("block ") && found.len() == 2, "{found:?}");
        assert_eq!(found[1].1, "private key (PEM) in a block that belongs to no file");
        assert!(!audit.is_incomplete && audit.notes.is_empty(), "{:?}", audit.notes);
    }

    #[test]
    fn what_is_no_file_system_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("disk");
        fs::write(&file, vec![0; 4096]).unwrap();
        assert!(audit(&file).unwrap_err().to_string().contains("is no ext4 file system"));
        fs::write(&file, "x").unwrap();
        assert!(audit(&file).is_err());
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
}
