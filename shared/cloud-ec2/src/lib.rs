//! EC2 as the implementation of Goldsmith's traits. It is a separate crate because the SDK of EC2 alone takes half of
//! the time of every clean build.

pub mod account;
mod described_images;
mod exports;
mod hosts;
mod image_switches;
mod images;
mod launch;
mod launch_templates;
mod machines;
mod regions;
mod registrations;
mod requests;
mod settings;
mod target_accounts;
#[cfg(test)]
mod testing;
mod uses;

use std::sync::Arc;

use aws_sdk_ec2::Client;
use goldsmith_cloud::Cloud;
use goldsmith_cloud::aws::{Regional, SdkConfig, with_ec2};

use target_accounts::StackRole;
pub use target_accounts::role_arn;

/// EC2 in every Region: instances, images and snapshots.
#[derive(Debug)]
pub struct Ec2(Regional<Client>);

impl Ec2 {
    /// Creates the adapter with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self(Regional::new(config, Client::new))
    }
}

/// Returns everything that the states use from AWS. The configuration's Region is the Region of the stack. No call is
/// made.
#[must_use]
pub fn cloud(config: &SdkConfig, stack: &str, bucket: &str) -> Cloud {
    with_ec2(config, bucket, Arc::new(Ec2::new(config)), Arc::new(StackRole::new(config, stack)))
}
