//! The work order: everything that one start of the agent needs to know.

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::path::PathBuf;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_with::skip_serializing_none;

use crate::explain::explain;
use crate::{Nonce, RunResult};

/// The only version of the format of work orders.
pub const ORDER_VERSION: u32 = 1;

/// What to run and where, as the agent reads it from a JSON file.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct WorkOrder {
    /// The version of the format: [`ORDER_VERSION`].
    pub version: u32,
    /// The id of the execution, as `build/state[/item]`. A second start with the same id never runs anything twice.
    pub execution: String,
    /// A built-in task of the agent, instead of documents.
    pub builtin: Option<Builtin>,
    /// The phases to run, in the order of each document. An empty list runs all phases.
    #[serde(default)]
    pub phases: Vec<String>,
    /// The documents to run, one after another.
    #[serde(default)]
    pub documents: Vec<OrderDocument>,
    /// The folder of state, lock and scripts. It survives reboots, and there is one per machine.
    #[serde(default = "default_state_directory")]
    pub state_directory: PathBuf,
    /// The folder in which the execution gets a folder for its logs.
    #[serde(default = "default_log_directory")]
    pub log_directory: PathBuf,
    /// The folder in which steps run and at which relative paths start. It is created if it is missing. `None` means
    /// `/tmp`.
    pub working_directory: Option<PathBuf>,
    /// The limits of the run.
    #[serde(default)]
    pub limits: Limits,
    /// Whether the machine is an instance that was launched for this order. The agent then waits for its first boot,
    /// prevents a replacement of the SSM agent during the run, and reserves disk space for the report.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub on_instance: bool,
    /// The names of actions that no document may use, including nested documents.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub blocked_action_modules: Vec<String>,
    /// How the machine, a fresh instance, is audited before the documents run. `None` means no audit.
    pub audit: Option<AuditOrder>,
    /// How the contents of the machine's image are collected: before the documents run, or after a clean-up. `None`
    /// means that they are not collected.
    pub contents: Option<ContentsOrder>,
    /// The downloads that the stack's bucket keeps, by their SHA-256 in lower-case hexadecimal digits.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub downloads: BTreeMap<String, KeptDownload>,
    /// The nonce that seals the event lines, so that readers accept no other lines. Orders of earlier releases have
    /// none.
    pub event_nonce: Option<Nonce>,
}

/// How a fresh instance is audited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AuditOrder {
    /// The time at which the instance's image existed. Newer files are the instance's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_made: Option<Timestamp>,
    /// The time limit of the audit in seconds. `None` means 15 minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_seconds: Option<u64>,
    /// Whether a finding fails the order. If it fails, no document runs.
    #[serde(default)]
    pub fails: bool,
}

/// How the contents of the machine's image are collected. A failure is reported, and never fails the order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ContentsOrder {
    /// The URL that accepts the contents in one PUT request without credentials.
    pub url: String,
    /// The time at which the instance's image existed. Newer files are the instance's own. `None` if the machine is the
    /// one from which the image is made.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image_made: Option<Timestamp>,
    /// The time limit of the collection in seconds. `None` means one minute. The upload has a minute of its own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit_seconds: Option<u64>,
}

/// Where the stack's bucket keeps one download. Whoever has the URLs may use them until they expire, so nothing prints
/// them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KeptDownload {
    /// The URL that returns the file, if the bucket has it. No credentials are needed.
    pub get: String,
    /// The URL that accepts the file in one PUT request without credentials.
    pub put: String,
    /// The headers that the PUT request must have, by their names: S3 compares the checksum with what it receives, so
    /// the bucket never keeps another file under this digest.
    pub headers: BTreeMap<String, String>,
}

impl fmt::Debug for KeptDownload {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.debug_struct("KeptDownload").finish_non_exhaustive()
    }
}

/// Why there is no order.
#[derive(Debug, thiserror::Error)]
pub enum OrderError {
    /// The file cannot be read.
    #[error("the work order {} cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: io::Error,
    },
    /// The file is not a work order.
    #[error("{} is not a work order", path.display())]
    Form {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        source: serde_json::Error,
    },
}

impl OrderError {
    /// Returns the result that is reported instead of that of a run.
    pub fn result(&self) -> RunResult {
        RunResult::failed("", explain(self))
    }
}

impl WorkOrder {
    /// Returns the same order with absolute paths, because steps run in a different folder than the agent.
    pub(crate) fn absolute(&self) -> io::Result<Self> {
        let mut order = self.clone();
        let working_directory = order.working_directory.as_mut();
        for path in [&mut order.state_directory, &mut order.log_directory].into_iter().chain(working_directory) {
            *path = std::path::absolute(&path)?;
        }
        Ok(order)
    }

    /// Returns an order that runs `phases` of `documents`, with the folders and limits of an instance.
    pub fn documents(execution: impl Into<String>, phases: Vec<String>, documents: Vec<OrderDocument>) -> Self {
        Self {
            version: ORDER_VERSION,
            execution: execution.into(),
            builtin: None,
            phases,
            documents,
            state_directory: default_state_directory(),
            log_directory: default_log_directory(),
            working_directory: None,
            limits: Limits::default(),
            on_instance: false,
            blocked_action_modules: Vec::new(),
            audit: None,
            contents: None,
            downloads: BTreeMap::new(),
            event_nonce: None,
        }
    }

    /// Returns an order that removes from the machine the files that must not be in an image.
    pub fn clean(execution: impl Into<String>) -> Self {
        Self { builtin: Some(Builtin::Clean), ..Self::documents(execution, Vec::new(), Vec::new()) }
    }
}

/// The tasks that need no document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Builtin {
    /// Removes the files that must not be in an image.
    Clean,
    /// Removes the files that came back later, when nothing else is running: the last pass, which `Clean` prepares.
    CleanAgain,
}

/// One component document of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OrderDocument {
    /// The component's name, for messages and events.
    pub name: String,
    /// The component's version.
    pub version: String,
    /// SHA-256 of `body`, in hex; the agent checks it.
    pub digest: String,
    /// The document's text.
    pub body: String,
    /// Values that take precedence over the parameters' defaults.
    #[serde(default)]
    pub parameters: BTreeMap<String, String>,
}

/// The limits of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct Limits {
    /// The number of reboots that one phase of one document may ask for.
    pub reboots_per_phase: u32,
    /// The number of reboots of the whole execution. The SSM agent silently gives up a command after 15 of its own
    /// starts, and starts after its own updates count too. So the run stops earlier and reports a cause.
    pub reboots: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { reboots_per_phase: 10, reboots: 12 }
    }
}

fn default_state_directory() -> PathBuf {
    PathBuf::from("/var/lib/goldsmith/state")
}

fn default_log_directory() -> PathBuf {
    PathBuf::from("/var/lib/goldsmith/log")
}

#[cfg(test)]
mod tests {
    use super::{Builtin, KeptDownload, WorkOrder};

    #[test]
    fn the_shortest_orders_are_read() {
        let clean: WorkOrder =
            serde_json::from_str(r#"{"version":1,"execution":"b/Snapshot","builtin":"clean"}"#).unwrap();
        assert_eq!(clean.builtin, Some(Builtin::Clean));
        assert_eq!(clean, WorkOrder::clean("b/Snapshot"));
    }

    #[test]
    fn an_order_survives_its_own_json_and_refuses_what_it_does_not_know() {
        let mut order = WorkOrder::documents("b/Build", vec!["build".into()], Vec::new());
        let json = serde_json::to_string(&order).unwrap();
        assert_eq!(serde_json::from_str::<WorkOrder>(&json).unwrap(), order);
        assert!(!json.contains("downloads"), "agents of earlier releases read it, too: {json}");
        let headers = [("x-amz-checksum-sha256".to_owned(), "c3Vt".to_owned())].into();
        let kept = KeptDownload { get: "https://b/get".to_owned(), put: "https://b/put".to_owned(), headers };
        order.downloads.insert("ab".to_owned(), kept);
        let json = serde_json::to_string(&order).unwrap();
        assert!(json.contains(r#""downloads":{"ab":{"get":"https://b/get","put":"#), "{json}");
        assert_eq!(serde_json::from_str::<WorkOrder>(&json).unwrap(), order);
        let error = serde_json::from_str::<WorkOrder>(r#"{"version":1,"execution":"x","phase":[]}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `phase`"), "{error}");
    }
}
