//! Faults on demand: each is armed once, fires once, and is gone.

use std::sync::{Mutex, PoisonError};

use serde::Deserialize;
use tokio::sync::watch;

use crate::api::ApiError;
use crate::events::Event;

/// A fault as it is asked for: when, and what to do.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    when: When,
    #[serde(rename = "do")]
    act: Act,
    /// Error code of `fail`.
    code: Option<String>,
    message: Option<String>,
}

/// The call or the event that sets it off, counted from 1 from the moment of arming.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
struct When {
    action: Option<String>,
    /// Detail type of an event, or detail type, slash and state.
    event: Option<String>,
    #[serde(default = "first")]
    nth: u32,
    region: Option<String>,
}

fn first() -> u32 {
    1
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Act {
    Fail,
    DropAnswer,
    Hold,
    FailImage,
    Drop,
    Double,
    Swap,
    EndInstance,
}

/// What a call does because of a fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallFault {
    /// Nothing but this error.
    Fail(ApiError),
    /// Its effect, but the connection closes without an answer.
    DropAnswer,
    /// Its effect; the answer waits until released.
    Hold,
    /// Its effect, but the image that it makes ends as `failed`.
    FailImage,
    /// Its effect; then the instance that it is about ends.
    EndInstance,
}

/// What happens to an event because of a fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventFault {
    Drop,
    Double,
    /// Sent after the next one.
    Swap,
    /// Sent, and then the instance that it is about ends.
    EndInstance,
}

/// All armed faults.
#[derive(Debug)]
pub(crate) struct Faults {
    armed: Mutex<Vec<Fault>>,
    released: watch::Sender<u64>,
}

impl Faults {
    pub(crate) fn new() -> Self {
        Faults { armed: Mutex::new(Vec::new()), released: watch::Sender::new(0) }
    }

    /// Arms faults, all or none.
    pub(crate) fn arm(&self, faults: Vec<Fault>) -> Result<(), ApiError> {
        if let Some(wrong) = faults.iter().find_map(Fault::mistake) {
            return Err(ApiError::new("ValidationError", wrong));
        }
        self.lock().extend(faults);
        Ok(())
    }

    /// Disarms all and lets held answers go.
    pub(crate) fn clear(&self) {
        self.lock().clear();
        self.release();
    }

    /// Lets held answers go.
    pub(crate) fn release(&self) {
        self.released.send_modify(|count| *count += 1);
    }

    /// Changes at the next release. Taken before the effect of a held call, so that no release is missed.
    pub(crate) fn next_release(&self) -> watch::Receiver<u64> {
        self.released.subscribe()
    }

    /// Counts a call; the fault that it sets off.
    pub(crate) fn on_call(&self, action: &str, region: &str) -> Option<CallFault> {
        let fault = self.fire(|when| {
            when.action.as_deref() == Some(action) && when.region.as_deref().is_none_or(|asked| asked == region)
        })?;
        match fault.act {
            Act::Fail => {
                let code = fault.code.unwrap_or_else(|| "InternalError".to_owned());
                let message = fault.message.unwrap_or_else(|| format!("{code} on demand."));
                Some(CallFault::Fail(ApiError { code, message }))
            }
            Act::DropAnswer => Some(CallFault::DropAnswer),
            Act::Hold => Some(CallFault::Hold),
            Act::FailImage => Some(CallFault::FailImage),
            Act::EndInstance => Some(CallFault::EndInstance),
            Act::Drop | Act::Double | Act::Swap => None,
        }
    }

    /// Counts an event; the fault that it sets off.
    pub(crate) fn on_event(&self, event: &Event) -> Option<EventFault> {
        let full = format!("{}/{}", event.detail_type, event.state);
        let fault =
            self.fire(|when| when.event.as_ref().is_some_and(|asked| *asked == event.detail_type || *asked == full))?;
        match fault.act {
            Act::Drop => Some(EventFault::Drop),
            Act::Double => Some(EventFault::Double),
            Act::Swap => Some(EventFault::Swap),
            Act::EndInstance => Some(EventFault::EndInstance),
            Act::Fail | Act::DropAnswer | Act::Hold | Act::FailImage => None,
        }
    }

    /// Counts down every fault that matches and takes out the first that is due.
    fn fire(&self, matches: impl Fn(&When) -> bool) -> Option<Fault> {
        let mut armed = self.lock();
        for fault in armed.iter_mut().filter(|fault| matches(&fault.when)) {
            fault.when.nth = fault.when.nth.saturating_sub(1);
        }
        let due = armed.iter().position(|fault| fault.when.nth == 0)?;
        Some(armed.remove(due))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Fault {
    /// What is wrong with it, for people.
    fn mistake(&self) -> Option<String> {
        let for_calls = matches!(self.act, Act::Fail | Act::DropAnswer | Act::Hold | Act::FailImage | Act::EndInstance);
        let for_events = matches!(self.act, Act::Drop | Act::Double | Act::Swap | Act::EndInstance);
        match (&self.when.action, &self.when.event) {
            _ if self.when.nth == 0 => Some("nth counts from 1".to_owned()),
            (Some(_), None) if for_calls => None,
            (None, Some(_)) if for_events => None,
            (Some(_), None) => Some("an action can fail, drop-answer, hold, fail-image or end-instance".to_owned()),
            (None, Some(_)) => Some("an event can drop, double, swap or end-instance".to_owned()),
            _ => Some("a fault is set off by an action or by an event".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn armed(text: &str) -> Faults {
        let faults = Faults::new();
        faults.arm(serde_json::from_str(text).unwrap()).unwrap();
        faults
    }

    #[test]
    fn fires_once_at_the_nth_call_of_the_region() {
        let faults = armed(r#"[{"when": {"action": "CopyImage", "nth": 2, "region": "us-east-1"}, "do": "hold"}]"#);
        assert_eq!(faults.on_call("CopyImage", "us-east-1"), None);
        assert_eq!(faults.on_call("CopyImage", "eu-west-1"), None);
        assert_eq!(faults.on_call("CreateImage", "us-east-1"), None);
        assert_eq!(faults.on_call("CopyImage", "us-east-1"), Some(CallFault::Hold));
        assert_eq!(faults.on_call("CopyImage", "us-east-1"), None);
    }

    #[test]
    fn refuses_what_cannot_happen() {
        let swap_a_call = serde_json::from_str(r#"[{"when": {"action": "RunInstances"}, "do": "swap"}]"#).unwrap();
        assert_eq!(Faults::new().arm(swap_a_call).unwrap_err().code, "ValidationError");
    }
}
