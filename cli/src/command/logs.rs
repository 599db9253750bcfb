//! `goldsmith logs IMAGE`

use std::collections::BTreeSet;

use anyhow::Result;
use goldsmith_executor::{Event, EventKind};
use goldsmith_store::{BuildStatus, Store};
use serde_json::json;

use crate::args::{Format, Globals};
use crate::connection::Connection;
use crate::exit::{Exit, invalid};
use crate::output;
use crate::patience::Patience;
use crate::render::{duration, word};
use crate::target;
use crate::watch::{Feed, Happening, PAUSE};

/// Print the output of the steps of an image's build.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// NAME/VERSION/BUILD, such as web-server/1.2.0/7, NAME/latest, or the id of a build. NAME/latest is the newest image
    /// that can be used, which leaves out failed ones.
    #[arg(value_name = "IMAGE")]
    image: String,
    /// Print only the steps of this name, in every document and phase.
    #[arg(long, value_name = "NAME")]
    step: Option<String>,
    /// Follow the output until the build has ended.
    #[arg(long)]
    follow: bool,
}

pub(crate) async fn run(globals: &Globals, args: &Args) -> Result<Exit> {
    let connection = Connection::open(globals).await?;
    let build = target::image_or_latest(&connection.store, &args.image).await?.build;
    let mut printer = Printer::new(globals.output, args.step.clone());
    tokio::select! {
        done = print(&connection, &build, args.follow, &mut printer) => done.map(|()| Exit::Success),
        _ = tokio::signal::ctrl_c() => Ok(Exit::Interrupted),
    }
}

async fn print(connection: &Connection, build: &str, follow: bool, printer: &mut Printer) -> Result<()> {
    let mut feed = Feed::new(build);
    let mut patience = Patience::default();
    loop {
        // The build is looked at before its lines: if it is closed, the lines that follow are all of them.
        let look = async { Ok((is_open(&connection.store, build).await?, feed.poll(connection).await?)) };
        let open = match patience.take(look.await)? {
            Some((open, happenings)) => {
                let mut lines = happenings.iter().flat_map(|happening| printer.lines(happening));
                lines.try_for_each(|line| output::line(&line))?;
                open
            }
            None => true,
        };
        if !(follow && open) {
            if let Some(step) = printer.only.as_ref().filter(|_| !printer.has_printed) {
                return Err(invalid(format!(
                    "the log of {build} has no step `{step}`: leave out --step to see all steps"
                )));
            }
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
    /// The name of the only steps to print.
    only: Option<String>,
    /// Label of the state whose lines were printed last.
    label: String,
    /// The labels of the states in which such a step runs.
    inside: BTreeSet<String>,
    /// Whether there was something to print.
    has_printed: bool,
}

impl Printer {
    fn new(format: Format, only: Option<String>) -> Self {
        Self { format, only, label: String::new(), inside: BTreeSet::new(), has_printed: false }
    }

    /// Returns whether something that a state has said belongs to the steps to print.
    fn wants(&mut self, label: &str, event: Option<&Event>) -> bool {
        let Some(only) = &self.only else { return true };
        match event {
            None => self.inside.contains(label),
            Some(event) if event.step.as_ref() == Some(only) => {
                // The message of a step that failed and the facts about it come after its end.
                self.inside.insert(label.to_owned());
                true
            }
            Some(_) => {
                self.inside.remove(label);
                false
            }
        }
    }

    /// Returns the lines of an event of the build, below the name of its state if the previous lines belong to another
    /// state.
    fn lines(&mut self, happening: &Happening) -> Vec<String> {
        let (label, text, value) = match happening {
            Happening::Said { label, line } => (label, line.clone(), json!({"state": label, "line": line})),
            Happening::Step { label, event } => (label, heading(event), json!({"state": label, "event": event})),
            // It may wait for hours, in which no step says anything.
            Happening::Doing { label, detail, waits_for_room: true } => {
                (label, detail.clone(), json!({"state": label, "detail": detail}))
            }
            Happening::Opened { .. }
            | Happening::Started { .. }
            | Happening::Doing { .. }
            | Happening::Ended { .. } => return Vec::new(),
        };
        let event = match happening {
            Happening::Step { event, .. } => Some(event),
            _ => None,
        };
        if !self.wants(label, event) {
            return Vec::new();
        }
        self.has_printed = true;
        if self.format == Format::Json {
            return vec![value.to_string()];
        }
        let other = (self.label != *label).then(|| format!("===== {label}"));
        self.label.clone_from(label);
        other.into_iter().chain([text]).collect()
    }
}

/// Returns the heading above the lines of a step.
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

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::{Format, Printer};
    use crate::testing::Stack;
    use crate::watch::Feed;

    async fn printed(format: Format) -> String {
        printed_of(format, None).await
    }

    async fn printed_of(format: Format, only: Option<&str>) -> String {
        let stack = Stack::new();
        stack.state("Build", "FAILED", "").await;
        let event = "\u{1e}goldsmith {\"t\":\"2026-01-01T00:00:02Z\",\"kind\":\"step-ended\",\"document\":\"nginx\",\
                     \"phase\":\"build\",\"step\":\"Install\",\"status\":\"failed\",\"seconds\":1.5,\"exitCode\":3}";
        stack.cloud.append_log(goldsmith_cloud::fake::HOME, "g", "Build", &["E: no such package", event]);
        let mut printer = Printer::new(format, only.map(str::to_owned));
        let happenings = Feed::new("b").poll(&stack.connection).await.unwrap();
        happenings.iter().flat_map(|happening| printer.lines(happening)).collect::<Vec<_>>().join("\n")
    }

    #[tokio::test]
    async fn only_the_lines_of_a_named_step_are_printed() {
        let stack = Stack::new();
        stack.state("Build", "FAILED", "").await;
        let event = |kind: &str, step: &str, second: u8| {
            format!(
                "\u{1e}goldsmith {{\"t\":\"2026-01-01T00:00:0{second}Z\",\"kind\":\"step-{kind}\",\"document\":\"nginx\",\
                 \"phase\":\"build\",\"step\":\"{step}\"}}"
            )
        };
        let (one, one_end) = (event("started", "Fetch", 1), event("ended", "Fetch", 2));
        let (two, two_end) = (event("started", "Install", 3), event("ended", "Install", 4));
        let phase_end =
            event("ended", "Install", 5).replace("step-ended", "phase-ended").replace(",\"step\":\"Install\"", "");
        let lines = [&*one, "fetched", &one_end, &two, "installed", &two_end, "/ is full", &phase_end, "done"];
        stack.cloud.append_log(goldsmith_cloud::fake::HOME, "g", "Build", &lines);
        let mut printer = Printer::new(Format::Text, Some("Install".to_owned()));
        let happenings = Feed::new("b").poll(&stack.connection).await.unwrap();
        let printed: Vec<String> = happenings.iter().flat_map(|happening| printer.lines(happening)).collect();
        let heading = "----- nginx / build / Install";
        assert_eq!(printed, ["===== Build", heading, "installed", heading, "/ is full"]);
        assert!(printer.has_printed);
        assert_eq!(printed_of(Format::Text, Some("Other")).await, "");
    }

    #[tokio::test]
    async fn a_launch_that_waits_for_room_is_no_silence() {
        let stack = Stack::new();
        let state = json!({"state": "Launch", "status": "RUNNING", "startedAt": "2026-01-01T00:00:01.000Z",
                           "waitsFor": "room#line#200#2026-01-01T00:00:01.000Z", "detail": "there has been no room"});
        stack.put("BUILD#b", "STATE#Launch", state).await;
        let told = Feed::new("b").poll(&stack.connection).await.unwrap();
        let print = |format, only: Option<&str>| {
            let mut printer = Printer::new(format, only.map(str::to_owned));
            told.iter().flat_map(|happening| printer.lines(happening)).collect::<Vec<_>>()
        };
        assert_eq!(print(Format::Text, None), ["===== Launch", "there has been no room"]);
        assert_eq!(print(Format::Json, None), [r#"{"detail":"there has been no room","state":"Launch"}"#]);
        assert!(print(Format::Text, Some("Install")).is_empty());
    }

    #[tokio::test]
    async fn what_steps_said_stands_between_their_names() {
        let expected = "===== Build\nE: no such package\n----- nginx / build / Install: failed, exit code 3 in 1.5s";
        assert_eq!(printed(Format::Text).await, expected);
        let json = "{\"line\":\"E: no such package\",\"state\":\"Build\"}\n{\"event\":{\"document\":\"nginx\",\
                    \"exitCode\":3,\"kind\":\"step-ended\",\"phase\":\"build\",\"seconds\":1.5,\"status\":\"failed\",\
                    \"step\":\"Install\",\"t\":\"2026-01-01T00:00:02Z\"},\"state\":\"Build\"}";
        assert_eq!(printed(Format::Json).await, json);
    }
}
