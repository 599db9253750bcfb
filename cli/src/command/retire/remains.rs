//! Removes a stack of which only a part exists: its parameter or its table is missing or unreadable. Such a stack
//! cannot be asked anymore, so CloudFormation and tags are used to find what its builds have left running.

use std::collections::BTreeSet;

use anyhow::Result;
use goldsmith_cloud::aws::{SdkConfig, StepFunctions};
use goldsmith_cloud::{Executions, Kind};
use goldsmith_cloud_account::Stack;
use goldsmith_cloud_account::stack::{Part, StackParts};
use goldsmith_store::StoreError;

use super::instances::Instances;
use super::service::CAUSE;
use crate::command::cancel;
use crate::connection::Connection;
use crate::output;

const STATE_MACHINE: &str = "AWS::StepFunctions::StateMachine";
/// DynamoDB's error code for a table that does not exist.
const NO_TABLE: &str = "ResourceNotFoundException";

/// Returns the connection to the stack, or `None` if its parameter or its table is missing or unreadable.
pub(super) async fn connection(config: &SdkConfig, name: &str) -> Result<Option<Connection>> {
    let found = match Connection::find(config, name).await {
        Err(error) if error.is::<serde_json::Error>() => {
            output::say(&format!("{error}: CloudFormation and tags are used to find what belongs to the stack."));
            return Ok(None);
        }
        found => found?,
    };
    let Some(connection) = found else { return Ok(None) };
    match connection.store.retirement().await {
        Err(error) if is_without_table(&error) => {
            output::say(
                "The stack's table is gone: CloudFormation and tags are used to find what belongs to the stack.",
            );
            Ok(None)
        }
        found => Ok(found.map(|_| Some(connection))?),
    }
}

fn is_without_table(error: &StoreError) -> bool {
    matches!(error, StoreError::Refused { code, .. } if code == NO_TABLE)
}

/// Stops the executions and terminates the instances of the stack, in these Regions. Safe to repeat.
pub(super) async fn end(config: &SdkConfig, stack: &Stack, instances: &Instances, regions: &[String]) -> Result<()> {
    let parts = StackParts::new(config).parts(&stack.id).await?;
    stop(&StepFunctions::new(config), &parts).await?;
    instances.end(&regions.iter().cloned().collect::<BTreeSet<_>>()).await?;
    Ok(())
}

/// Stops the executions: CloudFormation does not delete a state machine while executions are running.
async fn stop(executions: &dyn Executions, parts: &[Part]) -> Result<()> {
    for machine in parts.iter().filter(|part| part.kind == STATE_MACHINE && !part.physical.is_empty()) {
        let running = match executions.running(&machine.physical).await {
            // An earlier deletion may have got as far as the state machine.
            Err(error) if error.kind == Kind::NotFound => continue,
            running => running?,
        };
        for name in running {
            output::say(&format!("Stopping build {name}"));
            let arn = format!("{}:{name}", machine.physical.replacen(":stateMachine:", ":execution:", 1));
            executions.stop(&arn, cancel::ERROR, CAUSE).await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::ExecutionStatus;

    use super::*;
    use crate::testing::{STATE_MACHINE as ARN, Stack};

    #[tokio::test]
    async fn what_runs_is_stopped_by_what_cloudformation_lists() {
        let stack = Stack::new();
        Executions::start(&stack.cloud, ARN, "b", "{}").await.unwrap();
        let part = |kind: &str, physical: &str| Part {
            logical: "ImageBuild".to_owned(),
            kind: kind.to_owned(),
            physical: physical.to_owned(),
        };
        let parts = [part("AWS::S3::Bucket", "b"), part(STATE_MACHINE, ""), part(STATE_MACHINE, ARN)];
        for _ in 0..2 {
            stop(&stack.cloud, &parts).await.unwrap();
        }
        let arn = stack.connection.execution_arn("b");
        let found = stack.cloud.execution(&arn).await.unwrap().unwrap();
        assert_ne!(found.status, ExecutionStatus::Running);
    }

    #[test]
    fn retire_continues_without_a_table_only_if_the_table_is_gone() {
        let refused =
            |code: &str| StoreError::Refused { operation: "GetItem", code: code.to_owned(), message: String::new() };
        assert!(is_without_table(&refused(NO_TABLE)));
        assert!(!is_without_table(&refused("AccessDeniedException")));
    }
}
