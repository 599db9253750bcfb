//! Updates EventBridge's schedules when pipelines are applied.

use anyhow::Result;
use goldsmith_cloud::Schedule;
use goldsmith_model::definitions::Definitions;
use goldsmith_model::{ImagePipeline, SCHEDULED_TIME, ScheduleInput, Scheduled, Status, schedule_name};
use jiff::Timestamp;
use serde_json::json;

use crate::connection::{Connection, Scheduling};
use crate::exit::invalid;
use crate::output;

/// Rejects schedules that the stack cannot keep, before anything is written.
pub(crate) fn check(connection: &Connection, definitions: &Definitions) -> Result<()> {
    let scheduled = definitions.pipelines.iter().find(|pipeline| pipeline.schedule.is_some());
    match (scheduled, &connection.scheduling) {
        (Some(pipeline), None) => Err(invalid(format!(
            "pipeline `{}` has a schedule, but stack `{}` is from a version without schedules: update the stack with the \
             template of this version; nothing was applied",
            pipeline.name, connection.stack
        ))),
        _ => Ok(()),
    }
}

/// Removes the schedule of every stored pipeline. Safe to repeat.
pub(crate) async fn remove(connection: &Connection) -> Result<()> {
    let Some(scheduling) = &connection.scheduling else { return Ok(()) };
    for pipeline in connection.store.pipeline_names().await? {
        connection.schedules.delete(&scheduling.group, &schedule_name(&pipeline)).await?;
    }
    Ok(())
}

/// Creates the schedule of every stored pipeline. Safe to repeat.
pub(crate) async fn restore(connection: &Connection) -> Result<()> {
    let Some(scheduling) = &connection.scheduling else { return Ok(()) };
    for name in connection.store.pipeline_names().await? {
        if let Some(schedule) = connection.store.pipeline(&name).await?.and_then(|one| wanted(scheduling, &one)) {
            connection.schedules.put(&schedule).await?;
        }
    }
    Ok(())
}

/// Creates, changes, disables or removes the schedule of every pipeline. This happens after the table is written, so
/// that a schedule never starts a pipeline that is not stored. Safe to repeat.
pub(crate) async fn keep(connection: &Connection, definitions: &Definitions) -> Result<()> {
    let Some(scheduling) = &connection.scheduling else { return Ok(()) };
    for pipeline in &definitions.pipelines {
        match wanted(scheduling, pipeline) {
            Some(schedule) => connection.schedules.put(&schedule).await?,
            None => connection.schedules.delete(&scheduling.group, &schedule_name(&pipeline.name)).await?,
        }
        if let Some(warning) = ended(pipeline, Timestamp::now()) {
            output::say(&warning);
        }
    }
    Ok(())
}

fn wanted(scheduling: &Scheduling, pipeline: &ImagePipeline) -> Option<Schedule> {
    let schedule = pipeline.schedule.as_ref()?;
    let fires = Scheduled { pipeline: pipeline.name.clone(), scheduled_time: SCHEDULED_TIME.to_owned() };
    Some(Schedule {
        group: scheduling.group.clone(),
        name: schedule_name(&pipeline.name),
        expression: schedule.schedule_expression.clone(),
        timezone: schedule.timezone.clone().unwrap_or_else(|| "UTC".to_owned()),
        // A rate counts from the creation of its schedule, so a disabled pipeline keeps its schedule.
        enabled: pipeline.status == Status::Enabled,
        target: scheduling.trigger.clone(),
        role: scheduling.role.clone(),
        input: json!(ScheduleInput { schedule: fires }).to_string(),
    })
}

/// Returns a warning about a schedule whose years are all in the past.
fn ended(pipeline: &ImagePipeline, now: Timestamp) -> Option<String> {
    let schedule = pipeline.schedule.as_ref()?;
    let (times, _) = schedule.next(now, now, 1)?;
    let expression = &schedule.schedule_expression;
    times
        .is_empty()
        .then(|| format!("warning: the schedule of pipeline `{}` never fires again: {expression}", pipeline.name))
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::Kind;
    use goldsmith_cloud::fake::Fault;
    use goldsmith_model::definitions::{Definitions, Draft, SourceFile};
    use serde_json::{Value, json};

    use super::{check, ended, keep};
    use crate::testing::Stack;

    fn definitions(rest: &str) -> Definitions {
        let text = format!(
            "{{kind: ImagePipeline, name: web server, imageRecipe: web, infrastructureConfiguration: small{rest}}}\n"
        );
        let files = [SourceFile { path: "f.yml".to_owned(), text }];
        Draft::read(&files, &|_| Ok(String::new())).check_alone().unwrap()
    }

    const NIGHTLY: &str = ", schedule: {scheduleExpression: \"cron(0 3 * * ? *)\", timezone: Europe/Berlin}";

    #[tokio::test]
    async fn a_schedule_is_made_switched_off_and_removed_with_its_pipelines() {
        let stack = Stack::new();
        let connection = &stack.connection;
        for _ in 0..2 {
            keep(connection, &definitions(NIGHTLY)).await.unwrap();
        }
        let made = stack.cloud.schedules();
        assert_eq!(made.len(), 1);
        assert_eq!(
            (made[0].group.as_str(), made[0].timezone.as_str(), made[0].enabled),
            ("goldsmith", "Europe/Berlin", true)
        );
        let input: Value = serde_json::from_str(&made[0].input).unwrap();
        let cause = json!({"pipeline": "web server", "scheduledTime": "<aws.scheduler.scheduled-time>"});
        assert_eq!(input, json!({ "schedule": cause }));
        keep(connection, &definitions(&format!("{NIGHTLY}, status: DISABLED"))).await.unwrap();
        assert!(!stack.cloud.schedules()[0].enabled);
        for _ in 0..2 {
            keep(connection, &definitions("")).await.unwrap();
        }
        assert!(stack.cloud.schedules().is_empty());
        let effects: Vec<&str> = stack.cloud.effects().iter().map(|effect| effect.name).collect();
        assert_eq!(effects, ["CreateSchedule", "UpdateSchedule", "DeleteSchedule"]);
    }

    #[tokio::test]
    async fn applying_again_goes_on_where_a_call_failed() {
        for fault in [Fault::Refuse(Kind::Throttled), Fault::LoseAnswer] {
            let stack = Stack::new();
            for (text, effect, left) in [
                (NIGHTLY.to_owned(), "CreateSchedule", 1),
                (format!("{NIGHTLY}, status: DISABLED"), "UpdateSchedule", 1),
                (String::new(), "DeleteSchedule", 0),
            ] {
                stack.cloud.fail_next(effect, fault);
                assert!(keep(&stack.connection, &definitions(&text)).await.is_err(), "{text} {fault:?}");
                keep(&stack.connection, &definitions(&text)).await.unwrap();
                let schedules = stack.cloud.schedules();
                assert_eq!(schedules.len(), left, "{text} {fault:?}");
                assert!(schedules.iter().all(|schedule| schedule.enabled != text.contains("DISABLED")), "{text}");
            }
        }
    }

    #[tokio::test]
    async fn an_older_stack_is_told_to_be_updated_and_needs_no_schedules() {
        let mut stack = Stack::new();
        stack.connection.scheduling = None;
        let expected = "pipeline `web server` has a schedule, but stack `goldsmith` is from a version without schedules: update \
                        the stack with the template of this version; nothing was applied";
        assert_eq!(check(&stack.connection, &definitions(NIGHTLY)).unwrap_err().to_string(), expected);
        check(&stack.connection, &definitions("")).unwrap();
        keep(&stack.connection, &definitions("")).await.unwrap();
    }

    #[test]
    fn a_schedule_whose_years_are_past_is_warned_of() {
        let found = definitions(", schedule: {scheduleExpression: \"cron(0 3 * * ? 2025)\"}");
        let now = "2026-01-01T00:00:00Z".parse().unwrap();
        let expected = "warning: the schedule of pipeline `web server` never fires again: cron(0 3 * * ? 2025)";
        assert_eq!(ended(&found.pipelines[0], now).as_deref(), Some(expected));
        assert_eq!(ended(&definitions(NIGHTLY).pipelines[0], now), None);
    }
}
