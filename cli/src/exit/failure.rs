//! A failure for programs: with `--output json`, a command that fails without a result prints this document instead.

use std::error::Error;

use goldsmith_cloud::CloudError;
use goldsmith_document::Diagnostics;
use goldsmith_states::Finding;
use goldsmith_store::StoreError;
use serde::Serialize;
use serde_json::{Value, json};

use super::{CREDENTIALS, Mistaken, Prevented, causes, lacks_credentials};
use crate::output;

/// Why a command has failed. `docs/error.schema.json` describes it.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Failure {
    message: String,
    /// The causes, from the nearest to the last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    because: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fix: Option<String>,
    /// AWS's code.
    #[serde(skip_serializing_if = "Option::is_none")]
    code: Option<String>,
    #[serde(skip_serializing_if = "Diagnostics::is_empty")]
    problems: Diagnostics,
    /// What keeps a run from starting.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    findings: Vec<Finding>,
}

impl Failure {
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        let text = error.to_string();
        let (message, help) = text.split_once("\nhelp: ").unzip();
        let advice = error.chain().any(lacks_credentials).then_some(CREDENTIALS);
        let mistaken = error.chain().find_map(|cause| cause.downcast_ref::<Mistaken>());
        let prevented = error.chain().find_map(|cause| cause.downcast_ref::<Prevented>());
        Self {
            message: message.unwrap_or(&text).to_owned(),
            because: causes(error),
            fix: help.or(advice).map(str::to_owned),
            code: error.chain().find_map(code).map(str::to_owned),
            problems: mistaken.map(|mistaken| mistaken.found.clone()).unwrap_or_default(),
            findings: prevented.map(|prevented| prevented.findings.clone()).unwrap_or_default(),
        }
    }

    /// Returns the failure for a wrong command line, from clap's message about it: paragraphs, of which the first one
    /// says what is wrong.
    pub(crate) fn of_usage(told: &str) -> Self {
        let words = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
        let mut paragraphs = told.split("\n\n").map(words);
        let first = paragraphs.next().unwrap_or_default();
        let message = first.strip_prefix("error: ").map(str::to_owned).unwrap_or(first);
        let fix = paragraphs.find_map(|text| text.strip_prefix("tip: ").map(str::to_owned));
        Self { message, fix, ..Self::default() }
    }

    /// Prints the document, unless a result was printed before.
    pub(crate) fn print(&self) {
        if !output::has_printed() {
            // The exit code tells of the failure, even if the document cannot be printed.
            let _ = output::json(&json!({ "error": self }));
        }
    }
}

/// Returns AWS's code, if the error is one of AWS.
fn code<'e>(cause: &'e (dyn Error + 'static)) -> Option<&'e str> {
    let of_table = match cause.downcast_ref() {
        Some(StoreError::Busy { code } | StoreError::Refused { code, .. }) => Some(code),
        _ => None,
    };
    cause.downcast_ref::<CloudError>().map(|error| &error.code).or(of_table).map(String::as_str)
}

/// Returns the JSON Schema (draft 7) of the document. It allows unknown fields, because later releases may add some.
pub(crate) fn schema() -> Value {
    let text = |about: &str| json!({"description": about, "type": "string"});
    let number = |about: &str| json!({"description": about, "type": "integer", "minimum": 1});
    let problem = json!({
        "type": "object",
        "properties": {
            "file": text("The file, as the command line names it."),
            "line": number("The line of the mistake. Lines count from 1."),
            "column": number("The column of its first character. Columns count characters from 1."),
            "severity": {"enum": ["error", "warning"]},
            "code": text("A fixed code, such as `unknown-key`."),
            "message": text("What is wrong, and what was expected."),
            "help": {"description": "What helps.", "type": ["string", "null"]},
        },
        "required": ["file", "line", "column", "severity", "code", "message", "help"],
    });
    let finding = json!({
        "type": "object",
        "properties": {
            "name": text("The name of the problem, which `goldsmith explain` explains."),
            "severity": {"enum": ["refusal", "warning"]},
            "definition": text("The definition that has the field."),
            "field": text("The field to which the problem belongs."),
            "message": text("The problem."),
            "remedy": text("What helps."),
        },
        "required": ["name", "severity", "definition", "field", "message", "remedy"],
    });
    json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "What `goldsmith --output json` prints if a command fails without a result",
        "type": "object",
        "properties": {"error": {
            "type": "object",
            "properties": {
                "message": text("What has failed."),
                "because": {
                    "description": "The causes, from the nearest to the last.",
                    "type": "array", "items": {"type": "string"},
                },
                "fix": text("What helps."),
                "code": text("AWS's code, if AWS has rejected a call or has not answered."),
                "problems": {
                    "description": "The mistakes in definitions or documents, in the form of `validate --output json`.",
                    "type": "array", "items": problem, "minItems": 1,
                },
                "findings": {
                    "description": "The problems that keep a run from starting, in the form of `plan --output json`.",
                    "type": "array", "items": finding, "minItems": 1,
                },
            },
            "required": ["message"],
        }},
        "required": ["error"],
    })
}
