//! The SDK adapters of all services except EC2, one file per service. The adapters share the configuration, one client
//! per Region, and the conversion of errors.

mod blocks;
mod commands;
mod config;
#[cfg(any(test, feature = "emulator"))]
pub mod emulator;
mod events;
mod executions;
mod export_places;
mod failure;
mod functions;
mod keys;
mod licenses;
mod logs;
mod objects;
mod parameters;
mod regional;
#[cfg(any(test, feature = "replay"))]
pub mod replay;
mod schedules;
mod services;
mod topics;

pub use aws_config::SdkConfig;

pub use blocks::EbsDirect;
pub use commands::SsmCommands;
pub use config::{sdk_config, with_keys, with_session};
pub use events::EventBridge;
pub use executions::StepFunctions;
pub use export_places::RolesAndBuckets;
pub use failure::{failure, incomplete, known, malformed};
pub use functions::LambdaFunctions;
pub use keys::Kms;
pub use licenses::LicenseManager;
pub use logs::CloudWatchLogs;
pub use objects::S3Objects;
pub use parameters::SsmParameters;
pub use regional::{Regional, home_region};
pub use schedules::EventBridgeScheduler;
pub use services::with_ec2;
pub use topics::SnsTopics;

#[cfg(test)]
mod tests;
