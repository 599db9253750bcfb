//! Image pipelines: recipe, infrastructure and distribution together, and when to build.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::{Freeze, Name, RecipeRef, Retention, SourceImage};

/// A pipeline.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImagePipeline {
    /// Its name.
    pub name: Name,
    /// Description for people.
    pub description: Option<String>,
    /// The recipe to build.
    pub image_recipe: RecipeRef,
    /// Where to build.
    pub infrastructure_configuration: Name,
    /// Where the image is distributed; `None` if it stays in the home Region.
    pub distribution_configuration: Option<Name>,
    /// Whether it starts by itself.
    #[serde(default)]
    pub status: Status,
    /// When it starts by itself.
    pub schedule: Option<Schedule>,
    /// Changes that start it too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rebuild_on: Vec<RebuildOn>,
    /// After how many failures it no longer starts by itself; `None` if failures never keep it from that.
    pub auto_disable_policy: Option<AutoDisablePolicy>,
    /// Days on which it does not start by itself.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<Freeze>,
    /// Whether a start may specify another source image or other parameters. Such an image is never published.
    #[serde(default)]
    pub allow_overrides: bool,
    /// Time limit of the documents' phases `build` and `validate` together, in minutes; `None` for
    /// [`Self::MAX_MINUTES`].
    pub timeout_minutes: Option<u32>,
    /// Whether and how images are tested.
    #[serde(default)]
    pub image_tests_configuration: ImageTests,
    /// Whether a fresh instance of each image is audited for what all instances would share.
    #[serde(default, skip_serializing_if = "ImageAudit::is_default")]
    pub audit: ImageAudit,
    /// The channel that points to each new image; `None` if none does.
    pub channel: Option<Name>,
    /// Which of its images `goldsmith retention` deletes; `None` if it deletes none.
    pub retention: Option<Retention>,
}

impl ImagePipeline {
    /// The most minutes that fit within the 48 hours of the states in which documents run.
    pub const MAX_MINUTES: u32 = 2_875;

    /// Returns the `rebuildOn` value for which a new image of its source starts the pipeline; `None` if none does.
    #[must_use]
    pub fn watches(&self, source: &SourceImage) -> Option<RebuildOn> {
        let why = match source {
            SourceImage::Ami(_) => return None, // never changes
            SourceImage::Pipeline(_) => RebuildOn::Dependency,
            SourceImage::Parameter(_) | SourceImage::Newest { .. } => RebuildOn::SourceUpdate,
        };
        (self.status == Status::Enabled && self.rebuild_on.contains(&why)).then_some(why)
    }
}

/// What happens if the audit finds something that every instance of an image would share.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ImageAudit {
    /// The build fails. If no test needs an instance, one is launched for the audit.
    Fail,
    /// The finding is reported. The audit is made only if there is a test instance anyway.
    #[default]
    Warn,
    /// There is no audit.
    Off,
}

impl ImageAudit {
    /// Returns whether it is the default, which applies if a pipeline does not set `audit`.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a pipeline starts by itself. A manual start is always possible.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// It starts by itself.
    #[default]
    Enabled,
    /// It does not start by itself.
    Disabled,
}

/// After how many failures a pipeline no longer starts by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoDisablePolicy {
    /// Number of automatic builds in a row that must fail, from 1 to [`AutoDisablePolicy::MAX`].
    pub failure_count: u32,
}

impl AutoDisablePolicy {
    /// The most failures, as in Image Builder (its API reference, `AutoDisablePolicy`).
    pub const MAX: u32 = 10;
}

/// When a pipeline starts by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// `cron(minute hour day month weekday year)` or `rate(…)`.
    pub schedule_expression: String,
    /// IANA time zone; `None` for UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Whether something must have changed.
    #[serde(default)]
    pub pipeline_execution_start_condition: StartCondition,
}

/// Whether a scheduled start builds if nothing that goes into the image has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StartCondition {
    /// It always builds: a regular build takes in the patches of the operating system itself.
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
    /// Time limit of a test's commands, in minutes.
    pub timeout_minutes: u32,
    /// Instance types, with one test instance each; empty for one instance of the build's type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instance_types: Vec<String>,
    /// Whether a test instance is a spot instance if EC2 has one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spot: bool,
}

impl ImageTests {
    /// Default number of minutes, as in Image Builder.
    pub const DEFAULT_MINUTES: u32 = 720;
    /// Most test instance types of a pipeline, because the results of their tests are passed on together.
    pub const MAX_TYPES: usize = 50;
}

impl Default for ImageTests {
    fn default() -> Self {
        Self {
            image_tests_enabled: true,
            timeout_minutes: Self::DEFAULT_MINUTES,
            instance_types: Vec::new(),
            spot: false,
        }
    }
}
