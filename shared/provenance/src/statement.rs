//! What is said about an image: an in-toto statement of version 1 (github.com/in-toto/attestation, `spec/v1`) whose
//! predicate is the provenance of SLSA 1.0 (slsa.dev/spec/v1.0/provenance). Fields have their names there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::{Digest, digest_from_hex};

/// The type of the statement.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// The type of the predicate. SLSA uses it for every 1.x.
pub const PREDICATE_TYPE: &str = "https://slsa.dev/provenance/v1";

/// How an image was built, and what its parameters mean: Goldsmith's documentation of provenance describes it.
pub const BUILD_TYPE: &str = "urn:goldsmith:image-build:v1";

/// A statement about one image.
#[derive(Debug, Clone, PartialEq)]
pub struct Statement {
    /// The image.
    pub subject: Subject,
    /// How it was built.
    pub predicate: Provenance,
}

/// The image of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The id of the AMI.
    pub name: String,
    /// Its ARN, such as `arn:aws:ec2:eu-west-1::image/ami-0123456789abcdef0`. Empty if there is none.
    pub uri: String,
    /// Its [content digest](crate::content::ImageContent::digest).
    pub digest: Digest,
}

/// How an image was built, as SLSA's `Provenance`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Provenance {
    /// What went into the build.
    pub build_definition: BuildDefinition,
    /// This one run of it.
    pub run_details: RunDetails,
}

/// What went into the build, as SLSA's `BuildDefinition`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildDefinition {
    /// How to read the parameters, such as [`BUILD_TYPE`].
    pub build_type: String,
    /// What people chose who use the builder. A verifier must check all of it.
    pub external_parameters: Map<String, Value>,
    /// What the builder itself chose.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub internal_parameters: Map<String, Value>,
    /// What was fetched for the build, as far as it is known.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub resolved_dependencies: Vec<ResourceDescriptor>,
}

/// One run of a build, as SLSA's `RunDetails`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDetails {
    /// Who built.
    pub builder: Builder,
    /// When.
    #[serde(default, skip_serializing_if = "BuildMetadata::is_empty")]
    pub metadata: BuildMetadata,
    /// What the build has left besides the image, such as its log.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub byproducts: Vec<ResourceDescriptor>,
}

/// Who built, as SLSA's `Builder`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Builder {
    /// The URI of the builder, which a verifier compares.
    pub id: String,
    /// The versions of its parts.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub version: BTreeMap<String, String>,
}

/// The run's id and times, as SLSA's `BuildMetadata`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BuildMetadata {
    /// The id of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub invocation_id: Option<String>,
    /// When it began. In JSON: RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_on: Option<Timestamp>,
    /// When it ended. In JSON: RFC 3339 in UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finished_on: Option<Timestamp>,
}

impl BuildMetadata {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Something that a build has used or made, as in-toto's `ResourceDescriptor`. It must have a URI or a digest.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ResourceDescriptor {
    /// Its name within the statement. Empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its URI. Empty if there is none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub uri: String,
    /// Its digests in lowercase hexadecimal, by their algorithms, such as `sha256`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// What else is known of it.
    #[serde(default, skip_serializing_if = "Map::is_empty")]
    pub annotations: Map<String, Value>,
}

/// Why something is not a statement about an image.
#[derive(Debug, thiserror::Error)]
pub enum StatementError {
    /// It is not the JSON of a statement with SLSA's provenance.
    #[error("the statement is not the JSON of an in-toto statement with the provenance of SLSA")]
    Form(#[source] serde_json::Error),
    /// It is another kind of statement.
    #[error("the statement has the type {found:?}, but only {STATEMENT_TYPE} is read")]
    Type {
        /// The type.
        found: String,
    },
    /// It says something else.
    #[error("the statement's predicate has the type {found:?}, but only {PREDICATE_TYPE} is read")]
    PredicateType {
        /// The type.
        found: String,
    },
    /// It is not about one image.
    #[error("the statement has {count} subjects, but must be about one image")]
    Subjects {
        /// The number of its subjects.
        count: usize,
    },
    /// The image has no name.
    #[error("the statement does not name its image")]
    Name,
    /// The image has no digest that this program computes.
    #[error("the subject of the statement has no SHA-256 of 64 lowercase hexadecimal digits")]
    Digest,
    /// Something has neither a URI nor a digest, so it cannot be found.
    #[error("{name:?} of the statement has neither a URI nor a digest")]
    Descriptor {
        /// Its name.
        name: String,
    },
}

impl Statement {
    /// Returns the JSON of the statement, which is the same each time.
    ///
    /// # Errors
    /// The image has no name, or a dependency or byproduct has neither a URI nor a digest.
    pub fn to_json(&self) -> Result<Vec<u8>, StatementError> {
        self.check()?;
        let subject = ResourceDescriptor {
            name: self.subject.name.clone(),
            uri: self.subject.uri.clone(),
            digest: BTreeMap::from([("sha256".to_owned(), hex::encode(self.subject.digest))]),
            annotations: Map::new(),
        };
        let wire = Wire {
            r#type: STATEMENT_TYPE.to_owned(),
            subject: vec![subject],
            predicate_type: PREDICATE_TYPE.to_owned(),
            predicate: &self.predicate,
        };
        serde_json::to_vec(&wire).map_err(StatementError::Form)
    }

    /// Reads a statement. Fields that are not known are ignored, as in-toto demands ("Parsing rules").
    ///
    /// # Errors
    /// The bytes are not a statement of this type with this type of predicate, it is not about one image with a name
    /// and a SHA-256, or a dependency or byproduct has neither a URI nor a digest.
    pub fn from_json(json: &[u8]) -> Result<Self, StatementError> {
        // Types come first: what another type has as its predicate is not this program's business.
        let types: Types = serde_json::from_slice(json).map_err(StatementError::Form)?;
        if types.r#type != STATEMENT_TYPE {
            return Err(StatementError::Type { found: types.r#type });
        }
        if types.predicate_type != PREDICATE_TYPE {
            return Err(StatementError::PredicateType { found: types.predicate_type });
        }
        let wire: Wire<Provenance> = serde_json::from_slice(json).map_err(StatementError::Form)?;
        let count = wire.subject.len();
        let [subject] = <[_; 1]>::try_from(wire.subject).map_err(|_| StatementError::Subjects { count })?;
        let digest = subject.digest.get("sha256").and_then(|digest| digest_from_hex(digest));
        let digest = digest.ok_or(StatementError::Digest)?;
        let subject = Subject { name: subject.name, uri: subject.uri, digest };
        let statement = Self { subject, predicate: wire.predicate };
        statement.check()?;
        Ok(statement)
    }

    fn check(&self) -> Result<(), StatementError> {
        if self.subject.name.is_empty() {
            return Err(StatementError::Name);
        }
        let Provenance { build_definition, run_details } = &self.predicate;
        let mut all = build_definition.resolved_dependencies.iter().chain(&run_details.byproducts);
        match all.find(|one| one.uri.is_empty() && one.digest.is_empty()) {
            Some(one) => Err(StatementError::Descriptor { name: one.name.clone() }),
            None => Ok(()),
        }
    }
}

/// The JSON of a statement.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<P> {
    #[serde(rename = "_type")]
    r#type: String,
    subject: Vec<ResourceDescriptor>,
    predicate_type: String,
    predicate: P,
}

/// The types of a statement.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Types {
    #[serde(rename = "_type")]
    r#type: String,
    predicate_type: String,
}
