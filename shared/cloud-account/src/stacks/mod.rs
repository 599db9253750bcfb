//! CloudFormation: one stack, its change sets and its events.

mod changes;
mod events;
mod whose;

use std::collections::{BTreeMap, BTreeSet};

use aws_sdk_cloudformation::Client;
use aws_sdk_cloudformation::types::{Parameter, Tag};
use goldsmith_cloud::aws::{SdkConfig, failure, home_region, incomplete};
use goldsmith_cloud::{CloudError, Result};

pub use changes::{Change, ChangeSet, Effect};
pub use events::{Event, Outcome};
pub use whose::{CHANGE_SETS, Kept};

/// The stacks of one account and Region.
#[derive(Debug)]
pub struct Stacks {
    client: Client,
    region: String,
}

/// A stack as CloudFormation describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stack {
    /// ARN of the stack, by which it can also be found after its deletion.
    pub id: String,
    /// Status, such as `UPDATE_COMPLETE`.
    pub status: String,
    /// The reason for this status, if CloudFormation gives one.
    pub reason: Option<String>,
    /// Values of the stack's parameters. The value of a `NoEcho` parameter consists of asterisks.
    pub parameters: BTreeMap<String, String>,
    /// Its outputs.
    pub outputs: BTreeMap<String, String>,
    /// Its tags.
    pub tags: BTreeMap<String, String>,
    /// Whether the stack has termination protection.
    pub is_protected: bool,
}

impl Stack {
    /// Returns whether an operation on the stack is still running. `REVIEW_IN_PROGRESS` does not count: the stack's
    /// first change set was not executed.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.status.ends_with("_IN_PROGRESS") && !self.is_proposed()
    }

    /// Returns whether the stack consists only of its name and a first change set.
    #[must_use]
    pub fn is_proposed(&self) -> bool {
        self.status == "REVIEW_IN_PROGRESS"
    }
}

/// The value of a parameter in a change set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// This value.
    Given(String),
    /// The value that the stack has now.
    Previous,
}

/// A proposed change of a stack.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposal {
    /// Name of the stack.
    pub stack: String,
    /// Name of the change set, which is unique in the stack.
    pub change_set: String,
    /// Whether the stack does not exist yet.
    pub creates: bool,
    /// Whether an existing resource in the template becomes part of the stack.
    pub takes_over: bool,
    /// URL of the template in S3.
    pub template_url: String,
    /// Values of the stack's parameters.
    pub parameters: BTreeMap<String, Value>,
    /// All tags of the stack.
    pub tags: BTreeMap<String, String>,
}

impl Stacks {
    /// Creates the client with this configuration, for the configuration's Region.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config), region: home_region(config) }
    }

    /// Returns the stack with this name or id, or `None` if it does not exist.
    ///
    /// # Errors
    /// The errors of the call.
    pub async fn find(&self, stack: &str) -> Result<Option<Stack>> {
        const OPERATION: &str = "DescribeStacks";
        let answer = self.client.describe_stacks().stack_name(stack).send().await;
        let found = match answer.map_err(failure(OPERATION, &self.region)) {
            Ok(answer) => answer.stacks.unwrap_or_default().into_iter().next(),
            Err(error) if is_missing(&error) => None,
            Err(error) => return Err(error),
        };
        let Some(found) = found else { return Ok(None) };
        let id = found.stack_id.ok_or_else(|| incomplete(OPERATION, &self.region, "id of the stack"))?;
        let status = found.stack_status.ok_or_else(|| incomplete(OPERATION, &self.region, "status of the stack"))?;
        Ok(Some(Stack {
            id,
            status: status.as_str().to_owned(),
            reason: found.stack_status_reason,
            is_protected: found.enable_termination_protection.unwrap_or(false),
            parameters: found.parameters.unwrap_or_default().into_iter().filter_map(pair_of).collect(),
            outputs: found
                .outputs
                .unwrap_or_default()
                .into_iter()
                .filter_map(|output| Some((output.output_key?, output.output_value?)))
                .collect(),
            tags: found.tags.unwrap_or_default().into_iter().filter_map(tag_of).collect(),
        }))
    }

    /// Returns the template with which the stack was deployed, in its original form.
    ///
    /// # Errors
    /// The errors of the call.
    pub async fn template(&self, stack: &str) -> Result<String> {
        const OPERATION: &str = "GetTemplate";
        let original = aws_sdk_cloudformation::types::TemplateStage::Original;
        let answer = self.client.get_template().stack_name(stack).template_stage(original).send().await;
        let answer = answer.map_err(failure(OPERATION, &self.region))?;
        answer.template_body.ok_or_else(|| incomplete(OPERATION, &self.region, "template"))
    }

    /// Returns the names of the parameters of a template in S3.
    ///
    /// # Errors
    /// The errors of the call. If CloudFormation cannot read a template, it returns `Invalid`.
    pub async fn parameters_of(&self, template_url: &str) -> Result<BTreeSet<String>> {
        let answer = self.client.get_template_summary().template_url(template_url).send().await;
        let answer = answer.map_err(failure("GetTemplateSummary", &self.region))?;
        Ok(answer.parameters.unwrap_or_default().into_iter().filter_map(|one| one.parameter_key).collect())
    }

    /// Returns the defaults of the parameters in the template with which the stack was deployed. The default is empty
    /// if a parameter has none.
    ///
    /// # Errors
    /// The errors of the call.
    pub async fn defaults(&self, stack: &str) -> Result<BTreeMap<String, String>> {
        let answer = self.client.get_template_summary().stack_name(stack).send().await;
        let answer = answer.map_err(failure("GetTemplateSummary", &self.region))?;
        let all = answer.parameters.unwrap_or_default().into_iter();
        Ok(all.filter_map(|one| Some((one.parameter_key?, one.default_value.unwrap_or_default()))).collect())
    }

    /// Begins the deletion of the stack. It is no error if the stack does not exist.
    ///
    /// # Errors
    /// The errors of the call.
    pub async fn delete(&self, stack: &str) -> Result<()> {
        let deleted = self.client.delete_stack().stack_name(stack).send().await;
        deleted.map_err(failure("DeleteStack", &self.region)).map(drop)
    }
}

/// Returns whether the stack does not exist. CloudFormation has no specific error code for this.
fn is_missing(error: &CloudError) -> bool {
    error.code == "ValidationError" && error.message.contains("does not exist")
}

fn pair_of(parameter: Parameter) -> Option<(String, String)> {
    Some((parameter.parameter_key?, parameter.parameter_value?))
}

fn tag_of(tag: Tag) -> Option<(String, String)> {
    Some((tag.key?, tag.value?))
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::aws::replay::{Canned, Replay};

    use super::Stacks;

    #[tokio::test]
    async fn a_stack_that_is_not_there_is_no_error_and_a_refusal_is() {
        let error = |code: &str, message: &str| {
            let error = format!("<Error><Code>{code}</Code><Message>{message}</Message></Error>");
            Canned::Answer(400, format!("<ErrorResponse>{error}</ErrorResponse>"))
        };
        let answers = [error("ValidationError", "Stack with id a does not exist"), error("ValidationError", "1 error")];
        let stacks = Stacks::new(&Replay::new(answers).config());
        assert_eq!(stacks.find("a").await.unwrap(), None);
        assert_eq!(stacks.find("a").await.unwrap_err().code, "ValidationError");
    }

    #[tokio::test]
    async fn a_stack_is_busy_while_something_is_done_to_it() {
        let stack = |status: &str| {
            let member = format!("<member><StackId>arn</StackId><StackStatus>{status}</StackStatus></member>");
            let stacks = format!("<DescribeStacksResult><Stacks>{member}</Stacks></DescribeStacksResult>");
            Canned::ok(format!("<DescribeStacksResponse>{stacks}</DescribeStacksResponse>"))
        };
        let cases = [
            ("UPDATE_IN_PROGRESS", true, false),
            ("UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", true, false),
            ("REVIEW_IN_PROGRESS", false, true),
            ("ROLLBACK_COMPLETE", false, false),
        ];
        for (status, busy, proposed) in cases {
            let stacks = Stacks::new(&Replay::new([stack(status)]).config());
            let found = stacks.find("a").await.unwrap().unwrap();
            assert_eq!((found.is_busy(), found.is_proposed()), (busy, proposed), "{status}");
        }
    }
}
