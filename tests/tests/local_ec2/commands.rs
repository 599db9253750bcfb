//! Run Command: how scripts end.

use aws_sdk_ssm::client::Waiters as _;
use aws_sdk_ssm::operation::get_command_invocation::GetCommandInvocationOutput;
use aws_sdk_ssm::types::CommandInvocationStatus as Status;

use crate::caller::{Aws, PATIENCE, until};
use crate::local::Local;

/// Status, its details, and the response code.
fn facts(ended: &GetCommandInvocationOutput) -> (Status, &str, i32) {
    (ended.status.clone().unwrap(), ended.status_details().unwrap(), ended.response_code)
}

/// Waits until a script has made a file: it runs.
async fn made(aws: &Aws, instance: &str, file: &str) {
    let look = format!("ls {file} || true");
    until("the script", async || (aws.run(instance, &look).await == format!("{file}\n")).then_some(())).await;
}

pub(crate) async fn a_command_tells_how_it_ended(local: &Local) {
    let aws = local.aws("100000000007");
    let id = aws.launch(local.source()).await;
    assert_eq!(aws.run(&id, "echo one\necho two").await, "one\ntwo\n");
    let send = aws.sending(&id, "echo out; echo err >&2; exit 3", 60).comment("web/1.0.0/1");
    let command = send.send().await.unwrap().command.unwrap();
    assert_eq!((command.comment(), command.target_count), (Some("web/1.0.0/1"), 1));
    let ended = aws.ended(command.command_id().unwrap(), &id).await;
    assert_eq!(facts(&ended), (Status::Failed, "Failed", 3));
    assert_eq!(ended.standard_output_content(), Some("out\n"));
    assert!(ended.standard_error_content().unwrap().starts_with("err\n"));
    let list = aws.ssm.list_command_invocations().command_id(command.command_id().unwrap()).details(true);
    let plugin = list.send().await.unwrap().command_invocations()[0].command_plugins()[0].clone();
    assert_eq!((plugin.name(), plugin.response_code), (Some("aws:runShellScript"), 3));

    let long = aws.run(&id, "head -c 30000 /dev/zero | tr '\\0' x").await;
    assert!(long.len() <= 24_100 && long.starts_with("xxx"), "{} characters", long.len());
    aws.terminate(&id).await;
}

pub(crate) async fn a_script_that_asks_for_a_reboot_runs_again(local: &Local) {
    let aws = local.aws("100000000008");
    let id = aws.launch(local.source()).await;
    let boot = "cat /proc/sys/kernel/random/boot_id";
    let before = aws.run(&id, boot).await;
    let script =
        "n=$(cat /var/starts || echo 0)\necho start $n\necho $((n + 1)) > /var/starts\n[ $n -ge 2 ] || exit 194";
    let ended = aws.ended(&aws.send(&id, script).await, &id).await;
    assert_eq!(facts(&ended), (Status::Success, "Success", 0));
    assert_eq!(ended.standard_output_content(), Some("start 0\nstart 1\nstart 2\n"));
    assert_ne!(aws.run(&id, boot).await, before);
    aws.terminate(&id).await;
}

pub(crate) async fn a_command_ends_when_its_time_is_over_or_it_is_cancelled(local: &Local) {
    let aws = local.aws("100000000009");
    let id = aws.launch(local.source()).await;
    let sent = aws.sending(&id, "echo began; sleep 1000", 5).send().await.unwrap().command.unwrap();
    let late = sent.command_id().unwrap();
    let wait = aws.ssm.wait_until_command_executed().command_id(late).instance_id(&id);
    assert!(wait.wait(PATIENCE).await.is_err(), "the waiter takes a time-out for success");
    let ended = aws.ended(late, &id).await;
    assert_eq!(facts(&ended), (Status::TimedOut, "ExecutionTimedOut", 137));
    assert_eq!(ended.standard_output_content(), Some("began\n"));

    let command = aws.send(&id, "touch /var/began; sleep 1000").await;
    made(&aws, &id, "/var/began").await;
    aws.ssm.cancel_command().command_id(&command).send().await.unwrap();
    assert_eq!(facts(&aws.ended(&command, &id).await), (Status::Cancelled, "Cancelled", 137));
    assert_eq!(aws.run(&id, "pgrep -x sleep || true").await, "");

    // Systems Manager does not notice that an instance ends under a command.
    let sent = aws.sending(&id, "touch /var/last; sleep 1000", 5).send().await.unwrap().command.unwrap();
    made(&aws, &id, "/var/last").await;
    aws.terminate(&id).await;
    let ended = aws.ended(sent.command_id().unwrap(), &id).await;
    assert_eq!(facts(&ended), (Status::TimedOut, "ExecutionTimedOut", -1));
}
