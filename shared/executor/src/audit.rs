//! Finds what every instance of an image would share: private keys, secrets of packages, identities, credentials,
//! histories, and authorized keys. The audit finds them by the content of files, wherever they are, and by the places
//! where packages and people keep such things. The audit changes nothing, runs no program of the image, and reveals no
//! secret.
//!
//! A file that is byte by byte as its package ships it is not secret: keys of test suites and examples, which all users
//! of a distribution have. The audit recognizes such a file by the packages' own digests and lists it separately. The
//! same key in another place is a finding.

mod bytes;
mod contents;
mod der;
mod finding;
mod keys;
mod packages;
mod rules;
mod since;
mod tokens;
mod walk;

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};
use std::{fs, io};

use goldsmith_glob::name_matches;
use jiff::Timestamp;
use sha2::{Digest, Sha256};

pub use finding::{Audit, Finding, FindingKind};
use packages::Packages;
use rules::{RULES, Rule};
pub(crate) use since::Since;
use walk::Walk;

/// The time limit of an audit if the caller gives none.
const PATIENCE: Duration = Duration::from_secs(15 * 60);

/// Audits the tree below `root`, of which nothing is running. Everything in it counts.
#[must_use]
pub fn audit_tree(root: &Path) -> Audit {
    Auditor::new(root, Since::NEVER, PATIENCE, Vec::new()).audit()
}

/// Audits this machine, which is a fresh instance. Only files that came with its image count. `image_made` is the time
/// at which the image existed, as far as it is known. After `limit`, the audit ends with what it has found so far.
///
/// Files of packages below `/usr` are not read here. The first read from a volume that was just made from a snapshot is
/// slow, and these files are most of it.
#[must_use]
pub fn audit_instance(image_made: Option<Timestamp>, limit: Option<Duration>) -> Audit {
    let mut notes = Vec::new();
    let since = Since::on_instance(image_made, &mut notes);
    Auditor::new(Path::new("/"), since, limit.unwrap_or(PATIENCE), notes).audit()
}

/// Returns where the first private key begins in some bytes, such as those of a disk, and what it is. It finds only the
/// forms that have a header.
#[must_use]
pub fn private_key_in(bytes: &[u8]) -> Option<(usize, String)> {
    keys::header(bytes)
}

struct Auditor<'r> {
    root: &'r Path,
    since: Since,
    until: Instant,
    homes: BTreeSet<String>,
    audit: Audit,
    /// The function that reads a file.
    read: fn(&Path) -> io::Result<Vec<u8>>,
}

impl<'r> Auditor<'r> {
    fn new(root: &'r Path, since: Since, limit: Duration, notes: Vec<String>) -> Self {
        let audit = Audit { notes, ..Audit::default() };
        Self { root, since, until: Instant::now() + limit, homes: homes(root), audit, read: walk::read }
    }

    fn audit(mut self) -> Audit {
        let packages = Packages::read(self.root, &mut self.audit.notes);
        let since = self.since;
        let mut walk = Walk::through(self.root, self.until, &|found| since.is_of_image(found));
        if since != Since::NEVER {
            walk.files.retain(|file| !file.path.starts_with("usr/") || !packages.has(&file.path));
        }
        // Files that belong to no package come first: most findings are there, and the time may expire.
        walk.files.sort_by_cached_key(|file| (packages.has(&file.path), file.path.clone()));
        let files = std::mem::take(&mut walk.files);
        for (index, file) in files.iter().enumerate() {
            if Instant::now() > self.until {
                let left = files.len() - index;
                self.audit.notes.push(format!("{left} files were not examined because the audit took too long"));
                self.audit.is_incomplete = true;
                break;
            }
            let path = self.root.join(&file.path);
            match (self.read)(&path) {
                Ok(bytes) => {
                    self.look(&file.path, file.size, &bytes, &packages);
                    self.audit.files += 1;
                }
                Err(error) => walk.cannot_read(self.root, &path, &error),
            }
        }
        self.audit.notes.extend(walk.notes(rustix::process::geteuid().is_root()));
        self.audit.is_incomplete |= walk.is_incomplete();
        self.audit.findings.sort_by(|a, b| a.path.cmp(&b.path));
        self.audit.shipped.sort_by(|a, b| a.path.cmp(&b.path));
        self.audit
    }

    fn look(&mut self, path: &str, size: u64, bytes: &[u8], packages: &Packages) {
        let Some((kind, what, remedy)) = self.recognised(path, bytes) else { return };
        // The fingerprint of a part would be the same for files that differ only later.
        let is_whole = bytes.len() as u64 == size;
        let has_digest = !matches!(kind, FindingKind::Credential | FindingKind::History | FindingKind::AuthorizedKeys);
        let fingerprint = (has_digest && is_whole).then(|| hex::encode(&Sha256::digest(bytes)[..8]));
        let maker = rules::MAKERS.iter().find(|(start, name)| path.starts_with(start) && packages.is_installed(name));
        let package = packages.owner(path).or(maker.map(|(_, name)| *name)).map(str::to_owned);
        let finding = Finding { path: format!("/{path}"), kind, what, package, size, fingerprint, remedy };
        match packages.ships(path, bytes) {
            true => self.audit.shipped.push(finding),
            false => self.audit.findings.push(finding),
        }
    }

    /// Returns what a file is. Its place is checked first because the place says more.
    fn recognised(&self, path: &str, bytes: &[u8]) -> Option<(FindingKind, String, String)> {
        if let Some(rule) = self.rule(path, bytes) {
            return Some((rule.kind, rule.what.to_owned(), rule.remedy.sentence()));
        }
        if let Some(what) = keys::private_key(bytes) {
            let remedy = "remove it in a component's last step, and let each instance make or fetch its own".to_owned();
            return Some((FindingKind::PrivateKey, what, remedy));
        }
        if path.ends_with(".keytab") && bytes.starts_with(&[5, 2]) {
            let remedy = rules::Remedy::Remove.sentence();
            return Some((FindingKind::PackageSecret, "Kerberos keytab".to_owned(), remedy));
        }
        let (kind, what) = tokens::secret(bytes)?;
        Some((kind, what.to_owned(), rules::Remedy::Remove.sentence()))
    }

    fn rule(&self, path: &str, bytes: &[u8]) -> Option<&'static Rule> {
        let name = last_part(path);
        RULES.iter().find(|rule| {
            rule.paths.iter().any(|at| name_matches(last_part(at), name) && self.is_at(path, at))
                && rule.test.holds(bytes)
        })
    }

    fn is_at(&self, path: &str, pattern: &str) -> bool {
        match pattern.strip_prefix("~/") {
            None => matches_path(path, pattern),
            Some(rest) => {
                let depth = rest.split('/').count();
                let (mut home, mut parts) = (path, 0);
                while parts < depth {
                    let Some((parent, _)) = home.rsplit_once('/') else { return false };
                    (home, parts) = (parent, parts + 1);
                }
                self.is_home(home) && matches_path(&path[home.len() + 1..], rest)
            }
        }
    }

    fn is_home(&self, folder: &str) -> bool {
        self.homes.contains(folder) || matches_path(folder, "home/*")
    }
}

/// Returns the home folders that `/etc/passwd` names, and that of root.
fn homes(root: &Path) -> BTreeSet<String> {
    let passwd = fs::read(root.join("etc/passwd")).unwrap_or_default();
    let passwd = String::from_utf8_lossy(&passwd);
    let listed = passwd.lines().filter_map(|line| line.split(':').nth(5)).map(|home| home.trim_matches('/'));
    listed.chain(["root"]).filter(|home| !home.is_empty()).map(str::to_owned).collect()
}

fn last_part(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

/// Returns whether each part of a path matches the same part of a pattern.
fn matches_path(path: &str, pattern: &str) -> bool {
    let (mut parts, mut patterns) = (path.split('/'), pattern.split('/'));
    loop {
        match (parts.next(), patterns.next()) {
            (None, None) => return true,
            (Some(part), Some(pattern)) if name_matches(pattern, part) => {}
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests;
