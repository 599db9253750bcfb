//! What Goldsmith builds: definitions, versions, images, causes, and the names that are derived from them.
//!
//! The crate does no I/O: it turns text and values into types or explained mistakes. The table stores the definitions
//! in their serde form. The YAML that users write is read without serde, so that every mistake has its file, line and
//! column.

mod account;
mod ami_id;
mod ami_name;
mod cause;
mod component;
mod definition_ref;
pub mod definitions;
mod distribution;
mod export;
mod freeze;
mod infrastructure;
mod input;
mod managed;
mod name;
mod output;
mod pipeline;
pub mod placeholder;
mod recipe;
mod reference;
mod region;
mod retention;
mod schedule;
mod scheduled;
mod source_image;
mod state;
mod version;
mod vulnerabilities;
mod zero;

pub use ami_id::{AmiId, AmiIdError};
pub use ami_name::{AmiName, AmiNameError};
pub use cause::{Cause, execution_name};
pub use component::{Component, Platform};
pub use definition_ref::{DefinitionRef, DefinitionRefError};
pub use distribution::{
    AmiDistribution, Approval, CopyStart, DeregistrationProtection, Distribution, DistributionConfiguration,
    LaunchPermission, MustSucceed, ParameterDataType, PublishedTemplate, SsmParameter, TargetAccount,
};
pub use export::{DiskImageFormat, S3Export};
pub use freeze::Freeze;
pub use infrastructure::{InfrastructureConfiguration, InstanceMetadataOptions, Placement, Tenancy, is_topic_arn};
pub use input::{ExecutionInput, InputError, StartFrom};
pub use managed::{ManagedParent, is_stock_component, managed_component, managed_parent};
pub use name::{Name, NameError};
pub use output::{ExecutionFailure, ExecutionOutput};
pub use pipeline::{
    AutoDisablePolicy, ImageAudit, ImagePipeline, ImageTests, RebuildOn, Schedule, StartCondition, Status,
};
pub use placeholder::PlaceholderError;
pub use recipe::{BlockDeviceMapping, BootMode, ComponentRef, Ebs, ImageRecipe, TpmSupport};
pub use reference::{ImageRef, RecipeRef, ReferenceError};
pub use region::{RegionError, check_region};
pub use retention::Retention;
pub use schedule::{Cron, Rate, ScheduleError, ScheduleExpression, ZoneError, schedule_name, time_zone};
pub use scheduled::{SCHEDULED_TIME, ScheduleInput, Scheduled};
pub use source_image::{SourceImage, SourceImageError};
pub use state::State;
pub use version::{DeclaredVersion, Version, VersionError, VersionPattern};
pub use vulnerabilities::{Severity, Threshold, VulnerabilityPolicy, VulnerabilityPolicyError, Waiver};
pub use zero::is_zero;
