//! The payloads with which the definition or `signal` calls a state's function.

use goldsmith_store::{FailureCause, Scope};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_with::skip_serializing_none;

use crate::State;
use crate::error::blame;

/// A call of a state's function.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Invocation {
    /// A call from `signal`: the function looks again.
    Wake {
        /// The wait to check.
        wake: Wake,
    },
    /// A call from the definition.
    Start(Box<Start>),
}

impl Invocation {
    /// Returns the state that is called.
    #[must_use]
    pub fn state(&self) -> State {
        match self {
            Self::Wake { wake } => wake.state,
            Self::Start(start) => start.state,
        }
    }
}

/// The payload of every Task has this shape. Unknown fields are ignored, because during an update of the stack, or
/// after a rollback, the definition may be newer than the function.
#[skip_serializing_none]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Start {
    /// Build id: the execution's name.
    pub build: String,
    /// The state.
    pub state: State,
    /// The Map item.
    pub item: Option<String>,
    /// Task token, if the state waits.
    pub token: Option<String>,
    /// ARN of the execution.
    pub execution: String,
    /// The execution's input, for Plan only.
    pub input: Option<Value>,
    /// The outcomes of the Map before this state.
    pub results: Option<Vec<Outcome>>,
    /// The error that was caught.
    pub error: Option<ErrorInfo>,
}

impl Start {
    /// Returns the state and the item.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope { state: self.state, item: self.item.clone() }
    }
}

/// Names the wait to check again.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Wake {
    /// Build id.
    pub build: String,
    /// The state.
    pub state: State,
    /// The Map item.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub item: Option<String>,
    /// What has woken it.
    #[serde(default)]
    pub by: WokenBy,
}

/// What has woken a function that waits.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WokenBy {
    /// An event about the resource that it waits for.
    #[default]
    Event,
    /// Nothing but the time, or a launch whose turn is over.
    Tick,
    /// The end of an instance, whose room EC2 has refused to the launches of the lines before: a launch that waits for
    /// room may have it now, and asks without its pause.
    Room,
}

impl Wake {
    /// Returns the state and the item.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope { state: self.state, item: self.item.clone() }
    }
}

/// How one item of a Map ended.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Outcome {
    /// Test instance type or Region.
    pub item: String,
    /// `succeeded` or `failed`.
    pub outcome: String,
    /// Why it failed: a [`FailureCause`] or text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Value>,
}

impl Outcome {
    /// Returns whether the item succeeded.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.outcome == "succeeded"
    }

    /// Returns the cause of a failure.
    #[must_use]
    pub fn failure(&self, state: State) -> FailureCause {
        let text = match &self.cause {
            Some(Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        };
        let info = ErrorInfo { error: String::new(), cause: text };
        let mut failure = info.failure(&Scope { state, item: Some(self.item.clone()) });
        if failure.message.is_empty() {
            failure.message = format!("{} failed without a reason", self.item);
        }
        failure
    }
}

/// `Error` and `Cause` of a Catch.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ErrorInfo {
    /// Error name.
    #[serde(rename = "Error", default)]
    pub error: String,
    /// A [`FailureCause`] as JSON, a [`FailureCause`] in Lambda's envelope, or text.
    #[serde(rename = "Cause", default)]
    pub cause: String,
}

/// The envelope that Lambda puts around a function's error.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Envelope {
    #[serde(default)]
    error_type: String,
    error_message: String,
}

impl ErrorInfo {
    /// Returns the recorded cause without its envelope. If the cause names no state, it belongs to this state,
    /// or to the execution itself.
    #[must_use]
    pub fn failure<'a>(&self, scope: impl Into<Option<&'a Scope>>) -> FailureCause {
        // Lambda wraps the error of a function in `errorType` and `errorMessage`. SendTaskFailure, with which a waiting
        // state reports its failure, passes the cause on as it is.
        let envelope = serde_json::from_str::<Envelope>(&self.cause).ok();
        let text = envelope.as_ref().map_or(self.cause.as_str(), |envelope| envelope.error_message.as_str());
        let mut cause = match serde_json::from_str::<FailureCause>(text) {
            // Each field of a cause has a default, so every JSON object parses as one. Only a message shows that it is
            // ours.
            Ok(cause) if !cause.message.is_empty() => cause,
            _ => FailureCause { message: text.to_owned(), ..FailureCause::default() },
        };
        blame(&mut cause, scope.into());
        if cause.error.is_empty() {
            cause.error = match envelope {
                Some(envelope) if self.error.is_empty() => envelope.error_type,
                _ => self.error.clone(),
            };
        }
        if cause.message.is_empty() {
            cause.message.clone_from(&cause.error);
        }
        cause
    }
}

#[cfg(test)]
mod tests {
    use super::{ErrorInfo, Invocation};
    use crate::State;
    use goldsmith_store::Scope;

    fn scope() -> Scope {
        Scope::from(State::Build)
    }

    #[test]
    fn a_wake_and_a_start_are_told_apart() {
        let wake = r#"{"wake":{"build":"b","state":"Launch"}}"#;
        assert!(matches!(serde_json::from_str(wake), Ok(Invocation::Wake { .. })));
        let start = r#"{"build":"b","state":"Launch","execution":"arn","token":"t"}"#;
        assert!(matches!(serde_json::from_str(start), Ok(Invocation::Start(_))));
        let newer = r#"{"build":"b","state":"Launch","execution":"arn","token":"t","later":{"a":1}}"#;
        let [newer, start] = [newer, start].map(|text| serde_json::from_str::<Invocation>(text).unwrap());
        assert_eq!(newer, start, "what a newer definition sends along is left alone");
        let wrong = r#"{"build":"b","state":"Elsewhere","execution":"arn"}"#;
        assert!(serde_json::from_str::<Invocation>(wrong).is_err());
    }

    #[test]
    fn a_cause_is_read_plain_or_in_lambdas_envelope() {
        let plain = r#"{"state":"Build","error":"Goldsmith.CommandFailed","message":"exit status 1"}"#;
        let wrapped = serde_json::json!({"errorType": "Goldsmith.CommandFailed", "errorMessage": plain}).to_string();
        for cause in [plain.to_owned(), wrapped] {
            let info = ErrorInfo { error: "Goldsmith.CommandFailed".to_owned(), cause };
            assert_eq!(info.failure(&scope()).message, "exit status 1");
        }
        let text = ErrorInfo { error: "Runtime.ExitError".to_owned(), cause: "it died".to_owned() };
        let failure = text.failure(&scope());
        assert_eq!((failure.message.as_str(), failure.error.as_str()), ("it died", "Runtime.ExitError"));
    }
}
