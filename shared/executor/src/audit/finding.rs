//! What an audit has found, and how much of it gets into a result.

use serde::{Deserialize, Serialize};

/// What sort of thing every instance of an image would share.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FindingKind {
    /// A private key, or a container of keys.
    PrivateKey,
    /// What a package has made for this one machine when it was installed or first started.
    PackageSecret,
    /// A number or name that is meant to be one machine's.
    Identity,
    /// A password or token.
    Credential,
    /// What people typed.
    History,
    /// Keys of people who may log in.
    AuthorizedKeys,
}

impl FindingKind {
    /// For people.
    #[must_use]
    pub fn words(self) -> &'static str {
        match self {
            Self::PrivateKey => "private key",
            Self::PackageSecret => "secret of a package",
            Self::Identity => "identity",
            Self::Credential => "credential",
            Self::History => "history",
            Self::AuthorizedKeys => "authorised keys",
        }
    }
}

/// One thing that every instance would share. It never holds the secret itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// Where it is, from `/` on.
    pub path: String,
    /// Which sort.
    pub kind: FindingKind,
    /// What it is, in a few words.
    pub what: String,
    /// The package that the file, or its folder, belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// Bytes of the file.
    pub size: u64,
    /// The beginning of the file's SHA-256, by which two images are compared. Only of keys and identities: what people
    /// choose, such as a password, can be guessed from a digest.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fingerprint: Option<String>,
    /// What helps; empty where there was no room for it.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

impl Finding {
    /// One line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let package = self.package.as_ref().map(|name| format!(" (package {name})")).unwrap_or_default();
        let remedy = if self.remedy.is_empty() { String::new() } else { format!("; {}", self.remedy) };
        format!("{}: {}{package}{remedy}", self.path, self.what)
    }
}

/// What an audit came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Audit {
    /// What every instance would share, in the order of the paths.
    pub findings: Vec<Finding>,
    /// How many findings there was no room for here.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u32,
    /// Keys and the like in files that packages bring, and that are as they bring them: all users of the distribution have
    /// them, so that they are nobody's secret.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub shipped: Vec<Finding>,
    /// What was not looked at, and what else a reader should know.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Files that were looked at.
    pub files: u64,
    /// Whether there was more than could be looked at in time.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_incomplete: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

impl Audit {
    /// All findings, also those that were left out.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.findings.len()).unwrap_or(u32::MAX).saturating_add(self.left_out)
    }

    /// The number of findings in words.
    #[must_use]
    pub fn headline(&self) -> String {
        let files = format!("{} files were looked at", self.files);
        match self.count() {
            0 => format!("nothing that every instance would share; {files}"),
            1 => format!("1 thing that every instance would share; {files}"),
            count => format!("{count} things that every instance would share; {files}"),
        }
    }

    /// All of it for people, a line each; what packages ship only as a number.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        let mut lines: Vec<String> = self.findings.iter().map(Finding::line).collect();
        if self.left_out > 0 {
            lines.push(format!("and {} more", self.left_out));
        }
        if !self.shipped.is_empty() {
            lines.push(format!("{} files with keys are as their packages bring them: no secret", self.shipped.len()));
        }
        lines.extend(self.notes.iter().map(|note| format!("note: {note}")));
        lines
    }

    /// Makes it smaller: what packages ship goes first, then the remedies, then the last findings, of which the number
    /// stays, then the last notes. The answer is whether there was something to leave out.
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
