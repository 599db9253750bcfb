//! What the audit of an image came to, as a build's state keeps it.

use serde::{Deserialize, Serialize};

/// What every instance of an image would share, as a fresh instance of it was found.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditRecord {
    /// What was found, as far as there was room.
    pub findings: Vec<AuditFinding>,
    /// How many more were found.
    #[serde(skip_serializing_if = "no")]
    pub left_out: u32,
    /// What was not looked at, and the like.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Files that were looked at.
    pub files: u64,
    /// Whether there was more than could be looked at. Builds of older versions do not say.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_incomplete: bool,
}

impl AuditRecord {
    /// What is kept of an audit, by what it is as JSON: an agent's result has it so. The type is the agent's, of which this
    /// crate knows nothing; each field of a record is there under the same name.
    pub fn of(audit: &impl Serialize) -> serde_json::Result<Self> {
        serde_json::from_value(serde_json::to_value(audit)?)
    }

    /// All findings, also those that there was no room for.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.findings.len()).unwrap_or(u32::MAX).saturating_add(self.left_out)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
fn no(count: &u32) -> bool {
    *count == 0
}

/// One thing that every instance would share; never the secret itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditFinding {
    /// Where.
    pub path: String,
    /// Which sort.
    pub kind: AuditKind,
    /// What it is.
    pub what: String,
    /// The package that it belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// What helps; empty where there was no room for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

/// What sort of thing every instance would share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditKind {
    /// A private key, or a container of keys.
    PrivateKey,
    /// What a package has made for one machine.
    PackageSecret,
    /// A number or name that is meant to be one machine's.
    Identity,
    /// A password or token.
    Credential,
    /// What people typed.
    History,
    /// Keys of people who may log in.
    AuthorizedKeys,
    /// One that only a newer version knows.
    #[serde(untagged)]
    Other(String),
}

impl Default for AuditKind {
    fn default() -> Self {
        Self::Other(String::new())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{AuditKind, AuditRecord};

    #[test]
    fn a_kind_that_only_a_newer_version_knows_is_read_and_written_as_it_is() {
        for (word, kind) in [
            ("package-secret", AuditKind::PackageSecret),
            ("authorized-keys", AuditKind::AuthorizedKeys),
            ("boot-password", AuditKind::Other("boot-password".to_owned())),
        ] {
            let stored = json!({"findings": [{"path": "/x", "kind": word, "what": "y"}], "files": 7});
            let record: AuditRecord = serde_json::from_value(stored.clone()).unwrap();
            assert_eq!(record.findings[0].kind, kind);
            assert_eq!(json!(record), stored);
        }
    }

    #[test]
    fn that_an_audit_is_incomplete_is_kept_and_what_older_versions_wrote_is_read() {
        let incomplete = json!({"findings": [], "shipped": [], "files": 7, "isIncomplete": true});
        let record = AuditRecord::of(&incomplete).unwrap();
        assert!(record.is_incomplete);
        assert_eq!(json!(record), json!({"findings": [], "files": 7, "isIncomplete": true}));
        let older: AuditRecord = serde_json::from_value(json!({"findings": [], "files": 7})).unwrap();
        assert!(!older.is_incomplete);
        assert_eq!(json!(older), json!({"findings": [], "files": 7}));
        assert!(AuditRecord::of(&json!({"files": "many"})).is_err());
    }
}
