//! The environment that the template sets for the functions. It is read once at the start, and one error names
//! everything that is missing.

use std::path::PathBuf;
use std::sync::Arc;

use goldsmith_cloud::aws::sdk_config;
use goldsmith_states::{Config, Context, Nonce, SsmAgent, SystemClock};
use goldsmith_store::{DynamoTable, Store};

/// Returns the members of a comma-separated list.
fn listed(text: &str) -> Vec<String> {
    text.split(',').map(str::trim).filter(|member| !member.is_empty()).map(str::to_owned).collect()
}

/// The process's environment.
pub(crate) struct Environment {
    /// Name of the function that this process runs.
    pub(crate) handler: String,
    table: String,
    bucket: String,
    config: Config,
}

impl Environment {
    /// Reads the environment.
    pub(crate) fn read() -> Result<Self, String> {
        let mut missing = Vec::new();
        let mut variable = |name: &'static str| {
            std::env::var(name).unwrap_or_else(|_| {
                missing.push(name);
                String::new()
            })
        };
        let environment = Self {
            handler: variable("_HANDLER"),
            table: variable("GOLDSMITH_TABLE"),
            bucket: variable("GOLDSMITH_BUCKET"),
            config: Config {
                stack: variable("GOLDSMITH_STACK"),
                region: variable("AWS_REGION"),
                log_group: variable("GOLDSMITH_LOG_GROUP"),
                instance_profile: variable("GOLDSMITH_INSTANCE_PROFILE"),
                test_instance_profile: variable("GOLDSMITH_TEST_INSTANCE_PROFILE"),
                security_group: variable("GOLDSMITH_SECURITY_GROUP"),
                state_machine: variable("GOLDSMITH_STATE_MACHINE"),
                agents: PathBuf::from(variable("LAMBDA_TASK_ROOT")),
                image_parameter_path: variable("GOLDSMITH_IMAGE_PARAMETER_PATH"),
                subnets: listed(&variable("GOLDSMITH_SUBNETS")),
                ssm_agent: SsmAgent {
                    base_url: variable("GOLDSMITH_SSM_AGENT_URL"),
                    key: variable("GOLDSMITH_SSM_AGENT_KEY"),
                },
            },
        };
        match missing.as_slice() {
            [] => Ok(environment),
            names => Err(format!("the function's environment lacks {}", names.join(", "))),
        }
    }

    /// Creates the context and every client, once.
    pub(crate) async fn context(self) -> Context {
        let sdk = sdk_config(None, Some(&self.config.region), None).await;
        Context {
            store: Store::new(Arc::new(DynamoTable::with_config(&sdk, self.table))),
            cloud: goldsmith_cloud_ec2::cloud(&sdk, &self.config.stack, &self.bucket),
            clock: Arc::new(SystemClock),
            nonces: Arc::new(Nonce::random),
            config: self.config,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::listed;

    #[test]
    fn an_empty_list_has_no_members() {
        assert_eq!(listed(""), [""; 0]);
        assert_eq!(listed("subnet-a,subnet-b"), ["subnet-a", "subnet-b"]);
    }
}
