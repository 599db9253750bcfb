//! `goldsmith pipelines`

use std::collections::BTreeMap;

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use goldsmith_model::{ImagePipeline, Name};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::Exit;
use crate::output::{self, Show};
use crate::render::{table, word};
use crate::room::{self, InLine};
use crate::starts::{self, Holds, NextTime};

/// Number of pipelines that are read concurrently.
const AT_ONCE: usize = 16;

/// List pipelines, what starts them, when they start next, and whose build waits for room.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// A pipeline, as `--output json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(flatten)]
    pipeline: ImagePipeline,
    #[serde(flatten)]
    holds: Holds,
    /// The next time at which the schedule fires, in its time zone.
    next_time: Option<NextTime>,
    /// Why the schedule does not fire.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_time: Option<&'static str>,
    /// The launch of its build that waits until the account has room for it.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits_for_room: Option<InLine>,
}

pub(crate) async fn run(globals: &Globals, _: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    output::show(globals, &list(&connection, Timestamp::now()).await?)?;
    Ok(Exit::Success)
}

/// Returns all pipelines, sorted by name.
async fn list(connection: &Connection, now: Timestamp) -> Result<Vec<Listed>> {
    let names = connection.store.pipeline_names().await?;
    let waiting = &room::in_line(&connection.store).await?;
    let looks = names.into_iter().map(|name| look(connection, name, waiting, now));
    let found: Vec<Option<Listed>> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn look(
    connection: &Connection,
    name: Name,
    waiting: &BTreeMap<String, InLine>,
    now: Timestamp,
) -> Result<Option<Listed>> {
    let Some(pipeline) = connection.store.pipeline(&name).await? else { return Ok(None) };
    let holds = Holds::of(connection, &pipeline, now).await?;
    let times = match holds.auto_disabled {
        Some(_) => Err("failures have disabled it"),
        None => starts::next_times(connection, &pipeline, now, 1).await?,
    };
    let waits_for_room = match waiting.is_empty() {
        true => None,
        false => connection.store.lease(&name).await?.build.and_then(|build| waiting.get(&build).cloned()),
    };
    let (next_time, no_time) = match times {
        Ok(times) => (times.into_iter().next(), None),
        Err(why) => (None, Some(why)),
    };
    Ok(Some(Listed { pipeline, holds, next_time, no_time, waits_for_room }))
}

impl Show for Vec<Listed> {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let heads = ["PIPELINE", "STATUS", "RECIPE", "REBUILT ON", "NEXT"];
        if self.iter().all(|listed| listed.waits_for_room.is_none()) {
            return table(heads, self.iter().map(row));
        }
        let [name, status, recipe, rebuilt_on, next] = heads;
        let rows = self.iter().map(|listed| {
            [row(listed), vec![listed.waits_for_room.as_ref().map(InLine::place).unwrap_or_default()]].concat()
        });
        table([name, status, recipe, rebuilt_on, next, "WAITS FOR ROOM"], rows)
    }

    fn remarks(&self, globals: &Globals) -> Vec<String> {
        let hint = || format!("There are no pipelines yet: `{} apply FOLDER` stores some.", globals.again());
        let stopped = self.iter().filter_map(|Listed { pipeline, holds, .. }| {
            Some(format!("{} is disabled after {}", pipeline.name, holds.why_stopped(globals, pipeline)?))
        });
        self.is_empty().then(hint).into_iter().chain(stopped).collect()
    }
}

fn row(Listed { pipeline, holds, next_time, no_time, .. }: &Listed) -> Vec<String> {
    let never = || format!("never: {}", no_time.unwrap_or("it never fires again"));
    let mut next = next_time.as_ref().map_or_else(never, ToString::to_string);
    if let Some(until) = &holds.frozen_until {
        next += &format!(" (frozen until {until})");
    }
    let recipe = pipeline.image_recipe.to_string();
    vec![pipeline.name.to_string(), word(holds.status(pipeline)), recipe, starts::rebuilt_on(pipeline), next]
}

#[cfg(test)]
mod tests {
    use goldsmith_model::definitions::Definitions;
    use serde_json::{Value, json};

    use super::list;
    use crate::output::Show;
    use crate::testing::{Stack, globals, stopped};

    fn pipeline(name: &str, more: &Value) -> goldsmith_model::ImagePipeline {
        let mut json = json!({"name": name, "imageRecipe": "web/1.x.x", "infrastructureConfiguration": "small"});
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(json).unwrap()
    }

    #[tokio::test]
    async fn pipelines_are_listed_with_what_starts_them() {
        let stack = Stack::new();
        let now = "2026-03-27T12:00:00Z".parse().unwrap();
        let none = list(&stack.connection, now).await.unwrap();
        assert!(none.lines(&globals("")).is_empty());
        assert_eq!(none.remarks(&globals("")), ["There are no pipelines yet: `goldsmith apply FOLDER` stores some."]);
        let nightly = json!({"scheduleExpression": "cron(0 3 * * ? *)", "timezone": "Europe/Berlin"});
        let pipelines = vec![
            pipeline("web", &json!({"schedule": nightly, "rebuildOn": ["source-update"]})),
            pipeline("base", &json!({"status": "DISABLED"})),
        ];
        stack.connection.store.apply(&Definitions { pipelines, ..Definitions::default() }).await.unwrap();
        let listed = list(&stack.connection, now).await.unwrap();
        let expected = [
            "PIPELINE  STATUS    RECIPE     REBUILT ON     NEXT",
            "base      DISABLED  web/1.x.x  nothing        never: it has no schedule",
            "web       ENABLED   web/1.x.x  source-update  Sat 2026-03-28 03:00:00 +01:00",
        ];
        assert_eq!(listed.lines(&globals("")), expected);
        assert_eq!(serde_json::to_value(&listed).unwrap()[1]["nextTime"], "2026-03-28T03:00:00+01:00");
    }

    #[tokio::test]
    async fn a_pipeline_whose_build_waits_for_room_has_its_number_in_the_line() {
        let stack = Stack::new();
        let pipelines = ["api", "mail", "web"].map(|name| pipeline(name, &json!({}))).into();
        stack.connection.store.apply(&Definitions { pipelines, ..Definitions::default() }).await.unwrap();
        for (n, name) in ["web", "api"].into_iter().enumerate() {
            let place = format!("room#line#201#2026-03-27T11:5{n}:00.000Z");
            let build = format!("{name}-1");
            let wait = json!({
                "resource": place, "region": "eu-west-1", "build": build, "state": "Launch", "token": "t",
                "owner": "launch", "deadline": "2026-03-27T18:00:00.000Z", "nextLook": "2026-03-27T12:00:00.000Z",
            });
            stack.put("WAIT#room", &format!("line#201#2026-03-27T11:5{n}:00.000Z#{build}#Launch"), wait).await;
            stack.put(&format!("PIPELINE#{name}"), "LEASE", json!({"fence": 1, "build": build})).await;
        }
        stack.put("PIPELINE#mail", "LEASE", json!({"fence": 1, "build": "mail-1"})).await;
        let listed = list(&stack.connection, "2026-03-27T12:00:00Z".parse().unwrap()).await.unwrap();
        let expected = "\
PIPELINE  STATUS   RECIPE     REBUILT ON  NEXT                       WAITS FOR ROOM
api       ENABLED  web/1.x.x  nothing     never: it has no schedule  2 of 2, since 2026-03-27T11:51:00Z
mail      ENABLED  web/1.x.x  nothing     never: it has no schedule
web       ENABLED  web/1.x.x  nothing     never: it has no schedule  1 of 2, since 2026-03-27T11:50:00Z";
        assert_eq!(listed.lines(&globals("")).join("\n"), expected);
        assert!(listed.remarks(&globals("")).is_empty());
        let json = serde_json::to_value(&listed).unwrap();
        let expected = json!({"build": "web-1", "since": "2026-03-27T11:50:00Z", "position": 1, "of": 2});
        assert_eq!((&json[1]["waitsForRoom"], &json[2]["waitsForRoom"]), (&json!(null), &expected));
    }

    #[tokio::test]
    async fn a_stopped_and_a_frozen_pipeline_are_listed_as_such() {
        let stack = Stack::new();
        let now = "2026-12-24T12:00:00Z".parse().unwrap();
        let nightly = json!({"scheduleExpression": "cron(0 3 * * ? *)", "timezone": "Europe/Berlin"});
        let freeze = json!([{"from": "2026-12-20", "until": "2027-01-04", "timezone": "Europe/Berlin"}]);
        let pipelines = vec![
            pipeline("web", &json!({"schedule": nightly, "autoDisablePolicy": {"failureCount": 3}})),
            pipeline("base", &json!({"schedule": nightly, "freeze": freeze})),
        ];
        stack.connection.store.apply(&Definitions { pipelines, ..Definitions::default() }).await.unwrap();
        stack.put("PIPELINE#web", "FAILURES", stopped()).await;
        let listed = list(&stack.connection, now).await.unwrap();
        let expected = "\
PIPELINE  STATUS    RECIPE     REBUILT ON  NEXT
base      ENABLED   web/1.x.x  nothing     Mon 2027-01-04 00:00:00 +01:00 (frozen until Mon 2027-01-04 00:00:00 +01:00)
web       DISABLED  web/1.x.x  nothing     never: failures have disabled it";
        assert_eq!(listed.lines(&globals("")).join("\n"), expected);
        let remark = "web is disabled after 3 failed builds in a row, the last one web/1.0.0/1: `goldsmith enable web` lets it \
                      start again";
        assert_eq!(listed.remarks(&globals("")), [remark]);
        let json = serde_json::to_value(&listed).unwrap();
        assert_eq!(
            (&json[0]["frozenUntil"], &json[1]["autoDisabled"]["count"]),
            (&json!("2027-01-04T00:00:00+01:00"), &json!(3))
        );
    }
}
