//! Image pipelines: a recipe, an infrastructure configuration and a distribution configuration, and when to build.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::{Freeze, Name, RecipeRef, Retention, SourceImage, VulnerabilityPolicy, is_zero};

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
    /// The infrastructure configuration in which the image is built.
    pub infrastructure_configuration: Name,
    /// The distribution configuration, or `None` if the image stays in the home Region.
    pub distribution_configuration: Option<Name>,
    /// Whether the pipeline starts automatically.
    #[serde(default)]
    pub status: Status,
    /// The schedule on which the pipeline starts automatically.
    pub schedule: Option<Schedule>,
    /// Changes that also start the pipeline.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rebuild_on: Vec<RebuildOn>,
    /// Number of failures after which the pipeline no longer starts automatically, or `None` if there is no such limit.
    pub auto_disable_policy: Option<AutoDisablePolicy>,
    /// Days on which the pipeline does not start automatically.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub freeze: Vec<Freeze>,
    /// Whether a start may override the source image and parameters. Such an image is never published.
    #[serde(default)]
    pub allow_overrides: bool,
    /// While the account has no room for all launches, those of pipelines with a higher priority come first. From 0 to
    /// [`Self::MAX_PRIORITY`].
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: u32,
    /// Whether the stack's bucket keeps the downloads of its documents that have a SHA-256.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub cache_downloads: bool,
    /// Time limit of the documents' phases `build` and `validate` together, in minutes, or `None` for
    /// [`Self::MAX_MINUTES`].
    pub timeout_minutes: Option<u32>,
    /// Whether and how images are tested.
    #[serde(default)]
    pub image_tests_configuration: ImageTests,
    /// Whether a fresh instance of each image is audited for what all instances would share.
    #[serde(default, skip_serializing_if = "ImageAudit::is_default")]
    pub audit: ImageAudit,
    /// Which vulnerabilities its images may have, or `None` if nothing is compared.
    pub vulnerability_policy: Option<VulnerabilityPolicy>,
    /// KMS key that signs the provenance of each image: an ARN, an id or an alias in the home Region. If it is `None`,
    /// nothing is signed.
    pub signing_key: Option<String>,
    /// The channel that points to each new image, or `None` if no channel does.
    pub channel: Option<Name>,
    /// Which of its images go, by themselves or by `goldsmith retention`; `None` if all of them stay.
    pub retention: Option<Retention>,
}

impl ImagePipeline {
    /// The highest priority.
    pub const MAX_PRIORITY: u32 = 100;
    /// The largest number of minutes within the limit of 48 hours of the states in which documents run.
    pub const MAX_MINUTES: u32 = 2_875;

    /// Returns the `rebuildOn` value that makes a new image of the source start the pipeline, or `None` if no value
    /// does.
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
    /// A finding fails the build. If no test needs an instance, one is launched for the audit.
    Fail,
    /// A finding is only reported. The audit is made only if a test instance exists anyway.
    #[default]
    Warn,
    /// There is no audit.
    Off,
}

impl ImageAudit {
    /// Returns whether this is the default, which applies if a pipeline does not set `audit`.
    #[must_use]
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a pipeline starts automatically. A manual start is always possible.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// The pipeline starts automatically.
    #[default]
    Enabled,
    /// The pipeline does not start automatically.
    Disabled,
}

/// Number of failures after which a pipeline no longer starts automatically.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct AutoDisablePolicy {
    /// Number of automatic builds that must fail in a row, from 1 to [`AutoDisablePolicy::MAX`].
    pub failure_count: u32,
}

impl AutoDisablePolicy {
    /// The largest number of failures, as in Image Builder (Image Builder API reference, `AutoDisablePolicy`).
    pub const MAX: u32 = 10;
}

/// When a pipeline starts automatically.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Schedule {
    /// `cron(minute hour day month weekday year)` or `rate(…)`.
    pub schedule_expression: String,
    /// IANA time zone, or `None` for UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timezone: Option<String>,
    /// Whether a scheduled start needs a change.
    #[serde(default)]
    pub pipeline_execution_start_condition: StartCondition,
}

/// Whether a scheduled start builds if nothing that goes into the image has changed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum StartCondition {
    /// It always builds: a regular build includes the latest patches of the operating system.
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
    /// The source is the image of a pipeline that has published a new one.
    Dependency,
}

/// Whether and how images are tested.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageTests {
    /// Whether the phase `test` runs on a fresh instance of the new image.
    pub image_tests_enabled: bool,
    /// Time limit of a test's commands, in minutes.
    pub timeout_minutes: u32,
    /// Instance types for the test, with one test instance for each. If the list is empty, there is one instance of the
    /// build's type.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instance_types: Vec<String>,
    /// Whether a test instance is a spot instance if EC2 has capacity for one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub spot: bool,
}

impl ImageTests {
    /// Default number of minutes, as in Image Builder.
    pub const DEFAULT_MINUTES: u32 = 720;
    /// Maximum number of test instance types of a pipeline, because Step Functions passes on the results of all its
    /// tests together.
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
