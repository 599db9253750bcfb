//! Run Command: commands and their results on each instance.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::api::Scope;

/// Status of an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum InvocationStatus {
    Pending,
    InProgress,
    Success,
    Failed,
    TimedOut,
    Cancelled,
    /// The agent did not accept it in time.
    DeliveryTimedOut,
    /// The command cannot reach the instance.
    Undeliverable,
}

impl InvocationStatus {
    /// Returns Systems Manager's name (`Status`).
    pub(crate) fn name(self) -> &'static str {
        match self {
            InvocationStatus::Pending => "Pending",
            InvocationStatus::InProgress => "InProgress",
            InvocationStatus::Success => "Success",
            InvocationStatus::Failed | InvocationStatus::Undeliverable => "Failed",
            InvocationStatus::TimedOut | InvocationStatus::DeliveryTimedOut => "TimedOut",
            InvocationStatus::Cancelled => "Cancelled",
        }
    }

    /// Returns the detailed name (`StatusDetails`).
    pub(crate) fn details(self) -> &'static str {
        match self {
            InvocationStatus::TimedOut => "ExecutionTimedOut",
            InvocationStatus::DeliveryTimedOut => "DeliveryTimedOut",
            InvocationStatus::Undeliverable => "Undeliverable",
            other => other.name(),
        }
    }

    /// Returns whether the status is final.
    pub(crate) fn is_final(self) -> bool {
        !matches!(self, InvocationStatus::Pending | InvocationStatus::InProgress)
    }
}

/// A command as it was sent.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Command {
    pub(crate) id: String,
    pub(crate) scope: Scope,
    pub(crate) comment: String,
    /// Lines of the script.
    pub(crate) commands: Vec<String>,
    /// In seconds.
    pub(crate) execution_timeout: u64,
    /// Seconds until the command counts as not delivered.
    pub(crate) delivery_timeout: u64,
    pub(crate) working_directory: String,
    pub(crate) requested_at: Timestamp,
    /// Log group that receives output while the command runs.
    pub(crate) log_group: Option<String>,
    pub(crate) invocations: BTreeMap<String, Invocation>,
}

/// The state of a command on one instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Invocation {
    pub(crate) status: InvocationStatus,
    /// Exit code of the script, or -1 until it has ended.
    pub(crate) response_code: i32,
    /// The first 24,000 characters, set at the end.
    pub(crate) stdout: String,
    /// The first 8,000 characters, set at the end.
    pub(crate) stderr: String,
    /// The agent's own message if there is no output. Only `CommandPlugins` show it.
    #[serde(default)]
    pub(crate) said: String,
    pub(crate) started_at: Option<Timestamp>,
    pub(crate) ended_at: Option<Timestamp>,
    /// Whether the end of the invocation was requested.
    pub(crate) cancel: bool,
}

impl Invocation {
    pub(crate) fn new() -> Self {
        Invocation {
            status: InvocationStatus::Pending,
            response_code: -1,
            stdout: String::new(),
            stderr: String::new(),
            said: String::new(),
            started_at: None,
            ended_at: None,
            cancel: false,
        }
    }
}

impl Command {
    /// Ends the command on all instances before it began.
    pub(crate) fn end_all(&mut self, status: InvocationStatus) {
        for invocation in self.invocations.values_mut() {
            invocation.status = status;
            invocation.ended_at = Some(Timestamp::now());
        }
    }

    /// Returns the status over all instances: not final if one is not final, otherwise the worst.
    pub(crate) fn status(&self) -> InvocationStatus {
        let any = |status| self.invocations.values().any(|one| one.status == status);
        let open = self.invocations.values().any(|one| !one.status.is_final());
        if open && self.invocations.values().all(|one| one.status == InvocationStatus::Pending) {
            return InvocationStatus::Pending;
        }
        if open {
            return InvocationStatus::InProgress;
        }
        let worst_first = [
            InvocationStatus::Failed,
            InvocationStatus::TimedOut,
            InvocationStatus::DeliveryTimedOut,
            InvocationStatus::Undeliverable,
            InvocationStatus::Cancelled,
        ];
        worst_first.into_iter().find(|status| any(*status)).unwrap_or(InvocationStatus::Success)
    }
}
