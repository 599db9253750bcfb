//! Which vulnerabilities an image may have.

use std::fmt;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};

/// The rules by which an image is allowed or rejected.
///
/// A finding counts if its severity reaches the threshold, and if no other rule excludes it. One finding that counts
/// rejects the image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct VulnerabilityPolicy {
    /// The lowest severity that counts.
    pub severity: Threshold,
    /// The threshold for packages that the image has from its parent, instead of `severity`.
    pub parent_severity: Option<Threshold>,
    /// Whether a vulnerability counts only if there is a fix.
    pub fix_available: bool,
    /// Whether a vulnerability counts only if the parent does not have it.
    pub only_new: bool,
    /// The severity of a vulnerability that nobody has rated.
    pub unrated: Severity,
    /// Whether an image may pass although the folder has no advisories for its operating system. Otherwise it is rejected,
    /// because nothing was compared.
    pub allow_uncovered: bool,
    /// Vulnerabilities that are accepted for a time.
    pub waivers: Vec<Waiver>,
}

impl Default for VulnerabilityPolicy {
    /// High and critical vulnerabilities count, if there is a fix: the defaults of EC2 Image Builder's gate.
    fn default() -> VulnerabilityPolicy {
        VulnerabilityPolicy {
            severity: Threshold::At(Severity::High),
            parent_severity: None,
            fix_available: true,
            only_new: false,
            unrated: Severity::Medium,
            allow_uncovered: false,
            waivers: Vec::new(),
        }
    }
}

/// The levels, from the least to the most serious.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Severity {
    /// The distribution says that the vulnerability does not matter, as Debian's `unimportant` and Ubuntu's
    /// `negligible`. No policy counts it.
    Negligible,
    /// Low.
    Low,
    /// Medium, which Red Hat and GitHub call moderate.
    Medium,
    /// High, which Red Hat and Amazon call important.
    High,
    /// Critical.
    Critical,
}

impl Severity {
    /// All levels, in their order.
    pub const ALL: [Severity; 5] =
        [Severity::Negligible, Severity::Low, Severity::Medium, Severity::High, Severity::Critical];

    /// The word in JSON and in texts.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Severity::Negligible => "negligible",
            Severity::Low => "low",
            Severity::Medium => "medium",
            Severity::High => "high",
            Severity::Critical => "critical",
        }
    }

    /// Returns the level that a publisher's word means, or `None` if the word is no rating, as Debian's `not yet
    /// assigned` and Ubuntu's `untriaged`. Debian marks a rating that it took from elsewhere with asterisks.
    #[must_use]
    pub fn from_word(word: &str) -> Option<Severity> {
        match word.trim().trim_end_matches('*').to_ascii_lowercase().as_str() {
            "critical" => Some(Severity::Critical),
            "high" | "important" => Some(Severity::High),
            "medium" | "moderate" => Some(Severity::Medium),
            "low" => Some(Severity::Low),
            "negligible" | "unimportant" => Some(Severity::Negligible),
            _ => None,
        }
    }
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The lowest severity that counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub enum Threshold {
    /// This severity and those above it.
    At(Severity),
    /// None counts.
    Never,
}

impl Threshold {
    /// Whether a severity reaches the threshold. What does not matter never does.
    #[must_use]
    pub fn is_reached(self, severity: Severity) -> bool {
        severity > Severity::Negligible && matches!(self, Threshold::At(least) if severity >= least)
    }
}

impl TryFrom<String> for Threshold {
    type Error = String;

    fn try_from(word: String) -> Result<Threshold, String> {
        match word.as_str() {
            "never" => Ok(Threshold::Never),
            "low" => Ok(Threshold::At(Severity::Low)),
            "medium" => Ok(Threshold::At(Severity::Medium)),
            "high" => Ok(Threshold::At(Severity::High)),
            "critical" => Ok(Threshold::At(Severity::Critical)),
            _ => Err(format!("{word:?} is not low, medium, high, critical or never")),
        }
    }
}

impl From<Threshold> for String {
    fn from(threshold: Threshold) -> String {
        match threshold {
            Threshold::At(severity) => severity.word().to_owned(),
            Threshold::Never => "never".to_owned(),
        }
    }
}

/// A vulnerability that is accepted for a time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Waiver {
    /// The vulnerability, by any of its ids, or an advisory with everything that it covers.
    pub id: String,
    /// The package, or the source package, to which the waiver is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub package: Option<String>,
    /// The last day on which the waiver holds, in UTC.
    pub until: Date,
    /// Why the vulnerability is accepted.
    pub reason: String,
}

/// Why a text is not a policy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field}: {message}")]
pub struct VulnerabilityPolicyError {
    /// The field, as a path, such as `waivers[0].until`.
    pub field: String,
    /// Why, as a sentence.
    pub message: String,
}

impl VulnerabilityPolicy {
    /// Maximum number of waivers of a pipeline. With the longest texts, they take less than half of the 400 KiB that an item
    /// of DynamoDB may have.
    pub const MAX_WAIVERS: usize = 200;
    /// The longest id or package of a waiver in bytes.
    pub const MAX_NAME: usize = 200;
    /// The longest reason of a waiver in bytes.
    pub const MAX_REASON: usize = 500;

    /// Reads a policy from JSON.
    ///
    /// # Errors
    ///
    /// The text is not JSON, a field is unknown or has a wrong value, or a waiver has no id or no reason.
    pub fn from_json(text: &str) -> Result<VulnerabilityPolicy, VulnerabilityPolicyError> {
        let deserializer = &mut serde_json::Deserializer::from_str(text);
        let policy: VulnerabilityPolicy = serde_path_to_error::deserialize(deserializer).map_err(|error| {
            let path = error.path().to_string();
            let error = error.into_inner();
            if error.is_data() {
                let field = if path == "." { "the policy".to_owned() } else { path };
                return VulnerabilityPolicyError { field, message: format!("{error}.") };
            }
            // A pipeline has its policy in YAML, so this file often is YAML too.
            VulnerabilityPolicyError {
                field: format!("line {}", error.line()),
                message: format!("This is not JSON: {error}."),
            }
        })?;
        for (at, waiver) in policy.waivers.iter().enumerate() {
            for (key, value, what) in [("id", &waiver.id, "an id"), ("reason", &waiver.reason, "a reason")] {
                if value.trim().is_empty() {
                    let field = format!("waivers[{at}].{key}");
                    return Err(VulnerabilityPolicyError { field, message: format!("A waiver needs {what}.") });
                }
            }
        }
        Ok(policy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_policy_is_read_and_written() {
        let text = r#"{"severity": "medium", "parentSeverity": "never", "fixAvailable": false, "onlyNew": true,
            "waivers": [{"id": "CVE-2024-1", "package": "openssl", "until": "2026-12-31", "reason": "not reachable"}]}"#;
        let policy = VulnerabilityPolicy::from_json(text).unwrap();
        assert_eq!(policy.parent_severity, Some(Threshold::Never));
        assert_eq!(policy.waivers[0].until, jiff::civil::date(2026, 12, 31));
        let written = serde_json::to_string(&policy).unwrap();
        assert_eq!(VulnerabilityPolicy::from_json(&written).unwrap(), policy);
        assert_eq!(VulnerabilityPolicy::from_json("{}").unwrap(), VulnerabilityPolicy::default());
    }

    #[test]
    fn a_mistake_names_its_field() {
        for (text, field) in [
            (r#"{"severity": "negligible"}"#, "severity"),
            (r#"{"sevrity": "low"}"#, "sevrity"),
            (r#"{"waivers": [{"id": "CVE-1", "until": "31.12.2026", "reason": "x"}]}"#, "waivers[0].until"),
            (r#"{"waivers": [{"id": "CVE-1", "until": "2026-12-31", "reason": " "}]}"#, "waivers[0].reason"),
            (r#"{"waivers": [{"id": "", "until": "2026-12-31", "reason": "x"}]}"#, "waivers[0].id"),
            (r#"{"waivers": [{"id": "CVE-1", "reason": "x"}]}"#, "waivers[0]"),
            ("3", "the policy"),
            ("severity: high", "line 1"),
            ("{\n\"severity\": ", "line 2"),
        ] {
            assert_eq!(VulnerabilityPolicy::from_json(text).unwrap_err().field, field, "{text}");
        }
    }
}
