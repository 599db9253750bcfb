//! Faults on request: a call or an event triggers them, by its number or by chance with a seed, so that a run can be
//! repeated exactly.

mod fault;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use strum::VariantNames;
use tokio::sync::watch;

use crate::api::{ApiError, Scope};
use crate::ebs::route::Route;
use crate::events::Event;
use crate::world::KEY_FAILURE;
use fault::{Act, Trigger};
pub(crate) use fault::{CallFacts, Fault};

/// The effect of a fault on a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum CallFault {
    /// The call does nothing but return this error.
    Fail(ApiError),
    /// The call does nothing: the connection closes without an answer.
    Cut,
    /// The call has its effect, but the connection closes without an answer.
    DropAnswer,
    /// The call has its effect; the answer waits until it is released.
    Hold,
    /// The call has its effect; the answer waits for this time.
    Delay(Duration),
    /// The call has its effect, but the image that it makes becomes `failed` for this reason.
    FailImage(String),
    /// The call has its effect; then its instance ends.
    EndInstance,
    /// The call has its effect; then its spot instance is interrupted.
    Interrupt,
    /// The call has its effect, but the agents of the instances that it launches never come online.
    NoAgent,
    /// The call has its effect, but the command that it sends cannot be delivered.
    Undeliverable,
    /// The call has its effect, but the agent does not accept the command that it sends in time.
    DeliveryTimedOut,
}

/// The effect of a fault on an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EventFault {
    Drop,
    Double,
    /// The event is sent after the next one.
    Swap,
    /// The event is sent, and then its instance ends.
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

    /// Disarms all faults and releases held answers.
    pub(crate) fn clear(&self) {
        self.lock().clear();
        self.release();
    }

    /// Releases held answers.
    pub(crate) fn release(&self) {
        self.released.send_modify(|count| *count += 1);
    }

    /// Returns a receiver that changes at the next release. It is taken before the effect of a held call, so that no
    /// release is missed.
    pub(crate) fn next_release(&self) -> watch::Receiver<u64> {
        self.released.subscribe()
    }

    /// Counts a call. Returns the fault that it triggers.
    pub(crate) fn on_call(&self, call: &CallFacts<'_>, scope: &Scope) -> Option<CallFault> {
        self.fire(&Trigger::Call(call, scope)).map(|fault| call_fault(&fault, call, scope))
    }

    /// Counts an event. Returns the fault that it triggers.
    pub(crate) fn on_event(&self, event: &Event) -> Option<EventFault> {
        match self.fire(&Trigger::Event(event))?.act {
            Act::Drop => Some(EventFault::Drop),
            Act::Double => Some(EventFault::Double),
            Act::Swap => Some(EventFault::Swap),
            Act::EndInstance => Some(EventFault::EndInstance),
            // `arm` rejects the others for events.
            _ => None,
        }
    }

    /// Lets every fault count, and returns the first one that is due. Used-up faults are removed.
    fn fire(&self, trigger: &Trigger<'_>) -> Option<Fault> {
        let mut armed = self.lock();
        let due: Vec<usize> =
            // Every fault counts every call, also a call that another fault takes: "the third call" does not depend on
            // what else is armed.
            armed.iter_mut().enumerate().filter_map(|(at, fault)| fault.count(trigger).then_some(at)).collect();
        let at = *due.first()?;
        let fault = armed[at].clone();
        if armed[at].is_used_up() {
            armed.remove(at);
        }
        Some(fault)
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Fault>> {
        self.armed.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn call_fault(fault: &Fault, call: &CallFacts<'_>, scope: &Scope) -> CallFault {
    let message = |usual: String| fault.message.clone().unwrap_or(usual);
    match fault.act {
        Act::Cut => CallFault::Cut,
        Act::DropAnswer => CallFault::DropAnswer,
        Act::Hold => CallFault::Hold,
        Act::Delay => CallFault::Delay(Duration::from_millis(fault.milliseconds.unwrap_or_default())),
        Act::FailImage => CallFault::FailImage(message(
            "Server.InternalError: An internal error occurred while creating the image".into(),
        )),
        Act::FailImageKms => CallFault::FailImage(message(KEY_FAILURE.to_owned())),
        Act::EndInstance => CallFault::EndInstance,
        Act::Interrupt => CallFault::Interrupt,
        Act::NoAgent => CallFault::NoAgent,
        Act::Undeliverable => CallFault::Undeliverable,
        Act::DeliveryTimedOut => CallFault::DeliveryTimedOut,
        Act::Throttle => {
            CallFault::Fail(ApiError::new(&throttle_code(call.action), message("Request limit exceeded.".into())))
        }
        Act::Capacity => {
            let kind = call.instance_type.unwrap_or("m1.small");
            let usual = format!(
                "We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({}a). Our system will be working on provisioning additional capacity.",
                scope.region
            );
            CallFault::Fail(ApiError::new("InsufficientInstanceCapacity", message(usual)))
        }
        // `arm` rejects the others for calls.
        Act::Fail | Act::Drop | Act::Double | Act::Swap => {
            let code = fault.code.clone().unwrap_or_else(|| "InternalError".to_owned());
            CallFault::Fail(ApiError::new(&code, message(format!("{code} on demand."))))
        }
    }
}

/// Returns the throttling code, which differs between services.
fn throttle_code(action: &str) -> String {
    let of_ssm = action.contains("Command") || action.contains("Parameter") || action == "DescribeInstanceInformation";
    let code = match action {
        _ if Route::VARIANTS.contains(&action) => "RequestThrottledException",
        _ if of_ssm => "ThrottlingException",
        _ => "RequestLimitExceeded",
    };
    code.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn armed(text: &str) -> Faults {
        let faults = Faults::new();
        faults.arm(serde_json::from_str(text).unwrap()).unwrap();
        faults
    }

    fn call(faults: &Faults, action: &str, region: &str) -> Option<CallFault> {
        let scope = Scope { account: "000000000000".into(), region: region.into() };
        faults.on_call(&CallFacts { action, instance_type: Some("t3.small"), subnet: None }, &scope)
    }

    #[test]
    fn fires_once_at_the_nth_call_of_the_region() {
        let faults = armed(r#"[{"when": {"action": "CopyImage", "nth": 2, "region": "us-east-1"}, "do": "hold"}]"#);
        assert_eq!(call(&faults, "CopyImage", "us-east-1"), None);
        assert_eq!(call(&faults, "CopyImage", "eu-west-1"), None);
        assert_eq!(call(&faults, "CreateImage", "us-east-1"), None);
        assert_eq!(call(&faults, "CopyImage", "us-east-1"), Some(CallFault::Hold));
        assert_eq!(call(&faults, "CopyImage", "us-east-1"), None);
    }

    #[test]
    fn chance_is_the_same_for_the_same_seed() {
        let pattern = |seed: u32| -> Vec<bool> {
            let text =
                format!(r#"[{{"when": {{"action": "*", "probability": 0.3, "seed": {seed}}}, "do": "throttle"}}]"#);
            let faults = armed(&text);
            (0..200).map(|_| call(&faults, "DescribeImages", "eu-west-1").is_some()).collect()
        };
        assert_eq!(pattern(1), pattern(1));
        assert_ne!(pattern(1), pattern(2));
        let hits = pattern(1).iter().filter(|hit| **hit).count();
        assert!((40..80).contains(&hits), "{hits}");
    }

    #[test]
    fn capacity_lacks_for_one_type_until_disarmed() {
        let text =
            r#"[{"when": {"action": "RunInstances", "instanceType": "t3.small", "probability": 1}, "do": "capacity"}]"#;
        let faults = armed(text);
        for _ in 0..3 {
            let Some(CallFault::Fail(error)) = call(&faults, "RunInstances", "eu-west-1") else { panic!("no fault") };
            assert_eq!(error.code, "InsufficientInstanceCapacity");
        }
        let scope = Scope { account: "000000000000".into(), region: "eu-west-1".into() };
        let other = CallFacts { action: "RunInstances", instance_type: Some("t3.large"), subnet: None };
        assert_eq!(faults.on_call(&other, &scope), None);
    }

    #[test]
    fn refuses_what_cannot_happen() {
        for text in [
            r#"[{"when": {"action": "RunInstances"}, "do": "swap"}]"#,
            r#"[{"when": {"event": "EC2 AMI State Change"}, "do": "throttle"}]"#,
            r#"[{"when": {"action": "RunInstances", "nth": 2, "probability": 0.5}, "do": "cut"}]"#,
            r#"[{"when": {"action": "RunInstances", "probability": 1.5}, "do": "cut"}]"#,
            r#"[{"when": {"action": "RunInstances"}, "do": "delay"}]"#,
        ] {
            let faults = serde_json::from_str(text).unwrap();
            assert_eq!(Faults::new().arm(faults).unwrap_err().code, "ValidationError", "{text}");
        }
    }
}
