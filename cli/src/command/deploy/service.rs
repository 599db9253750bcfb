//! A deployment and a retirement of the same stack never run at the same time. If a retirement has ended or was given
//! up, a deployment puts the table into service again.

use std::sync::Arc;

use anyhow::Result;
use goldsmith_cloud::aws::SdkConfig;
use goldsmith_store::{DynamoTable, Store, StoreError};

use crate::connection::Connection;
use crate::exit::{Exit, Stop};
use crate::hold::given_up;
use crate::{output, schedules};

/// A retirement that a deployment found before it changed anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// Holder of the mark in the table.
    holder: Option<String>,
    /// Whether the deployment gives an existing table to a new stack.
    takes_over: bool,
}

/// Looks for a retirement of the stack, or of the table that a new stack will get. Returns an error if a retirement is
/// running.
pub(super) async fn look(
    config: &SdkConfig,
    name: &str,
    stack: Option<&Connection>,
    table: Option<&str>,
) -> Result<Found> {
    let mark = match (stack, table) {
        (Some(stack), _) => given_up(&stack.store, name).await?,
        // The retirement of a stack that is gone is over. If there is no such table, the change set reports that.
        (None, Some(table)) => {
            let store = Store::new(Arc::new(DynamoTable::with_config(config, table.to_owned())));
            match store.retirement().await {
                Err(StoreError::Refused { code, .. }) if code == "ResourceNotFoundException" => None,
                found => found?,
            }
        }
        (None, None) => None,
    };
    Ok(Found { holder: mark.map(|mark| mark.holder), takes_over: table.is_some() })
}

/// Puts the table of a stack that was retired, or whose retirement was given up, into service again.
pub(super) async fn take_up(stack: &Connection, found: &Found) -> Result<()> {
    let mark = stack.store.retirement().await?;
    let is_known = mark.as_ref().is_none_or(|mark| found.holder.as_ref() == Some(&mark.holder));
    // Schedules are removed with their stack, however that was removed.
    if is_known && (mark.is_some() || found.takes_over) {
        schedules::restore(stack).await?;
    }
    let in_service = match &mark {
        Some(mark) => is_known && stack.store.take_up(&mark.holder).await?,
        None => true,
    };
    if !in_service {
        let message = format!(
            "the stack {} is deployed, but `goldsmith retire` has begun to remove it in the meantime: it starts no \
             more builds",
            stack.stack
        );
        return Err(Stop { exit: Exit::Aws, message }.into());
    }
    if mark.is_some() || found.takes_over {
        output::say("The table is in service again: schedules are set, and builds that were pending start.");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use goldsmith_store::Retirement;
    use jiff::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::testing::Stack;

    /// A stack with a stored pipeline that has a schedule.
    async fn scheduled() -> Stack {
        let stack = Stack::new();
        let pipeline = json!({"name": "web", "imageRecipe": "web", "infrastructureConfiguration": "small",
                              "schedule": {"scheduleExpression": "cron(0 3 * * ? *)"}});
        stack.put("PIPELINE#web", "META", pipeline).await;
        stack.put("PIPELINES", "web", json!({"name": "web", "recipe": "web"})).await;
        stack
    }

    async fn retire(stack: &Stack, holder: &str) {
        let mark = Retirement { holder: holder.to_owned(), ..Retirement::default() };
        stack.connection.store.retire(Timestamp::now(), &mark).await.unwrap();
    }

    fn found(holder: Option<&str>, takes_over: bool) -> Found {
        Found { holder: holder.map(str::to_owned), takes_over }
    }

    #[tokio::test]
    async fn a_table_that_is_taken_over_gets_its_schedules() {
        for retired in [true, false] {
            let stack = scheduled().await;
            if retired {
                retire(&stack, "one").await;
            }
            let found = found(retired.then_some("one"), true);
            for _ in 0..2 {
                take_up(&stack.connection, &found).await.unwrap();
            }
            assert_eq!(stack.cloud.schedules().len(), 1);
            assert!(!stack.connection.store.is_retired().await.unwrap());
        }
    }

    #[tokio::test]
    async fn a_retirement_that_began_during_a_deployment_is_not_undone() {
        for before in [None, Some("one")] {
            let stack = scheduled().await;
            retire(&stack, "two").await;
            let error = take_up(&stack.connection, &found(before, false)).await.unwrap_err().to_string();
            assert!(error.contains("has begun to remove it in the meantime"), "{error}");
            assert!(stack.connection.store.is_retired().await.unwrap());
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_stack_whose_retirement_was_given_up_is_in_service_again() {
        let stack = scheduled().await;
        retire(&stack, "one").await;
        let config = goldsmith_cloud::aws::replay::Replay::new([]).config();
        let found = look(&config, "goldsmith", Some(&stack.connection), None).await.unwrap();
        take_up(&stack.connection, &found).await.unwrap();
        assert!(!stack.connection.store.is_retired().await.unwrap());
        assert_eq!(stack.cloud.schedules().len(), 1);
    }
}
