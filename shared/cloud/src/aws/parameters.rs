//! SSM Parameter Store.

use std::collections::BTreeMap;

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::types::ParameterType;

use super::{Regional, failure, incomplete, known};
use crate::{Parameter, Parameters, Result};

/// Number of names that one GetParameters call accepts.
const BATCH: usize = 10;

/// Parameter Store in every Region.
#[derive(Debug)]
pub struct SsmParameters(Regional<Client>);

impl SsmParameters {
    /// Creates the adapter with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self(Regional::new(config, Client::new))
    }
}

#[async_trait]
impl Parameters for SsmParameters {
    async fn get(&self, region: &str, name: &str) -> Result<Option<Parameter>> {
        const OPERATION: &str = "GetParameter";
        let answer = self.0.client(region).get_parameter().name(name).send().await;
        let Some(answer) = known(answer.map_err(failure(OPERATION, region)))? else { return Ok(None) };
        let parameter = answer.parameter.ok_or_else(|| incomplete(OPERATION, region, "parameter"))?;
        let value = parameter.value.ok_or_else(|| incomplete(OPERATION, region, "value"))?;
        Ok(Some(Parameter { value, data_type: parameter.data_type.unwrap_or_else(|| "text".to_owned()) }))
    }

    async fn get_all(&self, region: &str, names: &[String]) -> Result<BTreeMap<String, Parameter>> {
        let mut found = BTreeMap::new();
        for batch in names.chunks(BATCH) {
            let request = self.0.client(region).get_parameters().set_names(Some(batch.to_vec()));
            let answer = request.send().await.map_err(failure("GetParameters", region))?;
            for parameter in answer.parameters.unwrap_or_default() {
                if let (Some(name), Some(value)) = (parameter.name, parameter.value) {
                    let data_type = parameter.data_type.unwrap_or_else(|| "text".to_owned());
                    found.insert(name, Parameter { value, data_type });
                }
            }
        }
        Ok(found)
    }

    async fn put(&self, region: &str, name: &str, parameter: &Parameter) -> Result<()> {
        let request = self
            .0
            .client(region)
            .put_parameter()
            .name(name)
            .value(&parameter.value)
            .data_type(&parameter.data_type)
            .r#type(ParameterType::String)
            .overwrite(true);
        let answer = request.send().await.map_err(failure("PutParameter", region));
        answer.map(drop).map_err(|error| error.about_parameter(name))
    }

    async fn delete(&self, region: &str, name: &str) -> Result<()> {
        let answer = self.0.client(region).delete_parameter().name(name).send().await;
        known(answer.map_err(failure("DeleteParameter", region)))?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::replay::{Canned, Replay};
    use super::*;
    use crate::Kind;

    #[tokio::test]
    async fn gets_or_knows_none() {
        let image = r#"{"Parameter": {"Value": "ami-1", "DataType": "aws:ec2:image"}}"#;
        let replay = Replay::new([Canned::ok(image), Canned::json_error(400, "ParameterNotFound")]);
        let parameters = SsmParameters::new(&replay.config());
        let found = parameters.get("eu-west-1", "/n").await.unwrap();
        assert_eq!(found, Some(Parameter { value: "ami-1".to_owned(), data_type: "aws:ec2:image".to_owned() }));
        assert_eq!(parameters.get("eu-west-1", "/n").await.unwrap(), None);
    }

    #[tokio::test]
    async fn puts_over_what_is_there_and_deletes() {
        let busy = Canned::json_error(400, "TooManyUpdates");
        let gone = Canned::json_error(400, "ParameterNotFound");
        let replay = Replay::new([Canned::ok("{}"), busy, gone]);
        let parameters = SsmParameters::new(&replay.config());
        let image = Parameter { value: "ami-1".to_owned(), data_type: "aws:ec2:image".to_owned() };
        parameters.put("us-east-1", "/n", &image).await.unwrap();
        let sent: Value = serde_json::from_str(&replay.sent()[0].body).unwrap();
        let whole =
            json!({"Name": "/n", "Value": "ami-1", "Type": "String", "DataType": "aws:ec2:image", "Overwrite": true});
        assert_eq!(sent, whole);
        assert_eq!(parameters.put("us-east-1", "/n", &image).await.unwrap_err().kind, Kind::Throttled);
        parameters.delete("us-east-1", "/n").await.unwrap();
    }

    #[tokio::test]
    async fn a_label_that_is_in_the_way_is_an_error_that_stays_and_says_what_helps() {
        let replay = Replay::new([Canned::json_error(400, "ParameterMaxVersionLimitExceeded")]);
        let image = Parameter { value: "ami-1".to_owned(), data_type: "aws:ec2:image".to_owned() };
        let error = SsmParameters::new(&replay.config()).put("us-east-1", "/n", &image).await.unwrap_err();
        assert_eq!((error.kind, error.is_transient(), replay.sent().len()), (Kind::Invalid, false, 1));
        let helps = "`aws --region us-east-1 ssm unlabel-parameter-version --name /n --parameter-version VERSION";
        assert!(error.message.starts_with("because The parameter /n was not changed."), "{}", error.message);
        assert!(error.message.contains(helps), "{}", error.message);
    }
}
