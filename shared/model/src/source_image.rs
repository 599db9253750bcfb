//! Source images, from which builds start.

use std::fmt;
use std::str::FromStr;

use goldsmith_document::digest;
use serde::{Deserialize, Serialize};

use crate::account::is_account_id;
use crate::{AmiId, AmiIdError, Name, NameError};

/// The AMI from which a build starts, as the recipe names it. It is resolved to an AMI id when a build is planned.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "Written", into = "Written")]
pub enum SourceImage {
    /// An AMI id in the home Region, `ami-…`.
    Ami(String),
    /// An SSM parameter whose value is an AMI id, written `ssm:NAME`.
    Parameter(String),
    /// The newest available AMI of these owners whose name matches.
    Newest {
        /// Account ids, `self`, `amazon` or `aws-marketplace`. There is at least one, because anyone may publish an AMI
        /// under any name.
        owners: Vec<String>,
        /// AMI name, in which `*` and `?` are wildcards.
        name: String,
    },
    /// The newest image of another pipeline, written `pipeline:NAME`.
    Pipeline(Name),
}

/// Why a value is not a [`SourceImage`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceImageError {
    /// The value has none of the known forms.
    #[error("`{text}` is not a source image: use ami-…, ssm:NAME, pipeline:NAME or {{owners: […], name: …}}")]
    Form {
        /// The text.
        text: String,
    },
    /// The text begins like an AMI id, but is not one.
    #[error(transparent)]
    AmiId(#[from] AmiIdError),
    /// The text is not a parameter name (SSM: at most 1011 characters of letters, digits and `_.-/`).
    #[error("`{name}` is not the name of an SSM parameter")]
    Parameter {
        /// The name.
        name: String,
    },
    /// No owner is named.
    #[error("`owners` is empty: name at least one account id, `self`, `amazon` or `aws-marketplace`")]
    NoOwners,
    /// A text, such as `*`, is not an owner.
    #[error("`{owner}` is not an owner: use account ids of 12 digits, `self`, `amazon` or `aws-marketplace`")]
    Owner {
        /// The owner.
        owner: String,
    },
    /// The AMI name is empty.
    #[error("the name of the source image is empty")]
    NoName,
    /// The pipeline's name is not valid.
    #[error(transparent)]
    Pipeline(#[from] NameError),
}

/// The two forms in which a source image is written.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Newest { owners: Vec<String>, name: String },
}

impl SourceImage {
    /// Owners whose AMI an SSM parameter may name if the recipe names no owners.
    pub const DEFAULT_OWNERS: [&'static str; 2] = ["self", "amazon"];

    /// Creates the source for the newest image of these owners, and checks the owners.
    ///
    /// # Errors
    /// There is no owner, an owner is neither an account id nor one of AWS's words (`*` is not one of them), or the
    /// name is empty.
    pub fn newest(owners: Vec<String>, name: String) -> Result<Self, SourceImageError> {
        if owners.is_empty() {
            return Err(SourceImageError::NoOwners);
        }
        if let Some(owner) = owners.iter().find(|owner| !is_owner(owner)) {
            return Err(SourceImageError::Owner { owner: owner.clone() });
        }
        if name.is_empty() {
            return Err(SourceImageError::NoName);
        }
        Ok(Self::Newest { owners, name })
    }

    /// Returns the source as a definition writes it: as text, or as JSON with owners and name.
    #[must_use]
    pub fn written(&self) -> String {
        match self {
            Self::Newest { owners, name } => serde_json::json!({"owners": owners, "name": name}).to_string(),
            other => other.to_string(),
        }
    }

    /// Returns 16 hexadecimal digits of the SHA-256 of [`Self::written`]. A source has the same hash wherever it is
    /// named.
    #[must_use]
    pub fn hash(&self) -> String {
        digest(&self.written())[..16].to_owned()
    }
}

/// Returns whether a text is an account id or one of AWS's words for owners.
pub(crate) fn is_owner(owner: &str) -> bool {
    matches!(owner, "self" | "amazon" | "aws-marketplace") || is_account_id(owner)
}

impl FromStr for SourceImage {
    type Err = SourceImageError;

    fn from_str(text: &str) -> Result<Self, SourceImageError> {
        if let Some(name) = text.strip_prefix("ssm:") {
            let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_.-/".contains(&b);
            let good = (1..=1011).contains(&name.len()) && name.bytes().all(allowed);
            let wrong = || SourceImageError::Parameter { name: name.to_owned() };
            return good.then(|| Self::Parameter(name.to_owned())).ok_or_else(wrong);
        }
        if let Some(name) = text.strip_prefix("pipeline:") {
            return Ok(Self::Pipeline(name.parse()?));
        }
        if !text.starts_with("ami-") {
            return Err(SourceImageError::Form { text: text.to_owned() });
        }
        Ok(Self::Ami(text.parse::<AmiId>()?.into()))
    }
}

impl fmt::Display for SourceImage {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ami(id) => out.write_str(id),
            Self::Parameter(name) => write!(out, "ssm:{name}"),
            Self::Newest { owners, name } => write!(out, "the newest `{name}` of {}", owners.join(", ")),
            Self::Pipeline(name) => write!(out, "pipeline:{name}"),
        }
    }
}

impl TryFrom<Written> for SourceImage {
    type Error = SourceImageError;

    fn try_from(written: Written) -> Result<Self, SourceImageError> {
        match written {
            Written::Text(text) => text.parse(),
            Written::Newest { owners, name } => Self::newest(owners, name),
        }
    }
}

impl From<SourceImage> for Written {
    fn from(source: SourceImage) -> Self {
        match source {
            SourceImage::Newest { owners, name } => Self::Newest { owners, name },
            other => Self::Text(other.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::SourceImage;

    #[test]
    fn stored_as_it_is_written() {
        for json in [
            r#""ami-0123456789abcdef0""#,
            r#""ssm:/goldsmith/examples/source""#,
            r#""pipeline:base""#,
            r#"{"owners":["amazon"],"name":"al2023-ami-2023.*-x86_64"}"#,
        ] {
            let source: SourceImage = serde_json::from_str(json).unwrap();
            assert_eq!(serde_json::to_string(&source).unwrap(), json);
        }
    }

    #[test]
    fn different_sources_have_different_hashes() {
        let newest = |owners: &[&str]| {
            SourceImage::newest(owners.iter().map(|owner| (*owner).to_owned()).collect(), "al2023*".to_owned()).unwrap()
        };
        let sources = [newest(&["amazon"]), newest(&["amazon", "self"]), "ssm:/a".parse().unwrap()];
        assert_eq!(sources[2].written(), "ssm:/a");
        assert_eq!(sources[0].written(), r#"{"name":"al2023*","owners":["amazon"]}"#);
        let hashes: std::collections::BTreeSet<String> = sources.iter().map(SourceImage::hash).collect();
        assert_eq!(hashes.len(), 3);
        assert!(hashes.iter().all(|hash| hash.len() == 16), "{hashes:?}");
    }

    #[test]
    fn mistakes_are_explained() {
        for (text, message) in [
            ("al2023", "`al2023` is not a source image: use ami-…, ssm:NAME, pipeline:NAME or {owners: […], name: …}"),
            ("ami-123", "`ami-123` is not an AMI id: expected `ami-` and 8 or 17 hexadecimal digits"),
            ("ssm:a b", "`a b` is not the name of an SSM parameter"),
            ("pipeline:x", "the name `x` has a length of 1: 3 to 128 characters are allowed"),
        ] {
            assert_eq!(text.parse::<SourceImage>().unwrap_err().to_string(), message);
        }
        for (owners, message) in [
            (vec![], "`owners` is empty: name at least one account id, `self`, `amazon` or `aws-marketplace`"),
            (vec!["*"], "`*` is not an owner: use account ids of 12 digits, `self`, `amazon` or `aws-marketplace`"),
        ] {
            let owners = owners.into_iter().map(str::to_owned).collect();
            assert_eq!(SourceImage::newest(owners, "a*".to_owned()).unwrap_err().to_string(), message);
        }
    }
}
