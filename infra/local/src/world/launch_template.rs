//! Launch templates: parameters of RunInstances under a name, in versions that never change.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Tags;
use crate::api::{ApiError, Scope};

/// A launch template.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct LaunchTemplate {
    pub(crate) id: String,
    pub(crate) scope: Scope,
    pub(crate) name: String,
    pub(crate) created_at: Timestamp,
    pub(crate) default_version: u64,
    /// The highest number ever assigned: numbers are not used twice.
    pub(crate) latest_version: u64,
    pub(crate) versions: BTreeMap<u64, TemplateVersion>,
    pub(crate) tags: Tags,
}

/// One version.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct TemplateVersion {
    pub(crate) created_at: Timestamp,
    pub(crate) description: Option<String>,
    /// The version's content, as flat parameters without the prefix `LaunchTemplateData.`.
    pub(crate) data: BTreeMap<String, String>,
}

impl LaunchTemplate {
    /// Returns the number that `asked` stands for: a number, `$Latest`, or `$Default` (also if nothing is given).
    pub(crate) fn number(&self, asked: Option<&str>) -> Result<u64, ApiError> {
        let number = match asked {
            None | Some("$Default") => Some(self.default_version),
            Some("$Latest") => Some(self.latest_version),
            Some(text) => text.parse().ok(),
        };
        number.filter(|number| self.versions.contains_key(number)).ok_or_else(|| {
            let message =
                format!("Could not find the specified version {} for {}.", asked.unwrap_or("$Default"), self.id);
            ApiError::new("InvalidLaunchTemplateId.VersionNotFound", message)
        })
    }
}
