//! `goldsmith cancel IMAGE|BUILD`

use anyhow::Result;
use goldsmith_store::{BuildRecord, BuildStatus, ImageRecord, ImageStatus, Keep};
use serde::Serialize;

use crate::args::Globals;
use crate::connection::Connection;
use crate::exit::{Exit, Stop, invalid};
use crate::output::{self, Show};
use crate::patience::Patience;
use crate::target;
use crate::watch::PAUSE;

/// Error name of an execution that this command cancelled.
pub(crate) const ERROR: &str = "Goldsmith.Cancelled";
/// Cause of that execution, as text for people.
const CAUSE: &str = "cancelled with `goldsmith cancel`";
/// How often the command checks whether a stopped build is closed: the event closes the build within seconds, or the
/// reaper does if the event is lost.
const LOOKS: u32 = 260;
/// How often the command looks for the record of a build that was stopped before it had one: Plan may be about to write
/// it.
const LOOKS_FOR_RECORD: u32 = 15;

/// Stop a build, and wait until nothing of it is left.
///
/// If the build has published its image by then, the image stays. Safe to repeat.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// NAME/VERSION/BUILD, such as web-server/1.2.0/7, or the id of a build.
    #[arg(value_name = "IMAGE|BUILD")]
    what: String,
}

/// The result of a cancellation, as `--output json` prints it.
#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
struct Cancelled {
    build: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<ImageStatus>,
    /// Everything that stays in the account.
    left: Vec<String>,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let cancelled = cancel(&connection, &args.what, &globals.again()).await?;
    output::show(globals, &cancelled)?;
    Ok(Exit::Success)
}

async fn cancel(connection: &Connection, what: &str, again: &str) -> Result<Cancelled> {
    let (build, arn) = match target::build_or_start(connection, what).await? {
        Some(record) if record.status == BuildStatus::Closed => return ended_before(connection, &record).await,
        Some(record) => (record.build, record.execution),
        None => (what.to_owned(), connection.execution_arn(what)),
    };
    output::say(&format!("Stopping build {build}"));
    connection.executions.stop(&arn, ERROR, CAUSE).await?;
    // The stop is only the beginning: Step Functions' event makes `finish` close the build and remove what it made.
    match closed(connection, &build, again).await? {
        Some(record) => ending(connection, &record).await,
        None => Ok(Cancelled { build, image: None, status: None, left: Vec::new() }),
    }
}

/// Returns the result for a build that had already ended. Cancelling a cancelled build again is not an error.
async fn ended_before(connection: &Connection, record: &BuildRecord) -> Result<Cancelled> {
    let ending = ending(connection, record).await?;
    match ending.status {
        Some(ImageStatus::Cancelled) => Ok(ending),
        status => {
            let status = status.map(crate::render::word).unwrap_or_default();
            Err(invalid(format!("there is nothing to cancel: the build of {} has ended, {status}", record.image)))
        }
    }
}

/// Waits until the build is closed. By then, everything that it does not keep is removed. Returns `None` if there is no
/// build, because the execution was stopped before Plan opened one.
pub(super) async fn closed(connection: &Connection, build: &str, again: &str) -> Result<Option<BuildRecord>> {
    let mut patience = Patience::default();
    let mut seen = false;
    for look in 0..LOOKS {
        let record = async { Ok(connection.store.build(build).await?) };
        match patience.take(record.await)?.flatten() {
            Some(record) if record.status == BuildStatus::Closed => return Ok(Some(record)),
            Some(_) => seen = true,
            // A look that has failed for the moment is `None` too: once a record was seen, there is a build.
            None if !seen && look >= LOOKS_FOR_RECORD => return Ok(None),
            None => {}
        }
        tokio::time::sleep(PAUSE).await;
    }
    let message = format!(
        "build {build} is stopped, but what it made is not removed yet: that takes some minutes; look again with \
         {again} show {build}"
    );
    Err(Stop { exit: Exit::Aws, message }.into())
}

async fn ending(connection: &Connection, record: &BuildRecord) -> Result<Cancelled> {
    let image = connection.store.image(&record.image).await?;
    let left = image.as_ref().map(|image| left(record, image)).unwrap_or_default();
    let status = image.map(|image| image.status);
    Ok(Cancelled { build: record.build.clone(), image: Some(record.image.to_string()), status, left })
}

/// Returns what the build keeps.
fn left(record: &BuildRecord, image: &ImageRecord) -> Vec<String> {
    let mut left: Vec<String> = image.amis.iter().map(|(region, id)| format!("{region}  {id}")).collect();
    if let Some(Keep::Instance { until }) = record.ending.as_ref().map(|ending| &ending.keep) {
        left.push(format!("{}  the build's instance until {until}", record.plan.home_region));
    }
    left
}

impl Show for Cancelled {
    fn lines(&self, _: &Globals) -> Vec<String> {
        let what = self.image.as_ref().unwrap_or(&self.build);
        let first = match self.status {
            Some(ImageStatus::Cancelled) | None => format!("{what} is cancelled"),
            Some(ImageStatus::Available | ImageStatus::Distributed) => {
                format!("{what} was published before it could be stopped, and stays")
            }
            Some(status) => format!("{what} ended before it could be stopped: {}", crate::render::word(status)),
        };
        let left = match &self.left[..] {
            [] => vec!["Nothing of the build is left.".to_owned()],
            left => std::iter::once("This is left of the build:".to_owned())
                .chain(left.iter().map(|one| format!("  {one}")))
                .collect(),
        };
        std::iter::once(first).chain(left).collect()
    }
}

#[cfg(test)]
mod tests {
    use goldsmith_cloud::{ExecutionStatus, Executions};
    use serde_json::json;

    use super::{Cancelled, cancel};
    use crate::output::Show;
    use crate::testing::{STATE_MACHINE, Stack, globals};

    async fn run(stack: &Stack, what: &str) -> anyhow::Result<Cancelled> {
        cancel(&stack.connection, what, "goldsmith").await
    }

    /// Build `b`, whose execution runs. As soon as anybody waits, its record is closed, as `finish` would do it.
    async fn running(stack: &Stack, image: serde_json::Value) -> String {
        stack.cloud.start(STATE_MACHINE, "b", "{}").await.unwrap();
        let arn = stack.connection.execution_arn("b");
        stack.open_build(&arn).await;
        let stack = (stack.cloud.clone(), stack.again());
        let wanted = arn.clone();
        tokio::spawn(async move {
            while stack.0.execution(&wanted).await.unwrap().unwrap().status == ExecutionStatus::Running {
                tokio::task::yield_now().await;
            }
            stack.1.closed_build(image).await;
        });
        arn
    }

    #[tokio::test(start_paused = true)]
    async fn a_running_build_is_stopped_and_nothing_is_left() {
        for what in ["b", "web/1.0.0/1"] {
            let stack = Stack::new();
            let arn = running(&stack, json!({"status": "CANCELLED"})).await;
            let cancelled = run(&stack, what).await.unwrap();
            assert_eq!(cancelled.lines(&globals("")), ["web/1.0.0/1 is cancelled", "Nothing of the build is left."]);
            let json = json!({"build": "b", "image": "web/1.0.0/1", "status": "CANCELLED", "left": []});
            assert_eq!(serde_json::to_value(&cancelled).unwrap(), json);
            let execution = stack.cloud.execution(&arn).await.unwrap().unwrap();
            assert_eq!(execution.status, ExecutionStatus::Aborted);
            assert_eq!(execution.error.as_deref(), Some("Goldsmith.Cancelled"));
            assert_eq!(run(&stack, what).await.unwrap(), cancelled, "again");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_published_before_stays_and_is_told() {
        let stack = Stack::new();
        running(&stack, json!({"status": "AVAILABLE", "amis": {"eu-west-1": "ami-1"}})).await;
        let expected = [
            "web/1.0.0/1 was published before it could be stopped, and stays",
            "This is left of the build:",
            "  eu-west-1  ami-1",
        ];
        assert_eq!(run(&stack, "b").await.unwrap().lines(&globals("")), expected);
    }

    #[tokio::test(start_paused = true)]
    async fn an_execution_that_has_no_build_yet_is_stopped_too() {
        let stack = Stack::new();
        stack.cloud.start(STATE_MACHINE, "b", "{}").await.unwrap();
        assert_eq!(
            run(&stack, "b").await.unwrap().lines(&globals("")),
            ["b is cancelled", "Nothing of the build is left."]
        );
        let execution = stack.cloud.execution(&stack.connection.execution_arn("b")).await.unwrap().unwrap();
        assert_eq!(execution.status, ExecutionStatus::Aborted);
    }

    #[tokio::test(start_paused = true)]
    async fn a_build_that_nobody_closes_is_reported() {
        let stack = Stack::new();
        stack.cloud.start(STATE_MACHINE, "b", "{}").await.unwrap();
        stack.open_build(&stack.connection.execution_arn("b")).await;
        let expected = "build b is stopped, but what it made is not removed yet: that takes some minutes; look again \
                        with goldsmith show b";
        assert_eq!(run(&stack, "b").await.unwrap_err().to_string(), expected);
    }

    #[tokio::test]
    async fn what_has_ended_and_what_is_not_there_is_refused() {
        let stack = Stack::new();
        stack.closed_build(json!({"status": "FAILED"})).await;
        for (what, message) in [
            ("b", "there is nothing to cancel: the build of web/1.0.0/1 has ended, FAILED"),
            ("c", "there is no build `c`: name an image as NAME/VERSION/BUILD, or a build by its id"),
            ("web/1.0.0/2", "there is no image web/1.0.0/2"),
        ] {
            assert_eq!(run(&stack, what).await.unwrap_err().to_string(), message);
        }
        assert!(stack.cloud.effects().is_empty(), "nothing was stopped");
    }
}
