//! Image pipelines: recipe, infrastructure and distribution together, and when to build.

use serde::{Deserialize, Serialize};

use crate::{Name, RecipeRef};

/// A pipeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagePipeline {
    /// Its name.
    pub name: Name,
    /// Words for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What to build.
    pub image_recipe: RecipeRef,
    /// Where to build.
    pub infrastructure_configuration: Name,
    /// Where the image goes; none: it stays in the home Region.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub distribution_configuration: Option<Name>,
    /// Whether it starts by itself.
    #[serde(default)]
    pub status: Status,
    /// When it starts by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub schedule: Option<Schedule>,
    /// What else starts it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rebuild_on: Vec<RebuildOn>,
    /// Whether a start may bring another source image or other parameters; such an image is never published.
    #[serde(default)]
    pub allow_overrides: bool,
    /// Limit of the documents' phases `build` and `validate` together, in minutes; none: [`Self::MAX_MINUTES`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timeout_minutes: Option<u32>,
    /// Whether and how images are tested.
    #[serde(default)]
    pub image_tests_configuration: ImageTests,
    /// Whether a fresh instance of each image is looked over for what all of them would share.
    #[serde(default, skip_serializing_if = "ImageAudit::is_default")]
    pub audit: ImageAudit,
}

impl ImagePipeline {
    /// What fits below the 48 hours that the states have in which documents run.
    pub const MAX_MINUTES: u32 = 2_875;
}

/// What comes of what every instance of an image would share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageAudit {
    /// The build fails. An instance is launched for it where no test needs one.
    Fail,
    /// It is told, where there is a test instance anyway.
    #[default]
    Warn,
    /// Nobody looks.
    Off,
}

impl ImageAudit {
    /// Whether it is what a pipeline has that says nothing.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a pipeline starts by itself. A manual start is always possible.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It does.
    #[default]
    Enabled,
    /// It does not.
    Disabled,
}

/// When a pipeline starts by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// `cron(minute hour day month weekday year)` or `rate(…)`.
    pub schedule_expression: String,
    /// IANA time zone; none: UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Whether something must have changed.
    #[serde(default)]
    pub pipeline_execution_start_condition: StartCondition,
}

/// Whether a scheduled start builds when nothing that goes in has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StartCondition {
    /// It always builds: taking in the OS's own patches is what a regular build is for.
    #[default]
    ExpressionMatchOnly,
    /// It builds only if a component or the source image has a newer version.
    ExpressionMatchAndDependencyUpdatesAvailable,
}

/// A change that starts a pipeline.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RebuildOn {
    /// The source image has a new release.
    SourceUpdate,
    /// The pipeline whose image is the source has published a new one.
    Dependency,
}

/// Whether and how images are tested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageTests {
    /// Whether phase `test` runs on a fresh instance of the new image.
    pub image_tests_enabled: bool,
    /// Limit of a test's commands, in minutes.
    pub timeout_minutes: u32,
    /// A test instance of each of these types; empty: one, as the build's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instance_types: Vec<String>,
}

impl ImageTests {
    /// Default number of minutes, which is Image Builder's.
    pub const DEFAULT_MINUTES: u32 = 720;
    /// Test instance types of a pipeline at most: what their tests come to is passed on together.
    pub const MAX_TYPES: usize = 50;
}

impl Default for ImageTests {
    fn default() -> Self {
        Self { image_tests_enabled: true, timeout_minutes: Self::DEFAULT_MINUTES, instance_types: Vec::new() }
    }
}
