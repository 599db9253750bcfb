//! The result of a run: the one line of JSON on the agent's standard error.

use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::{Audit, ContentsReport};

/// Longest result line, in bytes. SSM keeps the first 8,000 characters of standard error and adds its own text.
pub const RESULT_LIMIT: usize = 7_500;

/// Exit status of the agent after success.
pub const EXIT_SUCCESS: u8 = 0;
/// Exit status of the agent after a failure.
pub const EXIT_FAILED: u8 = 1;
/// Exit status of the agent if it was called with wrong arguments.
pub const EXIT_USAGE: u8 = 2;
/// Exit status that asks the SSM agent to reboot and to start the same command again.
pub const EXIT_REBOOT: u8 = 194;

/// The summary of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RunResult {
    /// The order's execution id.
    #[serde(default)]
    pub execution_id: String,
    /// The status at the end.
    pub status: RunStatus,
    /// The number of steps that failed and are not ignored.
    #[serde(default)]
    pub failed_step_count: u32,
    /// The number of steps that were started.
    #[serde(default)]
    pub executed_step_count: u32,
    /// The number of steps that failed under `onFailure: Ignore`.
    #[serde(default)]
    pub ignored_failed_step_count: u32,
    /// The number of steps that a condition skipped.
    #[serde(default)]
    pub skipped_step_count: u32,
    /// One line about the failure; empty after success.
    #[serde(default)]
    pub failure_message: String,
    /// The folder with the logs.
    #[serde(default)]
    pub log_url: String,
    /// The first failed step, or what failed instead of a step.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failure_context: Option<FailureContext>,
    /// The result of the audit of the machine's image, if the order asked for an audit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub audit: Option<Audit>,
    /// What became of the contents of the machine's image, if the order asked for them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub contents: Option<ContentsReport>,
}

/// How a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RunStatus {
    /// The run succeeded. Ignored failures count as success.
    Success,
    /// A step, or something before the first step, failed.
    Failed,
    /// The script that fetches the agent failed. The agent itself never reports this.
    BootstrapFailed,
}

/// Where and why a run failed.
#[skip_serializing_none]
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FailureContext {
    /// The kind of the failure, for programs.
    #[serde(default)]
    pub kind: FailureKind,
    /// The document's name. Empty if the failure belongs to no document.
    #[serde(default)]
    pub document: String,
    /// The phase, if a step failed.
    pub phase: Option<String>,
    /// The step, if a step failed.
    pub step: Option<String>,
    /// The step's action.
    pub action: Option<String>,
    /// The exit status of the step's process, if the step had a process and it was not killed.
    pub exit_code: Option<i32>,
    /// The cause.
    #[serde(default)]
    pub message: String,
    /// The last lines that the step wrote.
    #[serde(default)]
    pub last_lines: Vec<String>,
    /// Facts about the machine that explain the failure, each as one sentence.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub evidence: Vec<String>,
}

/// The kinds of failures that a reader may want to distinguish.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailureKind {
    /// A step failed by itself.
    Step,
    /// A step asked for more reboots than the order's limits allow.
    RebootLimit,
    /// The agent was stopped while a step ran.
    AgentStopped,
    /// The audit found something although the order does not allow findings.
    Audit,
    /// Not a step but the order, the state directory, or the machine failed.
    #[default]
    Agent,
}

impl RunResult {
    /// Returns the result of a run in which nothing has happened yet.
    pub fn new(execution: &str) -> Self {
        Self {
            execution_id: execution.to_owned(),
            status: RunStatus::Success,
            failed_step_count: 0,
            executed_step_count: 0,
            ignored_failed_step_count: 0,
            skipped_step_count: 0,
            failure_message: String::new(),
            log_url: String::new(),
            failure_context: None,
            audit: None,
            contents: None,
        }
    }

    /// Returns the result of a run that failed outside a step.
    pub fn failed(execution: &str, message: impl Into<String>) -> Self {
        let message = message.into();
        let context = FailureContext { message: message.clone(), ..FailureContext::default() };
        let first_line = message.lines().next().unwrap_or_default().to_owned();
        Self {
            status: RunStatus::Failed,
            failure_message: first_line,
            failure_context: Some(context),
            ..Self::new(execution)
        }
    }

    /// Returns the result as one line of JSON of at most [`RESULT_LIMIT`] bytes. At most half of that is for the audit,
    /// and the number of its findings is always kept. If the line is still too long, the oldest of the last lines are
    /// removed first, then the last facts, and then the messages are cut at their ends.
    pub fn to_line(&self) -> String {
        let mut cut = self.clone();
        loop {
            let line = serde_json::to_string(&cut).unwrap_or_default(); // strings and numbers can always be serialized
            if line.len() <= RESULT_LIMIT || !cut.shorten() {
                return line;
            }
        }
    }

    fn shorten(&mut self) -> bool {
        if let Some(audit) = &mut self.audit
            && serde_json::to_string(audit).is_ok_and(|text| text.len() > RESULT_LIMIT / 2)
            && audit.shorten()
        {
            return true;
        }
        if let Some(context) = &mut self.failure_context {
            if !context.last_lines.is_empty() {
                context.last_lines.remove(0);
                return true;
            }
            if context.evidence.pop().is_some() {
                return true;
            }
            if halve(&mut context.message) || halve(&mut context.document) {
                return true;
            }
        }
        halve(&mut self.failure_message) || halve(&mut self.log_url) || halve(&mut self.execution_id)
    }
}

/// Cuts a text of more than 200 characters to its first half.
fn halve(text: &mut String) -> bool {
    let length = text.chars().count();
    if length <= 200 {
        return false;
    }
    *text = text.chars().take(length / 2).chain("…".chars()).collect();
    true
}

#[cfg(test)]
mod tests {
    use super::{FailureContext, RESULT_LIMIT, RunResult, RunStatus};
    use crate::{Audit, Finding, FindingKind};

    #[test]
    fn a_long_result_loses_its_oldest_lines_first() {
        let mut result = RunResult::failed("b/Build", "exit status 3");
        let lines = (0..200).map(|n| format!("line {n} {}", "ü\"".repeat(30))).collect();
        result.failure_context =
            Some(FailureContext { message: "exit status 3".into(), last_lines: lines, ..Default::default() });
        let line = result.to_line();
        assert!(line.len() <= RESULT_LIMIT && !line.contains('\n'));
        let back: RunResult = serde_json::from_str(&line).unwrap();
        let context = back.failure_context.unwrap();
        assert!(context.last_lines.last().unwrap().starts_with("line 199 "));
        assert_eq!(context.message, "exit status 3");
        let huge = RunResult::failed(&"e".repeat(20_000), "m\n".repeat(20_000)).to_line();
        assert!(huge.len() <= RESULT_LIMIT);
    }

    #[test]
    fn facts_outlast_the_lines_and_are_cut_before_the_message() {
        let mut result = RunResult::failed("b/Build", "exit status 3");
        let context = |facts: usize| FailureContext {
            message: "exit status 3".into(),
            last_lines: vec!["x".repeat(300); 50],
            evidence: vec!["ü".repeat(300); facts],
            ..Default::default()
        };
        result.failure_context = Some(context(5));
        let kept = serde_json::from_str::<RunResult>(&result.to_line()).unwrap().failure_context.unwrap();
        assert!(kept.evidence.len() == 5 && kept.last_lines.len() > 5, "{}", kept.last_lines.len());
        result.failure_context = Some(context(20));
        let kept = serde_json::from_str::<RunResult>(&result.to_line()).unwrap().failure_context.unwrap();
        assert!(kept.last_lines.is_empty() && kept.evidence.len() > 5 && kept.message == "exit status 3");
        let old = r#"{"message":"exit status 3"}"#;
        assert!(serde_json::from_str::<FailureContext>(old).unwrap().evidence.is_empty());
        assert!(!serde_json::to_string(&FailureContext::default()).unwrap().contains("evidence"));
    }

    #[test]
    fn a_large_audit_is_cut_to_its_number_to_leave_room_for_the_steps() {
        let finding = |n: u32| Finding {
            path: format!("/etc/{n}/{}", "k".repeat(100)),
            kind: FindingKind::PrivateKey,
            what: "private key (PEM)".into(),
            package: None,
            size: 1,
            fingerprint: None,
            remedy: "remove it ".repeat(20),
        };
        let few = Audit { findings: (0..5).map(finding).collect(), ..Audit::default() };
        let result = RunResult { audit: Some(few.clone()), ..RunResult::new("b/ExecuteTest/t3.small") };
        assert_eq!(serde_json::from_str::<RunResult>(&result.to_line()).unwrap().audit, Some(few));
        let many = Audit { findings: (0..500).map(finding).collect(), files: 9, ..Audit::default() };
        let mut result =
            RunResult { audit: Some(many), ..RunResult::failed("b/ExecuteTest/t3.small", "exit status 3") };
        let lines = (0..200).map(|n| format!("line {n} of a step that failed")).collect();
        result.failure_context = Some(FailureContext { last_lines: lines, ..Default::default() });
        let line = result.to_line();
        assert!(line.len() <= RESULT_LIMIT);
        let back: RunResult = serde_json::from_str(&line).unwrap();
        let audit = back.audit.unwrap();
        assert_eq!((audit.count(), audit.files), (500, 9));
        assert!(audit.findings.len() > 10 && audit.findings[0].path.starts_with("/etc/0/"));
        assert!(back.failure_context.unwrap().last_lines.len() > 30);
    }

    #[test]
    fn the_scripts_own_failure_is_read_too() {
        let result: RunResult =
            serde_json::from_str(r#"{"status":"bootstrap-failed","failureMessage":"no curl"}"#).unwrap();
        assert_eq!(result.status, RunStatus::BootstrapFailed);
        assert_eq!(result.failure_message, "no curl");
    }
}
