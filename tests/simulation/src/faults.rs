//! What goes wrong in a run, and when: drawn from the seed before anything happens, so that a fault can be left out and
//! the rest stays as it was.

use std::collections::BTreeMap;

use goldsmith_cloud::Kind as Refusal;

use crate::rng::Rng;

/// A way in which something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The function's process ends before the call gets there.
    CrashBefore,
    /// The function's process ends right after the call.
    CrashAfter,
    /// The call is refused once: slow down.
    Throttled,
    /// The call does not get there, and nobody says so.
    NoAnswer,
    /// The call gets there, and its answer does not come back.
    AnswerLost,
    /// The call is refused once: no right.
    Denied,
    /// AWS does not know yet what was made a moment ago.
    NotYetKnown,
    /// The call takes long, at times longer than the function may run.
    Held,
    /// This call in this Region is refused from now on, for a while or for ever.
    Lasting,
    /// Every call to EC2 and Systems Manager in a Region is refused from now on, for a while or for ever.
    RegionRefuses,
    /// Every call to the table is throttled for some minutes.
    TableBusy,
    /// Somebody stops an execution.
    Stop,
    /// The stack is updated: functions that begin from now on have other settings.
    Update,
    /// EC2 ends an instance.
    InstanceEnds,
    /// An event or an asynchronous invocation is lost.
    EventLost,
    /// It comes twice.
    EventDoubled,
    /// It comes late, after others.
    EventLate,
    /// Step Functions' call of a function does not get there.
    InvocationLost,
    /// Step Functions does not hear what the function answers, and calls it again while it runs.
    InvocationUnheard,
    /// Lambda runs too many functions already.
    InvocationThrottled,
    /// A function's clock is wrong by some seconds.
    Skew,
}

impl Kind {
    /// Every one.
    pub const ALL: [Self; 21] = [
        Self::CrashBefore,
        Self::CrashAfter,
        Self::Throttled,
        Self::NoAnswer,
        Self::AnswerLost,
        Self::Denied,
        Self::NotYetKnown,
        Self::Held,
        Self::Lasting,
        Self::RegionRefuses,
        Self::TableBusy,
        Self::Stop,
        Self::Update,
        Self::InstanceEnds,
        Self::EventLost,
        Self::EventDoubled,
        Self::EventLate,
        Self::InvocationLost,
        Self::InvocationUnheard,
        Self::InvocationThrottled,
        Self::Skew,
    ];

    /// Those that any call can meet, so that they always hit something.
    const OF_CALLS: [Self; 10] = [
        Self::CrashBefore,
        Self::CrashBefore,
        Self::CrashAfter,
        Self::CrashAfter,
        Self::Throttled,
        Self::NoAnswer,
        Self::AnswerLost,
        Self::AnswerLost,
        Self::Held,
        Self::TableBusy,
    ];

    fn is_of_calls(self) -> bool {
        self <= Self::InstanceEnds
    }
}

/// Operations that some faults wait for, since there are few of them among many.
const EFFECTS: [&str; 12] = [
    "RunInstances",
    "SendCommand",
    "CreateImage",
    "CopyImage",
    "PutParameter",
    "PutParameter",
    "DeleteParameter",
    "DeregisterImage",
    "TerminateInstances",
    "SendTaskSuccess",
    "StartExecution",
    "PutEvents",
];

/// One fault of a run.
#[derive(Debug, Clone)]
pub struct Fault {
    /// From which call of the run on, counted from 1.
    pub at: u64,
    /// What.
    pub kind: Kind,
    /// At which operation only; none: at any.
    pub near: Option<&'static str>,
    /// A number that decides the rest.
    pub amount: u64,
    /// Whether it has happened.
    pub is_hit: bool,
}

/// What is refused from now on.
#[derive(Debug, Clone)]
pub struct Refused {
    /// Operation; none: all of the Region.
    pub name: Option<&'static str>,
    /// Region.
    pub region: String,
    /// How.
    pub with: Refusal,
    /// Until when, in the engine's milliseconds; none: for ever.
    pub until: Option<i64>,
}

/// All faults of a run.
#[derive(Debug, Default)]
pub struct Plan {
    /// In the order of their numbers.
    pub faults: Vec<Fault>,
    /// What lasts.
    pub refused: Vec<Refused>,
    /// What has lasted until everything was healed.
    pub past: Vec<Refused>,
    /// Until when the table is busy.
    pub busy_until: i64,
    /// How often each kind has happened.
    pub hits: BTreeMap<Kind, u64>,
}

impl Plan {
    /// The faults of a seed, without those that are left out by their number.
    #[must_use]
    pub fn of(seed: u64, left_out: &[usize]) -> Self {
        let mut rng = Rng::new(seed, 1);
        let count = rng.between(3, 6);
        let mut faults = Vec::new();
        for n in 0..count {
            let of: &[Kind] = if n < 2 { &Kind::OF_CALLS } else { &Kind::ALL };
            let kind = rng.pick(of).copied().unwrap_or(Kind::CrashBefore);
            // Half of them early, where a build begins; the others anywhere.
            let last = if n < 2 || rng.percent(40) { 120 } else { 420 };
            let near = if n >= 2 && rng.percent(40) { rng.pick(&EFFECTS).copied() } else { None };
            let near = near.filter(|_| kind.is_of_calls());
            let at = if near.is_some() { 1 } else { rng.between(1, last) };
            faults.push(Fault { at, kind, near, amount: rng.below(1_000_000), is_hit: false });
        }
        faults.sort_by_key(|fault| fault.at);
        for (n, fault) in faults.iter_mut().enumerate() {
            fault.is_hit = left_out.contains(&n);
        }
        Self { faults, ..Self::default() }
    }

    /// Takes the first fault that is due at this call and can happen now.
    pub fn take(&mut self, call: u64, name: &str, fits: impl Fn(Kind) -> bool) -> Option<(usize, Kind, u64)> {
        // One that has waited for long takes what comes.
        let fits = |fault: &Fault| {
            fits(fault.kind) || (!name.is_empty() && fault.kind == Kind::AnswerLost && call > fault.at + 400)
        };
        let due = |fault: &Fault| {
            !fault.is_hit && fault.at <= call && fault.near.is_none_or(|near| near == name) && fits(fault)
        };
        let number = self.faults.iter().position(due)?;
        let fault = &mut self.faults[number];
        fault.is_hit = true;
        *self.hits.entry(fault.kind).or_default() += 1;
        Some((number, fault.kind, fault.amount))
    }

    /// Whether a fault that any call can meet is still to come.
    #[must_use]
    pub fn is_waiting(&self) -> bool {
        self.faults.iter().any(|fault| !fault.is_hit && fault.near.is_none() && Kind::OF_CALLS.contains(&fault.kind))
    }

    /// Nothing fails anymore, except what is denied for ever.
    pub fn heal(&mut self) {
        self.faults.iter_mut().for_each(|fault| fault.is_hit = true);
        self.past.extend(self.refused.extract_if(.., |refused| refused.until.is_some()));
        self.busy_until = 0;
    }
}

/// Whether this kind can happen to a call; `name` is the operation, `changes` whether it changes something.
#[must_use]
pub fn fits_call(kind: Kind, name: &str, changes: bool) -> bool {
    let is_table = name == crate::wire::READ || name == crate::wire::WRITE;
    match kind {
        Kind::AnswerLost => changes,
        Kind::Denied | Kind::Lasting => !is_table,
        Kind::RegionRefuses => !is_table && changes,
        Kind::NotYetKnown => goldsmith_cloud::fake::not_known_yet(name).is_some(),
        other => other.is_of_calls(),
    }
}
