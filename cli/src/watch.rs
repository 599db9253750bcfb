//! Watches a build: reads its progress from its states' items and log streams, never from the execution's history, and
//! shows it as it happens.

mod board;
mod display;
mod feed;
mod plain;
mod repeats;
#[cfg(test)]
mod tests;

use std::time::Duration;

use anyhow::{Result, anyhow};
use goldsmith_cloud::{Execution, ExecutionStatus};
use goldsmith_store::BuildStatus;
use jiff::Timestamp;

use crate::connection::Connection;
use crate::patience::Patience;

pub(crate) use display::{Display, redraw, width};
pub(crate) use feed::{Feed, Happening, label};

/// Pause between two checks: short enough for a live display, and long enough to cost nothing.
pub(crate) const PAUSE: Duration = Duration::from_millis(700);

/// How often the program checks, after the end of an execution, whether its build is closed: an event closes a stopped
/// build, or the reaper does within a minute or two if the event is lost.
const LOOKS_FOR_END: u32 = 200;

/// Shows a build until its execution has ended and its records are final.
pub(crate) async fn follow(
    connection: &Connection,
    arn: &str,
    build: &str,
    display: &mut Display,
) -> Result<Execution> {
    let mut feed = Feed::new(build);
    let mut patience = Patience::default();
    let mut looks_for_end = 0;
    loop {
        // The execution is read first: the looks that follow then see everything that was written before it ended.
        let look = async {
            let execution = connection.executions.execution(arn).await?;
            let execution = execution.ok_or_else(|| anyhow!("the execution {arn} is gone"))?;
            let ended = execution.status != ExecutionStatus::Running;
            // If Plan has rejected the start or found nothing to build, there is no record, and nothing to wait for.
            let open = ended && connection.store.build(build).await?.is_some_and(|b| b.status != BuildStatus::Closed);
            let happenings = feed.poll(connection).await?;
            Ok((execution, ended, open, happenings))
        };
        if let Some((execution, ended, open, happenings)) = patience.take(look.await)? {
            display.show(&happenings, Timestamp::now());
            looks_for_end += u32::from(ended);
            if ended && (!open || looks_for_end > LOOKS_FOR_END) {
                display.end();
                return Ok(execution);
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}
