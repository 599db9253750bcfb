//! `goldsmith logs IMAGE`

use anyhow::Result;
use goldsmith_executor::{Event, EventKind};
use goldsmith_store::{BuildStatus, Store};
use serde_json::json;

use crate::args::{Format, Globals};
use crate::command::target;
use crate::connection::Connection;
use crate::exit::{Exit, invalid};
use crate::output;
use crate::render::{duration, word};
use crate::watch::{Feed, Happening, PAUSE, Patience};

/// Print what the steps of an image's build said.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// NAME/VERSION/BUILD, such as web-server/1.2.0/7, or the id of a build.
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Go on until the build has ended.
    #[arg(long)]
    follow: bool,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let build = target::image(&connection.store, &args.image).await?.build;
    let mut printer = Printer { format: globals.output, label: String::new() };
    tokio::select! {
        done = print(&connection, &build, args.follow, &mut printer) => done.map(|()| Exit::Success),
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

async fn print(connection: &Connection, build: &str, follow: bool, printer: &mut Printer) -> Result<()> {
    let mut feed = Feed::new(build);
    let mut patience = Patience::default();
    loop {
        let look = async { Ok((is_open(&connection.store, build).await?, feed.poll(connection).await?)) };
        let open = match patience.take(look.await)? {
            Some((open, happenings)) => {
                happenings.iter().try_for_each(|happening| printer.print(happening))?;
                open
            }
            None => true,
        };
        if !(follow && open) {
            return Ok(());
        }
        tokio::time::sleep(PAUSE).await;
    }
}

async fn is_open(store: &Store, build: &str) -> Result<bool> {
    let record = store.build(build).await?.ok_or_else(|| invalid(format!("there is no build `{build}`")))?;
    Ok(record.status != BuildStatus::Closed)
}

struct Printer {
    format: Format,
    /// State whose lines were printed last.
    label: String,
}

impl Printer {
    fn print(&mut self, happening: &Happening) -> std::io::Result<()> {
        let (label, text, value) = match happening {
            Happening::Said { label, line } => (label, line.clone(), json!({"state": label, "line": line})),
            Happening::Step { label, event } => (label, heading(event), json!({"state": label, "event": event})),
            Happening::Started { .. } | Happening::Doing { .. } | Happening::Ended { .. } => return Ok(()),
        };
        if self.format == Format::Json {
            return output::line(&value.to_string());
        }
        if self.label != *label {
            self.label.clone_from(label);
            output::line(&format!("===== {label}"))?;
        }
        output::line(&text)
    }
}

/// What stands between the steps' own lines.
fn heading(event: &Event) -> String {
    let mut name = format!("----- {} / {}", event.document, event.phase);
    if let Some(step) = &event.step {
        name = format!("{name} / {step}");
    }
    let ended = matches!(event.kind, EventKind::StepEnded | EventKind::PhaseEnded);
    let how = event.status.filter(|_| ended).map(|status| format!(": {}", word(status))).unwrap_or_default();
    let code = event.exit_code.filter(|code| *code != 0).map(|code| format!(", exit code {code}")).unwrap_or_default();
    let took = event.seconds.map(|seconds| format!(" in {}", duration(seconds))).unwrap_or_default();
    format!("{name}{how}{code}{took}")
}
