//! SSM Parameter Store, from which image ids are read and to which they are published.

use std::collections::BTreeMap;

use async_trait::async_trait;

use crate::Result;

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
    /// Calls `PutParameter` with overwrite and the type String. *Effect*, safe to repeat.
    async fn put(&self, region: &str, name: &str, parameter: &Parameter) -> Result<()>;
    /// `DeleteParameter`. *Effect*. It is no error if the parameter does not exist.
    async fn delete(&self, region: &str, name: &str) -> Result<()>;
}
