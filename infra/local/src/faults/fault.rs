//! A fault as it is requested: when it happens, and what it does.

use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::api::Scope;
use crate::events::Event;

/// One fault.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Fault {
    when: When,
    #[serde(rename = "do")]
    pub(super) act: Act,
    /// Error code for `fail`.
    pub(super) code: Option<String>,
    pub(super) message: Option<String>,
    /// For `delay`.
    pub(super) milliseconds: Option<u64>,
    /// How many matching calls or events the fault has seen.
    #[serde(skip)]
    seen: u64,
    /// How often the fault was due.
    #[serde(skip)]
    fired: u64,
}

/// The call or the event that triggers the fault.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct When {
    /// An action, or `*` for all.
    action: Option<String>,
    /// Detail type of an event, or detail type, slash and state.
    event: Option<String>,
    /// Number of the call or event, counted from 1 since the fault was armed.
    nth: Option<u64>,
    /// Probability for each call or event. With a probability, the fault stays armed.
    probability: Option<f64>,
    #[serde(default)]
    seed: u64,
    /// How often the fault fires. By default, a fault by number fires once, and a fault by chance fires until it is
    /// disarmed.
    times: Option<u64>,
    region: Option<String>,
    account: Option<String>,
    instance_type: Option<String>,
    subnet: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Act {
    Fail,
    Throttle,
    Capacity,
    Cut,
    DropAnswer,
    Hold,
    Delay,
    FailImage,
    FailImageKms,
    Interrupt,
    NoAgent,
    Undeliverable,
    DeliveryTimedOut,
    EndInstance,
    Drop,
    Double,
    Swap,
}

/// The properties of a call that a fault can match.
#[derive(Debug, Default)]
pub(crate) struct CallFacts<'a> {
    pub(crate) action: &'a str,
    pub(crate) instance_type: Option<&'a str>,
    pub(crate) subnet: Option<&'a str>,
}

/// The call or event that may trigger a fault.
pub(super) enum Trigger<'a> {
    Call(&'a CallFacts<'a>, &'a Scope),
    Event(&'a Event),
}

impl When {
    fn means(&self, trigger: &Trigger<'_>) -> bool {
        let is = |asked: &Option<String>, have: Option<&str>| asked.is_none() || asked.as_deref() == have;
        let (scope, named) = match trigger {
            Trigger::Call(call, scope) => {
                let by_name = self.action.as_deref().is_some_and(|asked| asked == "*" || asked == call.action);
                let by_place = is(&self.instance_type, call.instance_type) && is(&self.subnet, call.subnet);
                (*scope, by_name && by_place)
            }
            Trigger::Event(event) => {
                let full = format!("{}/{}", event.detail_type, event.state);
                (&event.scope, self.event.as_ref().is_some_and(|asked| *asked == event.detail_type || *asked == full))
            }
        };
        named && is(&self.region, Some(&scope.region)) && is(&self.account, Some(&scope.account))
    }

    /// Returns whether chance selects the `count`th call or event: the result is the same for the same seed.
    fn hits(&self, probability: f64, count: u64) -> bool {
        let digest = Sha256::digest(format!("{} {count}", self.seed));
        let number = digest.iter().take(6).fold(0_u64, |number, byte| number << 8 | u64::from(*byte));
        (number as f64) < probability * (1_u64 << 48) as f64
    }
}

impl Fault {
    /// Counts a call or an event if it matches. Returns whether the fault is due.
    pub(super) fn count(&mut self, trigger: &Trigger<'_>) -> bool {
        if !self.when.means(trigger) {
            return false;
        }
        self.seen += 1;
        let due = match self.when.probability {
            Some(probability) => self.when.hits(probability, self.seen),
            None => self.seen >= self.when.nth.unwrap_or(1),
        };
        self.fired += u64::from(due);
        due
    }

    pub(super) fn is_used_up(&self) -> bool {
        let times = self.when.times.or(self.when.probability.is_none().then_some(1));
        times.is_some_and(|times| self.fired >= times)
    }

    /// Returns what is wrong with the fault, in words for people.
    pub(super) fn mistake(&self) -> Option<String> {
        let only_events = matches!(self.act, Act::Drop | Act::Double | Act::Swap);
        let for_events = only_events || self.act == Act::EndInstance;
        let wrong = match (&self.when.action, &self.when.event) {
            _ if self.when.nth == Some(0) => "nth counts from 1",
            _ if self.when.nth.is_some() && self.when.probability.is_some() => {
                "a fault has nth or probability, not both"
            }
            _ if self.when.probability.is_some_and(|p| !(0.0..=1.0).contains(&p)) => "probability must be from 0 to 1",
            _ if self.act == Act::Delay && self.milliseconds.is_none() => "delay needs milliseconds",
            (Some(_), None) if !only_events => return None,
            (None, Some(_)) if for_events => return None,
            (Some(_), None) => "drop, double and swap are for events",
            (None, Some(_)) => "an event can drop, double, swap or end-instance",
            _ => "a fault needs an action or an event, not both",
        };
        Some(wrong.to_owned())
    }
}
