//! The log streams that output goes to while a script runs.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::Scope;
use crate::emulator::{Emulator, EmulatorError};
use crate::lifecycle::chain;

/// Most events of one PutLogEvents, well below its limits of 10,000 events and 1 MiB.
const BATCH: usize = 1000;
/// Bytes at which a batch is sent, counting 26 for each event as CloudWatch does.
const BATCH_BYTES: usize = 900_000;

/// One stream of one command: `COMMAND/INSTANCE/aws-runShellScript/stdout`. Made when there is something to say.
#[derive(Debug)]
pub(super) struct LogStream {
    emulator: Emulator,
    scope: Scope,
    group: String,
    name: String,
    exists: bool,
}

impl LogStream {
    pub(super) fn new(emulator: &Emulator, scope: &Scope, group: &str, name: String) -> Self {
        LogStream { emulator: emulator.clone(), scope: scope.clone(), group: group.to_owned(), name, exists: false }
    }

    /// Sends lines. Output must not fail a command: what cannot be sent is lost, and said in the endpoint's own log.
    pub(super) async fn send(&mut self, lines: Vec<String>) {
        let now = Timestamp::now().as_millisecond();
        let mut batch = Vec::new();
        let mut bytes = 0;
        for line in lines {
            if batch.len() == BATCH || bytes + line.len() + 26 > BATCH_BYTES {
                self.put(std::mem::take(&mut batch)).await;
                bytes = 0;
            }
            bytes += line.len() + 26;
            batch.push(json!({"timestamp": now, "message": line}));
        }
        self.put(batch).await;
    }

    async fn put(&mut self, events: Vec<Value>) {
        if events.is_empty() {
            return;
        }
        if let Err(error) = self.try_put(events).await {
            tracing::warn!(stream = self.name, error = %chain(&error), "output is lost");
        }
    }

    async fn try_put(&mut self, events: Vec<Value>) -> Result<(), EmulatorError> {
        if !self.exists {
            let stream = json!({"logGroupName": self.group, "logStreamName": self.name});
            if let Err(error) = self.call("CreateLogStream", &stream).await {
                if !error.is("ResourceNotFoundException") {
                    return Err(error);
                }
                self.call("CreateLogGroup", &json!({"logGroupName": self.group})).await?;
                self.call("CreateLogStream", &stream).await?;
            }
            self.exists = true;
        }
        let body = json!({"logGroupName": self.group, "logStreamName": self.name, "logEvents": events});
        self.call("PutLogEvents", &body).await
    }

    async fn call(&self, action: &str, body: &Value) -> Result<(), EmulatorError> {
        self.emulator.call(&self.scope, "logs", &format!("Logs_20140328.{action}"), body).await
    }
}
