//! What was found in an image.

use serde::{Deserialize, Serialize};

use crate::ecosystem::Ecosystem;
use crate::package::{Kind, Package};
use crate::severity::Rating;

/// A vulnerability in an installed package.
#[derive(Debug, Clone, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    /// The id that stands for the vulnerability: its CVE, if it has one.
    pub id: String,
    /// Everything that names it: aliases, and the advisories that found it.
    pub ids: Vec<String>,
    /// The package.
    pub package: Subject,
    /// How serious it is. `None` if nobody has said.
    pub rating: Option<Rating>,
    /// Whether a fix is there.
    pub fix: Fix,
    /// One line about it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
}

/// The package of a finding.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Subject {
    /// The kind.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The architecture.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub arch: Option<String>,
    /// The source package, if its name differs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

impl Subject {
    pub(crate) fn of(package: &Package) -> Subject {
        let source = package.source.as_ref().map(|s| s.name.clone()).filter(|name| *name != package.name);
        Subject {
            kind: package.kind,
            name: package.name.clone(),
            version: package.version.clone(),
            arch: package.arch.clone(),
            source,
        }
    }
}

/// Whether a fix is there.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase", tag = "state", content = "version")]
pub enum Fix {
    /// The package is fixed in this version, by the numbers of whoever publishes it. If the advisory names only the source
    /// package, this is a version of the source.
    Available(String),
    /// There is no fix.
    None,
    /// The publisher says that there will be none.
    WontFix,
}

/// A package of which an advisory says something, but whose version, or the advisory's, cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Unjudged {
    /// The package.
    pub package: Subject,
    /// The advisory.
    pub advisory: String,
    /// Why, as a sentence.
    pub reason: String,
}

/// What was found in an image.
#[derive(Debug, Clone, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Findings {
    /// The vulnerabilities, by package, then by id.
    pub found: Vec<Finding>,
    /// The packages of which nothing can be said.
    pub unjudged: Vec<Unjudged>,
    /// How many packages belong to each ecosystem, and how many advisories were read for it.
    pub covered: Vec<Covered>,
}

/// How much the advisories say about a part of an image.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Covered {
    /// The ecosystems to which the packages belong, of which one is enough: a release of Debian has a number and a
    /// codename. Empty if no format that is read covers the operating system.
    pub ecosystems: Vec<Ecosystem>,
    /// The kind of the packages.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// How many packages the image has.
    pub packages: usize,
    /// How many advisories the folder has.
    pub advisories: u64,
}
