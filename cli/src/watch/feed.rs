//! What has happened in a build since the last look.

use anyhow::Result;
use goldsmith_executor::Event;
use goldsmith_store::{LogPlace, StateRecord, StateStatus};

use crate::connection::Connection;

/// One thing that happened; `label` is the state's name with its item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Happening {
    /// A state began.
    Started { label: String, state: StateRecord },
    /// A running state says what it does.
    Doing { label: String, detail: String },
    /// A phase or step of a document began or ended.
    Step { label: String, event: Event },
    /// A step said something.
    Said { label: String, line: String },
    /// A state ended.
    Ended { label: String, state: StateRecord },
}

/// Reads a build's states and log streams, each thing once.
#[derive(Debug)]
pub(crate) struct Feed {
    build: String,
    seen: Vec<StateRecord>,
    streams: Vec<Stream>,
}

#[derive(Debug)]
struct Stream {
    label: String,
    place: LogPlace,
    cursor: Option<String>,
}

impl Feed {
    /// Nothing of the build was seen yet.
    pub(crate) fn new(build: &str) -> Self {
        Self { build: build.to_owned(), seen: Vec::new(), streams: Vec::new() }
    }

    /// What happened since the last look: what began, then what was said, then what ended.
    pub(crate) async fn poll(&mut self, connection: &Connection) -> Result<Vec<Happening>> {
        let mut states = connection.store.states(&self.build).await?;
        states.sort_by(|a, b| a.started_at.cmp(&b.started_at));
        let (mut happenings, ended) = self.compare(&states);
        self.note_streams(&states);
        for stream in &mut self.streams {
            stream.read(connection, &mut happenings).await?;
        }
        happenings.extend(ended);
        self.seen = states; // only now, so that a look that failed loses nothing
        Ok(happenings)
    }

    fn compare(&self, states: &[StateRecord]) -> (Vec<Happening>, Vec<Happening>) {
        let (mut happenings, mut ended) = (Vec::new(), Vec::new());
        for state in states {
            let label = label(state);
            let before = self.seen.iter().find(|seen| seen.state == state.state && seen.item == state.item);
            let (running, ran) = (is_running(state), before.is_some_and(is_running));
            if before.is_none() || (running && !ran) {
                happenings.push(Happening::Started { label: label.clone(), state: state.clone() });
            }
            if running && !state.detail.is_empty() && before.is_none_or(|before| before.detail != state.detail) {
                happenings.push(Happening::Doing { label: label.clone(), detail: state.detail.clone() });
            }
            if !running && (before.is_none() || ran) {
                ended.push(Happening::Ended { label, state: state.clone() });
            }
        }
        (happenings, ended)
    }

    fn note_streams(&mut self, states: &[StateRecord]) {
        for state in states {
            if let Some(place) = state.log.as_ref().filter(|place| !self.streams.iter().any(|s| s.place == **place)) {
                self.streams.push(Stream { label: label(state), place: place.clone(), cursor: None });
            }
        }
    }
}

impl Stream {
    /// Reads every page that is there.
    async fn read(&mut self, connection: &Connection, happenings: &mut Vec<Happening>) -> Result<()> {
        let LogPlace { group, stream } = &self.place;
        loop {
            let page = connection.logs.page(&connection.region, group, stream, self.cursor.as_deref()).await?;
            for line in page.lines.iter().flat_map(|message| message.lines()) {
                let label = self.label.clone();
                happenings.push(match Event::parse(line) {
                    Some(event) => Happening::Step { label, event },
                    None => Happening::Said { label, line: line.to_owned() },
                });
            }
            if page.cursor == self.cursor {
                return Ok(());
            }
            self.cursor = page.cursor;
        }
    }
}

fn is_running(state: &StateRecord) -> bool {
    state.status == StateStatus::Running
}

/// A state's name, with its item where it has one.
pub(crate) fn label(state: &StateRecord) -> String {
    match &state.item {
        Some(item) => format!("{} {item}", state.state),
        None => state.state.clone(),
    }
}
