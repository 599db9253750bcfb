//! The state of Lambda functions.

use std::collections::HashMap;

use aws_sdk_lambda::Client;
use aws_sdk_lambda::types::{LastUpdateStatus, State};
use goldsmith_cloud::Result;
use goldsmith_cloud::aws::{SdkConfig, failure, home_region, known};

/// Lambda in the configuration's Region.
#[derive(Debug)]
pub struct Lambda {
    client: Client,
    region: String,
}

/// A function.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Function {
    /// Why the function cannot run, in AWS's words, or `None` if it can.
    pub obstacle: Option<String>,
    /// Whether the function is still being created. In that case, it becomes active by itself shortly afterwards.
    pub is_pending: bool,
    /// Number of invocations of the function that may run concurrently, if this is set. Zero means that the function
    /// cannot run.
    pub concurrency: Option<i32>,
    /// Its environment.
    pub environment: HashMap<String, String>,
}

impl Lambda {
    /// Creates the client with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config), region: home_region(config) }
    }

    /// Returns a function, or `None` if it does not exist.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn function(&self, name: &str) -> Result<Option<Function>> {
        let answer = self.client.get_function_configuration().function_name(name).send().await;
        let found = known(answer.map_err(failure("GetFunctionConfiguration", &self.region)))?;
        let Some(found) = found else { return Ok(None) };
        let concurrency = self.client.get_function_concurrency().function_name(name).send().await;
        let concurrency = known(concurrency.map_err(failure("GetFunctionConcurrency", &self.region)))?;
        let failed = (found.state() == Some(&State::Failed))
            .then(|| found.state_reason().unwrap_or("it is not active").to_owned());
        let not_updated = (found.last_update_status() == Some(&LastUpdateStatus::Failed))
            .then(|| found.last_update_status_reason().unwrap_or("its last update failed").to_owned());
        Ok(Some(Function {
            obstacle: failed.or(not_updated),
            is_pending: found.state() == Some(&State::Pending),
            concurrency: concurrency.and_then(|answer| answer.reserved_concurrent_executions),
            environment: found.environment.and_then(|environment| environment.variables).unwrap_or_default(),
        }))
    }

    /// Returns how many invocations of the account's functions may run concurrently in the Region.
    ///
    /// # Errors
    /// The errors that AWS has returned.
    pub async fn concurrency(&self) -> Result<i32> {
        let answer = self.client.get_account_settings().send().await;
        let answer = answer.map_err(failure("GetAccountSettings", &self.region))?;
        Ok(answer.account_limit.map(|limit| limit.concurrent_executions).unwrap_or_default())
    }
}
