//! Step Functions.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::operation::describe_execution::DescribeExecutionOutput;
use aws_sdk_sfn::types::ExecutionStatus as Status;

use super::{failure, home_region, known};
use crate::{Answer, Execution, ExecutionStatus, Executions, Kind, Result, Started};

/// Step Functions' limit for an error's name, in characters.
const MAX_ERROR: usize = 256;
/// Step Functions' limit for an error's cause, in characters.
const MAX_CAUSE: usize = 32_768;

/// Step Functions in the configuration's Region.
#[derive(Debug)]
pub struct StepFunctions {
    client: Client,
    region: String,
}

impl StepFunctions {
    /// Creates the adapter with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config), region: home_region(config) }
    }
}

#[async_trait]
impl Executions for StepFunctions {
    async fn start(&self, state_machine: &str, name: &str, input: &str) -> Result<Started> {
        let request = self.client.start_execution().state_machine_arn(state_machine).name(name).input(input);
        match request.send().await.map_err(failure("StartExecution", &self.region)) {
            Ok(answer) => Ok(Started::New(answer.execution_arn)),
            // This execution has another input or has ended. If one with the same input is still running, Step
            // Functions returns it as if it were new.
            Err(error) if error.kind == Kind::Duplicate => Ok(Started::NameTaken),
            Err(error) => Err(error),
        }
    }

    async fn execution(&self, arn: &str) -> Result<Option<Execution>> {
        let answer = self.client.describe_execution().execution_arn(arn).send().await;
        let answer = known(answer.map_err(failure("DescribeExecution", &self.region)))?;
        Ok(answer.map(to_execution))
    }

    async fn running(&self, state_machine: &str) -> Result<Vec<String>> {
        let request = self.client.list_executions().state_machine_arn(state_machine).status_filter(Status::Running);
        let pages = request.into_paginator().items().send().collect::<std::result::Result<Vec<_>, _>>().await;
        let found = pages.map_err(failure("ListExecutions", &self.region))?;
        Ok(found.into_iter().map(|execution| execution.name).collect())
    }

    async fn stop(&self, arn: &str, error: &str, cause: &str) -> Result<()> {
        let request = self.client.stop_execution().execution_arn(arn);
        let request = request.error(cut(error, MAX_ERROR)).cause(cut(cause, MAX_CAUSE));
        match known(request.send().await.map_err(failure("StopExecution", &self.region))) {
            // The execution has ended since it was looked at.
            Err(error) if error.code == "ValidationException" && error.message.contains("not running") => Ok(()),
            stopped => stopped.map(drop),
        }
    }

    async fn succeed(&self, token: &str, output: &str) -> Result<Answer> {
        let answer = self.client.send_task_success().task_token(token).output(output).send().await;
        taken_or_late(answer.map_err(failure("SendTaskSuccess", &self.region)))
    }

    async fn fail(&self, token: &str, error: &str, cause: &str) -> Result<Answer> {
        let request = self.client.send_task_failure().task_token(token);
        let request = request.error(cut(error, MAX_ERROR)).cause(cut(cause, MAX_CAUSE));
        taken_or_late(request.send().await.map_err(failure("SendTaskFailure", &self.region)))
    }

    async fn is_waiting(&self, token: &str) -> Result<bool> {
        // A heartbeat is the only call that says whether a token is waited for and does not end the task.
        let answer = self.client.send_task_heartbeat().task_token(token).send().await;
        Ok(taken_or_late(answer.map_err(failure("SendTaskHeartbeat", &self.region)))? == Answer::Taken)
    }
}

fn taken_or_late<T>(result: Result<T>) -> Result<Answer> {
    match result {
        Ok(_) => Ok(Answer::Taken),
        // With each of these codes, nothing waits for the token any more.
        Err(error) if matches!(error.code.as_str(), "TaskTimedOut" | "TaskDoesNotExist" | "InvalidToken") => {
            Ok(Answer::Late)
        }
        Err(error) => Err(error),
    }
}

/// Cuts a text to a limit, so that a failure can be reported even if its cause is long.
fn cut(text: &str, limit: usize) -> String {
    text.chars().take(limit).collect()
}

fn to_execution(answer: DescribeExecutionOutput) -> Execution {
    let status = match answer.status {
        Status::Succeeded => ExecutionStatus::Succeeded,
        Status::Failed => ExecutionStatus::Failed,
        Status::TimedOut => ExecutionStatus::TimedOut,
        Status::Aborted => ExecutionStatus::Aborted,
        // This includes a status that is newer than this SDK: nothing is undone on a guess.
        _ => ExecutionStatus::Running,
    };
    Execution {
        arn: answer.execution_arn,
        name: answer.name.unwrap_or_default(),
        status,
        input: answer.input.unwrap_or_default(),
        output: answer.output,
        error: answer.error,
        cause: answer.cause,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::replay::{Canned, Replay};
    use super::*;

    fn executions(answers: impl IntoIterator<Item = Canned>) -> (StepFunctions, Replay) {
        let replay = Replay::new(answers);
        (StepFunctions::new(&replay.config()), replay)
    }

    fn body(replay: &Replay, index: usize) -> Value {
        serde_json::from_str(&replay.sent()[index].body).unwrap()
    }

    #[tokio::test]
    async fn starts_once_by_name() {
        let started = Canned::ok(r#"{"executionArn": "arn:e", "startDate": 1}"#);
        let (executions, replay) = executions([started, Canned::json_error(400, "ExecutionAlreadyExists")]);
        assert_eq!(executions.start("arn:m", "n", "{}").await.unwrap(), Started::New("arn:e".to_owned()));
        assert_eq!(executions.start("arn:m", "n", "{}").await.unwrap(), Started::NameTaken);
        assert_eq!(body(&replay, 0), json!({"stateMachineArn": "arn:m", "name": "n", "input": "{}"}));
    }

    #[tokio::test]
    async fn lists_what_runs_on_every_page() {
        let page = |name: &str, more: &str| {
            let execution = format!(
                r#"{{"executionArn": "arn:{name}", "stateMachineArn": "arn:m", "name": "{name}", "status": "RUNNING", "startDate": 1}}"#
            );
            Canned::ok(format!(r#"{{"executions": [{execution}]{more}}}"#))
        };
        let (executions, replay) = executions([page("a", r#", "nextToken": "2""#), page("b", "")]);
        assert_eq!(executions.running("arn:m").await.unwrap(), ["a", "b"]);
        assert_eq!(body(&replay, 0), json!({"stateMachineArn": "arn:m", "statusFilter": "RUNNING"}));
        assert_eq!(body(&replay, 1)["nextToken"], "2");
    }

    #[tokio::test]
    async fn describes_or_knows_none() {
        let failed = r#"{"executionArn": "arn:e", "stateMachineArn": "arn:m", "name": "n", "status": "FAILED",
            "startDate": 1, "input": "{}", "error": "E", "cause": "c"}"#;
        let (executions, _) = executions([Canned::ok(failed), Canned::json_error(400, "ExecutionDoesNotExist")]);
        let expected = Execution {
            arn: "arn:e".to_owned(),
            name: "n".to_owned(),
            status: ExecutionStatus::Failed,
            input: "{}".to_owned(),
            output: None,
            error: Some("E".to_owned()),
            cause: Some("c".to_owned()),
        };
        assert_eq!(executions.execution("arn:e").await.unwrap(), Some(expected));
        assert_eq!(executions.execution("arn:e").await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_late_answer_is_no_error() {
        let late = ["TaskTimedOut", "TaskDoesNotExist", "InvalidToken"].map(|code| Canned::json_error(400, code));
        let (executions, _) =
            executions(late.into_iter().chain([Canned::ok("{}"), Canned::json_error(400, "InvalidOutput")]));
        for _ in 0..3 {
            assert_eq!(executions.succeed("token", "{}").await.unwrap(), Answer::Late);
        }
        assert_eq!(executions.succeed("token", "{}").await.unwrap(), Answer::Taken);
        assert_eq!(executions.succeed("token", "{}").await.unwrap_err().kind, Kind::Invalid);
    }

    #[tokio::test]
    async fn an_execution_that_ended_in_the_meantime_counts_as_stopped() {
        let refused =
            |message: &str| Canned::Answer(400, format!(r#"{{"__type":"ValidationException","message":"{message}"}}"#));
        let (executions, _) = executions([refused("Execution is not running"), refused("1 error")]);
        executions.stop("arn:e", "e", "c").await.unwrap();
        assert_eq!(executions.stop("arn:e", "e", "c").await.unwrap_err().kind, Kind::Invalid);
    }

    #[tokio::test]
    async fn cuts_what_step_functions_would_refuse() {
        let (executions, replay) = executions([Canned::ok("{}"), Canned::ok(r#"{"stopDate": 1}"#)]);
        let long = "ü".repeat(40_000);
        assert_eq!(executions.fail("token", "Goldsmith.Timeout", &long).await.unwrap(), Answer::Taken);
        executions.stop("arn:e", &long, "because").await.unwrap();
        assert_eq!(body(&replay, 0)["cause"].as_str().unwrap().chars().count(), MAX_CAUSE);
        assert_eq!(body(&replay, 1)["error"].as_str().unwrap().chars().count(), MAX_ERROR);
    }
}
