//! What the histories of executions tell: transitions, which Step Functions bills, and the outcomes of states; and what is
//! kept of a run for the suites that come after this one.

use std::path::Path;
use std::sync::Mutex;

use aws_sdk_sfn::Client;
use goldsmith_cloud_account::stack::{Part, StackParts};
use goldsmith_tests::calls;
use goldsmith_tests::history::run_of;
use goldsmith_tests::outcomes::seen;
use goldsmith_tests::record::{self, Executions};
use serde_json::{Value, json};

use crate::stack::Stack;

const DEFINITION: &str = include_str!("../../../statemachine/image-build.asl.json");
const TEMPLATE: &str = include_str!("../../../infra/template.yaml");
/// Name and folder of the record of this suite.
const RECORD: (&str, &str) = ("e2e", env!("CARGO_TARGET_TMPDIR"));

/// What the people of stacks of cases' own have called: theirs are the deployments and retirements.
static OF_OTHERS: Mutex<String> = Mutex::new(String::new());

/// What an earlier run of the suite saw counts no more.
pub(crate) fn forget() {
    let folder = Path::new(RECORD.1);
    record::forget(folder, RECORD.0).and_then(|()| calls::forget(folder, RECORD.0)).unwrap();
}

/// Keeps the outcomes that every execution of the suite shows, for the count of all outcomes.
pub(crate) fn keep_outcomes(stacks: &[Stack]) {
    let all: Executions = stacks.iter().flat_map(Stack::outcomes).collect();
    record::keep(Path::new(RECORD.1), RECORD.0, DEFINITION, all).unwrap();
}

/// Keeps the calls that the stacks' roles and the people of all stacks have made, and what the first stack consists of, for
/// the suite that asks another judge about them.
pub(crate) fn keep_calls(stacks: &[Stack]) {
    let mut lines: String = stacks.iter().map(Stack::calls).collect();
    lines.push_str(&OF_OTHERS.lock().unwrap());
    let first = &stacks[0];
    let parts = first.block_on(StackParts::new(first.sdk()).parts(first.name())).unwrap();
    let line = |part: Part| json!({"type": part.kind, "resource": part.physical}).to_string() + "\n";
    lines.extend(parts.into_iter().map(line));
    calls::keep(Path::new(RECORD.1), RECORD.0, TEMPLATE, &lines).unwrap();
}

impl Stack {
    /// Returns the outcomes of all executions of the stack. Several stacks may have executions of one name, so the
    /// stack's endpoint tells them apart.
    fn outcomes(&self) -> Executions {
        let definition: Value = serde_json::from_str(DEFINITION).unwrap();
        let client = Client::new(self.sdk());
        self.block_on(async {
            let mut executions = Executions::new();
            let mut pages = client.list_executions().state_machine_arn(self.state_machine()).into_paginator().send();
            while let Some(page) = pages.next().await {
                for execution in page.unwrap().executions {
                    let run = run_of(&client, &execution.execution_arn).await.unwrap();
                    let name = format!("{} at {}", execution.name, self.endpoint());
                    executions.insert(name, seen(&definition, &run));
                }
            }
            executions
        })
    }

    /// Adds the calls of a case's own stack to those that are kept.
    pub(crate) fn add_calls(&self) {
        let calls = self.calls();
        let of_people = calls.lines().filter(|line| line.contains("\"principal\": \"user/"));
        OF_OTHERS.lock().unwrap().extend(of_people.flat_map(|line| [line, "\n"]));
    }

    /// Transitions of an execution: every state that was entered, and every attempt beyond the first.
    pub(crate) fn transitions(&self, arn: &str) -> usize {
        let run = self.block_on(run_of(&Client::new(self.sdk()), arn)).unwrap();
        assert!(!run.steps.is_empty(), "the history of {arn} is empty");
        let attempts: u32 = run.steps.iter().map(|step| step.attempts.saturating_sub(1)).sum();
        run.steps.len() + usize::try_from(attempts).unwrap()
    }
}
