//! All adapters together. EC2's adapter comes from its own crate.

use std::sync::Arc;

use aws_config::SdkConfig;

use super::{
    CloudWatchLogs, EbsDirect, EventBridge, Kms, LambdaFunctions, LicenseManager, RolesAndBuckets, S3Objects,
    SnsTopics, SsmCommands, SsmParameters, StepFunctions,
};
use crate::{Account, Cloud, Exports, ImageSwitches, Images, LaunchTemplates, Machines, Registrations, TargetAccounts};

/// Returns all of AWS, with this configuration and the stack's bucket. `ec2` is the adapter of EC2. No call is made.
#[must_use]
pub fn with_ec2<E>(config: &SdkConfig, bucket: &str, ec2: Arc<E>, target_accounts: Arc<dyn TargetAccounts>) -> Cloud
where
    E: Machines + Images + Exports + ImageSwitches + Registrations + LaunchTemplates + Account + 'static,
{
    Cloud {
        machines: ec2.clone(),
        account: ec2.clone(),
        blocks: Arc::new(EbsDirect::new(config)),
        images: ec2.clone(),
        exports: ec2.clone(),
        export_places: Arc::new(RolesAndBuckets::new(config)),
        switches: ec2.clone(),
        registrations: ec2.clone(),
        templates: ec2,
        target_accounts,
        licenses: Arc::new(LicenseManager::new(config)),
        keys: Arc::new(Kms::new(config)),
        commands: Arc::new(SsmCommands::new(config)),
        parameters: Arc::new(SsmParameters::new(config)),
        objects: Arc::new(S3Objects::new(config, bucket)),
        executions: Arc::new(StepFunctions::new(config)),
        functions: Arc::new(LambdaFunctions::new(config)),
        events: Arc::new(EventBridge::new(config)),
        topics: Arc::new(SnsTopics::new(config)),
        logs: Arc::new(CloudWatchLogs::new(config)),
    }
}
