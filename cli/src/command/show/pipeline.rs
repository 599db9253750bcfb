//! `goldsmith show PIPELINE`: shows when it starts next, and why it was last built.

use anyhow::Result;
use goldsmith_model::{Freeze, ImagePipeline};
use goldsmith_store::{ImageRecord, Pointed, Rollback};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::output::Show;
use crate::render::{cause, columns, labelled, status, word};
use crate::starts::{Holds, NextTime, next_times, rebuilt_on};

/// Number of start times to show.
const TIMES: usize = 5;
/// Number of builds to show.
const BUILDS: usize = 5;

/// A pipeline, as `--output json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Shown {
    pub(crate) pipeline: ImagePipeline,
    #[serde(flatten)]
    pub(crate) holds: Holds,
    /// The next times at which the schedule fires, in its time zone.
    pub(crate) next_times: Vec<NextTime>,
    /// Why there are no such times.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) no_times: Option<&'static str>,
    /// When the parameters were rolled back, and to which images; oldest first.
    pub(crate) rollbacks: Vec<Pointed>,
    /// A rollback that has begun and not ended.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) open_rollback: Option<Rollback>,
    /// The last builds of the pipeline, newest first.
    pub(crate) builds: Vec<ImageRecord>,
}

/// Returns everything to show about a pipeline at this time.
pub(crate) async fn show(connection: &Connection, pipeline: ImagePipeline, now: Timestamp) -> Result<Shown> {
    let holds = Holds::of(connection, &pipeline, now).await?;
    let (next_times, no_times) = match next_times(connection, &pipeline, now, TIMES).await? {
        Ok(times) => (times, None),
        Err(why) => (Vec::new(), Some(why)),
    };
    let (next_times, no_times) = match holds.auto_disabled {
        Some(_) => (Vec::new(), Some("failures have disabled it")),
        None => (next_times, no_times),
    };
    let builds = builds(connection, &pipeline).await?;
    let rollbacks = connection.store.pointed(&pipeline.name).await?;
    let open_rollback = connection.store.rollback(&pipeline.name).await?;
    Ok(Shown { pipeline, holds, next_times, no_times, rollbacks, open_rollback, builds })
}

/// Returns the last builds of the pipeline, newest first.
async fn builds(connection: &Connection, pipeline: &ImagePipeline) -> Result<Vec<ImageRecord>> {
    let mut images = connection.store.images(pipeline.image_recipe.name.as_str()).await?;
    images.retain(|image| image.pipeline == pipeline.name);
    images.sort_by(|a, b| b.created_at.cmp(&a.created_at));
    images.truncate(BUILDS);
    Ok(images)
}

impl Show for Shown {
    fn lines(&self, globals: &Globals) -> Vec<String> {
        let (pipeline, holds) = (&self.pipeline, &self.holds);
        let mut rows = vec![
            ("pipeline", pipeline.name.to_string()),
            ("status", word(holds.status(pipeline))),
            ("recipe", pipeline.image_recipe.to_string()),
            ("infrastructure", pipeline.infrastructure_configuration.to_string()),
        ];
        rows.extend(pipeline.distribution_configuration.iter().map(|name| ("distribution", name.to_string())));
        if let Some(schedule) = &pipeline.schedule {
            let zone = schedule.timezone.as_deref().unwrap_or("UTC");
            rows.push(("schedule", format!("{} {zone}", schedule.schedule_expression)));
            rows.push(("condition", word(schedule.pipeline_execution_start_condition)));
        }
        rows.push(("rebuilt on", rebuilt_on(pipeline)));
        rows.extend(
            pipeline.auto_disable_policy.map(|policy| ("disabled after", format!("{} failures", policy.failure_count))),
        );
        rows.extend(holds.why_stopped(globals, pipeline).map(|why| ("disabled by", why)));
        rows.extend(pipeline.freeze.iter().map(|freeze| ("freeze", window(freeze))));
        rows.extend(holds.frozen_until.iter().map(|until| ("frozen until", until.to_string())));
        rows.extend(self.next_times.iter().map(|time| ("next", time.to_string())));
        rows.extend(self.no_times.map(|why| ("next", format!("never: {why}"))));
        rows.extend(self.rollbacks.iter().map(|one| ("rolled back", format!("{} to {}", one.at, one.image))));
        rows.extend(
            self.open_rollback.iter().map(|one| ("not ended", format!("the rollback of {} to {}", one.at, one.image))),
        );
        let mut lines = labelled(rows);
        if !self.builds.is_empty() {
            lines.push(String::new());
            lines.extend(columns(&self.builds.iter().map(build).collect::<Vec<_>>()));
        }
        lines
    }
}

fn window(freeze: &Freeze) -> String {
    format!("{} to {} {}", freeze.from, freeze.until, freeze.timezone.as_deref().unwrap_or("UTC"))
}

fn build(image: &ImageRecord) -> Vec<String> {
    vec![image.image.to_string(), status(image), image.created_at.clone(), cause(&image.cause)]
}

#[cfg(test)]
mod tests {
    use goldsmith_model::{AutoDisablePolicy, ImagePipeline, ImageRef};
    use goldsmith_store::{Pointed, Rollback};
    use serde_json::json;

    use super::show;
    use crate::output::Show;
    use crate::schedules;
    use crate::testing::{Stack, globals, stopped};

    fn pipeline(schedule: serde_json::Value, status: &str) -> ImagePipeline {
        let json = json!({"name": "web", "imageRecipe": "web/1.x.x", "infrastructureConfiguration": "small",
                          "distributionConfiguration": "two", "status": status, "schedule": schedule,
                          "rebuildOn": ["source-update"]});
        serde_json::from_value(json).unwrap()
    }

    async fn lines(stack: &Stack, pipeline: ImagePipeline) -> String {
        let now = "2026-03-27T12:00:00Z".parse().unwrap();
        show(&stack.connection, pipeline, now).await.unwrap().lines(&globals("")).join("\n")
    }

    #[tokio::test]
    async fn next_times_are_in_the_pipelines_time_zone_across_clock_changes() {
        let stack = Stack::new();
        stack
            .closed_build(json!({"status": "AVAILABLE", "cause": {"kind": "dependency", "image": "base/1.0.0/3"}}))
            .await;
        let nightly = json!({"scheduleExpression": "cron(0 3 * * ? *)", "timezone": "Europe/Berlin"});
        let expected = "\
pipeline        web
status          ENABLED
recipe          web/1.x.x
infrastructure  small
distribution    two
schedule        cron(0 3 * * ? *) Europe/Berlin
condition       EXPRESSION_MATCH_ONLY
rebuilt on      source-update
next            Sat 2026-03-28 03:00:00 +01:00
next            Sun 2026-03-29 03:00:00 +02:00
next            Mon 2026-03-30 03:00:00 +02:00
next            Tue 2026-03-31 03:00:00 +02:00
next            Wed 2026-04-01 03:00:00 +02:00

web/1.0.0/1  AVAILABLE  2026-01-01T00:00:00.000Z  dependency base/1.0.0/3";
        assert_eq!(lines(&stack, pipeline(nightly, "ENABLED")).await, expected);
    }

    #[tokio::test]
    async fn what_keeps_a_pipeline_from_starting_is_shown() {
        let stack = Stack::new();
        let mut web = pipeline(json!({"scheduleExpression": "cron(0 3 * * ? *)"}), "ENABLED");
        let freeze = json!([{"from": "2026-03-27", "until": "2026-03-30"}]);
        web.freeze = serde_json::from_value(freeze).unwrap();
        web.auto_disable_policy = Some(AutoDisablePolicy { failure_count: 3 });
        let expected = "\
disabled after  3 failures
freeze          2026-03-27 to 2026-03-30 UTC
frozen until    Mon 2026-03-30 00:00:00 +00:00
next            Mon 2026-03-30 00:00:00 +00:00
next            Mon 2026-03-30 03:00:00 +00:00
";
        let text = lines(&stack, web.clone()).await;
        assert!(text.contains(expected), "{text}");
        stack.put("PIPELINE#web", "FAILURES", stopped()).await;
        let text = lines(&stack, web).await;
        let expected = "\ndisabled by     3 failed builds in a row, the last one web/1.0.0/1: `goldsmith enable web` lets it start again\n";
        assert!(text.contains(expected) && text.contains("\nstatus          DISABLED\n"), "{text}");
        assert!(text.ends_with("\nnext            never: failures have disabled it"), "{text}");
    }

    #[tokio::test]
    async fn rollbacks_are_shown() {
        let stack = Stack::new();
        stack.closed_build(json!({"status": "AVAILABLE"})).await;
        let (store, web) = (&stack.connection.store, "web".parse().unwrap());
        let (holder, at) = ("one".to_owned(), "2026-01-02T00:00:00.000Z".to_owned());
        let image: ImageRef = "web/1.0.0/1".parse().unwrap();
        let begun = Rollback { holder, at: at.clone(), image: image.clone(), parameters: Vec::new() };
        assert!(store.begin_rollback(&web, &begun, None).await.unwrap());
        let text = lines(&stack, pipeline(json!(null), "ENABLED")).await;
        assert!(text.contains("\nnot ended       the rollback of 2026-01-02T00:00:00.000Z to web/1.0.0/1"), "{text}");
        let pointed = Pointed { at, image, parameters: Vec::new() };
        assert!(store.end_rollback(&web, "one", Some(&pointed)).await.unwrap());
        let text = lines(&stack, pipeline(json!(null), "ENABLED")).await;
        assert!(text.contains("\nrolled back     2026-01-02T00:00:00.000Z to web/1.0.0/1"), "{text}");
        assert!(!text.contains("not ended"), "{text}");
    }

    #[tokio::test]
    async fn a_build_with_overrides_is_marked() {
        let stack = Stack::new();
        stack.closed_build(json!({"status": "AVAILABLE", "overridden": true})).await;
        let text = lines(&stack, pipeline(json!(null), "ENABLED")).await;
        assert!(text.ends_with("web/1.0.0/1  AVAILABLE (overridden)  2026-01-01T00:00:00.000Z  manual"), "{text}");
    }

    #[tokio::test]
    async fn a_rate_counts_from_when_its_schedule_was_made() {
        let stack = Stack::new();
        let rate = pipeline(json!({"scheduleExpression": "rate(7 hours)"}), "ENABLED");
        let before = lines(&stack, rate.clone()).await;
        assert!(
            before.contains("next            never: its schedule does not exist yet: apply the pipeline again"),
            "{before}"
        );
        let definitions =
            goldsmith_model::definitions::Definitions { pipelines: vec![rate.clone()], ..Default::default() };
        schedules::keep(&stack.connection, &definitions).await.unwrap();
        let made = lines(&stack, rate).await; // the fake makes everything at the beginning of time
        assert!(made.contains("next            Fri 2026-03-27 18:00:00 +00:00"), "{made}");
        assert_eq!(made.matches("\nnext ").count(), 5, "{made}");
    }

    #[tokio::test]
    async fn the_reason_for_no_next_times_is_shown() {
        let stack = Stack::new();
        let cron = |year: &str| json!({"scheduleExpression": format!("cron(0 3 * * ? {year})")});
        for (pipeline, why) in [
            (pipeline(json!(null), "ENABLED"), "never: it has no schedule"),
            (pipeline(cron("*"), "DISABLED"), "never: the pipeline is disabled"),
            (pipeline(cron("2025"), "ENABLED"), "never: it never fires again"),
        ] {
            let text = lines(&stack, pipeline).await;
            assert!(text.ends_with(why), "{text}");
        }
    }
}
