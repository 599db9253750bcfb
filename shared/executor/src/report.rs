//! `detailedoutput.json`: the result tree in the original's form.

use std::fs;

use jiff::Timestamp;
use serde::Serialize;

use crate::secrets::Secrets;
use crate::state::{DocumentRecord, PhaseRecord, State, StepRecord};
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
    file_path: &'s str,
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
    /// JSON in a string, as the original has it.
    inputs: String,
    outputs: String,
    r#loop: (),
    detailed_output: Option<Vec<Root<'s>>>,
}

/// Writes the file into the log folder. A full disk must not change the result of a run, so nothing is reported.
pub(crate) fn write(state: &State, secrets: &Secrets) {
    if let Ok(json) = serde_json::to_string_pretty(&root(state)) {
        let _ = fs::write(state.log_folder.join("detailedoutput.json"), secrets.masked_json(&json));
    }
}

fn root(state: &State) -> Root<'_> {
    Root {
        execution_id: &state.execution,
        status: state.result.as_ref().map(|result| result.status),
        start_time: time(Some(state.start)),
        end_time: time(state.end),
        failure_message: state.result.as_ref().map_or("", |result| &result.failure_message),
        documents: state.documents.iter().map(document).collect(),
    }
}

fn document(record: &DocumentRecord) -> DocumentEntry<'_> {
    DocumentEntry {
        name: &record.name,
        file_path: "document.yaml",
        status: record.status(),
        description: &record.description,
        start_time: time(Some(record.start)),
        end_time: time(record.end),
        failure_message: match record.status() {
            Status::Failed => format!("Document {} failed!", record.name),
            _ => String::new(),
        },
        phases: record.phases.iter().map(phase).collect(),
    }
}

fn phase(record: &PhaseRecord) -> PhaseEntry<'_> {
    PhaseEntry {
        name: &record.name,
        status: record.status(),
        start_time: time(Some(record.start)),
        end_time: time(record.end),
        failure_message: match record.status() {
            Status::Failed => format!("Phase {} failed!", record.name),
            _ => String::new(),
        },
        steps: record.steps.iter().map(step).collect(),
    }
}

fn step(record: &StepRecord) -> StepEntry<'_> {
    let inputs = if record.muted { &[][..] } else { &record.inputs[..] };
    let outputs = if record.outputs.is_empty() || record.muted { Vec::new() } else { vec![&record.outputs] };
    let nested: Vec<Root<'_>> = record.nested.iter().map(root).collect();
    StepEntry {
        name: &record.name,
        status: record.status,
        failure_message: &record.message,
        timeout_seconds: record.timeout_seconds.map_or(-1, |seconds| i64::try_from(seconds).unwrap_or(i64::MAX)),
        on_failure: &record.on_failure,
        max_attempts: record.max_attempts,
        action: &record.action,
        start_time: time(Some(record.start)),
        end_time: time(record.end),
        inputs: serde_json::to_string(inputs).unwrap_or_default(), // only text
        outputs: serde_json::to_string(&outputs).unwrap_or_default(),
        r#loop: (),
        detailed_output: Some(nested).filter(|nested| !nested.is_empty()),
    }
}

fn time(time: Option<Timestamp>) -> String {
    time.map(|time| time.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()).unwrap_or_default()
}
