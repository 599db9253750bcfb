//! The way to a stack: one parameter names everything that a command needs.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use goldsmith_cloud::aws::{
    CloudWatchLogs, SdkConfig, SsmParameters, StepFunctions, home_region, sdk_config, with_keys,
};
use goldsmith_cloud::{Executions, Logs, Parameters};
use goldsmith_store::{DynamoTable, Store};
use serde::Deserialize;

use crate::args::Globals;
use crate::exit::invalid;
use crate::{local, output};

/// A stack, and the clients to talk to it.
#[derive(Clone)]
pub(crate) struct Connection {
    /// The stack's home Region.
    pub(crate) region: String,
    /// ARN of its state machine.
    pub(crate) state_machine: String,
    /// Its table.
    pub(crate) store: Store,
    /// Step Functions.
    pub(crate) executions: Arc<dyn Executions>,
    /// CloudWatch Logs.
    pub(crate) logs: Arc<dyn Logs>,
}

/// The stack's configuration parameter; what else stands in it is for others.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StackConfig {
    table: String,
    state_machine: String,
}

impl Connection {
    /// Finds the stack that the flags name.
    pub(crate) async fn open(globals: &Globals) -> Result<Self> {
        let config = if globals.local { local_config(&globals.stack).await? } else { aws_config(globals).await };
        let region = home_region(&config);
        if region.is_empty() {
            return Err(invalid("no AWS Region is set: give --region, AWS_REGION, or a profile that has one"));
        }
        let parameters = SsmParameters::new(&config);
        let stack = stack_config(&parameters, &globals.stack, &region).await?;
        Ok(Self::with(&config, region, stack))
    }

    fn with(config: &SdkConfig, region: String, stack: StackConfig) -> Self {
        Self {
            region,
            state_machine: stack.state_machine,
            store: Store::new(Arc::new(DynamoTable::with_config(config, stack.table))),
            executions: Arc::new(StepFunctions::new(config)),
            logs: Arc::new(CloudWatchLogs::new(config)),
        }
    }
}

async fn aws_config(globals: &Globals) -> SdkConfig {
    sdk_config(globals.profile.as_deref(), globals.region.as_deref(), globals.endpoint_url.as_deref()).await
}

/// The stack on this machine, started where it is down.
async fn local_config(stack: &str) -> Result<SdkConfig> {
    let package = std::env::var_os("GOLDSMITH_PACKAGE").map(PathBuf::from);
    let stack = local::ensure_up(stack, package.as_deref(), &output::say)?;
    let config = sdk_config(None, Some(&stack.region), Some(&stack.endpoint_url)).await;
    Ok(with_keys(&config, &stack.access_key, &stack.secret_key))
}

async fn stack_config(parameters: &dyn Parameters, stack: &str, region: &str) -> Result<StackConfig> {
    let name = format!("/goldsmith/{stack}/config");
    let parameter = parameters.get(region, &name).await?;
    let parameter = parameter.ok_or_else(|| {
        invalid(format!("there is no stack `{stack}` in {region}: the parameter {name} does not exist"))
    })?;
    serde_json::from_str(&parameter.value)
        .with_context(|| format!("the parameter {name} is not a stack's configuration"))
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{FakeCloud, HOME};
    use goldsmith_cloud::{Parameter, Parameters};

    use super::stack_config;

    #[tokio::test]
    async fn one_parameter_tells_everything() {
        let cloud = FakeCloud::new();
        let missing = stack_config(&cloud, "two", HOME).await.unwrap_err().to_string();
        let expected = format!("there is no stack `two` in {HOME}: the parameter /goldsmith/two/config does not exist");
        assert_eq!(missing, expected);
        let value = r#"{"table": "t", "bucket": "b", "stateMachine": "arn", "logGroup": "g"}"#.to_owned();
        let parameter = Parameter { value, data_type: "text".to_owned() };
        Parameters::put(&cloud, HOME, "/goldsmith/two/config", &parameter).await.unwrap();
        let config = stack_config(&cloud, "two", HOME).await.unwrap();
        assert_eq!((config.table.as_str(), config.state_machine.as_str()), ("t", "arn"));
    }
}
