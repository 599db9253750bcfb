//! Result of an image's audit, as it is stored with the state of a build.

use goldsmith_model::is_zero;
use serde::{Deserialize, Serialize};

/// What every instance of an image would share, as it was found on a fresh instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditRecord {
    /// The findings for which there was room.
    pub findings: Vec<AuditFinding>,
    /// Number of findings for which there was no room.
    #[serde(skip_serializing_if = "is_zero")]
    pub left_out: u32,
    /// Remarks, such as what was not examined.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
    /// Number of files that were examined.
    pub files: u64,
    /// Whether the image contains more than could be examined. Builds of earlier versions do not record this.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub is_incomplete: bool,
}

impl AuditRecord {
    /// Returns the part of an audit that is stored. The parameter is an agent's result in its JSON form: its type
    /// belongs to the agent, which this crate does not depend on. Each field of the record exists in that JSON under
    /// the same name.
    pub fn of(audit: &impl Serialize) -> serde_json::Result<Self> {
        serde_json::from_value(serde_json::to_value(audit)?)
    }

    /// Returns the number of all findings, including those for which there was no room.
    #[must_use]
    pub fn count(&self) -> u32 {
        u32::try_from(self.findings.len()).unwrap_or(u32::MAX).saturating_add(self.left_out)
    }
}

/// One thing that every instance would share. The finding never contains the secret itself.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct AuditFinding {
    /// Path of the file.
    pub path: String,
    /// Its sort.
    pub kind: AuditKind,
    /// Kind of the finding.
    pub what: String,
    /// The package that the file belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The remedy; empty if there was no room for it.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub remedy: String,
}

/// The kind of thing that every instance would share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AuditKind {
    /// A private key, or a container of keys.
    PrivateKey,
    /// A secret that a package made for one machine.
    PackageSecret,
    /// A number or name that is meant for one machine only.
    Identity,
    /// A password or token.
    Credential,
    /// Commands and other input that people typed.
    History,
    /// Public keys of people who may log in.
    AuthorizedKeys,
    /// A kind that only a newer version knows.
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
    fn an_incomplete_audit_is_stored_and_older_records_are_read() {
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
