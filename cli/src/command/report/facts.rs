//! Everything that a report says about a build, read from the table and the logs.

use std::time::Duration;

use anyhow::Result;
use goldsmith_store::{BuildRecord, Effect, ImageRecord, ImageStatus, Leftover, Store};
use jiff::Timestamp;

use super::contents::{self, Inside};
use super::spent::{Part, Span, Spent, spent};
use super::steps::{StepRun, steps};
use crate::command::show::{self, Shown};
use crate::connection::Connection;
use crate::room::waits_for_room;
use crate::watch::{Feed, label};

/// What is read once for all builds of a stack.
pub(super) struct Everything {
    images: Vec<ImageRecord>,
    leftovers: Vec<Leftover>,
}

impl Everything {
    pub(super) async fn read(store: &Store) -> Result<Self> {
        Ok(Self { images: store.all_images().await?, leftovers: store.leftovers().await? })
    }
}

/// A build with its steps.
pub(super) struct Facts {
    pub(super) shown: Shown,
    /// The record of the build, or `None` if it has expired.
    pub(super) build: Option<BuildRecord>,
    /// What the build has made or tried to make.
    pub(super) effects: Vec<Effect>,
    pub(super) steps: Vec<StepRun>,
    /// Why the steps are not known, if the logs could not be read.
    pub(super) unread: Option<String>,
    /// What is in the image, or why that cannot be shown. `None` if the build has not collected it.
    pub(super) contents: Option<Result<Inside, String>>,
    /// When the facts were read.
    pub(super) now: Timestamp,
}

impl Facts {
    /// Reads a build.
    pub(super) async fn read(
        connection: &Connection,
        image: ImageRecord,
        all: &Everything,
        now: Timestamp,
    ) -> Result<Self> {
        let store = &connection.store;
        let build = store.build(&image.build).await?;
        let effects = store.all_effects(&image.build).await?;
        let mut shown = show::of(connection, image, &all.images, &all.leftovers).await?;
        // The records are worth a report without the logs, whose groups have their own retention and permissions.
        let (happenings, unread) = match Feed::new(&shown.image.build).poll(connection).await {
            Ok(happenings) => (happenings, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        let contents = contents::read(connection, &shown, &all.images).await;
        // The contents are compared with the image before. It is another one if overrides were given for it.
        let compared = contents.as_ref().and_then(|contents| contents.as_ref().ok()?.since.as_ref());
        if let (Some(since), Some(compared)) = (&mut shown.since, compared)
            && compared.image == since.image.to_string()
            && compared.unread.is_none()
        {
            since.contents = Some(compared.short.clone());
        }
        Ok(Self { shown, build, effects, steps: steps(&happenings), unread, contents, now })
    }

    /// Returns when the build began. Without a readable time, this is when the facts were read.
    pub(super) fn began(&self) -> Timestamp {
        let image = std::iter::once(&self.shown.image.created_at);
        let states = self.shown.states.iter().map(|state| &state.started_at);
        image.chain(states).filter_map(|time| time.parse().ok()).min().unwrap_or(self.now)
    }

    /// Returns when the end of the build was decided, as in the figures of the stack's log: Finish, which then removes
    /// what is no longer needed, does not count. Of a running build, this is when the facts were read.
    pub(super) fn ended(&self) -> Timestamp {
        let ended = self.shown.image.ended_at.as_ref().and_then(|time| time.parse().ok());
        // A stopped build whose end is not recorded yet has ended with the last of its states.
        let ended = if self.is_running() { self.now } else { ended.unwrap_or_else(|| self.last_end()) };
        ended.max(self.began())
    }

    /// Returns when the last state of the build ended. Of a running build, this is when the facts were read.
    pub(super) fn last_end(&self) -> Timestamp {
        let image = self.shown.image.ended_at.iter();
        let states = self.shown.states.iter().filter_map(|state| state.ended_at.as_ref());
        let last = image.chain(states).filter_map(|time| time.parse().ok()).max();
        let ended = if self.is_running() { self.now } else { last.unwrap_or(self.now) };
        ended.max(self.began())
    }

    /// Returns whether the build runs.
    pub(super) fn is_running(&self) -> bool {
        self.shown.image.status == ImageStatus::Building
    }

    /// Returns the seconds of each part of the build.
    pub(super) fn spent(&self) -> Spent {
        let end = self.ended();
        let states = self.shown.states.iter().filter_map(|state| {
            let from: Timestamp = state.started_at.parse().ok()?;
            let to = state.ended_at.as_ref().and_then(|ended| ended.parse().ok()).unwrap_or(end);
            let name = label(state);
            // Without the events of its steps, a state that runs documents counts as these.
            let is_known = self.steps.iter().any(|step| step.label == name);
            let part = match Part::of(state.state) {
                Part::Between if !is_known => Part::Steps,
                part => part,
            };
            let launches = match state.waited_for_room {
                Some(seconds) => from + Duration::from_secs(seconds),
                None if waits_for_room(state) => to,
                None => from,
            };
            Some([Span { part: Part::Room, from, to: launches }, Span { part, from: launches, to }])
        });
        let steps = self.steps.iter().map(|step| {
            let to = step.ended.unwrap_or_else(|| self.end_of(&step.label));
            Span { part: Part::Steps, from: step.began, to }
        });
        spent(self.began(), end, &states.flatten().chain(steps).collect::<Vec<_>>())
    }

    /// Returns when a state ended, or the end of the build if it has not.
    pub(super) fn end_of(&self, name: &str) -> Timestamp {
        let state = self.shown.states.iter().find(|state| label(state) == name);
        let ended = state.and_then(|state| state.ended_at.as_ref()?.parse().ok());
        ended.unwrap_or_else(|| self.last_end())
    }
}
