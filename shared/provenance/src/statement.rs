//! What is said about an image: an in-toto statement of version 1 (github.com/in-toto/attestation, `spec/v1`) whose
//! predicate is the provenance of SLSA 1.0 (slsa.dev/spec/v1.0/provenance). Fields have their names there.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
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
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "Map::is_empty")]
    pub internal_parameters: Map<String, Value>,
    /// What was fetched for the build, as far as it is known.
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub resolved_dependencies: Vec<ResourceDescriptor>,
}

/// One run of a build, as SLSA's `RunDetails`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunDetails {
    /// Who built.
    pub builder: Builder,
    /// When.
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "BuildMetadata::is_empty")]
    pub metadata: BuildMetadata,
    /// What the build has left besides the image, such as its log.
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "Vec::is_empty")]
    pub byproducts: Vec<ResourceDescriptor>,
}

/// Who built, as SLSA's `Builder`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Builder {
    /// The URI of the builder, which a verifier compares.
    pub id: String,
    /// The versions of its parts.
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "BTreeMap::is_empty")]
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
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Its URI. Empty if there is none.
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "String::is_empty")]
    pub uri: String,
    /// Its digests in lowercase hexadecimal, by their algorithms, such as `sha256`.
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "BTreeMap::is_empty")]
    pub digest: BTreeMap<String, String>,
    /// What else is known of it.
    #[serde(default, deserialize_with = "or_null", skip_serializing_if = "Map::is_empty")]
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

    /// Reads a statement. Fields that are not known are ignored, and `null` is as good as no field: in-toto and SLSA
    /// demand both ("Parsing rules").
    ///
    /// # Errors
    /// The bytes are not a statement of this type with this type of predicate, or it is not about one image with a name
    /// and a SHA-256.
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
        if subject.name.is_empty() {
            Err(StatementError::Name)
        } else {
            Ok(Self { subject, predicate: wire.predicate })
        }
    }

    /// Checks what in-toto and SLSA demand of those who write.
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

/// Reads a field that may be `null` instead of missing.
fn or_null<'de, T: Deserialize<'de> + Default, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    Option::deserialize(deserializer).map(Option::unwrap_or_default)
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::{Value, json};

    use super::*;

    fn value() -> Value {
        json!({
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [{"name": "ami-1", "uri": "arn:aws:ec2:eu-west-1::image/ami-1", "digest": {"sha256": "ab".repeat(32)}}],
            "predicateType": "https://slsa.dev/provenance/v1",
            "predicate": {
                "buildDefinition": {
                    "buildType": "urn:goldsmith:image-build:v1",
                    "externalParameters": {"pipeline": "web"},
                    "internalParameters": {"region": "eu-west-1"},
                    "resolvedDependencies": [{
                        "name": "base", "uri": "arn:aws:ec2:eu-west-1::image/ami-0",
                        "digest": {"sha256": "00".repeat(32)}, "annotations": {"snapshots": ["snap-1"]},
                    }],
                },
                "runDetails": {
                    "builder": {"id": "urn:goldsmith:stack:1", "version": {"goldsmith": "0.1.0"}},
                    "metadata": {
                        "invocationId": "build-1", "startedOn": "2026-11-30T10:00:00Z",
                        "finishedOn": "2026-11-30T10:20:00.5Z",
                    },
                    "byproducts": [{"name": "contents", "uri": "s3://bucket/key"}],
                },
            },
        })
    }

    fn read(value: &Value) -> Result<Statement, StatementError> {
        Statement::from_json(value.to_string().as_bytes())
    }

    #[test]
    fn the_json_has_the_fields_of_both_specifications() {
        let statement = read(&value()).unwrap();
        assert_eq!(statement.subject.digest, [0xab; 32]);
        assert_eq!(statement.predicate.build_definition.build_type, BUILD_TYPE);
        let json = statement.to_json().unwrap();
        assert_eq!(serde_json::from_slice::<Value>(&json).unwrap(), value());
        assert_eq!(json, statement.to_json().unwrap());
    }

    #[test]
    fn times_are_in_utc() {
        let mut other = value();
        other["predicate"]["runDetails"]["metadata"]["startedOn"] = json!("2026-11-30T11:00:00+01:00");
        let json: Value = serde_json::from_slice(&read(&other).unwrap().to_json().unwrap()).unwrap();
        assert_eq!(json, value());
    }

    #[test]
    fn unknown_fields_are_ignored_and_null_is_no_field() {
        let mut other = value();
        other["subject"][0]["mediaType"] = json!("x");
        other["subject"][0]["digest"]["sha512"] = json!("00");
        other["predicate"]["buildDefinition"]["resolvedDependencies"][0]["content"] = json!("AA==");
        other["predicate"]["runDetails"]["builder"]["builderDependencies"] = json!([{"uri": "x"}]);
        other["new"] = json!({"deep": [1]});
        assert_eq!(read(&other).unwrap(), read(&value()).unwrap());
        let (mut without, mut null) = (value(), value());
        for (parent, field) in [
            ("/predicate/buildDefinition", "internalParameters"),
            ("/predicate/buildDefinition", "resolvedDependencies"),
            ("/predicate/runDetails", "metadata"),
            ("/predicate/runDetails", "byproducts"),
            ("/predicate/runDetails/builder", "version"),
            ("/subject/0", "uri"),
        ] {
            without.pointer_mut(parent).unwrap().as_object_mut().unwrap().remove(field);
            null.pointer_mut(parent).unwrap()[field] = Value::Null;
        }
        assert_eq!(read(&without).unwrap(), read(&null).unwrap());
        assert_eq!(serde_json::from_slice::<Value>(&read(&null).unwrap().to_json().unwrap()).unwrap(), without);
    }

    #[test]
    fn other_statements_are_refused_and_named() {
        let with = |pointer: &str, value_of: Value| {
            let mut other = value();
            *other.pointer_mut(pointer).unwrap() = value_of;
            read(&other).unwrap_err().to_string()
        };
        assert!(with("/_type", json!("https://in-toto.io/Statement/v0.1")).contains("v0.1"));
        // Another predicate is named, although its fields are others.
        let mut sbom = value();
        (sbom["predicateType"], sbom["predicate"]) = (json!("https://spdx.dev/Document"), json!({}));
        assert!(matches!(read(&sbom), Err(StatementError::PredicateType { found }) if found.contains("spdx")));
        assert!(with("/subject", json!([])).contains("has 0 subjects"));
        assert!(with("/subject", json!([{"name": "a"}, {"name": "b"}])).contains("has 2 subjects"));
        assert!(with("/subject/0/name", json!("")).contains("does not name"));
        for digest in [json!({}), json!({"sha256": "ab"}), json!({"sha256": "AB".repeat(32)})] {
            assert!(with("/subject/0/digest", digest).contains("no SHA-256"));
        }
        assert!(with("/predicate/buildDefinition", json!({"buildType": "x"})).contains("not the JSON"));
        assert!(with("/predicate/runDetails/metadata/startedOn", json!("yesterday")).contains("not the JSON"));
    }

    #[test]
    fn what_cannot_be_found_is_not_written() {
        let mut statement = read(&value()).unwrap();
        let lost = ResourceDescriptor { name: "log".to_owned(), ..ResourceDescriptor::default() };
        statement.predicate.run_details.byproducts.push(lost.clone());
        assert!(matches!(statement.to_json(), Err(StatementError::Descriptor { name }) if name == "log"));
        let digest = BTreeMap::from([("sha256".to_owned(), "00".repeat(32))]);
        statement.predicate.run_details.byproducts = vec![ResourceDescriptor { digest, ..lost }];
        assert!(statement.to_json().is_ok());
        statement.subject.name.clear();
        assert!(matches!(statement.to_json(), Err(StatementError::Name)));
    }
}
