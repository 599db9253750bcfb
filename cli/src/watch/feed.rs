//! Collects what has happened in a build since the last check.

use anyhow::Result;
use goldsmith_cloud::LogLine;
use goldsmith_executor::{Event, Nonce};
use goldsmith_store::{BuildRecord, LogPlace, StateRecord, StateStatus};
use jiff::{SignedDuration, Timestamp};

use crate::connection::Connection;
use crate::render;
use crate::room::waits_for_room;
use crate::watch::repeats::{Line, Repeats};

/// Maximum difference between an event's own time and the time of the log. The time of an event orders the lines that
/// follow it, and the clock of an instance may be wrong.
const CLOCKS_DIFFER: SignedDuration = SignedDuration::from_hours(24);

/// An event of a build. `label` is the state's name with its item.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Happening {
    /// Plan has named the image.
    Opened { image: String, cause: String },
    /// A state began.
    Started { label: String, state: StateRecord },
    /// A running state reports what it does, and whether it is a launch that waits for room.
    Doing { label: String, detail: String, waits_for_room: bool },
    /// A phase or step of a document began or ended.
    Step { label: String, event: Event },
    /// A step printed a line.
    Said { label: String, line: String },
    /// A state ended.
    Ended { label: String, state: StateRecord },
}

/// Reads a build's states and log streams, and returns each event once.
#[derive(Debug)]
pub(crate) struct Feed {
    build: String,
    opened: bool,
    seen: Vec<StateRecord>,
    streams: Vec<Stream>,
}

#[derive(Debug)]
struct Stream {
    label: String,
    place: LogPlace,
    /// Identifies the agent's own events, or `None` for a version without nonces.
    nonce: Option<Nonce>,
    cursor: Option<String>,
    /// Time of the last event.
    time: Timestamp,
    /// Events that were read and not returned yet.
    unread: Vec<Timed>,
    /// Recognizes lines that the log repeats after a reboot.
    repeats: Repeats,
}

type Timed = (Timestamp, Happening);

impl Feed {
    /// Returns a feed that has seen nothing of the build yet.
    pub(crate) fn new(build: &str) -> Self {
        Self { build: build.to_owned(), opened: false, seen: Vec::new(), streams: Vec::new() }
    }

    /// Returns what happened since the last check, in the order in which it happened.
    pub(crate) async fn poll(&mut self, connection: &Connection) -> Result<Vec<Happening>> {
        // The states are read before their streams. So if a state has ended, the lines before its end are read in the
        // same look.
        let mut states = connection.store.states(&self.build).await?;
        states.sort_by(|a, b| a.started_at.cmp(&b.started_at));
        let record = if self.opened { None } else { connection.store.build(&self.build).await? };
        self.note_streams(&states);
        for stream in &mut self.streams {
            stream.read(connection).await?;
        }
        // From here on, nothing can fail, so a failed look loses nothing.
        let mut timed = Vec::new();
        if let Some(record) = record {
            self.opened = true;
            let opened = Happening::Opened { image: record.image.to_string(), cause: why(&record) };
            timed.push((Timestamp::MIN, opened)); // everything else happens because of this
        }
        for state in &states {
            self.begin(state, &mut timed);
            let label = label(state);
            for stream in self.streams.iter_mut().filter(|stream| stream.label == label) {
                timed.append(&mut stream.unread);
            }
            self.end(state, &mut timed);
        }
        self.seen = states;
        timed.sort_by_key(|(time, _)| *time); // stable: simultaneous happenings stay in the order of the states
        Ok(timed.into_iter().map(|(_, happening)| happening).collect())
    }

    fn before(&self, state: &StateRecord) -> Option<&StateRecord> {
        self.seen.iter().find(|seen| seen.state == state.state && seen.item == state.item)
    }

    fn begin(&self, state: &StateRecord, timed: &mut Vec<Timed>) {
        let (before, label, time) = (self.before(state), label(state), time(&state.started_at));
        let anew = before.is_none_or(|before| !is_running(before) && is_running(state));
        if anew {
            timed.push((time, Happening::Started { label: label.clone(), state: state.clone() }));
        }
        let says = before.is_none_or(|before| before.detail != state.detail) && !state.detail.is_empty();
        if is_running(state) && says {
            let waits_for_room = waits_for_room(state);
            timed.push((time, Happening::Doing { label, detail: state.detail.clone(), waits_for_room }));
        }
    }

    fn end(&self, state: &StateRecord, timed: &mut Vec<Timed>) {
        if is_running(state) || self.before(state).is_some_and(|before| !is_running(before)) {
            return;
        }
        let label = label(state);
        // The end comes after the last line of the state's own steps, whatever the clocks say.
        let spoken = self.streams.iter().filter(|stream| stream.label == label).map(|stream| stream.time);
        let time = spoken.chain(state.ended_at.as_deref().map(time)).max().unwrap_or(time(&state.started_at));
        timed.push((time, Happening::Ended { label, state: state.clone() }));
    }

    fn note_streams(&mut self, states: &[StateRecord]) {
        for state in states {
            if let Some(place) = state.log.as_ref().filter(|place| !self.streams.iter().any(|s| s.place == **place)) {
                let time = time(&state.started_at);
                self.streams.push(Stream {
                    label: label(state),
                    place: place.clone(),
                    nonce: place.nonce.clone().map(Nonce::new),
                    cursor: None,
                    time,
                    unread: vec![],
                    repeats: Repeats::default(),
                });
            }
        }
    }
}

impl Stream {
    /// Reads every page that is available. A line that is not an event gets the time of the event before it.
    async fn read(&mut self, connection: &Connection) -> Result<()> {
        loop {
            let LogPlace { group, stream, .. } = &self.place;
            let page = connection.logs.page(&connection.region, group, stream, self.cursor.as_deref()).await?;
            for LogLine { text, time } in &page.lines {
                text.lines().for_each(|line| self.take(line, *time));
            }
            // At the end of a stream, GetLogEvents returns the token that it was called with.
            if page.cursor == self.cursor {
                return Ok(());
            }
            self.cursor = page.cursor;
        }
    }

    /// Processes the next line, which the log received at this time.
    fn take(&mut self, line: &str, logged: Option<Timestamp>) {
        let (label, event) = (self.label.clone(), Event::parse(line, self.nonce.as_ref()));
        if let Line::Known { before } = self.repeats.next(line, event.is_some()) {
            // They arrive together with it in one log event, so none of them has been returned yet.
            self.unread.truncate(self.unread.len().saturating_sub(before));
            return;
        }
        let happening = match event {
            Some(event) => {
                let t = bounded(event.t, logged);
                // The time never goes back, so lines keep their order even if the clock of the instance is set back.
                self.time = self.time.max(t);
                Happening::Step { label, event: Event { t, ..event } }
            }
            None => Happening::Said { label, line: line.to_owned() },
        };
        self.unread.push((self.time, happening));
    }
}

/// Returns the time of an event, or the log's time if the two are far apart.
fn bounded(time: Timestamp, logged: Option<Timestamp>) -> Timestamp {
    logged.filter(|logged| time.duration_since(*logged).abs() > CLOCKS_DIFFER).unwrap_or(time)
}

/// Returns why the build started, with the reason that the caller gave.
fn why(record: &BuildRecord) -> String {
    let cause = render::cause(&record.cause);
    record.reason.as_ref().map_or_else(|| cause.clone(), |reason| format!("{cause}, {reason}"))
}

/// Returns a time from the table. An unreadable time sorts before all others.
fn time(text: &str) -> Timestamp {
    text.parse().unwrap_or(Timestamp::MIN)
}

fn is_running(state: &StateRecord) -> bool {
    state.status == StateStatus::Running
}

/// Returns a state's name, with its item if it has one.
pub(crate) fn label(state: &StateRecord) -> String {
    match &state.item {
        Some(item) => format!("{} {item}", state.state),
        None => state.state.to_string(),
    }
}
