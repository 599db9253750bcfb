//! A file system of ext2, ext3 or ext4 in a file: its tree and its blocks, including blocks that belong to no file. The
//! content of a removed file stays in its blocks until they are reused, and a snapshot contains blocks, not files.

mod copy;
mod debugfs;
mod superblock;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use std::thread;

use anyhow::{Context, Result};
use goldsmith_executor::{Audit, Finding, FindingKind, audit_tree, private_key_in};
use tokio::signal::ctrl_c;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

use self::copy::Copy;
use self::debugfs::Debugfs;
use self::superblock::Superblock;
use crate::output;

/// How much is read at once, and how much of it is read again with the next piece, so that no key is cut at its
/// beginning.
const PIECE: usize = 1024 * 1024;
const OVERLAP: usize = 8 * 1024;
/// Maximum number of keys whose blocks are looked up.
const MOST: usize = 1000;
/// Number of bytes by which a key is recognized.
const SAME: usize = 160;
/// Number of bytes by which a key is recognized in a file. It is smaller, because a file, or its part on the disk, may
/// end after this number of bytes.
const SAME_IN_FILE: usize = 64;
/// The inode of the journal.
const JOURNAL: u64 = 8;

/// The header of a private key on the disk, and its position.
struct Hit {
    offset: u64,
    what: String,
    beginning: Vec<u8>,
}

/// Audits the tree and the blocks. Returns `None` if Ctrl-C or another signal has ended the audit.
pub(super) async fn audit(disk: &Path) -> Result<Option<Audit>> {
    let (mut terminated, mut hung_up) = (signal(SignalKind::terminate())?, signal(SignalKind::hangup())?);
    let ended = async move {
        tokio::select! {
            _ = ctrl_c() => {}
            _ = terminated.recv() => {}
            _ = hung_up.recv() => {}
        }
    };
    unless(ended, disk, &std::env::temp_dir()).await
}

/// Runs the audit unless `ended` comes first. A thread runs the audit and ends with the program. The copy is removed
/// before that.
async fn unless(ended: impl Future<Output = ()>, disk: &Path, temporary: &Path) -> Result<Option<Audit>> {
    let superblock = Superblock::of(disk)?;
    let debugfs = Arc::new(Debugfs::of(disk)?);
    let copy = Copy::make(temporary).map(Arc::new);
    let (sender, looked) = oneshot::channel();
    let (thread_disk, thread_debugfs) = (disk.to_owned(), Arc::clone(&debugfs));
    let (thread_copy, copy) = match copy {
        Ok(copy) => (Ok(Arc::clone(&copy)), Some(copy)),
        Err(why) => (Err(why), None),
    };
    thread::spawn(move || {
        // If the audit was ended, nothing waits for this result anymore.
        let _ = sender.send(look(&thread_disk, &superblock, &thread_debugfs, thread_copy));
    });
    let looked = tokio::select! {
        biased;
        () = ended => {
            // The thread waits for debugfs, which would continue to read the disk after this program.
            debugfs.end();
            None
        }
        looked = looked => Some(looked.context("the disk could not be audited").and_then(|looked| looked)),
    };
    let left = copy.and_then(|copy| copy.remove().err()).map(|why| format!("{why:#}"));
    match looked {
        Some(Ok(mut audit)) => {
            audit.notes.extend(left);
            Ok(Some(audit))
        }
        ended_or_failed => {
            left.iter().for_each(|left| output::say(left));
            ended_or_failed.transpose()
        }
    }
}

fn look(disk: &Path, superblock: &Superblock, debugfs: &Debugfs, copy: Result<Arc<Copy>>) -> Result<Audit> {
    let block = superblock.block;
    let (hits, is_cut) = hits(disk)?;
    let copied = copy.and_then(|copy| Ok((copy.root(), copy.fill(debugfs, superblock.used)?)));
    let mut audit = match copied {
        Ok((root, complaints)) => {
            let mut audit = audit_tree(&root);
            incomplete(&mut audit, "files that could not be copied were not audited", &complaints);
            let (lost, complaints) = lost_keys(debugfs, &root, &hits, block, &known(&root, &audit)?)?;
            audit.findings.extend(lost);
            incomplete(&mut audit, "the owners of some blocks are unknown", &complaints);
            audit
        }
        Err(why) => {
            let mut audit = Audit::default();
            let what = "the files were not audited, and it is unknown which blocks belong to them";
            incomplete(&mut audit, what, &[format!("{why:#}")]);
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

/// Records why an audit is incomplete, if there is a reason.
fn incomplete(audit: &mut Audit, what: &str, why: &[String]) {
    if !why.is_empty() {
        audit.notes.push(format!("{what}: {}", why.join("; ")));
        audit.is_incomplete = true;
    }
}

/// Returns all headers of private keys, and whether there were more than the limit.
fn hits(disk: &Path) -> Result<(Vec<Hit>, bool)> {
    let mut file = File::open(disk)?;
    let (mut hits, mut buffer, mut start) = (Vec::new(), Vec::new(), 0_u64);
    loop {
        let had = buffer.len();
        (&mut file).take(PIECE as u64).read_to_end(&mut buffer)?;
        let is_end = buffer.len() == had;
        // The end of a key that begins in the overlap is not read yet.
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

/// Returns the beginnings of the keys that packages ship: an older copy of such a file is not a secret either.
fn known(root: &Path, audit: &Audit) -> Result<BTreeSet<Vec<u8>>> {
    let mut known = BTreeSet::new();
    for shipped in &audit.shipped {
        let (hits, _) = hits(&root.join(shipped.path.trim_start_matches('/')))?;
        known.extend(hits.into_iter().map(|hit| hit.beginning));
    }
    Ok(known)
}

/// Returns the keys in blocks that do not belong to the readable part of a file. Also returns what could not be
/// examined. The audit of the tree covers all other keys.
fn lost_keys(
    debugfs: &Debugfs,
    root: &Path,
    hits: &[Hit],
    block: u64,
    known: &BTreeSet<Vec<u8>>,
) -> Result<(Vec<Finding>, Vec<String>)> {
    let unknown: Vec<&Hit> = hits.iter().filter(|hit| !known.contains(&hit.beginning)).collect();
    let (owners, mut complaints) = owners(debugfs, &unknown.iter().map(|hit| hit.offset / block).collect())?;
    let inodes = owners.values().copied().filter(|inode| *inode != JOURNAL).collect();
    let (names, more) = names(debugfs, &inodes)?;
    complaints.extend(more);
    let mut files: BTreeMap<&str, Vec<Hit>> = BTreeMap::new();
    let mut lost = Vec::new();
    for hit in unknown {
        let place = match owners.get(&(hit.offset / block)) {
            None => "in a block that belongs to no file".to_owned(),
            Some(&JOURNAL) => "in the file system's journal".to_owned(),
            Some(inode) => match names.get(inode) {
                None => format!("in a block of inode {inode}, which has no name"),
                Some(name) => {
                    let keys = match files.get(name.as_str()) {
                        Some(keys) => keys,
                        None => files.entry(name).or_insert(keys_of(&root.join(name.trim_start_matches('/')))?),
                    };
                    let in_block = usize::try_from(block - hit.offset % block).unwrap_or(usize::MAX);
                    let part = &hit.beginning[..hit.beginning.len().min(in_block).min(SAME_IN_FILE)];
                    if keys.iter().any(|key| key.beginning.starts_with(part) || part.starts_with(&key.beginning)) {
                        continue;
                    }
                    format!("in a block of {name}, but not in the part of the file that could be read")
                }
            },
        };
        lost.push(finding(hit, block, &place));
    }
    Ok((lost, complaints))
}

/// Returns the keys in a file of the copy, or none if the file does not exist.
fn keys_of(file: &Path) -> Result<Vec<Hit>> {
    match file.symlink_metadata() {
        Ok(found) if found.is_file() => Ok(hits(file)?.0),
        _ => Ok(Vec::new()),
    }
}

fn finding(hit: &Hit, block: u64, place: &str) -> Finding {
    Finding {
        path: format!("block {}", hit.offset / block),
        kind: FindingKind::PrivateKey,
        what: format!("{} {place}", hit.what),
        package: None,
        size: block,
        fingerprint: None,
        remedy:
            "write such a key only to a place in memory, such as /run; removed data stays in its blocks until they are \
                 overwritten or trimmed"
                .to_owned(),
    }
}

/// Returns the inode of each block. Free blocks have none.
fn owners(debugfs: &Debugfs, blocks: &BTreeSet<u64>) -> Result<(BTreeMap<u64, u64>, Vec<String>)> {
    let number = |inode: &str| inode.trim().parse().ok();
    looked_up(debugfs, "icheck", blocks, &number)
}

/// Returns the path of each of these inodes. Inodes that are in no folder have none.
fn names(debugfs: &Debugfs, inodes: &BTreeSet<u64>) -> Result<(BTreeMap<u64, String>, Vec<String>)> {
    looked_up(debugfs, "ncheck", inodes, &|name| Some(name.to_owned()))
}

/// Returns what `debugfs` reports about each of these numbers, from a table with two columns.
fn looked_up<T>(
    debugfs: &Debugfs,
    request: &str,
    numbers: &BTreeSet<u64>,
    value: &dyn Fn(&str) -> Option<T>,
) -> Result<(BTreeMap<u64, T>, Vec<String>)> {
    if numbers.is_empty() {
        return Ok((BTreeMap::new(), Vec::new()));
    }
    let numbers: Vec<String> = numbers.iter().map(u64::to_string).collect();
    let answer = debugfs.ask(&format!("{request} {}", numbers.join(" ")))?;
    let pair = |line: &str| {
        let (number, found) = line.split_once('\t')?;
        Some((number.parse().ok()?, value(found)?))
    };
    Ok((answer.text.lines().filter_map(pair).collect(), answer.complaints))
}

#[cfg(test)]
mod tests;
