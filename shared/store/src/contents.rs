//! Where the contents of an image are, as it is stored with the state of a build and with the image.

use serde::{Deserialize, Serialize};

/// The longest reason that is recorded, in characters.
const LONGEST: usize = 1_000;

/// The reason if the instance gives none.
const NO_DIGEST: &str = "the instance has reported neither a digest nor a reason";

/// Where the contents of an image are in the stack's bucket. A failed collection has no digest, and says why.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct ContentsRecord {
    /// Key of the object.
    pub key: String,
    /// SHA-256 of the object, in hex. Empty if the contents could not be stored.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub sha256: String,
    /// Size of the object in bytes.
    pub bytes: u64,
    /// Number of packages.
    pub packages: u32,
    /// Number of listed files that no package owns.
    pub files: u32,
    /// Milliseconds that the collection took.
    pub millis: u64,
    /// Why the contents could not be stored. Empty if they were.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub failure: String,
}

impl ContentsRecord {
    /// Returns the record of an agent's report in its JSON form, whose type belongs to the agent. Each field of the
    /// record except the key exists in that JSON under the same name.
    pub fn of(key: &str, report: &impl Serialize) -> serde_json::Result<Self> {
        let record: Self = serde_json::from_value(serde_json::to_value(report)?)?;
        // The report comes from an instance, and the record is in the table and on the screens of people.
        let failure = record.failure.chars().map(|c| if c.is_control() { ' ' } else { c }).take(LONGEST).collect();
        let is_digest = record.sha256.len() == 64 && record.sha256.bytes().all(|byte| byte.is_ascii_hexdigit());
        let sha256 = if is_digest { record.sha256 } else { String::new() };
        let record = Self { key: key.to_owned(), sha256, failure, ..record };
        let says_nothing = !record.is_stored() && record.failure.is_empty();
        Ok(if says_nothing { Self { failure: NO_DIGEST.to_owned(), ..record } } else { record })
    }

    /// Returns whether the contents are in the bucket.
    #[must_use]
    pub fn is_stored(&self) -> bool {
        !self.sha256.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{ContentsRecord, LONGEST, NO_DIGEST};

    #[test]
    fn what_an_instance_reports_is_recorded_only_in_its_form() {
        let digest = "0a".repeat(32);
        let record =
            ContentsRecord::of("contents/b", &json!({"sha256": digest, "key": "orders/x", "bytes": 3})).unwrap();
        assert_eq!((record.key.as_str(), record.sha256.as_str(), record.is_stored()), ("contents/b", &*digest, true));
        let forged = json!({"sha256": "x".repeat(400_000), "failure": format!("a\nimage  web{}", "x".repeat(400_000))});
        let record = ContentsRecord::of("contents/b", &forged).unwrap();
        assert!(!record.is_stored() && record.failure.starts_with("a image  web"));
        assert_eq!(record.failure.len(), LONGEST);
        let nothing = ContentsRecord::of("contents/b", &json!({"sha256": "00"})).unwrap();
        assert_eq!((nothing.is_stored(), nothing.failure.as_str()), (false, NO_DIGEST));
    }
}
