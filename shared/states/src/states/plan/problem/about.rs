//! What is known of each kind of problem: its name, whether it stops a build, how to fix it, and what it means.

use serde::Serialize;
use strum::{EnumMessage as _, IntoEnumIterator as _};

use super::Problem;

/// Whether a problem stops the build.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Severity {
    /// The problem stops the build: Plan rejects it.
    Refusal,
    /// The build starts, and a person should know of the problem.
    Warning,
}

impl Problem {
    /// Returns the name of the problem, such as `ami-name-taken`. Programs may rely on this name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.into()
    }

    /// Returns whether the problem stops the build.
    #[must_use]
    pub fn severity(&self) -> Severity {
        match self {
            Self::BootMode { .. }
            | Self::ExportLicense { .. }
            | Self::ExportVolumes { .. }
            | Self::InstanceTypeSkipped { .. }
            | Self::KeyClosed { .. }
            | Self::SourceParameterPath { .. }
            | Self::SourceProduct { .. }
            | Self::TargetLicense { .. }
            | Self::Unchecked { .. } => Severity::Warning,
            _ => Severity::Refusal,
        }
    }

    /// Returns how to fix the problem.
    #[must_use]
    pub fn remedy(&self) -> &'static str {
        self.get_message().unwrap_or_default()
    }

    /// Returns what the problem means, in full sentences.
    #[must_use]
    pub fn explanation(&self) -> String {
        self.get_documentation().unwrap_or_default().lines().collect::<Vec<_>>().join(" ")
    }

    /// Returns every kind of problem, with empty data.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::iter()
    }
}
