//! `goldsmith pipelines`

use anyhow::Result;
use futures_util::{StreamExt, TryStreamExt, stream};
use goldsmith_model::{ImagePipeline, Name};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::{Format, Globals};
use crate::connection::Connection;
use crate::exit::Exit;
use crate::output;
use crate::render::{columns, word};
use crate::starts::{self, NextTime};

/// Number of pipelines that are read at the same time.
const AT_ONCE: usize = 16;

/// List pipelines, what starts them, and when they start next.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {}

/// A pipeline, as `--output json` prints it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Listed {
    #[serde(flatten)]
    pipeline: ImagePipeline,
    /// When its schedule fires next, in its time zone.
    next_time: Option<NextTime>,
    /// Why it does not fire.
    #[serde(skip_serializing_if = "Option::is_none")]
    no_time: Option<&'static str>,
}

pub(crate) async fn run(globals: &Globals, _: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let pipelines = list(&connection, Timestamp::now()).await?;
    match globals.output {
        Format::Json => output::json(&pipelines)?,
        Format::Text if pipelines.is_empty() => {
            output::say(&format!("There are no pipelines yet: `{} apply FOLDER` stores some.", globals.again()));
        }
        Format::Text => table(&pipelines).iter().try_for_each(|line| output::line(line))?,
    }
    Ok(Exit::Success)
}

/// Returns all pipelines, sorted by name.
async fn list(connection: &Connection, now: Timestamp) -> Result<Vec<Listed>> {
    let names = connection.store.pipeline_names().await?;
    let looks = names.into_iter().map(|name| look(connection, name, now));
    let found: Vec<Option<Listed>> = stream::iter(looks).buffered(AT_ONCE).try_collect().await?;
    Ok(found.into_iter().flatten().collect())
}

async fn look(connection: &Connection, name: Name, now: Timestamp) -> Result<Option<Listed>> {
    let Some(pipeline) = connection.store.pipeline(&name).await? else { return Ok(None) };
    let times = starts::next_times(connection, &pipeline, now, 1).await?;
    Ok(Some(match times {
        Ok(times) => Listed { pipeline, next_time: times.into_iter().next(), no_time: None },
        Err(why) => Listed { pipeline, next_time: None, no_time: Some(why) },
    }))
}

fn table(pipelines: &[Listed]) -> Vec<String> {
    let mut rows = vec![["PIPELINE", "STATUS", "RECIPE", "REBUILT ON", "NEXT"].map(str::to_owned).to_vec()];
    for Listed { pipeline, next_time, no_time } in pipelines {
        let never = || format!("never: {}", no_time.unwrap_or("it never fires again"));
        let next = next_time.as_ref().map_or_else(never, ToString::to_string);
        let recipe = pipeline.image_recipe.to_string();
        let cells = [pipeline.name.to_string(), word(pipeline.status), recipe, starts::rebuilt_on(pipeline), next];
        rows.push(cells.to_vec());
    }
    columns(&rows)
}

#[cfg(test)]
mod tests {
    use goldsmith_model::definitions::Definitions;
    use serde_json::{Value, json};

    use super::{list, table};
    use crate::testing::Stack;

    fn pipeline(name: &str, more: &Value) -> goldsmith_model::ImagePipeline {
        let mut json = json!({"name": name, "imageRecipe": "web/1.x.x", "infrastructureConfiguration": "small"});
        json.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        serde_json::from_value(json).unwrap()
    }

    #[tokio::test]
    async fn pipelines_are_listed_with_what_starts_them() {
        let stack = Stack::new();
        let now = "2026-03-27T12:00:00Z".parse().unwrap();
        assert!(list(&stack.connection, now).await.unwrap().is_empty());
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
        assert_eq!(table(&listed), expected);
        assert_eq!(serde_json::to_value(&listed).unwrap()[1]["nextTime"], "2026-03-28T03:00:00+01:00");
    }
}
