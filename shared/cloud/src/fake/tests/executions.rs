//! Tests the rules of Step Functions.

use super::*;
use crate::fake::TokenAnswer;
use crate::{Answer, ExecutionStatus, Started};

const MACHINE: &str = "arn:aws:states:eu-west-1:111122223333:stateMachine:goldsmith";
const ARN: &str = "arn:aws:states:eu-west-1:111122223333:execution:goldsmith:web-1";

#[tokio::test]
async fn a_start_is_idempotent_while_it_runs_and_its_name_is_taken_afterwards() {
    let (fake, cloud, _) = fake();
    let new = Started::New(ARN.to_owned());
    assert_eq!(cloud.executions.start(MACHINE, "web-1", "{}").await.unwrap(), new);
    assert_eq!(cloud.executions.start(MACHINE, "web-1", "{}").await.unwrap(), new);
    assert_eq!(cloud.executions.start(MACHINE, "web-1", r#"{"a":1}"#).await.unwrap(), Started::NameTaken);
    fake.pace(|pace| pace.refuse_repeated_start = true);
    assert_eq!(cloud.executions.start(MACHINE, "web-1", "{}").await.unwrap(), Started::NameTaken);
    fake.pace(|pace| pace.refuse_repeated_start = false);
    fake.edit_execution(ARN, |execution| execution.status = ExecutionStatus::Succeeded);
    assert_eq!(cloud.executions.start(MACHINE, "web-1", "{}").await.unwrap(), Started::NameTaken);
}

#[tokio::test]
async fn names_and_inputs_are_checked() {
    let (_, cloud, _) = fake();
    for (name, input) in [("web 1", "{}"), ("", "{}"), (&*"x".repeat(81), "{}"), ("web-1", "{")] {
        assert_eq!(kind(cloud.executions.start(MACHINE, name, input).await), Kind::Invalid, "{name} {input}");
    }
    assert_eq!(cloud.executions.execution(ARN).await.unwrap(), None);
}

#[tokio::test]
async fn stopping_aborts_what_runs_and_leaves_what_ended() {
    let (_, cloud, _) = fake();
    cloud.executions.start(MACHINE, "web-1", "{}").await.unwrap();
    cloud.executions.stop(ARN, "Stopped", "by hand").await.unwrap();
    cloud.executions.stop(ARN, "Again", "by hand").await.unwrap();
    let stopped = cloud.executions.execution(ARN).await.unwrap().unwrap();
    assert_eq!((stopped.status, stopped.error.as_deref()), (ExecutionStatus::Aborted, Some("Stopped")));
    cloud.executions.stop("arn:none", "", "").await.unwrap();
}

#[tokio::test]
async fn a_token_is_answered_once_and_only_while_someone_waits() {
    let (fake, cloud, _) = fake();
    fake.open_token("a");
    fake.open_token("b");
    fake.open_token("c");
    fake.close_token("c");
    assert_eq!(cloud.executions.succeed("a", "{}").await.unwrap(), Answer::Taken);
    assert_eq!(cloud.executions.fail("a", "E", "why").await.unwrap(), Answer::Late);
    assert_eq!(cloud.executions.fail("b", "E", "why").await.unwrap(), Answer::Taken);
    assert_eq!(cloud.executions.succeed("c", "{}").await.unwrap(), Answer::Late);
    assert_eq!(cloud.executions.succeed("unknown", "{}").await.unwrap(), Answer::Late);
    let taken = |token: &str, result| TokenAnswer { token: token.to_owned(), result };
    let failure = Err(("E".to_owned(), "why".to_owned()));
    assert_eq!(fake.answers(), [taken("a", Ok("{}".to_owned())), taken("b", failure)]);
}

#[tokio::test]
async fn an_output_that_is_no_json_is_refused_and_the_token_stays_open() {
    let (fake, cloud, _) = fake();
    fake.open_token("a");
    assert_eq!(kind(cloud.executions.succeed("a", "no JSON").await), Kind::Invalid);
    assert_eq!(cloud.executions.succeed("a", "{}").await.unwrap(), Answer::Taken);
}

#[tokio::test]
async fn a_long_failure_is_cut() {
    let (fake, cloud, _) = fake();
    fake.open_token("a");
    cloud.executions.fail("a", &"e".repeat(300), &"c".repeat(40_000)).await.unwrap();
    let (error, cause) = fake.answers().remove(0).result.unwrap_err();
    assert_eq!((error.len(), cause.len()), (256, 32_768));
}
