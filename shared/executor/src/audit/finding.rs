//! The findings of an audit, and how many of them a result contains.

use goldsmith_contents::is_zero;
use serde::{Deserialize, Serialize};

/// The kinds of things that every instance of an image would share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A private key, or a container of keys.
    PrivateKey,
    /// A secret that a package made for this one machine when it was installed or first started.
    PackageSecret,
    /// A number or name that must belong to only one machine.
    Identity,
    /// A password or token.
    Credential,
    /// A history of the commands that people typed.
    History,
    /// The keys of people who may log in.
    AuthorizedKeys,
}

impl FindingKind {
    /// Returns the name of the kind for people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::PrivateKey => "private key",
            Self::PackageSecret => "package secret",
            Self::Identity => "identity",
            Self::Credential => "credential",
            Self::History => "history",
            Self::AuthorizedKeys => "authorized keys",
        }
    }
}

/// One thing that every instance would share. A finding never holds the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The absolute path of the file.
    pub path: String,
    /// The kind of the finding.
    pub kind: FindingKind,
    /// What the file is, in a few words.
    pub what: String,
    /// The package to which the file or its folder belongs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The size of the file in bytes.
    pub size: u64,
    /// The beginning of the file's SHA-256, by which two images are compared. Only keys and identities have one,
    /// because a value that people choose, such as a password, can be guessed from a digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// What helps. Empty if there was no room for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Finding {
    /// Returns the finding as one line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let package = self.package.as_ref().map(|name| format!(" (package {name})")).unwrap_or_default();
        let remedy = if self.remedy.is_empty() { String::new() } else { format!("; {}", self.remedy) };
        format!("{}: {}{package}{remedy}", self.path, self.what)
    }
}

/// The result of an audit.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Audit {
    /// The things that every instance would share, in the order of their paths.
    pub findings: Vec<Finding>,
    /// The number of findings that were left out because there was no room.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u32,
    /// Keys and similar things in files that are unchanged from their packages. All users of the distribution have
    /// them, so they are not secret.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shipped: Vec<Finding>,
    /// Notes on what was not looked at, and on other things that a reader should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// The number of files that were examined.
    pub files: u64,
    /// Whether some files were not looked at, because the time expired or because they could not be read.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_incomplete: bool,
}

impl Audit {
    /// Returns the number of all findings, including those that were left out.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.findings.len()).unwrap_or(u32::MAX).saturating_add(self.left_out)
    }

    /// Returns the number of findings in words.
    #[must_use]
    pub fn headline(&self) -> String {
        Self::headline_of(self.count(), self.files, self.is_incomplete)
    }

    /// Returns the same as [`Self::headline`], from the number of findings, the number of files that were examined,
    /// and whether the audit is incomplete.
    #[must_use]
    pub fn headline_of(count: u32, files: u64, is_incomplete: bool) -> String {
        let found = match (count, is_incomplete) {
            (0, false) => "nothing that every instance would share".to_owned(),
            (0, true) => "nothing so far that every instance would share".to_owned(),
            (1, _) => "1 thing that every instance would share".to_owned(),
            (count, _) => format!("{count} things that every instance would share"),
        };
        let rest = if is_incomplete { ", but not all: the audit is incomplete" } else { "" };
        format!("{found}; {files} files were examined{rest}")
    }

    /// Returns the audit for people, one line per finding and note. Unchanged files of packages appear only as a
    /// number.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.findings.iter().map(Finding::line).collect();
        if self.left_out > 0 {
            lines.push(format!("and {} more", self.left_out));
        }
        if !self.shipped.is_empty() {
            lines.push(format!(
                "{} files with keys are unchanged from their packages and are not secret",
                self.shipped.len()
            ));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines
    }

    /// Makes the audit smaller. The unchanged files of packages are removed first, then the remedies, then the last
    /// findings, whose number is kept, and then the last notes. Returns whether there was something to remove.
    pub(crate) fn shorten(&mut self) -> bool {
        if !self.shipped.is_empty() {
            self.shipped.clear();
            return true;
        }
        if self.findings.iter().any(|finding| !finding.remedy.is_empty()) {
            self.findings.iter_mut().for_each(|finding| finding.remedy.clear());
            return true;
        }
        if self.findings.pop().is_some() {
            self.left_out += 1;
            return true;
        }
        self.notes.pop().is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::Audit;

    #[test]
    fn the_headline_says_that_an_audit_is_incomplete() {
        assert_eq!(Audit::headline_of(0, 7, false), "nothing that every instance would share; 7 files were examined");
        assert_eq!(Audit::headline_of(1, 7, false), "1 thing that every instance would share; 7 files were examined");
        for (count, found) in
            [(0, "nothing so far that every instance would share"), (2, "2 things that every instance would share")]
        {
            let rest = "7 files were examined, but not all: the audit is incomplete";
            assert_eq!(Audit::headline_of(count, 7, true), format!("{found}; {rest}"));
        }
    }
}
