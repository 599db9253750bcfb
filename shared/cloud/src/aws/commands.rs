//! SSM Run Command.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_config::retry::RetryConfig;
use aws_sdk_ssm::Client;
use aws_sdk_ssm::config::Config;
use aws_sdk_ssm::operation::get_command_invocation::GetCommandInvocationOutput;
use aws_sdk_ssm::types::{
    CloudWatchOutputConfig, CommandInvocationStatus, InstanceInformationStringFilter as Filter, PingStatus,
};
use jiff::Timestamp;

use super::{Regional, failure, incomplete, known, malformed};
use crate::{Command, CommandStatus, Commands, Invocation, Ping, Result};

/// Seconds within which a command must reach its instance. The instance is online when the command is sent, so this
/// limit is generous.
const DELIVERY_SECONDS: i32 = 600;

/// Run Command in every Region.
#[derive(Debug)]
pub struct SsmCommands(Regional<Client>);

impl SsmCommands {
    /// Creates the adapter with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self(Regional::new(config, Client::new))
    }
}

#[async_trait]
impl Commands for SsmCommands {
    async fn ping(&self, region: &str, instance: &str) -> Result<Ping> {
        const OPERATION: &str = "DescribeInstanceInformation";
        let this_one = Filter::builder().key("InstanceIds").values(instance).build();
        let request = self.0.client(region).describe_instance_information();
        let answer = request.filters(this_one.map_err(malformed(OPERATION, region))?).send().await;
        let information = known(answer.map_err(failure(OPERATION, region)))?;
        let known = information.as_ref().and_then(|answer| answer.instance_information_list().first());
        let Some(agent) = known else { return Ok(Ping::Unknown) };
        let heard = agent.last_ping_date_time().and_then(|time| {
            let nanoseconds = i32::try_from(time.subsec_nanos()).ok()?;
            Timestamp::new(time.secs(), nanoseconds).ok()
        });
        Ok(if agent.ping_status() == Some(&PingStatus::Online) { Ping::Online(heard) } else { Ping::Lost(heard) })
    }

    async fn said(&self, region: &str, command: &str, instance: &str) -> Result<String> {
        let request = self.0.client(region).list_command_invocations().command_id(command).instance_id(instance);
        let answer = known(request.details(true).send().await.map_err(failure("ListCommandInvocations", region)))?;
        let invocations = answer.as_ref().map(|answer| answer.command_invocations()).unwrap_or_default();
        let plugins = invocations.iter().flat_map(|invocation| invocation.command_plugins());
        Ok(plugins.filter_map(|plugin| plugin.output()).collect::<Vec<_>>().join("\n"))
    }

    async fn send(&self, region: &str, command: &Command) -> Result<String> {
        const OPERATION: &str = "SendCommand";
        let output = CloudWatchOutputConfig::builder()
            .cloud_watch_log_group_name(&command.log_group)
            .cloud_watch_output_enabled(true)
            .build();
        let request = self
            .0
            .client(region)
            .send_command()
            .document_name("AWS-RunShellScript")
            .instance_ids(&command.instance)
            .comment(&command.comment)
            .parameters("commands", vec![command.script.clone()])
            .parameters("executionTimeout", vec![command.timeout_seconds.to_string()])
            .timeout_seconds(DELIVERY_SECONDS)
            .cloud_watch_output_config(output);
        // SendCommand has no token: a second attempt after a lost answer would run the script twice.
        let once = Config::builder().retry_config(RetryConfig::disabled());
        let answer = request.customize().config_override(once).send().await.map_err(failure(OPERATION, region))?;
        let id = answer.command.and_then(|command| command.command_id);
        id.ok_or_else(|| incomplete(OPERATION, region, "command id"))
    }

    async fn find(&self, region: &str, instance: &str, comment: &str) -> Result<Option<String>> {
        let request = self.0.client(region).list_command_invocations().instance_id(instance);
        let mut invocations = request.into_paginator().items().send();
        while let Some(invocation) = invocations.next().await {
            let invocation = invocation.map_err(failure("ListCommandInvocations", region));
            let Some(invocation) = known(invocation)? else { return Ok(None) };
            if invocation.comment() == Some(comment) {
                return Ok(invocation.command_id);
            }
        }
        Ok(None)
    }

    async fn invocation(&self, region: &str, command: &str, instance: &str) -> Result<Option<Invocation>> {
        let request = self.0.client(region).get_command_invocation().command_id(command).instance_id(instance);
        let answer = known(request.send().await.map_err(failure("GetCommandInvocation", region)))?;
        Ok(answer.map(to_invocation))
    }

    async fn cancel(&self, region: &str, command: &str) -> Result<()> {
        let request = self.0.client(region).cancel_command().command_id(command);
        known(request.send().await.map_err(failure("CancelCommand", region)))?;
        Ok(())
    }
}

fn to_invocation(answer: GetCommandInvocationOutput) -> Invocation {
    let detail = answer.status_details().unwrap_or_default().to_owned();
    let status = status_of(answer.status(), &detail);
    // SSM returns -1 until the script has ended, and if it never ran.
    let ended = status != CommandStatus::Running && answer.response_code() >= 0;
    Invocation {
        status,
        detail,
        exit_code: ended.then_some(answer.response_code()),
        stdout: answer.standard_output_content.unwrap_or_default(),
        stderr: answer.standard_error_content.unwrap_or_default(),
    }
}

/// Returns the status. AWS reports `Failed` both for a script that failed and for one that never ran. Only the status
/// detail distinguishes them.
fn status_of(status: Option<&CommandInvocationStatus>, detail: &str) -> CommandStatus {
    match status {
        Some(CommandInvocationStatus::Success) => CommandStatus::Success,
        Some(CommandInvocationStatus::TimedOut) => CommandStatus::TimedOut,
        Some(CommandInvocationStatus::Cancelled) => CommandStatus::Cancelled,
        // SSM also reports `Failed` if the script did not run at all. Only the details say so.
        Some(CommandInvocationStatus::Failed) => match detail.replace(' ', "").as_str() {
            "Undeliverable" | "Terminated" | "InvalidPlatform" | "AccessDenied" => CommandStatus::Undeliverable,
            _ => CommandStatus::Failed,
        },
        _ => CommandStatus::Running,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::replay::{Canned, Replay};
    use super::*;
    use crate::Kind;

    fn commands(answers: impl IntoIterator<Item = Canned>) -> (SsmCommands, Replay) {
        let replay = Replay::new(answers);
        (SsmCommands::new(&replay.config()), replay)
    }

    fn body(replay: &Replay, index: usize) -> Value {
        serde_json::from_str(&replay.sent()[index].body).unwrap()
    }

    fn command() -> Command {
        Command {
            instance: "i-1".to_owned(),
            comment: "build/Build/1".to_owned(),
            script: "true\nfalse".to_owned(),
            timeout_seconds: 7200,
            log_group: "/goldsmith/g/builds".to_owned(),
        }
    }

    #[tokio::test]
    async fn sends_the_whole_command() {
        let (commands, replay) = commands([Canned::ok(r#"{"Command": {"CommandId": "c-1"}}"#)]);
        assert_eq!(commands.send("us-east-1", &command()).await.unwrap(), "c-1");
        assert!(replay.sent()[0].uri.contains("us-east-1"));
        let sent = json!({
            "DocumentName": "AWS-RunShellScript",
            "InstanceIds": ["i-1"],
            "Comment": "build/Build/1",
            "Parameters": {"commands": ["true\nfalse"], "executionTimeout": ["7200"]},
            "TimeoutSeconds": 600,
            "CloudWatchOutputConfig": {"CloudWatchLogGroupName": "/goldsmith/g/builds", "CloudWatchOutputEnabled": true},
        });
        assert_eq!(body(&replay, 0), sent);
    }

    #[tokio::test]
    async fn sends_once_only() {
        for lost in [Canned::Lost, Canned::json_error(500, "InternalServerError")] {
            let (commands, replay) = commands([lost, Canned::ok(r#"{"Command": {"CommandId": "c-2"}}"#)]);
            assert_eq!(commands.send("eu-west-1", &command()).await.unwrap_err().kind, Kind::Unanswered);
            assert_eq!(replay.sent().len(), 1);
        }
    }

    #[tokio::test]
    async fn finds_by_comment_on_every_page() {
        let first = r#"{"CommandInvocations": [{"CommandId": "c-1", "Comment": "other"}], "NextToken": "more"}"#;
        let second = r#"{"CommandInvocations": [{"CommandId": "c-2", "Comment": "build/Build/1"}]}"#;
        let (commands, replay) = commands([Canned::ok(first), Canned::ok(second), Canned::ok("{}")]);
        let found = commands.find("eu-west-1", "i-1", "build/Build/1").await.unwrap();
        assert_eq!(found.as_deref(), Some("c-2"));
        assert_eq!(body(&replay, 1), json!({"InstanceId": "i-1", "NextToken": "more"}));
        assert_eq!(commands.find("eu-west-1", "i-1", "build/Build/1").await.unwrap(), None);
    }

    #[tokio::test]
    async fn reads_an_invocation() {
        let ended = r#"{"Status": "Failed", "StatusDetails": "Failed", "ResponseCode": 3,
            "StandardOutputContent": "out", "StandardErrorContent": "err"}"#;
        let (commands, _) = commands([
            Canned::ok(ended),
            Canned::ok(r#"{"Status": "Failed", "StatusDetails": "Undeliverable", "ResponseCode": -1}"#),
            Canned::ok(r#"{"Status": "InProgress", "StatusDetails": "InProgress", "ResponseCode": -1}"#),
            Canned::json_error(400, "InvocationDoesNotExist"),
        ]);
        let invocation = Invocation {
            status: CommandStatus::Failed,
            detail: "Failed".to_owned(),
            exit_code: Some(3),
            stdout: "out".to_owned(),
            stderr: "err".to_owned(),
        };
        let next = async || commands.invocation("eu-west-1", "c-1", "i-1").await.unwrap();
        assert_eq!(next().await, Some(invocation));
        let lost = next().await.unwrap();
        assert_eq!((lost.status, lost.exit_code), (CommandStatus::Undeliverable, None));
        assert_eq!(next().await.unwrap().status, CommandStatus::Running);
        assert_eq!(next().await, None);
    }

    #[tokio::test]
    async fn knows_what_is_online_and_since_when_it_is_not() {
        let answer = |status| {
            let agent = format!(r#"{{"PingStatus": "{status}", "LastPingDateTime": 1.7e9}}"#);
            Canned::ok(format!(r#"{{"InstanceInformationList": [{agent}]}}"#))
        };
        let unknown = Canned::json_error(400, "InvalidInstanceId");
        let (commands, replay) = commands([answer("Online"), answer("ConnectionLost"), Canned::ok("{}"), unknown]);
        let ping = async || commands.ping("eu-west-1", "i-1").await.unwrap();
        let heard = Timestamp::from_second(1_700_000_000).ok();
        assert_eq!((ping().await, ping().await), (Ping::Online(heard), Ping::Lost(heard)));
        assert_eq!((ping().await, ping().await), (Ping::Unknown, Ping::Unknown));
        assert_eq!(body(&replay, 0), json!({"Filters": [{"Key": "InstanceIds", "Values": ["i-1"]}]}));
    }

    #[tokio::test]
    async fn reads_what_the_agent_says_of_a_command_without_output() {
        let answer = r#"{"CommandInvocations": [{"CommandPlugins": [{"Output": "document process failed"}]}]}"#;
        let (commands, replay) = commands([Canned::ok(answer), Canned::ok("{}")]);
        assert_eq!(commands.said("eu-west-1", "c-1", "i-1").await.unwrap(), "document process failed");
        assert_eq!(body(&replay, 0), json!({"CommandId": "c-1", "InstanceId": "i-1", "Details": true}));
        assert_eq!(commands.said("eu-west-1", "c-1", "i-1").await.unwrap(), "");
    }

    #[tokio::test]
    async fn cancels_what_is_still_known() {
        let unknown = Canned::json_error(400, "InvalidCommandId");
        let (commands, _) = commands([Canned::ok("{}"), unknown, Canned::json_error(400, "AccessDeniedException")]);
        commands.cancel("eu-west-1", "c-1").await.unwrap();
        commands.cancel("eu-west-1", "c-1").await.unwrap();
        assert_eq!(commands.cancel("eu-west-1", "c-1").await.unwrap_err().kind, Kind::Denied);
    }
}
