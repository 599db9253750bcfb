//! Tests the rules of Run Command.

use super::*;
use crate::fake::Outcome;
use crate::{CommandStatus, Invocation};

async fn look(cloud: &Cloud, id: &str, instance: &str) -> Invocation {
    cloud.commands.invocation(HOME, id, instance).await.unwrap().unwrap()
}

/// Sends a command and waits for its end.
async fn run(fake: &FakeCloud, cloud: &Cloud, instance: &str, comment: &str) -> Invocation {
    let id = cloud.commands.send(HOME, &command(instance, comment)).await.unwrap();
    fake.settle();
    look(cloud, &id, instance).await
}

#[tokio::test]
async fn a_command_runs_for_its_looks_and_succeeds_unless_told_otherwise() {
    let (_, cloud, instance) = online().await;
    let id = cloud.commands.send(HOME, &command(&instance, "b/Build/1")).await.unwrap();
    let running = look(&cloud, &id, &instance).await;
    assert_eq!((running.status, running.exit_code, running.stderr.as_str()), (CommandStatus::Running, None, ""));
    let ended = look(&cloud, &id, &instance).await;
    assert_eq!((ended.status, ended.exit_code), (CommandStatus::Success, Some(0)));
    assert_eq!(ended.stderr, r#"{"status":"success"}"#);
}

#[tokio::test]
async fn only_an_instance_that_is_online_takes_a_command() {
    let (fake, cloud, instance) = online().await;
    assert_eq!(kind(cloud.commands.send(HOME, &command("i-0", "b/Build/1")).await), Kind::NotFound);
    cloud.machines.stop(HOME, &instance).await.unwrap();
    assert_eq!(kind(cloud.commands.send(HOME, &command(&instance, "b/Build/1")).await), Kind::NotFound);
    assert_eq!(fake.requests().commands, []);
}

#[tokio::test]
async fn comment_and_timeout_have_their_limits() {
    let (_, cloud, instance) = online().await;
    let long = command(&instance, &"x".repeat(101));
    assert_eq!(kind(cloud.commands.send(HOME, &long).await), Kind::Invalid);
    let late = Command { timeout_seconds: 172_801, ..command(&instance, "b") };
    assert_eq!(kind(cloud.commands.send(HOME, &late).await), Kind::Invalid);
}

#[tokio::test]
async fn outcomes_go_by_order_and_predicate_and_are_used_once() {
    let (fake, cloud, instance) = online().await;
    fake.next_command_where(|command| command.comment.contains("/Test/"), Outcome::failed(1, r#"{"status":"failed"}"#));
    fake.next_command(Outcome::timed_out());
    fake.next_command(Outcome::undeliverable());
    assert_eq!(run(&fake, &cloud, &instance, "b/Build/1").await.status, CommandStatus::TimedOut);
    let failed = run(&fake, &cloud, &instance, "b/Test/1").await;
    assert_eq!((failed.status, failed.exit_code), (CommandStatus::Failed, Some(1)));
    assert_eq!(
        failed.stderr.lines().collect::<Vec<_>>(),
        [r#"{"status":"failed"}"#, "failed to run commands: exit status 1"]
    );
    assert_eq!(run(&fake, &cloud, &instance, "b/Test/2").await.status, CommandStatus::Undeliverable);
    assert_eq!(run(&fake, &cloud, &instance, "b/Test/3").await.status, CommandStatus::Success);
    fake.every_other_command(Outcome::success("{}"));
    assert_eq!(run(&fake, &cloud, &instance, "b/Test/4").await.stderr, "{}");
}

#[tokio::test]
async fn output_is_cut_as_ssm_cuts_it_and_whole_in_the_log() {
    let (fake, cloud, instance) = online().await;
    let stdout = "line of output\n".repeat(2_000);
    fake.next_command(Outcome::success(&"e".repeat(9_000)).with_stdout(&stdout));
    let id = cloud.commands.send(HOME, &command(&instance, "b/Build/1")).await.unwrap();
    fake.settle();
    let ended = look(&cloud, &id, &instance).await;
    assert_eq!((ended.stdout.len(), ended.stderr.len()), (24_000, 8_000));
    let stream = format!("{id}/{instance}/aws-runShellScript/stdout");
    let tail = cloud.logs.tail(HOME, "/goldsmith/test/builds", &stream, 3_000).await.unwrap();
    assert_eq!(tail.len(), 2_000);
}

#[tokio::test]
async fn a_command_is_found_by_its_comment_and_a_second_send_is_a_new_one() {
    let (_, cloud, instance) = online().await;
    assert_eq!(cloud.commands.find(HOME, &instance, "b/Build/1").await.unwrap(), None);
    let first = cloud.commands.send(HOME, &command(&instance, "b/Build/1")).await.unwrap();
    assert_eq!(cloud.commands.find(HOME, &instance, "b/Build/1").await.unwrap(), Some(first.clone()));
    assert_eq!(cloud.commands.find(HOME, "i-0", "b/Build/1").await.unwrap(), None);
    let second = cloud.commands.send(HOME, &command(&instance, "b/Build/1")).await.unwrap();
    assert_ne!(first, second);
    assert_eq!(cloud.commands.find(HOME, &instance, "b/Build/1").await.unwrap(), Some(second));
}

#[tokio::test]
async fn an_invocation_may_be_hidden_at_first_and_is_its_instances_only() {
    let (fake, cloud, instance) = online().await;
    fake.pace(|pace| pace.hide_new_command = 1);
    let id = cloud.commands.send(HOME, &command(&instance, "b/Build/1")).await.unwrap();
    assert_eq!(cloud.commands.invocation(HOME, &id, &instance).await.unwrap(), None);
    assert_eq!(look(&cloud, &id, &instance).await.status, CommandStatus::Running);
    assert_eq!(cloud.commands.invocation(HOME, &id, "i-0").await.unwrap(), None);
}

#[tokio::test]
async fn cancelling_ends_what_runs_and_leaves_what_ended() {
    let (fake, cloud, instance) = online().await;
    fake.next_command(Outcome::endless());
    let id = cloud.commands.send(HOME, &command(&instance, "b/Build/1")).await.unwrap();
    fake.settle();
    assert_eq!(look(&cloud, &id, &instance).await.status, CommandStatus::Running);
    assert_eq!(fake.inventory().region(HOME).commands.len(), 1);
    cloud.commands.cancel(HOME, &id).await.unwrap();
    assert_eq!(look(&cloud, &id, &instance).await.status, CommandStatus::Cancelled);
    assert!(fake.inventory().region(HOME).commands.is_empty());
    let done = cloud.commands.send(HOME, &command(&instance, "b/Build/2")).await.unwrap();
    fake.settle();
    cloud.commands.cancel(HOME, &done).await.unwrap();
    assert_eq!(look(&cloud, &done, &instance).await.status, CommandStatus::Success);
    cloud.commands.cancel(HOME, "none").await.unwrap();
}

#[tokio::test]
async fn a_command_on_a_dead_instance_goes_on_until_it_times_out() {
    let (fake, cloud, instance) = online().await;
    let id = cloud.commands.send(HOME, &command(&instance, "b/Build/1")).await.unwrap();
    fake.end_instance(HOME, &instance, "Server.InternalError");
    for _ in 0..5 {
        assert_eq!(look(&cloud, &id, &instance).await.status, CommandStatus::Running);
    }
    fake.settle();
    assert_eq!(look(&cloud, &id, &instance).await.status, CommandStatus::TimedOut);
}
