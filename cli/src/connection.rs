//! The connection to a stack: one parameter names everything that a command needs.

use std::path::PathBuf;
use std::sync::Arc;

use anyhow::{Context, Result};
use goldsmith_cloud::aws::{
    CloudWatchLogs, EventBridgeScheduler, SdkConfig, SsmParameters, StepFunctions, home_region, sdk_config, with_keys,
};
use goldsmith_cloud::{Cloud, Executions, Logs, Parameters, Schedules};
use goldsmith_cloud_account::caller;
use goldsmith_states::life::References;
use goldsmith_store::{DynamoTable, Store};
use serde::Deserialize;

use crate::args::Globals;
use crate::exit::invalid;
use crate::{local, output, version};

/// A stack, and the clients for its services.
#[derive(Clone)]
pub(crate) struct Connection {
    /// Name of the stack.
    pub(crate) stack: String,
    /// The stack's home Region.
    pub(crate) region: String,
    /// Version of the release from which the stack was deployed, or `None` if the stack is older than versions of
    /// stacks.
    pub(crate) version: Option<String>,
    /// ARN of the stack's state machine.
    pub(crate) state_machine: String,
    /// Its table.
    pub(crate) store: Store,
    /// Step Functions.
    pub(crate) executions: Arc<dyn Executions>,
    /// CloudWatch Logs.
    pub(crate) logs: Arc<dyn Logs>,
    /// EventBridge Scheduler.
    pub(crate) schedules: Arc<dyn Schedules>,
    /// The cloud that the states of a build use. A plan reads it, and commands on images change it.
    pub(crate) cloud: Cloud,
    /// What a plan must know about the stack, or `None` if the stack is from a version without plans.
    pub(crate) settings: Option<Settings>,
    /// What its schedules start; `None` if the stack is from a version without schedules.
    pub(crate) scheduling: Option<Scheduling>,
}

/// The target of a stack's schedules, and the role for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scheduling {
    /// The schedule group.
    pub(crate) group: String,
    /// ARN of the function `trigger`.
    pub(crate) trigger: String,
    /// ARN of the role that may invoke the target.
    pub(crate) role: String,
}

/// What the stack's functions know about the account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// The path below which the stack writes parameters, without slashes at its ends.
    pub(crate) image_parameter_path: String,
    /// Security group of instances whose infrastructure configuration names none.
    pub(crate) security_group: String,
    /// Subnets of instances whose infrastructure configuration names none. The list is empty for the subnets of the
    /// default VPC.
    pub(crate) subnets: Vec<String>,
}

/// The stack's configuration parameter. Other programs read its other fields.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct StackConfig {
    version: Option<String>,
    table: String,
    #[serde(default)]
    bucket: String,
    state_machine: String,
    image_parameter_path: Option<String>,
    security_group: Option<String>,
    subnets: Option<String>,
    schedule_group: Option<String>,
    trigger: Option<String>,
    schedule_role: Option<String>,
}

impl StackConfig {
    fn settings(&self) -> Option<Settings> {
        let subnets = self.subnets.as_ref()?.split(',').map(str::trim).filter(|id| !id.is_empty());
        let (image_parameter_path, security_group) = (self.image_parameter_path.clone()?, self.security_group.clone()?);
        Some(Settings { image_parameter_path, security_group, subnets: subnets.map(str::to_owned).collect() })
    }

    fn scheduling(&self) -> Option<Scheduling> {
        let (group, trigger) = (self.schedule_group.clone()?, self.trigger.clone()?);
        Some(Scheduling { group, trigger, role: self.schedule_role.clone()? })
    }
}

impl Connection {
    /// Finds the stack to which the flags refer.
    pub(crate) async fn open(globals: &Globals) -> Result<Self> {
        Self::with_config(globals, &config(globals).await?).await
    }

    /// Finds the stack that the flags name, and the ARN of the caller's session.
    pub(crate) async fn open_as(globals: &Globals) -> Result<(Self, String)> {
        let config = config(globals).await?;
        let found = Self::with_config(globals, &config).await?;
        Ok((found, caller(&config).await?.arn))
    }

    async fn with_config(globals: &Globals, config: &SdkConfig) -> Result<Self> {
        let found = Self::find(config, &globals.stack).await?;
        let found = found.ok_or_else(|| {
            let (stack, region, again) = (&globals.stack, home_region(config), globals.again());
            let name = config_name(stack);
            invalid(format!(
                "there is no stack `{stack}` in {region}: the parameter {name} does not exist; `{again} deploy` creates one"
            ))
        })?;
        if let Some(note) = version::differs(&found.stack, found.version.as_deref(), &globals.again()) {
            output::say(&note);
        }
        Ok(found)
    }

    /// Returns the stack with this name, or `None` if it does not exist.
    pub(crate) async fn find(config: &SdkConfig, stack: &str) -> Result<Option<Self>> {
        let region = home_region(config);
        let found = stack_config(&SsmParameters::new(config), stack, &region).await?;
        Ok(found.map(|found| Self::with(config, region, stack, found)))
    }

    /// Returns the ARN of an execution, which follows from the ARN of its state machine.
    pub(crate) fn execution_arn(&self, name: &str) -> String {
        format!("{}:{name}", self.state_machine.replacen(":stateMachine:", ":execution:", 1))
    }

    /// Returns the object that finds what refers to an image.
    pub(crate) fn references(&self) -> References {
        let (images, parameters) = (self.cloud.images.clone(), self.cloud.parameters.clone());
        let path = self.settings.as_ref().map(|settings| settings.image_parameter_path.as_str());
        References::new(images, parameters, self.store.clone(), &self.region, path)
    }

    fn with(config: &SdkConfig, region: String, name: &str, stack: StackConfig) -> Self {
        Self {
            stack: name.to_owned(),
            region,
            version: stack.version.clone(),
            scheduling: stack.scheduling(),
            settings: stack.settings(),
            cloud: goldsmith_cloud_ec2::cloud(config, name, &stack.bucket),
            schedules: Arc::new(EventBridgeScheduler::new(config)),
            state_machine: stack.state_machine,
            store: Store::new(Arc::new(DynamoTable::with_config(config, stack.table))),
            executions: Arc::new(StepFunctions::new(config)),
            logs: Arc::new(CloudWatchLogs::new(config)),
        }
    }
}

/// Returns the configuration for every call. Its Region is always set.
pub(crate) async fn config(globals: &Globals) -> Result<SdkConfig> {
    let config = if globals.local { local_config(&globals.stack).await? } else { aws_config(globals).await };
    // The SDK would report this only at the first call, without a way to fix it.
    if home_region(&config).is_empty() {
        return Err(invalid(
            "no AWS Region is set: give --region, AWS_REGION, or a profile that has one, or use the stack on this machine \
             with --local",
        ));
    }
    Ok(config)
}

async fn aws_config(globals: &Globals) -> SdkConfig {
    sdk_config(globals.profile.as_deref(), globals.region(), globals.endpoint_url.as_deref()).await
}

/// Returns the configuration for the stack on this machine, and starts the stack if it is not running. It keeps a
/// running stack even if another version of this program has started it, because the command may only read.
async fn local_config(stack: &str) -> Result<SdkConfig> {
    let package = std::env::var_os("GOLDSMITH_PACKAGE").map(PathBuf::from);
    let stack = local::ensure_up(stack, package.as_deref(), local::OfAnother::Keep, &output::say).await?;
    let config = sdk_config(None, Some(&stack.region), Some(&stack.endpoint_url)).await;
    Ok(with_keys(&config, &stack.access_key, &stack.secret_key))
}

/// Name of the parameter that the stack's template writes.
fn config_name(stack: &str) -> String {
    format!("/goldsmith/{stack}/config")
}

async fn stack_config(parameters: &dyn Parameters, stack: &str, region: &str) -> Result<Option<StackConfig>> {
    let name = config_name(stack);
    let Some(parameter) = parameters.get(region, &name).await? else { return Ok(None) };
    let config = serde_json::from_str(&parameter.value);
    // `goldsmith retire` recognizes an unreadable parameter by the type of this error, which the context keeps.
    config.map(Some).with_context(|| format!("the parameter {name} is not a stack's configuration"))
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::fake::{FakeCloud, HOME};
    use goldsmith_cloud::{Parameter, Parameters};

    use super::{Scheduling, Settings, stack_config};

    #[tokio::test]
    async fn one_parameter_describes_the_whole_connection() {
        let cloud = FakeCloud::new();
        assert!(stack_config(&cloud, "two", HOME).await.unwrap().is_none());
        let put = async |value: &str| {
            let parameter = Parameter { value: value.to_owned(), data_type: "text".to_owned() };
            Parameters::put(&cloud, HOME, "/goldsmith/two/config", &parameter).await.unwrap();
            stack_config(&cloud, "two", HOME).await
        };
        let old = put(r#"{"table": "t", "bucket": "b", "stateMachine": "arn", "logGroup": "g"}"#).await;
        let old = old.unwrap().unwrap();
        assert_eq!((old.table.as_str(), old.state_machine.as_str(), old.scheduling()), ("t", "arn", None));
        assert_eq!(old.settings(), None);
        let now =
            r#"{"table": "t", "stateMachine": "arn", "scheduleGroup": "two", "trigger": "f", "scheduleRole": "r"}"#;
        let scheduling = Scheduling { group: "two".to_owned(), trigger: "f".to_owned(), role: "r".to_owned() };
        assert_eq!(put(now).await.unwrap().unwrap().scheduling(), Some(scheduling));
        let settings = put(
            r#"{"table": "t", "stateMachine": "arn", "imageParameterPath": "images", "securityGroup": "sg-1", "subnets": "subnet-1,subnet-2"}"#,
        );
        let expected = Settings {
            image_parameter_path: "images".to_owned(),
            security_group: "sg-1".to_owned(),
            subnets: ["subnet-1", "subnet-2"].map(str::to_owned).to_vec(),
        };
        assert_eq!(settings.await.unwrap().unwrap().settings(), Some(expected));
        let broken = put("{}").await.unwrap_err().to_string();
        assert_eq!(broken, "the parameter /goldsmith/two/config is not a stack's configuration");
    }
}
