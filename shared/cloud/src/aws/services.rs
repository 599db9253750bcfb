//! Every adapter but EC2's, put together.

use std::sync::Arc;

use aws_config::SdkConfig;

use super::{CloudWatchLogs, EventBridge, LambdaFunctions, S3Objects, SsmCommands, SsmParameters, StepFunctions};
use crate::{Cloud, Commands, Events, Executions, Functions, Images, Logs, Machines, Objects, Parameters};

/// What a program needs of AWS that starts and watches builds but touches no instance itself, such as the CLI.
#[derive(Clone)]
pub struct Services {
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
    /// CloudWatch Logs.
    pub logs: Arc<dyn Logs>,
}

impl Services {
    /// With this configuration and the stack's bucket; no call is made.
    #[must_use]
    pub fn new(config: &SdkConfig, bucket: &str) -> Self {
        Self {
            commands: Arc::new(SsmCommands::new(config)),
            parameters: Arc::new(SsmParameters::new(config)),
            objects: Arc::new(S3Objects::new(config, bucket)),
            executions: Arc::new(StepFunctions::new(config)),
            functions: Arc::new(LambdaFunctions::new(config)),
            events: Arc::new(EventBridge::new(config)),
            logs: Arc::new(CloudWatchLogs::new(config)),
        }
    }

    /// The whole of it, with EC2.
    #[must_use]
    pub fn with_ec2(self, machines: Arc<dyn Machines>, images: Arc<dyn Images>) -> Cloud {
        let Self { commands, parameters, objects, executions, functions, events, logs } = self;
        Cloud { machines, images, commands, parameters, objects, executions, functions, events, logs }
    }
}
