//! What the histories of executions tell: transitions, which Step Functions bills, and the outcomes of states.

use std::path::Path;

use aws_sdk_sfn::Client;
use goldsmith_tests::history::run_of;
use goldsmith_tests::outcomes::seen;
use goldsmith_tests::record::{self, Executions};
use serde_json::Value;

use crate::stack::Stack;

const DEFINITION: &str = include_str!("../../../statemachine/image-build.asl.json");
/// Name and folder of the record of this suite.
const RECORD: (&str, &str) = ("e2e", env!("CARGO_TARGET_TMPDIR"));

/// What an earlier run of the suite saw counts no more.
pub(crate) fn forget() {
    record::forget(Path::new(RECORD.1), RECORD.0).unwrap();
}

impl Stack {
    /// Keeps the outcomes that every execution of the suite shows, for the count of all outcomes.
    pub(crate) fn keep_outcomes(&self) {
        let definition: Value = serde_json::from_str(DEFINITION).unwrap();
        let client = Client::new(self.sdk());
        let executions: Executions = self.block_on(async {
            let mut executions = Executions::new();
            let mut pages = client.list_executions().state_machine_arn(self.state_machine()).into_paginator().send();
            while let Some(page) = pages.next().await {
                for execution in page.unwrap().executions {
                    let run = run_of(&client, &execution.execution_arn).await.unwrap();
                    executions.insert(execution.name, seen(&definition, &run));
                }
            }
            executions
        });
        record::keep(Path::new(RECORD.1), RECORD.0, &executions).unwrap();
    }

    /// Transitions of an execution: states entered at the top, inner states times the items of each Map, and attempts
    /// beyond the first, which the journal of the history shows as repeated schedulings of one Task.
    pub(crate) fn transitions(&self, arn: &str) -> usize {
        let client = Client::new(self.sdk());
        let mut events = Vec::new();
        self.block_on(async {
            let mut pages = client.get_execution_history().execution_arn(arn).into_paginator().send();
            while let Some(page) = pages.next().await {
                events.extend(page.unwrap().events);
            }
        });
        let name = |event: &aws_sdk_sfn::types::HistoryEvent| event.r#type().as_str().to_owned();
        let entered = events.iter().filter(|event| name(event).ends_with("StateEntered")).count();
        let scheduled = events.iter().filter(|event| name(event) == "TaskScheduled").count();
        let tasks = events.iter().filter(|event| name(event) == "TaskStateEntered").count();
        assert!(entered > 0, "the history of {arn} is empty");
        // Some emulators leave the states inside a Map out of the history: count them from the definition.
        let inside = events
            .iter()
            .any(|event| event.state_entered_event_details().is_some_and(|details| details.name() == "LaunchTest"));
        let map_states = if inside { 0 } else { inner_states(&self.output(arn)) };
        entered + map_states + scheduled.saturating_sub(tasks)
    }

    fn output(&self, arn: &str) -> Value {
        serde_json::from_str(&self.ended(arn).output.unwrap_or_default()).unwrap_or_default()
    }
}

/// Inner states of the two Maps: three for each test instance (one in these builds), one for each Region.
fn inner_states(output: &Value) -> usize {
    3 + output["amis"].as_object().map_or(0, serde_json::Map::len)
}
