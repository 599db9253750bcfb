//! What an execution did, read from its history.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::{HistoryEvent, HistoryEventType};
use serde_json::Value;

/// A state that was entered.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Step {
    /// Its name.
    pub state: String,
    /// How often its function was called.
    pub attempts: u32,
    /// The errors of the calls that failed, also of those that were made again.
    pub errors: BTreeSet<String>,
    /// `ok`, the error that it ended with, or where a Choice led; none while it has not ended.
    pub outcome: Option<String>,
}

/// States in the order in which they are entered, and the error that the execution ends with.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Run {
    /// The states.
    pub steps: Vec<Step>,
    /// The error.
    pub error: Option<String>,
}

/// The run of an execution.
///
/// # Errors
/// When Step Functions does not give the history.
pub async fn run_of(client: &Client, execution: &str) -> Result<Run, aws_sdk_sfn::Error> {
    let mut events = Vec::new();
    let mut pages = client.get_execution_history().execution_arn(execution).into_paginator().send();
    while let Some(page) = pages.next().await {
        events.extend(page?.events);
    }
    Ok(observed(&events))
}

/// The run that a history tells. Events belong to the state that the chain of events before them entered.
#[must_use]
pub fn observed(events: &[HistoryEvent]) -> Run {
    let mut reader = Reader::default();
    for event in events {
        reader.read(event);
    }
    reader.run
}

#[derive(Default)]
struct Reader {
    run: Run,
    /// Which step an event belongs to, by the event's id.
    steps: HashMap<i64, usize>,
    /// Choices and Maps whose outcome the next state tells, by the event that leaves them.
    left: HashMap<i64, HistoryEventType>,
}

impl Reader {
    fn read(&mut self, event: &HistoryEvent) {
        let before = self.steps.get(&event.previous_event_id()).copied();
        if let Some(entered) = event.state_entered_event_details() {
            if let Some(step) = before {
                self.follow(step, event.previous_event_id(), entered.name(), entered.input().unwrap_or_default());
            }
            self.enter(event, entered.name());
        } else if let Some(step) = before {
            self.steps.insert(event.id(), step);
            if let kind @ (HistoryEventType::ChoiceStateExited | HistoryEventType::MapStateExited) = event.r#type() {
                self.left.insert(event.id(), kind.clone());
            }
            tell(&mut self.run.steps[step], event);
        }
        self.run.error = self.run.error.take().or_else(|| ending(event));
    }

    fn enter(&mut self, event: &HistoryEvent, name: &str) {
        let step = self.run.steps.len();
        self.steps.insert(event.id(), step);
        let outcome = match event.r#type() {
            HistoryEventType::TaskStateEntered
            | HistoryEventType::ChoiceStateEntered
            | HistoryEventType::MapStateEntered => None,
            _ => Some("ok".to_owned()),
        };
        self.run.steps.push(Step { state: name.to_owned(), outcome, ..Step::default() });
    }

    /// The state after a Choice is its outcome; a Map's own failure shows in what its Catch hands on.
    fn follow(&mut self, step: usize, previous: i64, next: &str, input: &str) {
        let outcome = match self.left.get(&previous) {
            Some(HistoryEventType::ChoiceStateExited) => next.to_owned(),
            Some(_) => {
                let input: Value = serde_json::from_str(input).unwrap_or_default();
                input["error"]["Error"].as_str().unwrap_or("ok").to_owned()
            }
            None => return,
        };
        self.run.steps[step].outcome = Some(outcome);
    }
}

/// The error that an execution ends with.
fn ending(event: &HistoryEvent) -> Option<String> {
    let failed = event.execution_failed_event_details().and_then(|details| details.error());
    let timed_out = event.execution_timed_out_event_details().and_then(|details| details.error());
    let aborted = event.execution_aborted_event_details().and_then(|details| details.error());
    failed.or(timed_out).or(aborted).map(str::to_owned)
}

/// What an event says of the Task that it belongs to.
fn tell(step: &mut Step, event: &HistoryEvent) {
    if let Some(error) = failure(event) {
        step.errors.insert(error.clone());
        step.outcome = Some(error);
    } else if *event.r#type() == HistoryEventType::TaskScheduled {
        step.attempts += 1;
        step.outcome = None;
    } else if *event.r#type() == HistoryEventType::TaskSucceeded {
        step.outcome = Some("ok".to_owned());
    }
}

/// The error of an attempt, in any of the ways in which one fails.
fn failure(event: &HistoryEvent) -> Option<String> {
    let failed = event.task_failed_event_details().map(|details| details.error());
    let timed_out = event.task_timed_out_event_details().map(|details| details.error());
    let not_submitted = event.task_submit_failed_event_details().map(|details| details.error());
    let not_started = event.task_start_failed_event_details().map(|details| details.error());
    let error = failed.or(timed_out).or(not_submitted).or(not_started)?;
    Some(error.unwrap_or_default().to_owned())
}
