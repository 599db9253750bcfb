//! `detailedoutput.json`: the result tree in the form of EC2 Image Builder.

use std::collections::BTreeMap;
use std::fs;

use jiff::Timestamp;
use serde::Serialize;

use crate::documents::file_name;
use crate::secrets::Secrets;
use crate::state::{DocumentRecord, Input, PhaseRecord, State, StepRecord};
use crate::{RunStatus, Status};

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Root<'s> {
    execution_id: &'s str,
    status: Option<RunStatus>,
    start_time: String,
    end_time: String,
    failure_message: &'s str,
    documents: Vec<DocumentEntry<'s>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct DocumentEntry<'s> {
    name: &'s str,
    file_path: String,
    status: Status,
    description: &'s str,
    start_time: String,
    end_time: String,
    failure_message: String,
    phases: Vec<PhaseEntry<'s>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PhaseEntry<'s> {
    name: &'s str,
    status: Status,
    start_time: String,
    end_time: String,
    failure_message: String,
    steps: Vec<StepEntry<'s>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct StepEntry<'s> {
    name: &'s str,
    status: Status,
    failure_message: &'s str,
    timeout_seconds: i64,
    on_failure: &'s str,
    max_attempts: u32,
    action: &'s str,
    start_time: String,
    end_time: String,
    /// JSON in a string, as EC2 Image Builder writes it.
    inputs: String,
    outputs: String,
    r#loop: (),
    detailed_output: Option<Vec<Root<'s>>>,
}

/// Writes the file into the log folder. A full disk must not change the result of a run, so no error is reported.
pub(crate) fn write(state: &State, secrets: &Secrets) {
    if let Ok(json) = serde_json::to_vec_pretty(&Report { secrets }.root(state)) {
        let _ = fs::write(state.log_folder.join("detailedoutput.json"), json);
    }
}

/// Makes the entries of the tree, from which secrets are left out.
struct Report<'r> {
    secrets: &'r Secrets,
}

impl Report<'_> {
    fn root<'s>(&self, state: &'s State) -> Root<'s> {
        Root {
            execution_id: &state.execution,
            status: state.result.as_ref().map(|result| result.status),
            start_time: time(Some(state.start)),
            end_time: time(state.end),
            failure_message: state.result.as_ref().map_or("", |result| &result.failure_message),
            documents: state.documents.iter().enumerate().map(|(index, record)| self.document(index, record)).collect(),
        }
    }

    fn document<'s>(&self, index: usize, record: &'s DocumentRecord) -> DocumentEntry<'s> {
        DocumentEntry {
            name: &record.name,
            file_path: file_name(index),
            status: record.status(),
            description: &record.description,
            start_time: time(Some(record.start)),
            end_time: time(record.end),
            failure_message: failure("Document", &record.name, record.status()),
            phases: record.phases.iter().map(|record| self.phase(record)).collect(),
        }
    }

    fn phase<'s>(&self, record: &'s PhaseRecord) -> PhaseEntry<'s> {
        PhaseEntry {
            name: &record.name,
            status: record.status(),
            start_time: time(Some(record.start)),
            end_time: time(record.end),
            failure_message: failure("Phase", &record.name, record.status()),
            steps: record.steps.iter().map(|record| self.step(record)).collect(),
        }
    }

    fn step<'s>(&self, record: &'s StepRecord) -> StepEntry<'s> {
        let nested: Vec<Root<'s>> = record.nested.iter().map(|state| self.root(state)).collect();
        StepEntry {
            name: &record.name,
            status: record.status,
            failure_message: &record.message,
            // EC2 Image Builder writes -1 for a step without a time limit.
            timeout_seconds: record.timeout_seconds.map_or(-1, |seconds| i64::try_from(seconds).unwrap_or(i64::MAX)),
            on_failure: &record.on_failure,
            max_attempts: record.max_attempts,
            action: &record.action,
            start_time: time(Some(record.start)),
            end_time: time(record.end),
            inputs: self.inputs(record),
            outputs: self.outputs(record),
            r#loop: (),
            detailed_output: Some(nested).filter(|nested| !nested.is_empty()),
        }
    }

    fn inputs(&self, record: &StepRecord) -> String {
        let masked = |text: &String| self.secrets.masked(text).into_owned();
        let shown = |input: &Input| match input {
            Input::Text(text) => Input::Text(masked(text)),
            Input::Texts(texts) => Input::Texts(texts.iter().map(masked).collect()),
        };
        let elements = record.inputs.iter().filter(|_| !record.muted);
        let elements = elements.map(|inputs| inputs.iter().map(|(key, input)| (key, shown(input))).collect());
        let elements: Vec<BTreeMap<&String, Input>> = elements.collect();
        serde_json::to_string(&elements).unwrap_or_default() // only text
    }

    fn outputs(&self, record: &StepRecord) -> String {
        if record.outputs.is_empty() || record.muted {
            return "[]".to_owned();
        }
        let shown = record.outputs.iter().map(|(key, text)| (key, self.secrets.masked(text)));
        serde_json::to_string(&[shown.collect::<BTreeMap<_, _>>()]).unwrap_or_default() // only text
    }
}

fn failure(what: &str, name: &str, status: Status) -> String {
    match status {
        Status::Failed => format!("{what} {name} failed!"),
        _ => String::new(),
    }
}

fn time(time: Option<Timestamp>) -> String {
    time.map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}
