//! What an execution did, read from its history.

use aws_sdk_sfn::types::{HistoryEvent, HistoryEventType};
use serde_json::Value;

use crate::model::{Run, Step};

/// The run that a history tells. Its Maps have one item each, so that it is in order.
pub(crate) fn observed(events: &[HistoryEvent]) -> Run {
    let mut run = Run::default();
    for event in events {
        if let Some(entered) = event.state_entered_event_details() {
            enter(&mut run.steps, event.r#type(), entered.name(), entered.input().unwrap_or_default());
        } else if let Some(failed) = event.task_failed_event_details() {
            last(&mut run.steps).outcome = failed.error().unwrap_or_default().to_owned();
        } else if let Some(failed) = event.execution_failed_event_details() {
            run.error = failed.error().map(str::to_owned);
        } else if *event.r#type() == HistoryEventType::TaskScheduled {
            let task = last(&mut run.steps);
            task.attempts += 1;
            task.outcome = "ok".to_owned();
        }
    }
    run
}

fn enter(steps: &mut Vec<Step>, kind: &HistoryEventType, name: &str, input: &str) {
    if let Some(before) = steps.last_mut() {
        if before.outcome == CHOICE {
            before.outcome = name.to_owned();
        } else if before.outcome == MAP {
            // A Map's own failure shows in what its Catch hands on.
            let input: Value = serde_json::from_str(input).unwrap_or_default();
            before.outcome = input["error"]["Error"].as_str().unwrap_or("ok").to_owned();
        }
    }
    let outcome = match kind {
        HistoryEventType::ChoiceStateEntered => CHOICE,
        HistoryEventType::MapStateEntered => MAP,
        _ => "ok",
    };
    steps.push(Step { state: name.to_owned(), attempts: 0, outcome: outcome.to_owned() });
}

/// Until the next state is entered.
const CHOICE: &str = "a choice";
const MAP: &str = "a map";

fn last(steps: &mut [Step]) -> &mut Step {
    steps.last_mut().expect("something happens in a state")
}
