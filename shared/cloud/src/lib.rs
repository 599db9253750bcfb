//! What Goldsmith needs from AWS: narrow traits that are named after that need, and domain types as their arguments and
//! results.
//!
//! The module `aws` (a feature that links the SDK) contains the adapters of all services except EC2. EC2's adapter is
//! the crate `goldsmith-cloud-ec2`, because the SDK of EC2 alone takes half of the time of a clean build. The module
//! `fake` (a feature) contains fakes for tests. They behave like AWS. If a method changes something in AWS, its
//! documentation contains the word *Effect*, and says what makes the method safe to repeat.

mod account;
#[cfg(feature = "aws")]
pub mod aws;
mod blocks;
mod commands;
mod error;
mod events;
mod executions;
mod exports;
#[cfg(feature = "fake")]
pub mod fake;
mod functions;
mod image_switches;
mod images;
mod keys;
mod launch_templates;
mod licenses;
mod logs;
mod machines;
mod objects;
mod parameters;
mod registrations;
mod schedules;
mod target_accounts;
mod topics;

use std::collections::BTreeMap;
use std::sync::Arc;

pub use account::{Account, DedicatedHost, DefaultEncryption, Subnet};
pub use blocks::{BlockData, BlockPage, Blocks, ListedBlock};
pub use commands::{Command, CommandStatus, Commands, Invocation, Ping};
pub use error::{CloudError, Kind, Result};
pub use events::Events;
pub use executions::{Answer, Execution, ExecutionStatus, Executions, Started};
pub use exports::{ExportPlaces, ExportStatus, ExportTask, Exports, ImageExport};
pub use functions::Functions;
pub use image_switches::ImageSwitches;
pub use images::{
    Image, ImageCopy, ImageState, ImageUse, Images, LaunchPermission, ListedTemplate, NewImage, PUBLISHED, Protection,
    Snapshot, TAG_STATUS,
};
pub use keys::{Key, KeyUsers, Keys, is_aws_key};
pub use launch_templates::{LaunchTemplate, LaunchTemplates, NewTemplateVersion, TemplateVersion};
pub use licenses::Licenses;
pub use logs::{LogLine, LogPage, Logs};
pub use machines::{
    BlockDevice, Hardware, Instance, InstanceState, Launch, Machines, Market, MetadataOptions, SpotRequest, TypeTraits,
    Volume,
};
pub use objects::{ListedObject, Objects, PresignedPut};
pub use parameters::{Parameter, Parameters};
pub use registrations::{RegisteredDevice, Registration, Registrations, UefiData};
pub use schedules::{Schedule, Schedules};
pub use target_accounts::{TargetAccount, TargetAccounts, target_role_name};
pub use topics::{Message, Topics};

/// AWS resource tags. Their order is fixed, so that requests are reproducible.
pub type Tags = BTreeMap<String, String>;

/// Everything that the states use from AWS, each part behind its own trait.
#[derive(Clone)]
pub struct Cloud {
    /// EC2 instances.
    pub machines: Arc<dyn Machines>,
    /// The account's own settings.
    pub account: Arc<dyn Account>,
    /// KMS keys.
    pub keys: Arc<dyn Keys>,
    /// Blocks of snapshots.
    pub blocks: Arc<dyn Blocks>,
    /// AMIs and their snapshots.
    pub images: Arc<dyn Images>,
    /// Exports of AMIs to S3.
    pub exports: Arc<dyn Exports>,
    /// Roles and buckets of exports.
    pub export_places: Arc<dyn ExportPlaces>,
    /// Whether AMIs can be launched and deregistered.
    pub switches: Arc<dyn ImageSwitches>,
    /// AMIs that are registered from snapshots.
    pub registrations: Arc<dyn Registrations>,
    /// Accounts that get copies of their own.
    pub target_accounts: Arc<dyn TargetAccounts>,
    /// EC2 launch templates.
    pub templates: Arc<dyn LaunchTemplates>,
    /// License Manager.
    pub licenses: Arc<dyn Licenses>,
    /// SSM Run Command.
    pub commands: Arc<dyn Commands>,
    /// SSM Parameter Store.
    pub parameters: Arc<dyn Parameters>,
    /// The stack's bucket.
    pub objects: Arc<dyn Objects>,
    /// The stack's state machine and its task tokens.
    pub executions: Arc<dyn Executions>,
    /// The stack's Lambda functions.
    pub functions: Arc<dyn Functions>,
    /// The default event bus.
    pub events: Arc<dyn Events>,
    /// SNS topics.
    pub topics: Arc<dyn Topics>,
    /// CloudWatch Logs.
    pub logs: Arc<dyn Logs>,
}
