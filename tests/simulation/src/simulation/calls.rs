//! Calls of functions to AWS and the table: how long each takes, what goes wrong with it, and what it brings about.

use std::sync::Arc;

use goldsmith_cloud::Kind as Refusal;
use goldsmith_cloud::fake::{Fault as Verdict, HOME, OnItsWay};

use super::Simulation;
use crate::faults::{Kind, Refused, fits_call};
use crate::wire::{READ, WRITE, Wire};

/// Operations that a Region refuses whose services are switched off.
const OF_REGIONS: [&str; 9] =
    ["Instance", "Image", "Snapshot", "Volume", "Parameter", "Command", "CreateTags", "Console", "Invocation"];

/// How a call goes on its way.
pub struct Way {
    /// Milliseconds until it arrives.
    pub takes: i64,
    /// What happens to it then.
    pub fault: Option<Verdict>,
}

impl Simulation {
    /// How long a call takes, and what goes wrong with it.
    pub fn way(&self, wire: &Wire, call: &OnItsWay<'_>) -> Way {
        let mut state = self.state();
        state.book.calls += 1;
        let number = state.book.calls;
        let mut takes = i64::try_from(state.rng.between(3, 60)).unwrap_or(20);
        let has_running = !state.running.is_empty();
        let fits = |kind: Kind| match kind {
            Kind::Stop => has_running,
            kind => fits_call(kind, call.name, call.changes),
        };
        let Some((n, kind, amount)) = state.plan.take(number, call.name, fits) else {
            return Way { takes, fault: None };
        };
        drop(state);
        self.fault(n, kind, || format!("{} at {} in {} {}", wire.label, call.name, call.region, call.detail));
        let fault = match kind {
            Kind::CrashBefore => Some(Verdict::KillBefore),
            Kind::CrashAfter => Some(Verdict::KillAfter),
            Kind::Throttled => Some(Verdict::Refuse(Refusal::Throttled)),
            Kind::NoAnswer => Some(Verdict::Refuse(Refusal::Unanswered)),
            Kind::AnswerLost => Some(Verdict::LoseAnswer),
            Kind::Denied => Some(Verdict::Refuse(Refusal::Denied)),
            Kind::NotYetKnown => Some(Verdict::Refuse(Refusal::NotFound)),
            Kind::Held => {
                takes += i64::try_from(amount % 180_000).unwrap_or(0);
                None
            }
            Kind::Lasting | Kind::RegionRefuses | Kind::TableBusy => {
                self.refuse(kind, call, amount);
                None
            }
            Kind::Stop => {
                self.stop_one(amount);
                None
            }
            Kind::Update => {
                self.state().version += 1;
                None
            }
            Kind::InstanceEnds => {
                self.end_instance(amount);
                None
            }
            _ => None,
        };
        Way { takes, fault }
    }

    fn refuse(&self, kind: Kind, call: &OnItsWay<'_>, amount: u64) {
        let now = self.engine.now();
        let mut state = self.state();
        if kind == Kind::TableBusy {
            state.plan.busy_until = now + i64::try_from(amount % 600_000).unwrap_or(0);
            return;
        }
        let lasts = [Some(20), Some(180), Some(1_440), Some(4_320), None][usize::try_from(amount % 5).unwrap_or(0)];
        let with = [Refusal::Denied, Refusal::Denied, Refusal::Invalid, Refusal::Throttled, Refusal::Unanswered];
        let with = with[usize::try_from(amount / 5 % 5).unwrap_or(0)];
        let name = (kind == Kind::Lasting).then_some(call.name);
        let region = call.region.to_owned();
        let until = lasts.map(|minutes: i64| now + minutes * 60_000);
        state.plan.refused.push(Refused { name, region, with, until });
    }

    /// What happens to a call that arrives.
    pub fn arrive(&self, wire: &Wire, call: &OnItsWay<'_>, fault: Option<Verdict>) -> Option<Verdict> {
        let now = self.engine.now();
        let is_table = call.name == READ || call.name == WRITE;
        let fault = fault.or_else(|| {
            let state = self.state();
            if is_table {
                return (now < state.plan.busy_until).then_some(Verdict::Refuse(Refusal::Throttled));
            }
            let is_refused = |refused: &&Refused| {
                let lasts = refused.until.is_none_or(|until| now < until);
                let is_of_region = || OF_REGIONS.iter().any(|part| call.name.contains(part));
                lasts
                    && refused.region == call.region
                    && refused.name.map_or_else(is_of_region, |name| name == call.name)
            };
            state.plan.refused.iter().find(is_refused).map(|refused| Verdict::Refuse(refused.with))
        });
        match fault {
            Some(Verdict::KillBefore) => {
                wire.die();
                return fault;
            }
            Some(Verdict::KillAfter) => wire.die(),
            _ => {}
        }
        if call.changes {
            let said = fault.map_or_else(String::new, |fault| format!(" [{}]", in_short(fault)));
            self.note(|| format!("{}: {} {}{said}", wire.label, place(call), call.detail));
        } else if let Some(Verdict::Refuse(kind)) = fault {
            self.note(|| format!("{}: {} is refused: {kind:?}", wire.label, place(call)));
        }
        if call.name == "RunInstances" {
            self.cloud.consoles_say("", self.engine.time(0));
        }
        let mut state = self.state();
        let touched = &mut state.touched;
        match call.name {
            "StartExecution" => touched.starts = true,
            "Invoke" => touched.wakes = true,
            "SendTaskSuccess" | "SendTaskFailure" => touched.answers = true,
            "PutParameter" => (touched.pointers, touched.puts) = (true, true),
            "DeleteParameter" | "DeregisterImage" => touched.pointers = true,
            _ => {}
        }
        fault
    }

    /// What a step of a task has brought about.
    pub fn after_step(self: &Arc<Self>) {
        let touched = std::mem::take(&mut self.state().touched);
        if touched.starts {
            self.begin_executions();
        }
        if touched.wakes {
            self.deliver_wakes();
        }
        if touched.answers {
            self.hand_answers_on();
        }
        if touched.puts {
            // AWS checks for some seconds that there is such an AMI.
            let sim = Arc::clone(self);
            self.engine.spawn(async move {
                sim.engine.sleep(3_000).await;
                sim.cloud.settle_parameters();
                crate::invariants::check_pointers(&sim);
            });
        }
        if touched.pointers {
            crate::invariants::check_pointers(self);
        }
        if touched.builds {
            crate::invariants::check_overlap(self);
        }
    }
}

fn place(call: &OnItsWay<'_>) -> String {
    if call.region == HOME { call.name.to_owned() } else { format!("{} in {}", call.name, call.region) }
}

fn in_short(fault: Verdict) -> String {
    match fault {
        Verdict::Refuse(kind) => format!("refused: {kind:?}"),
        Verdict::LoseAnswer => "its answer is lost".to_owned(),
        Verdict::KillBefore => "the process ends before it".to_owned(),
        Verdict::KillAfter => "the process ends after it".to_owned(),
    }
}
