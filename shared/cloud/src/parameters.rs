//! SSM Parameter Store, from which image ids are read and to which they are published.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::{CloudError, Result};

/// A parameter's value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parameter {
    /// Its value.
    pub value: String,
    /// Data type of the parameter: `text` or `aws:ec2:image`.
    pub data_type: String,
}

/// SSM Parameter Store.
#[async_trait]
pub trait Parameters: Send + Sync {
    /// Returns the parameter, or `None`.
    async fn get(&self, region: &str, name: &str) -> Result<Option<Parameter>>;
    /// Returns the parameters that exist, by name, with as few calls as SSM allows (ten names in each).
    async fn get_all(&self, region: &str, names: &[String]) -> Result<BTreeMap<String, Parameter>>;
    /// Calls `PutParameter` with overwrite and the type String. *Effect*, safe to repeat. If the oldest of the parameter's
    /// versions has a label, the error says what helps ([`CloudError::about_parameter`]).
    async fn put(&self, region: &str, name: &str, parameter: &Parameter) -> Result<()>;
    /// `DeleteParameter`. *Effect*. It is no error if the parameter does not exist.
    async fn delete(&self, region: &str, name: &str) -> Result<()>;
}

impl CloudError {
    /// Adds what helps to the error of a PutParameter that Systems Manager has rejected because of a label. It keeps 100
    /// versions of a parameter and deletes the oldest one for a new one, unless that has a label (Systems Manager API
    /// reference, PutParameter). No attempt succeeds before somebody has moved or removed the label. Returns every other
    /// error as it is.
    #[must_use]
    pub fn about_parameter(mut self, name: &str) -> Self {
        if self.code == "ParameterMaxVersionLimitExceeded" {
            let here = format!("aws --region {} ssm", self.region);
            self.message += &format!(
                " The parameter {name} was not changed. `{here} get-parameter-history --name {name} --query \
                 'Parameters[?Labels].[Version,Labels]'` shows its labels, and `{here} unlabel-parameter-version --name \
                 {name} --parameter-version VERSION --labels LABEL` removes the one of the oldest version"
            );
        }
        self
    }
}
