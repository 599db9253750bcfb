//! EventBridge Scheduler.

use async_trait::async_trait;
use aws_config::SdkConfig;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput;
use aws_sdk_scheduler::types::{FlexibleTimeWindow, FlexibleTimeWindowMode, ScheduleState, Target};
use jiff::Timestamp;

use super::{failure, home_region, incomplete, known};
use crate::{Kind, Result, Schedule, Schedules};

/// Scheduler in the configuration's Region.
#[derive(Debug)]
pub struct EventBridgeScheduler {
    client: Client,
    region: String,
}

/// Gives a request every setting of a schedule. This is a macro, because the SDK's builders have no common trait.
macro_rules! whole {
    ($self:ident, $request:expr, $operation:literal, $schedule:ident) => {
        $request
            .group_name(&$schedule.group)
            .name(&$schedule.name)
            .schedule_expression(&$schedule.expression)
            .schedule_expression_timezone(&$schedule.timezone)
            .state(state($schedule))
            .flexible_time_window($self.at_the_time($operation)?)
            .target($self.target($operation, $schedule)?)
    };
}

impl EventBridgeScheduler {
    /// Creates the adapter with this configuration.
    #[must_use]
    pub fn new(config: &SdkConfig) -> Self {
        Self { client: Client::new(config), region: home_region(config) }
    }

    async fn create(&self, schedule: &Schedule) -> Result<()> {
        let request = whole!(self, self.client.create_schedule(), "CreateSchedule", schedule);
        request.send().await.map_err(failure("CreateSchedule", &self.region))?;
        Ok(())
    }

    /// Replaces the whole schedule: UpdateSchedule resets every setting that it does not receive to its default.
    async fn update(&self, schedule: &Schedule) -> Result<()> {
        let request = whole!(self, self.client.update_schedule(), "UpdateSchedule", schedule);
        request.send().await.map_err(failure("UpdateSchedule", &self.region))?;
        Ok(())
    }

    fn at_the_time(&self, operation: &'static str) -> Result<FlexibleTimeWindow> {
        let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build();
        window.map_err(|_| incomplete(operation, &self.region, "time window"))
    }

    fn target(&self, operation: &'static str, schedule: &Schedule) -> Result<Target> {
        let target = Target::builder().arn(&schedule.target).role_arn(&schedule.role).input(&schedule.input).build();
        target.map_err(|_| incomplete(operation, &self.region, "target"))
    }
}

#[async_trait]
impl Schedules for EventBridgeScheduler {
    async fn get(&self, group: &str, name: &str) -> Result<Option<(Schedule, Timestamp)>> {
        const OPERATION: &str = "GetSchedule";
        let answer = self.client.get_schedule().group_name(group).name(name).send().await;
        let Some(answer) = known(answer.map_err(failure(OPERATION, &self.region)))? else { return Ok(None) };
        let created = answer.creation_date.and_then(|date| Timestamp::from_second(date.secs()).ok());
        let created = created.ok_or_else(|| incomplete(OPERATION, &self.region, "creation date"))?;
        let schedule = to_schedule(answer).ok_or_else(|| incomplete(OPERATION, &self.region, "target"))?;
        Ok(Some((schedule, created)))
    }

    async fn put(&self, schedule: &Schedule) -> Result<()> {
        match self.get(&schedule.group, &schedule.name).await? {
            Some((there, _)) if there == *schedule => Ok(()),
            Some(_) => self.update(schedule).await,
            None => match self.create(schedule).await {
                // It was created in the meantime, possibly by an earlier call whose answer was lost.
                Err(error) if error.kind == Kind::Duplicate => self.update(schedule).await,
                other => other,
            },
        }
    }

    async fn delete(&self, group: &str, name: &str) -> Result<()> {
        let answer = self.client.delete_schedule().group_name(group).name(name).send().await;
        known(answer.map_err(failure("DeleteSchedule", &self.region)))?;
        Ok(())
    }
}

fn state(schedule: &Schedule) -> ScheduleState {
    if schedule.enabled { ScheduleState::Enabled } else { ScheduleState::Disabled }
}

fn to_schedule(answer: GetScheduleOutput) -> Option<Schedule> {
    let target = answer.target?;
    Some(Schedule {
        group: answer.group_name?,
        name: answer.name?,
        expression: answer.schedule_expression?,
        timezone: answer.schedule_expression_timezone.unwrap_or_else(|| "UTC".to_owned()),
        enabled: answer.state == Some(ScheduleState::Enabled),
        target: target.arn,
        role: target.role_arn,
        input: target.input.unwrap_or_default(),
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::super::replay::{Canned, Replay};
    use super::*;

    fn schedule() -> Schedule {
        Schedule {
            group: "goldsmith".to_owned(),
            name: "web".to_owned(),
            expression: "cron(0 3 * * ? *)".to_owned(),
            timezone: "Europe/Berlin".to_owned(),
            enabled: true,
            target: "arn:aws:lambda:eu-west-1:000000000000:function:trigger".to_owned(),
            role: "arn:aws:iam::000000000000:role/schedule".to_owned(),
            input: "{}".to_owned(),
        }
    }

    /// Returns what Scheduler reports about the schedule.
    fn there(schedule: &Schedule) -> Canned {
        let state = if schedule.enabled { "ENABLED" } else { "DISABLED" };
        let answer = json!({"GroupName": schedule.group, "Name": schedule.name, "State": state,
            "ScheduleExpression": schedule.expression, "ScheduleExpressionTimezone": schedule.timezone,
            "CreationDate": 1_767_225_600.5, "FlexibleTimeWindow": {"Mode": "OFF"},
            "Target": {"Arn": schedule.target, "RoleArn": schedule.role, "Input": schedule.input}});
        Canned::ok(answer.to_string())
    }

    fn absent() -> Canned {
        Canned::json_error(404, "ResourceNotFoundException")
    }

    fn made() -> Canned {
        Canned::ok(r#"{"ScheduleArn": "arn:s"}"#)
    }

    fn client(answers: impl IntoIterator<Item = Canned>) -> (EventBridgeScheduler, Replay) {
        let replay = Replay::new(answers);
        (EventBridgeScheduler::new(&replay.config()), replay)
    }

    fn calls(replay: &Replay) -> Vec<String> {
        replay.sent().into_iter().map(|sent| sent.method).collect()
    }

    #[tokio::test]
    async fn makes_what_is_not_there_in_full() {
        let (schedules, replay) = client([absent(), made()]);
        schedules.put(&schedule()).await.unwrap();
        assert_eq!(calls(&replay), ["GET", "POST"]);
        let sent: Value = serde_json::from_str(&replay.sent()[1].body).unwrap();
        let wanted = schedule();
        for (key, value) in [
            ("GroupName", json!("goldsmith")),
            ("ScheduleExpression", json!("cron(0 3 * * ? *)")),
            ("ScheduleExpressionTimezone", json!("Europe/Berlin")),
            ("State", json!("ENABLED")),
            ("FlexibleTimeWindow", json!({"Mode": "OFF"})),
            ("Target", json!({"Arn": wanted.target, "RoleArn": wanted.role, "Input": "{}"})),
        ] {
            assert_eq!(sent[key], value, "{key}");
        }
    }

    #[tokio::test]
    async fn what_is_right_is_left_alone_and_the_rest_is_replaced() {
        let off = Schedule { enabled: false, ..schedule() };
        let (schedules, replay) = client([there(&schedule()), there(&schedule()), made()]);
        schedules.put(&schedule()).await.unwrap();
        schedules.put(&off).await.unwrap();
        assert_eq!(calls(&replay), ["GET", "GET", "PUT"]);
        assert!(replay.sent()[2].body.contains("DISABLED"));
        let (schedules, replay) = client([absent(), Canned::json_error(409, "ConflictException"), made()]);
        schedules.put(&schedule()).await.unwrap();
        assert_eq!(calls(&replay), ["GET", "POST", "PUT"], "it was made meanwhile");
    }

    #[tokio::test]
    async fn tells_what_is_there_and_deletes_it_once() {
        let (schedules, replay) = client([there(&schedule()), absent(), Canned::ok("{}"), absent(), absent()]);
        let (found, created) = schedules.get("goldsmith", "web").await.unwrap().unwrap();
        assert_eq!((found, created.to_string().as_str()), (schedule(), "2026-01-01T00:00:00Z"));
        assert_eq!(schedules.get("goldsmith", "web").await.unwrap(), None);
        schedules.delete("goldsmith", "web").await.unwrap();
        schedules.delete("goldsmith", "web").await.unwrap();
        assert!(replay.sent()[2].uri.contains("/schedules/web?groupName=goldsmith"), "{:?}", replay.sent()[2]);
    }
}
