//! A publisher with its own OpenPGP keys, which the machine's GnuPG makes.

use std::ffi::OsStr;
use std::fs;
use std::process::{Command, Stdio};

use tempfile::TempDir;

/// The folder of the keys, and their fingerprints.
pub(crate) struct Publisher {
    home: TempDir,
    fingerprints: Vec<String>,
    /// The time at which the publisher acts, if it is not now.
    time: Option<&'static str>,
}

impl Publisher {
    /// Returns a publisher with this many keys, or `None` if GnuPG is missing, which skips the test unless skips are
    /// forbidden.
    pub(crate) fn new(keys: usize) -> Option<Self> {
        Self::at(None, "never", keys)
    }

    /// If the publisher has signed with a key that was valid for a day, years ago.
    pub(crate) fn of_the_past() -> Option<Self> {
        Self::at(Some("20200101T120000!"), "1d", 1)
    }

    fn at(time: Option<&'static str>, term: &'static str, keys: usize) -> Option<Self> {
        if Command::new("gpg").arg("--version").stdout(Stdio::null()).status().is_err() {
            assert!(std::env::var_os("GOLDSMITH_REQUIRE_E2E").is_none(), "gpg is missing");
            eprintln!("SKIPPED (needs gpg)");
            return None;
        }
        // Near the root: its agent's socket has a path of at most 108 bytes.
        let home = tempfile::Builder::new().prefix("gpg").tempdir_in("/tmp").unwrap();
        let mut publisher = Self { home, fingerprints: Vec::new(), time };
        for number in 0..keys {
            let user = format!("publisher {number}");
            publisher.gpg(&["--passphrase", "", "--quick-generate-key", &user, "ed25519", "sign", term]);
            let listed = publisher.gpg(&["--with-colons", "--list-keys", &user]);
            let listed = String::from_utf8(listed).unwrap();
            let line = listed.lines().find_map(|line| line.strip_prefix("fpr:::::::::")).unwrap();
            publisher.fingerprints.push(line.trim_end_matches(':').to_owned());
        }
        Some(publisher)
    }

    fn gpg(&self, arguments: &[&str]) -> Vec<u8> {
        let mut gpg = Command::new("gpg");
        gpg.arg("--homedir").arg(self.home.path()).args(["--batch", "--quiet"]);
        if let Some(time) = self.time {
            gpg.args(["--faked-system-time", time]);
        }
        gpg.args(arguments);
        let output = gpg.stdin(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    }

    /// Returns the fingerprint of one of the keys.
    pub(crate) fn fingerprint(&self, key: usize) -> &str {
        &self.fingerprints[key]
    }

    /// Returns some of the public keys as packets.
    pub(crate) fn packets(&self, keys: &[usize]) -> Vec<u8> {
        self.export(&["--export"], keys)
    }

    /// Returns some of the public keys in ASCII armor.
    pub(crate) fn armoured(&self, keys: &[usize]) -> Vec<u8> {
        self.export(&["--armor", "--export"], keys)
    }

    fn export(&self, how: &[&str], keys: &[usize]) -> Vec<u8> {
        let keys = keys.iter().map(|key| self.fingerprint(*key));
        self.gpg(&how.iter().copied().chain(keys).collect::<Vec<_>>())
    }

    /// Returns a detached signature of one of the keys.
    pub(crate) fn signature(&self, key: usize, of: &[u8]) -> Vec<u8> {
        self.sign("--detach-sign", key, of)
    }

    /// Returns one message that contains the signed text and its signature.
    pub(crate) fn message(&self, key: usize, of: &[u8]) -> Vec<u8> {
        self.sign("--sign", key, of)
    }

    fn sign(&self, how: &str, key: usize, of: &[u8]) -> Vec<u8> {
        let file = self.home.path().join("signed");
        fs::write(&file, of).unwrap();
        self.gpg(&["--local-user", self.fingerprint(key), "--output", "-", how, file.to_str().unwrap()])
    }

    /// Makes a certificate that revokes one of the keys, and adds it to that key.
    pub(crate) fn revoke(&self, key: usize) {
        let folder = self.home.path().join("openpgp-revocs.d");
        let text = fs::read_to_string(folder.join(format!("{}.rev", self.fingerprint(key)))).unwrap();
        let certificate = self.home.path().join("certificate");
        // GnuPG puts a colon before it, so that nobody takes it by mistake.
        fs::write(&certificate, text.replace(":-----BEGIN", "-----BEGIN")).unwrap();
        self.gpg(&["--import", certificate.to_str().unwrap()]);
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let home: &OsStr = self.home.path().as_os_str();
        let _ = Command::new("gpgconf").arg("--homedir").arg(home).args(["--kill", "all"]).status(); // it ends by itself, too
    }
}
