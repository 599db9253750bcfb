//! The log streams that receive a script's output while it runs.

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::api::Scope;
use crate::chain::chain;
use crate::emulator::{Emulator, EmulatorError};

/// Most bytes of one event. The agent puts as many lines into an event as fit, and cuts a line that is longer, even in
/// the middle of a character (amazon-ssm-agent 3.3.1142.0).
pub(super) const EVENT_BYTES: usize = 200_000;
/// Most events in one PutLogEvents call of the agent.
const EVENTS: usize = 4;

/// One stream of one command: `COMMAND/INSTANCE/aws-runShellScript/stdout`. It is created when there is output.
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

    /// Sends text. Output must not make a command fail: text that cannot be sent is lost, and the loss is written to
    /// the endpoint's own log.
    pub(super) async fn send(&mut self, text: &[u8]) {
        let now = Timestamp::now().as_millisecond();
        let messages: Vec<String> = events(text).iter().map(|event| message(event)).collect();
        for batch in messages.chunks(EVENTS) {
            // CloudWatch rejects empty events.
            let full = batch.iter().filter(|message| !message.is_empty());
            self.put(full.map(|message| json!({"timestamp": now, "message": message})).collect()).await;
        }
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

/// Splits text into events: after the last line that fits, or within a line that is too long for an event.
fn events(mut text: &[u8]) -> Vec<&[u8]> {
    let mut events = Vec::new();
    while !text.is_empty() {
        let most = text.len().min(EVENT_BYTES);
        let line = text[..most].iter().rposition(|byte| *byte == b'\n').map(|end| end + 1);
        let (event, rest) = text.split_at(if most == text.len() { most } else { line.unwrap_or(most) });
        events.push(event);
        text = rest;
    }
    events
}

/// Returns an event's text without the last line end; `\r\n` becomes `\n`.
fn message(event: &[u8]) -> String {
    let text = String::from_utf8_lossy(event).replace("\r\n", "\n");
    text.strip_suffix('\n').unwrap_or(&text).to_owned()
}

#[cfg(test)]
mod tests {
    use super::{EVENT_BYTES, events, message};

    #[test]
    fn an_event_has_many_lines_and_a_longer_line_is_cut() {
        assert_eq!(events(b"one\r\ntwo\nthr").iter().map(|one| message(one)).collect::<Vec<_>>(), ["one\ntwo\nthr"]);
        let line = [b'x'; 150_000];
        let lines = [&line[..], b"\n", &line, b"\n"].concat();
        assert_eq!(events(&lines).iter().map(|one| one.len()).collect::<Vec<_>>(), [150_001, 150_001]);
        let long = vec![b'x'; EVENT_BYTES + 1];
        assert_eq!(events(&long).iter().map(|one| one.len()).collect::<Vec<_>>(), [EVENT_BYTES, 1]);
        assert!(events(b"").is_empty());
    }
}
